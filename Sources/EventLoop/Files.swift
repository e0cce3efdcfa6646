import Glibc

/// The few calls on files and folders that commands need; all blocking, none for request code.
package enum Files {
  package struct Status: Sendable {
    package let isFolder: Bool
    package let isSymbolicLink: Bool
    package let owner: UInt32
    /// The permission bits alone.
    package let mode: UInt32
    package let size: Int
    /// Neither a folder nor a link, a pipe, a socket or a device.
    package let isFile: Bool
  }

  /// What stands at `path`, without following a link at its end; nil when nothing does.
  package static func status(_ path: String) -> Status? {
    var information = stat()
    guard unsafe lstat(path, &information) == 0 else { return nil }
    return Status(information)
  }

  /// What stands at `path`, or where a link at its end leads to.
  package static func target(_ path: String) throws(SystemError) -> Status {
    var information = stat()
    if unsafe stat(path, &information) != 0 { throw SystemError("stat \(path)") }
    return Status(information)
  }

  package static func read(_ path: String) throws(SystemError) -> [UInt8] {
    let file = try Descriptor("open \(path)", unsafe open(path, O_RDONLY | O_CLOEXEC))
    var content: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      switch file.read(into: &buffer) {
      case .bytes(let count): content += buffer[..<count]
      case .ended, .wouldBlock: return content
      case .failed(let code): throw SystemError("read \(path)", code: code)
      }
    }
  }

  /// At most `limit` bytes of a file, and of a longer one a byte more. Nothing but a file is read, and
  /// nobody who writes to a pipe in its place is waited for.
  package static func read(_ path: String, atMost limit: Int) throws(SystemError) -> [UInt8] {
    let file = try Descriptor(
      "open \(path)", unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY))
    var information = stat()
    if unsafe fstat(file.number, &information) != 0 { throw SystemError("stat \(path)") }
    guard Status(information).isFile else { throw SystemError("read \(path)", code: EINVAL) }
    var content: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while content.count <= limit {
      switch file.read(into: &buffer) {
      case .bytes(let count): content += buffer[..<min(count, limit + 1 - content.count)]
      case .ended, .wouldBlock: return content
      case .failed(let code): throw SystemError("read \(path)", code: code)
      }
    }
    return content
  }

  /// Puts `content` at `path` whole or not at all: written beside it, synced, renamed.
  ///
  /// - Parameter beside: the path that it is written to first; `path` with `.new` at its end
  ///   without one.
  package static func write(
    _ content: [UInt8], to path: String, beside: String? = nil, mode: UInt32
  ) throws(SystemError) {
    let beside = beside ?? path + ".new"
    _ = unsafe unlink(beside)
    let file = try Descriptor(
      "open \(beside)", unsafe open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode))
    var written = 0
    while written < content.count {
      switch file.write(content.span.extracting(written..<content.count)) {
      case .bytes(let count): written += count
      case .wouldBlock: continue
      case .failed(let code): throw SystemError("write \(beside)", code: code)
      }
    }
    if fsync(file.number) != 0 { throw SystemError("fsync \(beside)") }
    if unsafe Glibc.rename(beside, path) != 0 { throw SystemError("rename \(beside)") }
  }

  package static func rename(_ path: String, to target: String) throws(SystemError) {
    if unsafe Glibc.rename(path, target) != 0 { throw SystemError("rename \(path) to \(target)") }
  }

  /// Makes a folder; one that is there already is left as it is.
  package static func makeFolder(_ path: String, mode: UInt32) throws(SystemError) {
    if unsafe mkdir(path, mode) != 0, errno != EEXIST { throw SystemError("mkdir \(path)") }
  }

  /// Makes a new folder of mode 0700 whose name begins with `prefix` and ends in six random letters.
  package static func makeTemporaryFolder(prefix: String) throws(SystemError) -> String {
    let template = unsafe strdup(prefix + "XXXXXX")!
    defer { unsafe free(template) }
    guard let made = unsafe mkdtemp(template) else { throw SystemError("mkdtemp \(prefix)") }
    return unsafe String(cString: made)
  }

  package static func names(in folder: String) -> [String] { (try? list(folder)) ?? [] }

  /// The names in a folder, sorted.
  package static func list(_ folder: String) throws(SystemError) -> [String] {
    guard let stream = unsafe opendir(folder) else { throw SystemError("open \(folder)") }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Removes a file or a folder with all that is in it; links are removed, not followed.
  package static func remove(_ path: String) {
    guard let status = status(path) else { return }
    if status.isFolder {
      for name in names(in: path) { remove(path + "/" + name) }
      _ = unsafe rmdir(path)
    } else {
      _ = unsafe unlink(path)
    }
  }

  /// Gives a file, a folder or a link, but never what a link leads to, to another user.
  package static func setOwner(_ path: String, _ account: UserAccount) throws(SystemError) {
    if unsafe lchown(path, account.user, account.group) != 0 { throw SystemError("chown \(path)") }
  }

  package static func setMode(_ path: String, _ mode: UInt32) throws(SystemError) {
    if unsafe chmod(path, mode) != 0 { throw SystemError("chmod \(path)") }
  }

  /// Makes `path` absolute, links resolved; nil when it does not exist.
  package static func resolve(_ path: String) -> String? {
    guard let resolved = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe String(cString: resolved)
  }

  package static func isExecutable(_ path: String) -> Bool { unsafe access(path, X_OK) == 0 }

  /// Locks a file for as long as the descriptor lives (flock(2)); nil when another process has it.
  package static func lock(_ path: String) throws(SystemError) -> Descriptor? {
    let file = try Descriptor(
      "open \(path)", unsafe open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600))
    if flock(file.number, LOCK_EX | LOCK_NB) == 0 { return file }
    if errno == EWOULDBLOCK { return nil }
    throw SystemError("lock \(path)")
  }
}

extension Files.Status {
  fileprivate init(_ information: stat) {
    let kind = information.st_mode & S_IFMT
    self.init(
      isFolder: kind == S_IFDIR, isSymbolicLink: kind == S_IFLNK, owner: information.st_uid,
      mode: information.st_mode & 0o7777, size: Int(information.st_size),
      isFile: kind == S_IFREG)
  }
}
