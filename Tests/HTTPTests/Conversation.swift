import HTTP

/// What a parser made of some bytes, whatever the pieces they came in.
enum Outcome: Equatable {
  case head(String)
  case content([UInt8])
  case end
  case refused(Refusal)
}

/// A parser and the rest of its input, as a connection would hold them.
struct Conversation {
  private(set) var parser: RequestParser
  private(set) var outcomes: [Outcome] = []
  private(set) var heads: [RequestHead] = []
  private(set) var pending: [UInt8] = []
  private(set) var isRefused = false

  init(limits: RequestLimits = RequestLimits()) {
    parser = RequestParser(limits: limits)
  }

  /// All of `bytes` in the pieces that end at `cuts`.
  init(_ bytes: [UInt8], cuts: [Int] = [], limits: RequestLimits = RequestLimits()) {
    self.init(limits: limits)
    var start = 0
    for cut in cuts + [bytes.count] {
      receive(bytes[start..<cut])
      start = cut
    }
  }

  init(_ text: String) {
    self.init(Array(text.utf8))
  }

  var refusal: Refusal? {
    if case .refused(let refusal) = outcomes.last { return refusal }
    return nil
  }

  var content: [UInt8] {
    outcomes.flatMap { outcome -> [UInt8] in
      if case .content(let bytes) = outcome { return bytes }
      return []
    }
  }

  var ends: Int { outcomes.count { $0 == .end } }

  mutating func receive(_ bytes: some Collection<UInt8>) {
    guard !isRefused else { return }
    pending += bytes
    let input = pending
    var start = 0
    while true {
      switch parser.next(input.span.extracting(start..<input.count)) {
      case .incomplete(let consumed):
        pending.removeFirst(start + consumed)
        return
      case .head(let head, let consumed):
        heads.append(head)
        outcomes.append(.head(Self.description(head)))
        start += consumed
      case .content(let range, let consumed):
        let piece = input[(start + range.lowerBound)..<(start + range.upperBound)]
        if case .content(let before) = outcomes.last {
          outcomes[outcomes.count - 1] = .content(before + piece)
        } else {
          outcomes.append(.content(Array(piece)))
        }
        start += consumed
      case .end(let consumed):
        outcomes.append(.end)
        start += consumed
      case .refused(let refusal):
        outcomes.append(.refused(refusal))
        isRefused = true
        return
      }
    }
  }

  private static func description(_ head: RequestHead) -> String {
    "\(head.method) \(head.target.rawPath) \(head.target.query) \(head.version) \(head.framing)"
      + " \(head.keepAlive) \(head.expectsContinue) \(head.fields)"
  }
}
