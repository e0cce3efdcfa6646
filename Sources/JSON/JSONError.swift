/// Why some bytes are no JSON document, and where.
package struct JSONError: Error, Sendable, Equatable {
  /// The place, in bytes from the start of the document: the first byte that does not fit. A bad
  /// escape or lone surrogate is placed at its backslash, a repeated name at its quotation mark, a
  /// document that ends too early at its length.
  package let offset: Int
  /// What does not fit there.
  package let reason: Reason

  /// A fault at `offset` bytes from the start of the document.
  package init(offset: Int, reason: Reason) {
    self.offset = offset
    self.reason = reason
  }

  /// The ways in which a document can fail RFC 8259 or one of this reader's limits.
  package enum Reason: Sendable, Equatable, CaseIterable {
    /// No byte, or white space only.
    case empty
    /// U+FEFF in front of the document, which RFC 8259 section 8.1 lets a reader refuse.
    case byteOrderMark
    /// The end stands where more must follow.
    case unexpectedEnd
    /// Something that begins no value; also the bracket behind a trailing comma in an array.
    case expectedValue
    /// A member without a quoted name; also the brace behind a trailing comma in an object.
    case expectedName
    /// A member name that is not followed by a colon.
    case expectedColon
    /// An element followed by neither a comma nor the end of its array.
    case expectedCommaOrBracket
    /// A member followed by neither a comma nor the end of its object.
    case expectedCommaOrBrace
    /// A word that begins like `true`, `false` or `null` and goes on otherwise.
    case unknownWord
    /// A digit behind the zero that begins a number.
    case leadingZero
    /// A number without a digit behind its sign, its point or its exponent.
    case expectedDigit
    /// U+0000 to U+001F inside a string without an escape.
    case controlCharacter
    /// A backslash that begins none of the escapes of RFC 8259 section 7.
    case invalidEscape
    /// Half of a surrogate pair, which stands for no character.
    case loneSurrogate
    /// Bytes inside a string that RFC 3629 does not allow.
    case invalidUTF8
    /// A name that its object has already, compared after the escapes are resolved.
    case duplicateName
    /// More arrays and objects inside each other than the reader was told to accept.
    case tooDeep
    /// Something other than white space behind the document.
    case trailingBytes
  }
}

extension JSONError: CustomStringConvertible {
  /// The reason and the place, for instance `a member name is repeated (byte 17)`.
  package var description: String { "\(reason) (byte \(offset))" }
}

extension JSONError.Reason: CustomStringConvertible {
  /// The reason for people: an English clause without capital and full stop.
  package var description: String {
    switch self {
    case .empty: "the document is empty"
    case .byteOrderMark: "the document starts with a byte order mark"
    case .unexpectedEnd: "the document ends too early"
    case .expectedValue: "a value is expected here"
    case .expectedName: "a member name in double quotes is expected here"
    case .expectedColon: "a colon is expected after a member name"
    case .expectedCommaOrBracket: "a comma or a closing bracket is expected after an element"
    case .expectedCommaOrBrace: "a comma or a closing brace is expected after a member"
    case .unknownWord: "the only words are true, false and null"
    case .leadingZero: "a number has a superfluous leading zero"
    case .expectedDigit: "a digit is expected in a number"
    case .controlCharacter: "a control character in a string is not escaped"
    case .invalidEscape: "a backslash does not begin a valid escape"
    case .loneSurrogate: "an escape is one half of a surrogate pair without the other"
    case .invalidUTF8: "a string is not valid UTF-8"
    case .duplicateName: "a member name is repeated"
    case .tooDeep: "arrays and objects are nested too deeply"
    case .trailingBytes: "something follows the end of the document"
    }
  }
}
