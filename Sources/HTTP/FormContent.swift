/// The content of an HTML form, `application/x-www-form-urlencoded` (URL Standard §5.1), read
/// strictly: what a browser would have to guess at is refused.
package struct FormContent: Sendable {
  /// Names and values in order, decoded; a name without `=` has an empty value, `&&` holds nothing.
  /// Any Unicode scalars, U+0000 among them.
  package let fields: [(name: String, value: String)]

  /// Where and why content is no form; positions count its bytes from 0.
  package enum Fault: Error, Equatable, Sendable, CustomStringConvertible {
    /// A `%` without two hexadecimal digits behind it.
    case percent(at: Int)
    /// What a name or value that begins here decodes to is not UTF-8.
    case notUTF8(at: Int)
    /// More fields than `maximumFields`.
    case tooManyFields

    package var description: String {
      switch self {
      case .percent(let offset): "a % without two hexadecimal digits at byte \(offset)"
      case .notUTF8(let offset): "not UTF-8 in what begins at byte \(offset)"
      case .tooManyFields: "more than \(FormContent.maximumFields) fields"
      }
    }
  }

  /// No form of people has more.
  package static let maximumFields = 100

  /// Reads all of `bytes`.
  package init(_ bytes: [UInt8]) throws(Fault) {
    var fields: [(name: String, value: String)] = []
    var start = 0
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "&")) ?? bytes.count
      if start < end {
        guard fields.count < Self.maximumFields else { throw .tooManyFields }
        let equals = bytes[start..<end].firstIndex(of: .equals) ?? end
        fields.append(
          (
            name: try Self.decoded(bytes[start..<equals]),
            value: try Self.decoded(bytes[min(equals + 1, end)..<end])
          ))
      }
      start = end + 1
    }
    self.fields = fields
  }

  private static func decoded(_ encoded: ArraySlice<UInt8>) throws(Fault) -> String {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(encoded.count)
    var index = encoded.startIndex
    while index < encoded.endIndex {
      let byte = encoded[index]
      if byte == .percent {
        guard encoded.endIndex - index > 2, let high = encoded[index + 1].hexadecimalValue,
          let low = encoded[index + 2].hexadecimalValue
        else { throw .percent(at: index) }
        decoded.append(high << 4 | low)
        index += 3
      } else {
        decoded.append(byte == UInt8(ascii: "+") ? .space : byte)
        index += 1
      }
    }
    guard let text = String(validating: decoded, as: UTF8.self) else {
      throw .notUTF8(at: encoded.startIndex)
    }
    return text
  }
}
