import HTTP

/// A parser's outcomes are the same in whatever pieces the bytes come, and what a message is does
/// not depend on what stands behind it.
func checkRequests(_ bytes: [UInt8]) throws(Flaw) {
  var whole = Reading()
  whole.receive(bytes)
  var single = Reading()
  for byte in bytes { single.receive([byte]) }
  try hold(single.events == whole.events, "byte by byte: \(single.events), not \(whole.events)")
  // A place that follows from the bytes, so that each input is one case.
  let cut = bytes.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xffff } % (bytes.count + 1)
  var halves = Reading()
  halves.receive(bytes[..<cut])
  halves.receive(bytes[cut...])
  try hold(halves.events == whole.events, "cut at \(cut): \(halves.events), not \(whole.events)")

  let messages = whole.events.prefix { if case .refused = $0 { false } else { true } }
  if let end = messages.lastIndex(of: .end) {
    var alone = Reading()
    alone.receive(bytes[..<whole.endOfLastMessage])
    try hold(alone.events == Array(messages[...end]), "alone: \(alone.events)")
  }
  for head in whole.heads { try check(head) }
}

private func check(_ head: RequestHead) throws(Flaw) {
  let target = head.target
  try hold(!target.rawPath.isEmpty, "no path")
  for segment in target.segments { try hold(!segment.utf8.contains(0), "NUL in a path") }
  for (name, value) in target.query {
    try hold(!(name + value).utf8.contains(0), "NUL in a query")
  }
  for (name, value) in head.fields {
    try hold(FieldName(token: name) != nil, "the name \(name)")
    try hold(
      value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }, "the value \(value)")
    try hold(head.values(of: FieldName(stringLiteral: name)).contains(value), "\(name) is lost")
  }
}

/// What a parser made of bytes.
private struct Reading {
  enum Event: Equatable {
    case head(String)
    case content([UInt8])
    case end
    case refused(Refusal)
  }

  private(set) var events: [Event] = []
  private(set) var heads: [RequestHead] = []
  /// How many bytes the messages had that came to their end.
  private(set) var endOfLastMessage = 0
  private var parser = RequestParser()
  private var pending: [UInt8] = []
  private var consumed = 0

  mutating func receive(_ bytes: some Collection<UInt8>) {
    if case .refused = events.last { return }
    pending += bytes
    let input = pending
    var start = 0
    steps: while true {
      switch parser.next(input.span.extracting(start..<input.count)) {
      case .incomplete(let count):
        start += count
        break steps
      case .head(let head, let count):
        heads.append(head)
        events.append(
          .head(
            "\(head.method) \(head.target.rawPath)?\(head.target.rawQuery ?? "") \(head.version) "
              + "\(head.framing) \(head.keepAlive) \(head.expectsContinue) \(head.fields)"))
        start += count
      case .content(let range, let count):
        let piece = input[(start + range.lowerBound)..<(start + range.upperBound)]
        if case .content(let before) = events.last {
          events[events.count - 1] = .content(before + piece)
        } else {
          events.append(.content(Array(piece)))
        }
        start += count
      case .end(let count):
        events.append(.end)
        start += count
        endOfLastMessage = consumed + start
      case .refused(let refusal):
        events.append(.refused(refusal))
        return
      }
    }
    consumed += start
    pending.removeFirst(start)
  }
}
