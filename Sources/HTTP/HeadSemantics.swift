/// What a head's fields say about the message itself: where its content ends, whether the
/// connection goes on, whether the client waits (RFC 9112 §3.2, §6 and §9.3, RFC 9110 §10.1.1).
struct HeadSemantics {
  private(set) var framing = RequestHead.Framing.none
  private(set) var keepAlive = false
  private(set) var expectsContinue = false

  private var hosts = 0
  private var length: Int?
  private var codings = TransferCodings()
  private var close = false
  private var stay = false

  init(
    _ input: Span<UInt8>, _ lines: [FieldLine], origin: Int, version: Version
  ) throws(Refusal) {
    for line in lines {
      let name = (origin + Int(line.name.lowerBound))..<(origin + Int(line.name.upperBound))
      let value = (origin + Int(line.value.lowerBound))..<(origin + Int(line.value.upperBound))
      switch name.count {
      case 4 where input.holds(ignoringCase: "host", at: name):
        hosts += 1
        guard hosts == 1 else { throw .repeatedHost }
        // RFC 9112 §3.2 lets Host be empty where the target has no authority.
        guard value.isEmpty || Authority.isValid(input, value) else { throw .invalidHost }
      case 6 where input.holds(ignoringCase: "expect", at: name):
        guard input.holds(ignoringCase: "100-continue", at: value) else {
          throw .unsupportedExpectation
        }
        expectsContinue = version == .http11
      case 10 where input.holds(ignoringCase: "connection", at: name):
        input.forEachListMember(value) { member in
          if input.holds(ignoringCase: "close", at: member) {
            close = true
          } else if input.holds(ignoringCase: "keep-alive", at: member) {
            stay = true
          }
        }
      case 14 where input.holds(ignoringCase: "content-length", at: name):
        guard length == nil else { throw .repeatedContentLength }
        guard let number = input.decimal(value) else { throw .invalidContentLength }
        length = number
      case 17 where input.holds(ignoringCase: "transfer-encoding", at: name):
        try codings.add(input, value)
      default: break
      }
    }
    guard hosts == 1 || version == .http10 else { throw .missingHost }
    if codings.isPresent {
      guard version == .http11 else { throw .transferEncodingInHTTP10 }
      guard length == nil else { throw .contentLengthWithTransferEncoding }
      try codings.check()
      framing = .chunked
    } else if let length {
      framing = .length(length)
    }
    if framing == .none || framing == .length(0) { expectsContinue = false }
    keepAlive = !close && (version == .http11 || stay)
  }
}

/// The codings of all Transfer-Encoding lines, which count as one list (RFC 9112 §6.1).
private struct TransferCodings {
  private(set) var isPresent = false
  private var chunked = 0
  private var others = 0
  private var endsInChunked = false

  mutating func add(_ input: Span<UInt8>, _ value: Range<Int>) throws(Refusal) {
    isPresent = true
    var sound = true
    input.forEachListMember(value) { member in
      // Parameters are no part of chunked, and an empty member is how one hides a coding.
      if member.isEmpty || !input.isToken(member) { sound = false }
      endsInChunked = input.holds(ignoringCase: "chunked", at: member)
      if endsInChunked { chunked += 1 } else { others += 1 }
    }
    guard sound else { throw .ambiguousTransferEncoding }
  }

  func check() throws(Refusal) {
    guard chunked == 1, endsInChunked else { throw .ambiguousTransferEncoding }
    guard others == 0 else { throw .unsupportedTransferCoding }
  }
}

extension Span<UInt8> {
  /// The members of a list without quoted strings, trimmed, empty ones included.
  fileprivate func forEachListMember(_ range: Range<Int>, _ body: (Range<Int>) -> Void) {
    var start = range.lowerBound
    for index in range where self[index] == .comma {
      body(trimming(start..<index))
      start = index + 1
    }
    body(trimming(start..<range.upperBound))
  }

  fileprivate func isToken(_ range: Range<Int>) -> Bool {
    for index in range where !self[index].isToken { return false }
    return true
  }

  /// One or more digits, nil for anything else and beyond `Int.max`.
  fileprivate func decimal(_ range: Range<Int>) -> Int? {
    guard !range.isEmpty else { return nil }
    var number = 0
    for index in range {
      guard self[index].isDigit else { return nil }
      let (tens, overflow) = number.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(Int(self[index] &- 0x30))
      if overflow || carry { return nil }
      number = sum
    }
    return number
  }
}
