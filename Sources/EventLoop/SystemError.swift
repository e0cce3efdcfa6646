import Glibc

/// A system call that failed: which one, and its errno. The text is for logs and for the person at
/// the terminal; it never reaches an HTTP client.
package struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
  package let call: String
  package let code: Int32

  package init(_ call: String, code: Int32 = errno) {
    self.call = call
    self.code = code
  }

  package var description: String { "\(call): \(Self.message(for: code))" }

  /// The system's own words for an errno.
  package static func message(for code: Int32) -> String {
    unsafe String(cString: strerror(code))
  }
}
