/// A parser of bytes that strangers send, and what has to hold whatever they are.
///
/// `.ci/fuzz` lets libFuzzer look for bytes for which it does not hold. The tests give each target
/// its corpus, the files in the folder of its name, and changes of those.
package enum FuzzTarget: String, CaseIterable, Sendable {
  case requests, json, frontMatter, fields, cursors, forwarded

  /// What does not hold for `bytes`, nil when everything does. That nothing traps and no memory is
  /// touched that should not be, is seen by whoever calls this.
  package func flaw(in bytes: [UInt8]) -> String? {
    do throws(Flaw) {
      switch self {
      case .requests: try checkRequests(bytes)
      case .json: try checkJSON(bytes)
      case .frontMatter: try checkFrontMatter(bytes)
      case .fields: try checkFields(bytes)
      case .cursors: try checkCursors(bytes)
      case .forwarded: try checkForwarded(bytes)
      }
      return nil
    } catch {
      return error.text
    }
  }
}

/// Something that has to hold and does not.
struct Flaw: Error {
  let text: String
}

/// Throws unless `condition` holds.
func hold(_ condition: Bool, _ text: @autoclosure () -> String) throws(Flaw) {
  if !condition { throw Flaw(text: text()) }
}

extension [UInt8] {
  /// These bytes as text, U+FFFD for what is not UTF-8, as a field's value reads.
  var text: String { String(decoding: self, as: UTF8.self) }
}
