/// Decodes the chunked transfer coding up to its last chunk (RFC 9112 §7.1). Chunk extensions are
/// checked and passed over.
struct ChunkedContent: Sendable {
  enum Outcome {
    case incomplete(consumed: Int)
    /// Content, which ends what is consumed.
    case content(Range<Int>)
    /// The last chunk's line is consumed; the trailer section follows.
    case trailers(consumed: Int)
    case refused(Refusal)
  }

  /// Extensions of one chunk, in bytes.
  static var extensionLimit: Int { 256 }
  /// Extensions of all chunks of one content, in bytes.
  static var extensionTotalLimit: Int { 16 * 1024 }
  /// Hexadecimal digits of a chunk's size.
  static var sizeDigitsLimit: Int { 16 }

  private enum Phase: Sendable {
    case size, sizeLineFeed, data, dataCarriageReturn, dataLineFeed
    case beforeSemicolon, beforeName, name, afterName, beforeValue, value, quoted, escaped
    case afterQuoted

    var isExtension: Bool {
      switch self {
      case .size, .sizeLineFeed, .data, .dataCarriageReturn, .dataLineFeed: false
      default: true
      }
    }
  }

  private var phase = Phase.size
  private var size: UInt64 = 0
  private var digits = 0
  private var extensionBytes = 0
  private var extensionTotal = 0
  /// Bytes of content so far.
  private var total = 0
  /// Bytes consumed by the calls before this one.
  private var offset = 0

  /// Consumes `input` up to the end of the content that lies in it; `limit` bounds the content.
  mutating func next(_ input: Span<UInt8>, limit: Int) -> Outcome {
    var index = 0
    while index < input.count {
      if phase == .data {
        let count = min(Int(size), input.count - index)
        size -= UInt64(count)
        total += count
        if size == 0 { phase = .dataCarriageReturn }
        offset += index + count
        return .content(index..<(index + count))
      }
      let byte = input[index]
      if phase == .sizeLineFeed {
        guard byte == .lineFeed else { return malformed(index) }
        if size == 0 {
          offset += index + 1
          return .trailers(consumed: index + 1)
        }
        guard size <= UInt64(limit - total) else { return .refused(.bodyTooLarge) }
        phase = .data
      } else {
        guard let following = phase(after: byte) else { return malformed(index) }
        if following.isExtension {
          extensionBytes += 1
          extensionTotal += 1
          guard extensionBytes <= Self.extensionLimit,
            extensionTotal <= Self.extensionTotalLimit
          else { return .refused(.chunkExtensionsTooLong(at: offset + index)) }
        }
        phase = following
      }
      index += 1
    }
    offset += index
    return .incomplete(consumed: index)
  }

  private func malformed(_ index: Int) -> Outcome {
    .refused(.malformedChunk(at: offset + index))
  }

  /// The phase behind `byte`, nil when it may not stand here.
  private mutating func phase(after byte: UInt8) -> Phase? {
    switch phase {
    case .size:
      if let digit = byte.hexadecimalValue {
        digits += 1
        size = size << 4 | UInt64(digit)
        return digits <= Self.sizeDigitsLimit && size <= UInt64(Int.max) ? .size : nil
      }
      return digits > 0 ? phase(behindPart: byte) : nil
    case .beforeSemicolon:
      if byte.isWhitespace { return .beforeSemicolon }
      return byte == .semicolon ? .beforeName : nil
    case .beforeName:
      if byte.isWhitespace { return .beforeName }
      return byte.isToken ? .name : nil
    case .name:
      if byte.isToken { return .name }
      if byte == .equals { return .beforeValue }
      return byte.isWhitespace ? .afterName : phase(behindPart: byte)
    case .afterName:
      if byte.isWhitespace { return .afterName }
      if byte == .equals { return .beforeValue }
      return byte == .semicolon ? .beforeName : nil
    case .beforeValue:
      if byte.isWhitespace { return .beforeValue }
      if byte == .quote { return .quoted }
      return byte.isToken ? .value : nil
    case .value:
      return byte.isToken ? .value : phase(behindPart: byte)
    case .quoted:
      if byte == .quote { return .afterQuoted }
      if byte == .backslash { return .escaped }
      return byte.isFieldValue ? .quoted : nil
    case .escaped:
      return byte.isFieldValue ? .quoted : nil
    case .afterQuoted:
      return phase(behindPart: byte)
    case .dataCarriageReturn:
      return byte == .carriageReturn ? .dataLineFeed : nil
    case .dataLineFeed:
      (size, digits, extensionBytes) = (0, 0, 0)
      return byte == .lineFeed ? .size : nil
    case .sizeLineFeed, .data:
      return nil
    }
  }

  /// Behind a size or an extension stands the line's end or the next extension. White space is
  /// allowed before a semicolon only, not before the line's end.
  private func phase(behindPart byte: UInt8) -> Phase? {
    switch byte {
    case .carriageReturn: .sizeLineFeed
    case .semicolon: .beforeName
    case .space, .tab: .beforeSemicolon
    default: nil
    }
  }
}
