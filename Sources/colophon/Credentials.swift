import ContentAPI
import EventLoop
import Glibc

/// Variables that stand in files, in systemd's way (LoadCredential in systemd.exec(5)): a file in
/// the folder that CREDENTIALS_DIRECTORY names, called like the variable. Unlike the environment it
/// is not handed on to children, nor shown by /proc.
enum Credentials {
  /// `environment` with what files say of Colophon's variables that it does not set itself. Throws
  /// for a file that is there and cannot be read.
  static func added(to environment: [String: String]) throws(Failure) -> [String: String] {
    guard let folder = environment["CREDENTIALS_DIRECTORY"], !folder.isEmpty else {
      return environment
    }
    var all = environment
    for name in Configuration.variables where (environment[name] ?? "").isEmpty {
      let path = folder + "/" + name
      guard Files.status(path) != nil else { continue }
      do throws(SystemError) {
        var content = try Files.read(path, atMost: limit)
        guard content.count <= limit, !content.contains(0) else {
          throw SystemError("read \(path)", code: EFBIG)
        }
        while content.last == UInt8(ascii: "\n") { content.removeLast() }
        all[name] = String(decoding: content, as: UTF8.self)
      } catch {
        throw Failure("the credential \(name) cannot be read: \(error)")
      }
    }
    return all
  }

  private static let limit = 65_536
}
