import EventLoop

/// The folder that holds a cluster and what belongs to it:
///
/// - `lock`, locked as long as a process uses the folder
/// - `cluster`, PostgreSQL's own data folder; it is there whole or not at all
/// - `run`, which holds the socket, or `socket-folder`, which names the folder that does
/// - `server.log`, what the server has said since its last start
struct DataFolder: Sendable {
  /// Absolute, without links; its parent exists.
  let path: String

  init(_ path: String) throws(LocalPostgresError) {
    if let resolved = Files.resolve(path) {
      guard Files.status(resolved)?.isFolder == true else {
        throw .system(SystemError("\(path)", code: Self.notAFolder))
      }
      self.path = resolved
      return
    }
    var (parent, name) = (".", path[...])
    while name.hasSuffix("/") { name.removeLast() }
    if let slash = name.lastIndex(of: "/") {
      parent = slash == name.startIndex ? "/" : String(name[..<slash])
      name = name[name.index(after: slash)...]
    }
    guard let resolved = Files.resolve(parent) else {
      throw .system(SystemError("\(parent)", code: Self.noSuchFolder))
    }
    self.path = resolved == "/" ? "/\(name)" : "\(resolved)/\(name)"
  }

  // ENOTDIR and ENOENT.
  private static let (notAFolder, noSuchFolder): (Int32, Int32) = (20, 2)

  var parent: String {
    guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
    return String(path[..<slash])
  }

  var lock: String { path + "/lock" }
  var cluster: String { path + "/cluster" }
  var log: String { path + "/server.log" }
  var postmasterFile: String { cluster + "/postmaster.pid" }

  var hasCluster: Bool { Files.status(cluster) != nil }

  /// The major version of the cluster; nil when there is none.
  var version: Int? {
    guard let content = try? Files.read(cluster + "/PG_VERSION") else { return nil }
    return Int(String(decoding: content, as: UTF8.self).prefix { $0.isNumber })
  }

  /// Whether it is missing, empty, or in use as a data folder already, and this process's own.
  var isUsable: Bool {
    guard let status = Files.status(path) else { return true }
    guard status.isFolder, status.owner == UserAccount.effectiveUser else { return false }
    let names = Files.names(in: path)
    return names.isEmpty || names.contains("lock")
  }

  private static let unfinished = "cluster.new-"

  /// A fresh folder for initdb, to be renamed to `cluster` when it is complete.
  func makeUnfinished() throws(SystemError) -> String {
    try Files.makeTemporaryFolder(prefix: "\(path)/\(Self.unfinished)")
  }

  /// Removes what an initdb that was killed has left. Only under the lock.
  func removeUnfinished() {
    for name in Files.names(in: path) where name.hasPrefix(Self.unfinished) {
      Files.remove("\(path)/\(name)")
    }
  }

  /// The last lines of the server's log.
  var logLines: String { LocalPostgresError.lastLines((try? Files.read(log)) ?? []) }

  // The socket

  /// Linux takes 107 bytes for the path of a socket.
  static func isShort(_ folder: String) -> Bool {
    folder.utf8.count + "/.s.PGSQL.5432".utf8.count <= 107
  }

  private var socketRecord: String { path + "/socket-folder" }
  private static let temporarySocketFolder = "/tmp/colophon-"

  /// Makes the folder of the socket, which only the server's user and root can enter: `run`, or
  /// where that is too long for a socket a folder under /tmp. A comma separates folders for
  /// PostgreSQL and hosts for libpq, so it counts as too long; and what root makes and gives away
  /// must not lie where another user could put a link in its place.
  func makeSocketFolder(for account: ServerAccount) throws(SystemError) -> String {
    removeSocketFolder()
    var folder = path + "/run"
    if Self.isShort(folder), !folder.utf8.contains(UInt8(ascii: ",")),
      Files.status(path)?.owner == UserAccount.effectiveUser
    {
      try Files.makeFolder(folder, mode: 0o700)
      try Files.setMode(folder, 0o700)
    } else {
      folder = try Files.makeTemporaryFolder(prefix: Self.temporarySocketFolder)
      try Files.write(Array(folder.utf8), to: socketRecord, mode: 0o600)
    }
    try account.give(folder)
    return folder
  }

  /// Removes the folder of the socket, this run's or one that a killed run has left.
  func removeSocketFolder() {
    Files.remove(path + "/run")
    guard let content = try? Files.read(socketRecord) else { return }
    let folder = String(decoding: content, as: UTF8.self)
    // The record is only a file: what it names is removed if it is what was once made here.
    if folder.hasPrefix(Self.temporarySocketFolder),
      !folder.dropFirst(Self.temporarySocketFolder.count).contains("/")
    {
      Files.remove(folder)
    }
    Files.remove(socketRecord)
  }
}
