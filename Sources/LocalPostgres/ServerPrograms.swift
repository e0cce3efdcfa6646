package import EventLoop

/// The PostgreSQL server programs installed on this machine. Distributions keep them off PATH,
/// because several versions may be installed; so pg_config is asked first, then the folders where
/// Debian puts them are looked through, newest version first.
package struct ServerPrograms: Sendable, Equatable {
  /// The first major version that has all that the schema uses.
  package static let oldestVersion = 15

  /// Holds `initdb`, `postgres` and `pg_basebackup`.
  package let folder: String
  /// The major version.
  package let version: Int

  package var initdb: String { folder + "/initdb" }
  package var postgres: String { folder + "/postgres" }
  package var baseBackup: String { folder + "/pg_basebackup" }

  /// Where to look.
  package struct Search: Sendable {
    /// Folders in which pg_config may be, in order.
    package var path: [String]
    /// Folders that hold one folder per major version, each with a `bin`.
    package var versioned: [String]

    package init(path: [String], versioned: [String]) {
      self.path = path
      self.versioned = versioned
    }

    /// PATH and Debian's folder.
    package static var installed: Search {
      Search(
        path: (Environment.variables()["PATH"] ?? "/usr/local/bin:/usr/bin:/bin")
          .split(separator: ":").map(String.init).filter { $0.hasPrefix("/") },
        versioned: ["/usr/lib/postgresql"])
    }
  }

  /// Finds programs of the given major version, or of any that is supported. Throws
  /// `.programsMissing`.
  package static func find(
    _ search: Search = .installed, version: Int? = nil, on loop: EventLoop
  ) async throws(LocalPostgresError) -> ServerPrograms {
    var searched: [String] = []
    for folder in await foldersToTry(search, on: loop) where !searched.contains(folder) {
      searched.append(folder)
      guard let found = await ServerPrograms(in: folder, on: loop) else { continue }
      if let version, found.version != version { continue }
      if found.version >= oldestVersion { return found }
    }
    throw .programsMissing(
      searched: searched + search.versioned.map { $0 + "/*/bin" })
  }

  private static func foldersToTry(_ search: Search, on loop: EventLoop) async -> [String] {
    var folders: [String] = []
    if let folder = search.path.first(where: { Files.isExecutable($0 + "/pg_config") }) {
      let answer = await firstLine(of: folder + "/pg_config", ["--bindir"], on: loop)
      if let answer, answer.hasPrefix("/") { folders.append(answer) }
    }
    for root in search.versioned {
      folders += newestFirst(Files.names(in: root)).map { "\(root)/\($0)/bin" }
    }
    return folders
  }

  private init?(in folder: String, on loop: EventLoop) async {
    let postgres = folder + "/postgres"
    guard Files.isExecutable(postgres), Files.isExecutable(folder + "/initdb") else { return nil }
    guard let line = await Self.firstLine(of: postgres, ["--version"], on: loop),
      let version = Self.majorVersion(line)
    else { return nil }
    self.folder = folder
    self.version = version
  }

  private static func firstLine(
    of program: String, _ arguments: [String], on loop: EventLoop
  ) async -> String? {
    var program = ChildProcess.Program(program, arguments)
    program.output = .captured
    guard let (exit, output) = try? await ChildProcess.run(program, on: loop), exit == .status(0)
    else { return nil }
    return String(decoding: output, as: UTF8.self).split(separator: "\n").first.map(String.init)
  }

  /// The names that are whole numbers, the greatest first.
  package static func newestFirst(_ names: [String]) -> [String] {
    names.compactMap { name in Int(name).map { (name, $0) } }.sorted { $0.1 > $1.1 }.map(\.0)
  }

  /// Of `postgres (PostgreSQL) 15.4 (Debian 15.4-1)`, `postgres (PostgreSQL) 17beta1`: 15, 17.
  package static func majorVersion(_ line: String) -> Int? {
    guard let word = line.split(separator: " ").first(where: { $0.first?.isNumber == true }) else {
      return nil
    }
    return Int(word.prefix { $0.isASCII && $0.isNumber })
  }
}
