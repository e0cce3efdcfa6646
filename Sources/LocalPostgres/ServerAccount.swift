import EventLoop

/// Whom the server runs as. PostgreSQL refuses to run as root, so under root it runs as the owner of
/// the data folder when that is an ordinary user, else as `postgres`, which its packages make, else
/// as `nobody`; an ordinary user's server runs as that user.
struct ServerAccount: Sendable {
  /// Nil: as this process.
  let account: UserAccount?

  static func choose(for folder: DataFolder) throws(LocalPostgresError) -> ServerAccount {
    let user = UserAccount.effectiveUser
    let cluster = Files.status(folder.cluster)
    if user != 0 {
      if let owner = cluster?.owner, owner != user {
        throw .foreign(folder: folder.path, owner: UserAccount(user: owner)?.name ?? "\(owner)")
      }
      return ServerAccount(account: nil)
    }
    if let owner = (cluster ?? Files.status(folder.path))?.owner, owner != 0,
      let account = UserAccount(user: owner)
    {
      return ServerAccount(account: account)
    }
    guard let account = UserAccount(named: "postgres") ?? UserAccount(named: "nobody") else {
      throw .noUser
    }
    return ServerAccount(account: account)
  }

  /// The mode of the data folder: its parts are private each, but another user's server must pass.
  var folderMode: UInt32 { account == nil ? 0o700 : 0o711 }

  /// Hands a file or folder that this process has made to the server.
  func give(_ path: String) throws(SystemError) {
    if let account { try Files.setOwner(path, account) }
  }

  /// What the server's programs are started with. Of the environment they get what a program needs
  /// to run at all: PG* and locale variables would change what they do, and secrets are not theirs.
  func program(_ path: String, _ arguments: [String]) -> ChildProcess.Program {
    var program = ChildProcess.Program(path, arguments)
    let variables = Environment.variables()
    program.environment =
      ["LC_ALL=C", "TZ=UTC", "PATH=/usr/local/bin:/usr/bin:/bin"]
      + ["LD_LIBRARY_PATH"].compactMap { name in variables[name].map { "\(name)=\($0)" } }
    // initdb wants to come back to the folder it was started in, which may be root's own.
    program.folder = "/"
    program.user = account
    return program
  }

  /// Whether the server could use `folder` as its data folder, found out by going there.
  private func canEnter(
    _ folder: String, _ programs: ServerPrograms, on loop: EventLoop
  ) async -> Bool {
    var program = program(programs.postgres, ["--version"])
    program.folder = folder
    program.output = .discarded
    return (try? await ChildProcess.run(program, on: loop))?.exit == .status(0)
  }

  /// Makes the data folder where it is missing. Throws `.unreachable`, which names another that
  /// would do, when the server's user cannot get there.
  func makeReachable(
    _ folder: DataFolder, _ programs: ServerPrograms, on loop: EventLoop
  ) async throws(LocalPostgresError) {
    guard await isReachable(folder, programs, on: loop) else {
      var working: String?
      for path in ["/var/lib/colophon-dev", "/var/tmp/colophon-dev", "/tmp/colophon-dev"]
      where working == nil {
        guard let other = try? DataFolder(path), other.isUsable else { continue }
        if await isReachable(other, programs, on: loop) { working = path }
      }
      throw .unreachable(folder: folder.path, user: account?.name ?? "", working: working)
    }
    do {
      try Files.makeFolder(folder.path, mode: folderMode)
      if account != nil, !(await canEnter(folder.path, programs, on: loop)) {
        try Files.setMode(folder.path, folderMode)
      }
    } catch {
      throw .system(error)
    }
  }

  private func isReachable(
    _ folder: DataFolder, _ programs: ServerPrograms, on loop: EventLoop
  ) async -> Bool {
    guard account != nil else { return true }
    guard Files.status(folder.path) != nil else {
      return await canEnter(folder.parent, programs, on: loop)
    }
    if await canEnter(folder.path, programs, on: loop) { return true }
    // Root's own folder, made for this, can be opened as far as the server needs it.
    return folder.isUsable && Files.status(folder.path)?.owner == 0
      ? await canEnter(folder.parent, programs, on: loop) : false
  }
}
