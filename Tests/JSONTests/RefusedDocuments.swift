import JSON
import Testing

/// A document, the place of its first fault and the fault.
struct Refused: Sendable, CustomTestStringConvertible {
  let document: Document
  let error: JSONError

  init(_ document: Document, _ offset: Int, _ reason: JSONError.Reason) {
    self.document = document
    error = JSONError(offset: offset, reason: reason)
  }

  var testDescription: String { document.testDescription }
}

@Suite struct RefusedDocuments {
  @Test(arguments: [
    Refused("", 0, .empty),
    Refused(" ", 1, .empty),
    Refused("\r\n\t ", 4, .empty),
    Refused("\u{FEFF}", 0, .byteOrderMark),
    Refused("\u{FEFF}{}", 0, .byteOrderMark),
    Refused(" \u{FEFF}{}", 1, .expectedValue),
    Refused(Document([0xEF, 0xBB, 0x7B, 0x7D]), 0, .expectedValue),
    Refused(Document([0xFE, 0xFF, 0x00, 0x31]), 0, .expectedValue),
    Refused(Document([0x31, 0x00]), 1, .trailingBytes),
    Refused(Document([0x00]), 0, .expectedValue),
    Refused("\u{A0}1", 0, .expectedValue),
    Refused("\u{C}1", 0, .expectedValue),
    Refused("\u{B}1", 0, .expectedValue),
    Refused("1\u{2028}", 1, .trailingBytes),
    Refused("1 2", 2, .trailingBytes),
    Refused("{}}", 2, .trailingBytes),
    Refused("{}{}", 2, .trailingBytes),
    Refused("[] ]", 3, .trailingBytes),
    Refused("\"a\"x", 3, .trailingBytes),
    Refused("\"a\"\"", 3, .trailingBytes),
    Refused("null,", 4, .trailingBytes),
    Refused("true false", 5, .trailingBytes),
    Refused("truex", 4, .trailingBytes),
    Refused("{} // end", 3, .trailingBytes),
    Refused("// start\n{}", 0, .expectedValue),
    Refused("/**/{}", 0, .expectedValue),
    Refused("#", 0, .expectedValue),
  ])
  func `a document is one value and white space`(_ row: Refused) {
    #expect(row.document.fault() == row.error)
  }

  @Test(arguments: [
    Refused("t", 1, .unexpectedEnd),
    Refused("tru", 3, .unexpectedEnd),
    Refused("fals", 4, .unexpectedEnd),
    Refused("nul", 3, .unexpectedEnd),
    Refused("tru ", 3, .unknownWord),
    Refused("trUe", 2, .unknownWord),
    Refused("falsy", 4, .unknownWord),
    Refused("nil", 1, .unknownWord),
    Refused("nan", 1, .unknownWord),
    Refused("[nul]", 4, .unknownWord),
    Refused("[nulll]", 5, .expectedCommaOrBracket),
    Refused("True", 0, .expectedValue),
    Refused("NULL", 0, .expectedValue),
    Refused("NaN", 0, .expectedValue),
    Refused("Infinity", 0, .expectedValue),
    Refused("undefined", 0, .expectedValue),
    Refused("'a'", 0, .expectedValue),
    Refused("a", 0, .expectedValue),
    Refused("é", 0, .expectedValue),
  ])
  func `a word is written exactly`(_ row: Refused) {
    #expect(row.document.fault() == row.error)
  }

  @Test(arguments: [
    Refused("-", 1, .unexpectedEnd),
    Refused("1.", 2, .unexpectedEnd),
    Refused("1e", 2, .unexpectedEnd),
    Refused("1e+", 3, .unexpectedEnd),
    Refused("1E-", 3, .unexpectedEnd),
    Refused("+1", 0, .expectedValue),
    Refused(".5", 0, .expectedValue),
    Refused("-.5", 1, .expectedDigit),
    Refused("--1", 1, .expectedDigit),
    Refused("-+1", 1, .expectedDigit),
    Refused("- 1", 1, .expectedDigit),
    Refused("-a", 1, .expectedDigit),
    Refused("-Infinity", 1, .expectedDigit),
    Refused("-NaN", 1, .expectedDigit),
    Refused("00", 1, .leadingZero),
    Refused("01", 1, .leadingZero),
    Refused("-01", 2, .leadingZero),
    Refused("-00.1", 2, .leadingZero),
    Refused("[012]", 2, .leadingZero),
    Refused("[1.]", 3, .expectedDigit),
    Refused("[1.e1]", 3, .expectedDigit),
    Refused("[.1]", 1, .expectedValue),
    Refused("[1e]", 3, .expectedDigit),
    Refused("[1e+]", 4, .expectedDigit),
    Refused("[1e+-1]", 4, .expectedDigit),
    Refused("[1ee1]", 3, .expectedDigit),
    Refused("[1e1.5]", 4, .expectedCommaOrBracket),
    Refused("1.2.3", 3, .trailingBytes),
    Refused("1e2e3", 3, .trailingBytes),
    Refused("0x10", 1, .trailingBytes),
    Refused("1_000", 1, .trailingBytes),
    Refused("1,000", 1, .trailingBytes),
    Refused("1a", 1, .trailingBytes),
    Refused("1-1", 1, .trailingBytes),
    Refused("0e", 2, .unexpectedEnd),
    Refused("[-]", 2, .expectedDigit),
    Refused("\u{FF11}", 0, .expectedValue),
    Refused("1\u{FF11}", 1, .trailingBytes),
    Refused("1.\u{661}", 2, .expectedDigit),
  ])
  func `a number follows its grammar`(_ row: Refused) {
    #expect(row.document.fault() == row.error)
  }

  @Test(arguments: [
    Refused("[", 1, .unexpectedEnd),
    Refused("[1", 2, .unexpectedEnd),
    Refused("[1,", 3, .unexpectedEnd),
    Refused("[[]", 3, .unexpectedEnd),
    Refused("]", 0, .expectedValue),
    Refused("[,]", 1, .expectedValue),
    Refused("[,1]", 1, .expectedValue),
    Refused("[1,]", 3, .expectedValue),
    Refused("[1,,2]", 3, .expectedValue),
    Refused("[1 2]", 3, .expectedCommaOrBracket),
    Refused("[1;2]", 2, .expectedCommaOrBracket),
    Refused("[1:2]", 2, .expectedCommaOrBracket),
    Refused("[1}", 2, .expectedCommaOrBracket),
    Refused("[\"a\" \"b\"]", 5, .expectedCommaOrBracket),
    Refused("[1,\n2,\n", 7, .unexpectedEnd),
    Refused("[}", 1, .expectedValue),
    Refused("[a]", 1, .expectedValue),
    Refused("(1)", 0, .expectedValue),
    Refused(Document([0x5B, 0xFF, 0x5D]), 1, .expectedValue),
    Refused(Document([0x5B, 0x31, 0xFF, 0x5D]), 2, .expectedCommaOrBracket),
  ])
  func `an array is elements between commas`(_ row: Refused) {
    #expect(row.document.fault() == row.error)
  }

  @Test(arguments: [
    Refused("{", 1, .unexpectedEnd),
    Refused("{ ", 2, .unexpectedEnd),
    Refused(#"{"a"#, 3, .unexpectedEnd),
    Refused(#"{"a""#, 4, .unexpectedEnd),
    Refused(#"{"a":"#, 5, .unexpectedEnd),
    Refused(#"{"a":1"#, 6, .unexpectedEnd),
    Refused(#"{"a":1,"#, 7, .unexpectedEnd),
    Refused("}", 0, .expectedValue),
    Refused("{,}", 1, .expectedName),
    Refused("{1:1}", 1, .expectedName),
    Refused("{a:1}", 1, .expectedName),
    Refused("{'a':1}", 1, .expectedName),
    Refused("{null:1}", 1, .expectedName),
    Refused("{[]:1}", 1, .expectedName),
    Refused("{]", 1, .expectedName),
    Refused("{:1}", 1, .expectedName),
    Refused(#"{"a"}"#, 4, .expectedColon),
    Refused(#"{"a" 1}"#, 5, .expectedColon),
    Refused(#"{"a"=1}"#, 4, .expectedColon),
    Refused(#"{"a","b"}"#, 4, .expectedColon),
    Refused(#"{"a"::1}"#, 5, .expectedValue),
    Refused(#"{"a":}"#, 5, .expectedValue),
    Refused(#"{"a":,"b":1}"#, 5, .expectedValue),
    Refused(#"{"a":1,}"#, 7, .expectedName),
    Refused(#"{"a":1,,"b":2}"#, 7, .expectedName),
    Refused(#"{"a":1 "b":2}"#, 7, .expectedCommaOrBrace),
    Refused(#"{"a":1;"b":2}"#, 6, .expectedCommaOrBrace),
    Refused(#"{"a":1]"#, 6, .expectedCommaOrBrace),
    Refused(#"{"a":1:2}"#, 6, .expectedCommaOrBrace),
    Refused(#"{"a":b}"#, 5, .expectedValue),
    Refused(#"{"a":1,b:2}"#, 7, .expectedName),
    Refused(#"{...}"#, 1, .expectedName),
  ])
  func `an object is named members between commas`(_ row: Refused) {
    #expect(row.document.fault() == row.error)
  }

  @Test(arguments: [
    Refused(#"{"a":1,"a":1}"#, 7, .duplicateName),
    Refused(#"{"a":1,"a":2}"#, 7, .duplicateName),
    Refused(#"{"a":1, "b":2, "a":3}"#, 15, .duplicateName),
    Refused(#"{"":1,"":2}"#, 6, .duplicateName),
    Refused(#"{"a":1,"\u0061":2}"#, 7, .duplicateName),
    Refused(#"{"\/":1,"/":2}"#, 8, .duplicateName),
    Refused(#"{"\n":1,"\u000a":2}"#, 8, .duplicateName),
    Refused(#"{"\u0000":1,"\u0000":2}"#, 12, .duplicateName),
    Refused(#"{"é":1,"\u00e9":2}"#, 8, .duplicateName),
    Refused(#"{"😀":1,"\ud83d\uDE00":2}"#, 10, .duplicateName),
    Refused(#"{"a":{"b":1,"b":2}}"#, 12, .duplicateName),
    Refused(#"[{"a":1},{"a":1,"a":1}]"#, 16, .duplicateName),
    // The repetition is in front of the other faults, so it is the one that is named.
    Refused(#"{"a":1,"a" 2}"#, 7, .duplicateName),
  ])
  func `an object has no name twice`(_ row: Refused) {
    #expect(row.document.fault() == row.error)
  }

  @Test(arguments: [
    Refused("\"", 1, .unexpectedEnd),
    Refused("\"a", 2, .unexpectedEnd),
    Refused("\"a\\", 3, .unexpectedEnd),
    Refused("\"\\\"", 3, .unexpectedEnd),
    Refused("\"\\n", 3, .unexpectedEnd),
    Refused("\"\\u", 3, .unexpectedEnd),
    Refused("\"\\u00", 5, .unexpectedEnd),
    Refused("\"\\u0041", 7, .unexpectedEnd),
    Refused("\"\\ud83d", 7, .unexpectedEnd),
    Refused("\"\\ud83d\\", 8, .unexpectedEnd),
    Refused("\"\\ud83d\\u", 9, .unexpectedEnd),
    Refused("\"\\ud83d\\ude0", 12, .unexpectedEnd),
    Refused("\"a\nb\"", 2, .controlCharacter),
    Refused("\"\t\"", 1, .controlCharacter),
    Refused("\"\r\"", 1, .controlCharacter),
    Refused("\"\0\"", 1, .controlCharacter),
    Refused("\"\u{1F}\"", 1, .controlCharacter),
    Refused("\"\\n\n\"", 3, .controlCharacter),
    Refused("\"é\n\"", 3, .controlCharacter),
    Refused("{\"a\nb\":1}", 3, .controlCharacter),
    Refused("\"\\\n\"", 1, .invalidEscape),
    Refused(#""\x41""#, 1, .invalidEscape),
    Refused(#""\a""#, 1, .invalidEscape),
    Refused(#""\v""#, 1, .invalidEscape),
    Refused(#""\'""#, 1, .invalidEscape),
    Refused(#""\0""#, 1, .invalidEscape),
    Refused(#""\N""#, 1, .invalidEscape),
    Refused(#""\ ""#, 1, .invalidEscape),
    Refused(#""\U0041""#, 1, .invalidEscape),
    Refused("\"\\é\"", 1, .invalidEscape),
    Refused("\"ab\\😀\"", 3, .invalidEscape),
    Refused(#""\u""#, 1, .invalidEscape),
    Refused(#""\u004""#, 1, .invalidEscape),
    Refused(#""\u004G""#, 1, .invalidEscape),
    Refused(#""\u 041""#, 1, .invalidEscape),
    Refused(#""\u+041""#, 1, .invalidEscape),
    Refused(#""\u-041""#, 1, .invalidEscape),
    Refused(#""\u{41}""#, 1, .invalidEscape),
    Refused("\"\\u\u{FF10}041\"", 1, .invalidEscape),
    Refused(#""a\n\q""#, 4, .invalidEscape),
  ])
  func `a string ends, and escapes what it must`(_ row: Refused) {
    #expect(row.document.fault() == row.error)
  }

  @Test(arguments: [
    Refused(#""\ud800""#, 1, .loneSurrogate),
    Refused(#""\uDBFF""#, 1, .loneSurrogate),
    Refused(#""\udc00""#, 1, .loneSurrogate),
    Refused(#""\uDFFF""#, 1, .loneSurrogate),
    Refused(#""ab\ud800cd""#, 3, .loneSurrogate),
    Refused(#""\ud800\n""#, 1, .loneSurrogate),
    Refused(#""\ud800\\udc00""#, 1, .loneSurrogate),
    Refused(#""\ud800\u0041""#, 1, .loneSurrogate),
    Refused(#""\ud800\ue000""#, 1, .loneSurrogate),
    Refused(#""\ud800\ud800""#, 1, .loneSurrogate),
    Refused(#""\ud800\ud800\udc00""#, 1, .loneSurrogate),
    Refused(#""\ud83d\ude00\ude00""#, 13, .loneSurrogate),
    Refused(#""\ude00\ud83d""#, 1, .loneSurrogate),
    Refused(#""\ud800\u12x4""#, 7, .invalidEscape),
    // The second half in front stands alone whatever follows.
    Refused(#""\udc00\u12x4""#, 1, .loneSurrogate),
    Refused(#""\udc00"#, 1, .loneSurrogate),
    Refused(#"{"\ud800":1}"#, 2, .loneSurrogate),
  ])
  func `a surrogate has its other half`(_ row: Refused) {
    #expect(row.document.fault() == row.error)
  }

  @Test(arguments: [
    Refused(.quoting(0x80), 1, .invalidUTF8),
    Refused(.quoting(0xBF), 1, .invalidUTF8),
    Refused(.quoting(0x61, 0x80, 0x62), 2, .invalidUTF8),
    Refused(.quoting(0xC2), 1, .invalidUTF8),
    Refused(.quoting(0xC2, 0x41), 1, .invalidUTF8),
    Refused(.quoting(0xC3, 0x28), 1, .invalidUTF8),
    Refused(.quoting(0xE2, 0x82), 1, .invalidUTF8),
    Refused(.quoting(0xE2, 0x28, 0xA1), 1, .invalidUTF8),
    Refused(.quoting(0xF0, 0x9F, 0x98), 1, .invalidUTF8),
    Refused(.quoting(0xF0, 0x9F), 1, .invalidUTF8),
    Refused(.quoting(0xF0), 1, .invalidUTF8),
    Refused(.quoting(0xF0, 0x28, 0x8C, 0xBC), 1, .invalidUTF8),
    // Overlong forms of "/", U+0000, U+07FF and U+FFFF.
    Refused(.quoting(0xC0, 0xAF), 1, .invalidUTF8),
    Refused(.quoting(0xC0, 0x80), 1, .invalidUTF8),
    Refused(.quoting(0xC1, 0xBF), 1, .invalidUTF8),
    Refused(.quoting(0xE0, 0x80, 0xAF), 1, .invalidUTF8),
    Refused(.quoting(0xE0, 0x9F, 0xBF), 1, .invalidUTF8),
    Refused(.quoting(0xF0, 0x80, 0x80, 0xAF), 1, .invalidUTF8),
    Refused(.quoting(0xF0, 0x8F, 0xBF, 0xBF), 1, .invalidUTF8),
    // U+D800, U+DFFF and a pair of them in the manner of CESU-8.
    Refused(.quoting(0xED, 0xA0, 0x80), 1, .invalidUTF8),
    Refused(.quoting(0xED, 0xBF, 0xBF), 1, .invalidUTF8),
    Refused(.quoting(0xED, 0xA0, 0xBD, 0xED, 0xB8, 0x80), 1, .invalidUTF8),
    // Beyond U+10FFFF, and what never was UTF-8.
    Refused(.quoting(0xF4, 0x90, 0x80, 0x80), 1, .invalidUTF8),
    Refused(.quoting(0xF5, 0x80, 0x80, 0x80), 1, .invalidUTF8),
    Refused(.quoting(0xF8, 0x88, 0x80, 0x80, 0x80), 1, .invalidUTF8),
    Refused(.quoting(0xFC, 0x84, 0x80, 0x80, 0x80, 0x80), 1, .invalidUTF8),
    Refused(.quoting(0xFE), 1, .invalidUTF8),
    Refused(.quoting(0xFF), 1, .invalidUTF8),
    Refused(.quoting(0xC3, 0xA9, 0xC3), 3, .invalidUTF8),
    Refused(.quoting(0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0xFF), 10, .invalidUTF8),
    // In front of an escape, between two, and behind one.
    Refused(.quoting(0xFF, 0x5C, 0x6E), 1, .invalidUTF8),
    Refused(.quoting(0x5C, 0x6E, 0xFF, 0x5C, 0x6E), 3, .invalidUTF8),
    Refused(.quoting(0x5C, 0x6E, 0xC3), 3, .invalidUTF8),
    // A sequence does not go on behind an escape.
    Refused(.quoting(0xC3, 0x5C, 0x6E, 0xA9), 1, .invalidUTF8),
    // The earlier of two faults is the one that is named.
    Refused(.quoting(0xFF, 0x0A), 1, .invalidUTF8),
    Refused(.quoting(0x0A, 0xFF), 1, .controlCharacter),
    Refused(Document([0x22, 0xC3]), 1, .invalidUTF8),
    Refused(Document([0x7B, 0x22, 0x61, 0xFF, 0x22, 0x3A, 0x31, 0x7D]), 3, .invalidUTF8),
  ])
  func `a string is valid UTF-8`(_ row: Refused) {
    #expect(row.document.fault() == row.error)
  }

  @Test func `every pair of bytes is UTF-8 or refused`() {
    for first in UInt8(0x80)...0xFF {
      for second in UInt8(0x80)...0xFF {
        let document = Document.quoting(first, second)
        let text = String(validating: [first, second], as: UTF8.self)
        #expect((try? document.read()) == text.map { .string($0) })
      }
    }
  }

  @Test func `every edge of a longer sequence is UTF-8 or refused`() {
    let edges: [UInt8] = [0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xF0]
    for first in UInt8(0xE0)...0xFF {
      for second in edges {
        for third in edges {
          for fourth in edges {
            let bytes = [first, second, third, fourth]
            let text = String(validating: bytes, as: UTF8.self)
            let value = try? Document([0x22] + bytes + [0x22]).read()
            #expect(value == text.map { .string($0) })
          }
        }
      }
    }
  }

  @Test func `every reason reads as a clause of a sentence`() {
    let descriptions = JSONError.Reason.allCases.map(\.description)
    #expect(Set(descriptions).count == JSONError.Reason.allCases.count)
    for description in descriptions {
      #expect(description.first?.isLowercase == true)
      #expect(description.last != ".")
    }
    #expect(
      JSONError(offset: 17, reason: .duplicateName).description
        == "a member name is repeated (byte 17)")
  }
}
