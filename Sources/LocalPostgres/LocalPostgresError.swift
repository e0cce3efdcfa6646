package import EventLoop

/// Why a private cluster could not be started. The text says what to do next; it is for the person
/// at the terminal.
package enum LocalPostgresError: Error, Sendable, Equatable, CustomStringConvertible {
  /// No folder that was looked at holds initdb and postgres of a supported version.
  case programsMissing(searched: [String])
  /// The cluster was made by another major version than those installed.
  case versionMissing(Int, folder: String)
  /// Another process has the data folder.
  case inUse(folder: String)
  /// As root: the server's user cannot get into the data folder; `working` was tried and can be.
  case unreachable(folder: String, user: String, working: String?)
  /// The cluster in the data folder belongs to another user, who alone may run it.
  case foreign(folder: String, owner: String)
  /// Root may not run the server, and there is no other user to run it as.
  case noUser
  /// initdb failed; its last lines.
  case notMade(output: String)
  /// The server ended before it was ready, or was not ready in time; the last lines of its log.
  case notStarted(reason: String, log: String)
  case system(SystemError)

  package var description: String {
    switch self {
    case .programsMissing(let searched):
      """
      no PostgreSQL server programs (initdb and postgres, version \
      \(ServerPrograms.oldestVersion) or newer) in \(searched.joined(separator: ", ")); \
      install them: apt-get install postgresql
      """
    case .versionMissing(let version, let folder):
      """
      the database in \(folder) was made by PostgreSQL \(version), which is not installed; \
      install it: apt-get install postgresql-\(version), or begin anew with another --data DIR
      """
    case .inUse(let folder):
      """
      \(folder) is in use by another process; stop that one, or name another folder with --data DIR
      """
    case .unreachable(let folder, let user, let working):
      """
      the database server does not run as root but as \(user), who cannot reach \(folder)\
      \(working.map { "; use --data \($0)" } ?? "; name a folder it can reach with --data DIR")
      """
    case .foreign(let folder, let owner):
      """
      the database in \(folder) belongs to \(owner); run as \(owner), or name another folder with \
      --data DIR
      """
    case .noUser:
      "the database server does not run as root, and there is no user postgres or nobody; "
        + "run this as an ordinary user"
    case .notMade(let output):
      "initdb failed\(Self.indented(output))"
    case .notStarted(let reason, let log):
      "the database server \(reason)\(Self.indented(log))"
    case .system(let error):
      error.description
    }
  }

  private static func indented(_ lines: String) -> String {
    if lines.isEmpty { return "" }
    return ":" + lines.split(separator: "\n").map { "\n  " + $0 }.joined()
  }

  /// The last lines of what a program has written.
  static func lastLines(_ content: [UInt8], count: Int = 15) -> String {
    String(decoding: content, as: UTF8.self).split(separator: "\n").suffix(count)
      .joined(separator: "\n")
  }
}
