/// A list of Structured Fields (RFC 9651 §4.2.1), read as strictly as the RFC says, of the types that
/// are of use here: strings, integers and tokens, each with parameters.
struct StructuredList: Equatable {
  struct Member: Equatable {
    let value: Value
    /// In order; of a name that stands there twice the last.
    var parameters: [String: Value] = [:]
  }

  enum Value: Equatable {
    case string(String)
    case integer(Int)
    case token(String)
    case boolean(Bool)
  }

  private(set) var members: [Member] = []

  /// Nil when the text is no such list.
  init?(_ text: String) {
    var reader = Reader(rest: Array(text.utf8)[...])
    reader.skip(while: { $0 == 0x20 })
    while !reader.rest.isEmpty {
      guard let member = reader.member() else { return nil }
      members.append(member)
      reader.skip(while: { $0 == 0x20 || $0 == 0x09 })
      if reader.rest.isEmpty { break }
      guard reader.take(",") else { return nil }
      reader.skip(while: { $0 == 0x20 || $0 == 0x09 })
      // A trailing comma.
      if reader.rest.isEmpty { return nil }
    }
  }

  private struct Reader {
    var rest: ArraySlice<UInt8>

    mutating func skip(while condition: (UInt8) -> Bool) {
      rest = rest.drop(while: condition)
    }

    mutating func take(_ character: Character) -> Bool {
      guard rest.first == character.asciiValue else { return false }
      rest.removeFirst()
      return true
    }

    mutating func member() -> Member? {
      guard let value = value() else { return nil }
      var member = Member(value: value)
      while take(";") {
        skip(while: { $0 == 0x20 })
        guard let name = key() else { return nil }
        if take("=") {
          guard let value = self.value() else { return nil }
          member.parameters[name] = value
        } else {
          member.parameters[name] = .boolean(true)
        }
      }
      return member
    }

    private mutating func key() -> String? {
      guard let first = rest.first, (0x61...0x7a).contains(first) || first == 0x2a else {
        return nil
      }
      let key = rest.prefix {
        (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || "_-.*".utf8.contains($0)
      }
      rest = rest.dropFirst(key.count)
      return String(decoding: key, as: UTF8.self)
    }

    private mutating func value() -> Value? {
      guard let first = rest.first else { return nil }
      switch first {
      case UInt8(ascii: "\""): return string()
      case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return integer()
      case UInt8(ascii: "?"):
        rest.removeFirst()
        if take("1") { return .boolean(true) }
        return take("0") ? .boolean(false) : nil
      case UInt8(ascii: "*"), 0x41...0x5a, 0x61...0x7a:
        let token = rest.prefix {
          (0x41...0x5a).contains($0 & 0xdf) || (0x30...0x39).contains($0)
            || "!#$%&'*+-.^_`|~:/".utf8.contains($0)
        }
        rest = rest.dropFirst(token.count)
        return .token(String(decoding: token, as: UTF8.self))
      default: return nil
      }
    }

    private mutating func string() -> Value? {
      rest.removeFirst()
      var text: [UInt8] = []
      while let byte = rest.popFirst() {
        switch byte {
        case UInt8(ascii: "\\"):
          guard let next = rest.popFirst(), "\"\\".utf8.contains(next) else { return nil }
          text.append(next)
        case UInt8(ascii: "\""): return .string(String(decoding: text, as: UTF8.self))
        case 0x20...0x7e: text.append(byte)
        default: return nil
        }
      }
      return nil
    }

    private mutating func integer() -> Value? {
      let sign = take("-") ? -1 : 1
      let digits = rest.prefix { (0x30...0x39).contains($0) }
      rest = rest.dropFirst(digits.count)
      guard (1...15).contains(digits.count), rest.first != UInt8(ascii: "."),
        let number = Int(String(decoding: digits, as: UTF8.self))
      else { return nil }
      return .integer(sign * number)
    }
  }
}
