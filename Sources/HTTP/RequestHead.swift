/// A request's method, target and fields, and how its content is framed.
///
/// It owns one array with the head's bytes and one with the places of its fields; text is made
/// when it is asked for.
package struct RequestHead: Sendable {
  package let method: Method
  package let target: Target
  package let version: Version
  /// Whether the connection may carry another request after this one (RFC 9112 §9.3).
  package let keepAlive: Bool
  /// Whether the client waits for `100 Continue` before it sends the content (RFC 9110 §10.1.1).
  package let expectsContinue: Bool
  package let framing: Framing

  /// Where the content ends (RFC 9112 §6.3).
  package enum Framing: Sendable, Equatable {
    /// There is none.
    case none
    /// After this many bytes.
    case length(Int)
    /// Where the chunked coding says so.
    case chunked
  }

  /// The lines of a field that may stand there once.
  package enum SingleValue: Sendable, Equatable {
    case absent
    case one(String)
    case repeated
  }

  private let bytes: [UInt8]
  private let lines: [FieldLine]

  init(
    method: Method, target: Target, version: Version, semantics: HeadSemantics,
    storage: HeadStorage
  ) {
    self.method = method
    self.target = target
    self.version = version
    keepAlive = semantics.keepAlive
    expectsContinue = semantics.expectsContinue
    framing = semantics.framing
    bytes = storage.bytes
    lines = storage.lines
  }

  /// The values of every line of the field `name`, in order, without white space at their ends.
  /// Bytes that are not UTF-8 read as U+FFFD, which no grammar of a field admits.
  package func values(of name: FieldName) -> [String] {
    lines.filter { isNamed($0, name) }.map { text($0.value) }
  }

  /// The value of the first line of the field `name`, nil without one.
  package func first(of name: FieldName) -> String? {
    lines.first { isNamed($0, name) }.map { text($0.value) }
  }

  /// The value of the field `name` when it has exactly one line.
  package func only(of name: FieldName) -> SingleValue {
    var found: FieldLine?
    for line in lines where isNamed(line, name) {
      if found != nil { return .repeated }
      found = line
    }
    return found.map { .one(text($0.value)) } ?? .absent
  }

  /// Where a field stands that may stand there once.
  package enum Place: Sendable, Equatable {
    case absent, repeated
    case line(Int)
  }

  /// The place of the field `name`, found without an allocation.
  package func place(of name: FieldName) -> Place {
    var place = Place.absent
    for index in lines.indices where isNamed(lines[index], name) {
      if place != .absent { return .repeated }
      place = .line(index)
    }
    return place
  }

  /// Hands the bytes of a line that `place(of:)` has found to `body`, without an allocation.
  package func withLine<Result>(_ index: Int, _ body: (Span<UInt8>) -> Result) -> Result {
    let value = lines[index].value
    return body(bytes.span.extracting(Int(value.lowerBound)..<Int(value.upperBound)))
  }

  /// Hands the bytes of the first line of the field `name` to `body`, without an allocation; nil
  /// without such a line.
  package func withFirst<Result>(
    of name: FieldName, _ body: (Span<UInt8>) -> Result
  ) -> Result? {
    for line in lines where isNamed(line, name) {
      return body(
        bytes.span.extracting(Int(line.value.lowerBound)..<Int(line.value.upperBound)))
    }
    return nil
  }

  /// Hands the bytes of the lines of the field `name` to `body`, the last line first and without an
  /// allocation, until `body` returns false.
  package func forEachLine(fromLastOf name: FieldName, _ body: (Span<UInt8>) -> Bool) {
    for line in lines.reversed() where isNamed(line, name) {
      let value = bytes.span.extracting(Int(line.value.lowerBound)..<Int(line.value.upperBound))
      if !body(value) { return }
    }
  }

  /// Every field line in order, with its name as it was sent.
  package var fields: [(name: String, value: String)] {
    lines.map { (text($0.name), text($0.value)) }
  }

  private func isNamed(_ line: FieldLine, _ name: FieldName) -> Bool {
    bytes.span.holds(
      ignoringCase: name.text, at: Int(line.name.lowerBound)..<Int(line.name.upperBound))
  }

  private func text(_ range: Range<UInt32>) -> String {
    String(decoding: bytes[Int(range.lowerBound)..<Int(range.upperBound)], as: UTF8.self)
  }
}
