import Assets
import ContentAPI
import EventLoop
import HTTP
import LocalPostgres
import Postgres

/// `colophon dev`: everything on one machine, nothing to set up.
struct Dev {
  let options: Command.DevOptions
  let configuration: Configuration
  let loop: EventLoop

  func run() async throws -> Colophon.Status {
    let log = try Log.standard(configuration.logLevel)
    defer { log.finish(within: Log.patience) }
    let ending = try await Ending.start(on: loop)
    var configuration = configuration
    if let port = options.port {
      configuration.listen = SocketAddress("127.0.0.1:\(port)")!
      // Whoever chooses a port runs several; the second private port is then any free one.
      if !configuration.choosesPrivateListen {
        configuration.privateListen = SocketAddress("127.0.0.1:0")!
      }
    }
    Terminal.note("Starting PostgreSQL in \(options.data) …")
    // With port 0 the address is not known yet, and URLs in answers stay relative.
    if configuration.publicURL == nil, configuration.listen.port != 0 {
      configuration.publicURL = "http://\(configuration.listen)"
    }
    let cluster: LocalCluster
    do {
      cluster = try await LocalCluster.start(dataFolder: options.data, on: loop)
    } catch {
      throw Failure(error.description)
    }
    Task.immediate(executorPreference: loop) {
      await cluster.exit()
      await ending.begin(because: .databaseEnded)
    }
    do {
      let (key, service) = try await prepare(cluster, configuration, log)
      service.announce()
      show(key, at: service.address, cluster)
      if await ending.wait() == .databaseEnded {
        throw Failure(
          "PostgreSQL has ended, by itself or by somebody else; its last words are in "
            + "\(cluster.dataFolder)/server.log. The data stays; start again")
      }
      Observer(log).note(.dataStays(folder: options.data))
      // Nobody deals connections out to a development server: idle ones need no long grace.
      await service.drain(within: min(configuration.drain, .seconds(4)))
    } catch {
      await cluster.stop()
      throw error
    }
    await cluster.stop()
    return .done
  }

  /// Makes what is missing: database, schema, key, samples.
  private func prepare(
    _ cluster: LocalCluster, _ configuration: Configuration, _ log: Log
  ) async throws -> (key: String, service: Service) {
    let server = try await Connection.open(cluster.conninfo(database: "postgres"), on: loop)
    let exists = try await server.query("select from pg_database where datname = 'colophon'")
    if exists.count == 0 { _ = try await server.query("create database colophon") }
    await server.close()

    let url = cluster.conninfo(database: "colophon")
    let connection = try await Database.open(url, on: loop)
    _ = try await Database.migrate(connection, runtimeRole: LocalCluster.role)
    let key = try await self.key(in: cluster.dataFolder, connection)
    await connection.close()

    let service = try await Service.start(
      configuration, databaseURL: url, mail: .shown(Self.show), log: log,
      isAlone: true, on: loop)
    try await addSamples(to: service.contentAPI, key: key, in: cluster.dataFolder)
    return (key, service)
  }

  /// The key that is printed at each start; made at the first, for everything.
  private func key(in folder: String, _ connection: Connection) async throws -> String {
    let path = folder + "/key"
    if Files.status(path) != nil {
      return String(decoding: try Files.read(path), as: UTF8.self)
        .split(separator: "\n").first.map(String.init) ?? ""
    }
    let key = APIKey(random: RandomBytes.make(30))
    try await KeyRegister(connection).create(name: "dev", scopes: Scope.allCases, key: key)
    try Files.write(Array((key.text + "\n").utf8), to: path, mode: 0o600)
    return key.text
  }

  /// Writes the samples the way anybody writes, and then that it has been done, so that a sample
  /// somebody deleted does not come back.
  private func addSamples(
    to contentAPI: ContentAPI, key: String, in folder: String
  ) async throws {
    let mark = folder + "/samples"
    if Files.status(mark) != nil { return }
    if !options.isEmpty {
      for (index, post) in Assets.samplePosts.enumerated() {
        Terminal.progress("Sample post \(index + 1) of \(Assets.samplePosts.count)")
        try await send("POST /v1/posts", "text/markdown", post, to: contentAPI, key: key)
      }
      Terminal.progress("")
      let (profile, newsletter, projects) = Assets.samples
      let json = "application/json"
      for project in projects {
        try await send("POST /v1/projects", json, project, to: contentAPI, key: key)
      }
      try await send("PUT /v1/profile", json, profile, to: contentAPI, key: key)
      try await send("PUT /v1/newsletter", json, newsletter, to: contentAPI, key: key)
    }
    try Files.write([], to: mark, mode: 0o600)
  }

  private func send(
    _ request: String, _ type: String, _ content: [UInt8], to contentAPI: ContentAPI, key: String
  ) async throws {
    let head = """
      \(request) HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(key)\r\n\
      Content-Type: \(type)\r\n\r\n
      """
    var parser = RequestParser()
    guard case .head(let parsed, _) = parser.next(Array(head.utf8).span) else {
      throw Failure("the request for a sample is malformed")
    }
    let response = await contentAPI.respond(
      to: Request(
        head: parsed, peer: SocketAddress("127.0.0.1:0")!, content: .ready(content)))
    // Taken means that an earlier start was killed in the middle of this.
    guard [200, 201, 409].contains(response.status) else {
      throw Failure(
        "a sample was refused, \(request): \(String(decoding: response.body, as: UTF8.self))")
    }
  }

  /// Nobody gets mail from a development server: it is shown where it was started.
  private static func show(_ mail: String) {
    Terminal.print("\n--- mail that is not sent, but shown here\n\(mail)--- end of the mail\n")
  }

  private func show(_ key: String, at address: SocketAddress, _ cluster: LocalCluster) {
    let base = "http://\(address)/v1/posts"
    Terminal.print(
      """
      API key: \(key)
      Database: \(cluster.conninfo(database: "colophon"))

      Try:
        curl '\(base)?limit=3'
        printf -- '---\\ntitle: Hello\\ntags: [first]\\n---\\nHello from a file.\\n' > hello.md
        curl --data-binary @hello.md -H 'Content-Type: text/markdown' -H 'Authorization: Bearer \
      \(key)' \(base)
        curl \(base)/hello
      """)
  }
}
