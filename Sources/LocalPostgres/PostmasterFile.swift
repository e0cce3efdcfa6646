import EventLoop

/// What a server says of itself in `postmaster.pid`: its number in the first line, its state in the
/// eighth. pg_ctl reads the same.
package struct PostmasterFile: Sendable, Equatable {
  package let pid: Int32
  /// It accepts connections.
  package let isReady: Bool

  /// Nil for anything that does not begin with a process's number.
  package init?(_ content: [UInt8]) {
    let lines = String(decoding: content, as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false)
    guard let first = lines.first, let pid = Int32(first), pid > 0 else { return nil }
    self.pid = pid
    isReady = lines.count > 7 && lines[7].hasPrefix("ready")
  }

  /// The content with another number in its first line.
  package static func replacing(pid: Int32, in content: [UInt8]) -> [UInt8] {
    Array("\(pid)".utf8) + content.drop { $0 != UInt8(ascii: "\n") }
  }
}

extension DataFolder {
  var postmaster: PostmasterFile? {
    (try? Files.read(postmasterFile)).flatMap { PostmasterFile($0) }
  }

  /// The server that runs on this cluster, whoever started it; nil when there is none. Its number
  /// may have gone to another process since it was written, hence a look at its arguments.
  var runningServer: (pid: Int32, arguments: [String])? {
    guard let pid = postmaster?.pid else { return nil }
    let arguments = OtherProcess.arguments(pid)
    guard let option = arguments.firstIndex(of: "-D"), option + 1 < arguments.count,
      arguments[option + 1] == cluster
    else { return nil }
    return (pid, arguments)
  }

  /// Sees to it that a `postmaster.pid` left by a killed server is not taken for a living one's,
  /// which PostgreSQL does when its number has gone to another process of the same user. The file
  /// must stay: it also names the shared memory by which the next server knows that backends of the
  /// last one are still there. PostgreSQL passes over the number of its own parent.
  func disownPostmasterFile(for account: ServerAccount) throws(SystemError) {
    guard let content = try? Files.read(postmasterFile) else { return }
    guard PostmasterFile(content) != nil else {
      Files.remove(postmasterFile)
      return
    }
    let pid = Environment.processIdentifier
    try Files.write(
      PostmasterFile.replacing(pid: pid, in: content), to: postmasterFile, mode: 0o600)
    try account.give(postmasterFile)
  }
}
