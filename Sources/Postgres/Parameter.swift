/// A prepared statement: its name on the connection and its text. A connection of a pool prepares
/// the statements of its role when it opens, before it is used: so a statement that cannot be
/// prepared shows at the start, and one that no connection of the role can use costs it nothing.
package struct Statement: Sendable, Hashable {
  /// Unique among the statements of a pool. Names that begin with `postgres.` are this module's.
  package let name: String
  package let sql: String
  /// Which connections prepare it; on others it does not exist (SQLSTATE 26000).
  package let roles: [PoolRole]

  package init(_ name: String, _ sql: String, roles: [PoolRole] = PoolRole.allCases) {
    self.name = name
    self.sql = sql
    self.roles = roles
  }
}

/// A value for `$1`, `$2`, … Types are what the server infers from the statement.
package enum Parameter: Sendable, Hashable {
  case null
  /// Refused with `PostgresError.invalidParameter` when it contains U+0000, which PostgreSQL cannot
  /// store and C strings would cut off.
  case text(String)
  case integer(Int)
  case boolean(Bool)
  /// A `bytea`, in the binary format.
  case bytes([UInt8])
  /// A `text[]` of one dimension; nil is NULL. U+0000 is refused as in `text`.
  case textArray([String?])
  /// A `bigint[]` of one dimension.
  case integerArray([Int])

  /// False for what the server could not store as it is.
  package var isSendable: Bool {
    switch self {
    case .text(let text): !text.hasNUL
    case .textArray(let elements): elements.allSatisfy { $0?.hasNUL != true }
    case .null, .integer, .boolean, .bytes, .integerArray: true
    }
  }

  /// How many bytes a text or a `bytea` has; what else there is is short.
  var size: Int {
    switch self {
    case .text(let text): text.utf8.count
    case .bytes(let bytes): bytes.count
    case .null, .integer, .boolean, .textArray, .integerArray: 0
    }
  }

  /// Whether the value goes in the binary format.
  var isBinary: Bool {
    if case .bytes = self { true } else { false }
  }

  /// Appends the value as it goes on the wire; nothing for NULL.
  func encode(into output: inout [UInt8]) {
    switch self {
    case .null: break
    case .text(let text): output.append(contentsOf: text.utf8)
    case .integer(let number): output.append(contentsOf: String(number).utf8)
    case .boolean(let flag): output.append(flag ? UInt8(ascii: "t") : UInt8(ascii: "f"))
    case .bytes(let bytes): output.append(contentsOf: bytes)
    case .textArray(let elements):
      Self.encodeArray(elements, into: &output) { element, output in
        guard let element else {
          output.append(contentsOf: "NULL".utf8)
          return
        }
        output.append(UInt8(ascii: "\""))
        for byte in element.utf8 {
          if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
            output.append(UInt8(ascii: "\\"))
          }
          output.append(byte)
        }
        output.append(UInt8(ascii: "\""))
      }
    case .integerArray(let elements):
      Self.encodeArray(elements, into: &output) { element, output in
        output.append(contentsOf: String(element).utf8)
      }
    }
  }

  private static func encodeArray<Element>(
    _ elements: [Element], into output: inout [UInt8],
    _ encode: (Element, inout [UInt8]) -> Void
  ) {
    output.append(UInt8(ascii: "{"))
    var isFirst = true
    for element in elements {
      if !isFirst { output.append(UInt8(ascii: ",")) }
      isFirst = false
      encode(element, &output)
    }
    output.append(UInt8(ascii: "}"))
  }
}

extension String {
  /// Whether it contains U+0000, which PostgreSQL cannot store. Asked of every text of every call,
  /// and several times faster than `utf8.contains(0)`.
  package var hasNUL: Bool {
    let bytes = utf8Span.span
    return bytes.indices.contains { bytes[$0] == 0 }
  }
}

/// A statement, by its name, with the values for one execution.
package struct Call: Sendable {
  package let statement: String
  package let parameters: [Parameter]

  package init(_ statement: Statement, _ parameters: [Parameter] = []) {
    // Its text is shared by all loops: to count references to it would have their cores take turns.
    self.statement = statement.name
    self.parameters = parameters
  }
}
