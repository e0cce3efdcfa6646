import EventLoop
import HTTP

/// What an anonymous read of one target has found, kept to be answered again.
final class CachedAnswer: Sendable {
  /// Path and query as they were sent.
  let target: [UInt8]
  private let representation: Representation
  /// The number of the content when it was read.
  let number: UInt64
  /// When it may change by itself.
  private let dueAt: MonotonicInstant
  /// What a request for it costs.
  let cost: Route.Cost
  let route: RouteNumber

  // As bytes, so that nothing has to be made for an answer.
  private let fields: [UInt8]
  private let fieldsOfUnchanged: [UInt8]
  private let tag: [UInt8]
  private let mediaType: [UInt8]

  private static let overhead = 512

  /// - Parameters:
  ///   - asked: before the database was asked.
  ///   - finish: adds to an answer what those to all readers have.
  init(
    target: [UInt8], _ representation: Representation, number: UInt64, asked: MonotonicInstant,
    of route: RouteNumber, cost: Route.Cost, finish: (inout Response) -> Void
  ) {
    func bytes(_ status: Int) -> [UInt8] {
      var response = representation.response(status: status)
      response.fields.remove("Cache-Control")
      finish(&response)
      return response.fields.bytes
    }
    self.target = target
    self.representation = representation
    self.number = number
    self.route = route
    self.cost = cost
    dueAt = representation.changesIn.map { asked + .seconds($0) } ?? .distantFuture
    fields = bytes(200)
    fieldsOfUnchanged = bytes(304)
    tag = Array(representation.tag.text.utf8)
    mediaType = Array(representation.mediaType.essence.utf8)
  }

  /// What it takes of memory, in bytes.
  var weight: Int {
    target.count + representation.body.count + fields.count + fieldsOfUnchanged.count
      + Self.overhead
  }

  /// The representation with what time has made of it; nil when it is not to be used any more.
  func representation(_ standing: ContentPosition.Standing, now: MonotonicInstant)
    -> Representation?
  {
    guard let age = usableAge(standing, now: now) else { return nil }
    var current = representation
    current.changesIn = secondsLeft(now: now)
    if age > 0 { current.age = age }
    return current
  }

  /// The age to be told, 0 for none; nil when the answer is not to be used any more.
  private func usableAge(_ standing: ContentPosition.Standing, now: MonotonicInstant) -> Int? {
    switch standing {
    case .current: now < dueAt ? 0 : nil
    case .unconfirmed(let age): age
    case .past: nil
    }
  }

  /// Until it may change by itself, rounded down; nil when it cannot.
  private func secondsLeft(now: MonotonicInstant) -> Int? {
    dueAt == .distantFuture
      ? nil : Int(max(0, dueAt.nanoseconds - now.nanoseconds) / 1_000_000_000)
  }

  /// Whether the value of an If-None-Match is this one's tag alone; nil when it has to be read.
  private func isUnchanged(_ condition: Span<UInt8>) -> Bool? {
    let start = condition.count > 2 && condition[0] == UInt8(ascii: "W") ? 2 : 0
    guard condition.count - start == tag.count else { return nil }
    for index in tag.indices where condition[start + index] != tag[index] { return nil }
    if start == 2, condition[1] != UInt8(ascii: "/") { return nil }
    return true
  }
}

extension CachedAnswer {
  /// The status of the answer to a request, if it can be given without more ado: 200 or 304 to whom
  /// takes the media type as plainly as most programs do.
  ///
  /// - Parameter ownFields: where the field lines go that this answer alone has.
  func promptStatus(
    for head: RequestHead, _ standing: ContentPosition.Standing, now: MonotonicInstant,
    ownFields: inout [UInt8]
  ) -> Int? {
    guard let age = usableAge(standing, now: now), accepts(head) else { return nil }
    var isUnchanged = false
    switch head.place(of: "if-none-match") {
    case .absent: if head.place(of: "if-modified-since") != .absent { return nil }
    case .line(let index):
      guard let answer = head.withLine(index, { self.isUnchanged($0) }) else { return nil }
      isUnchanged = answer
    case .repeated: return nil
    }
    guard head.place(of: "if-match") == .absent else { return nil }
    if age > 0 {
      ownFields.append(contentsOf: "Age: ".utf8)
      ResponseWriter.append(age, to: &ownFields)
      ownFields.append(contentsOf: "\r\n".utf8)
    }
    ownFields.append(contentsOf: "Cache-Control: ".utf8)
    Representation.appendPublicCacheControl(secondsLeft(now: now), to: &ownFields)
    ownFields.append(contentsOf: "\r\n".utf8)
    return isUnchanged ? 304 : 200
  }

  /// The answer of a status that `promptStatus` has told.
  func promptAnswer(_ status: Int, ownFields: [UInt8]) -> PromptAnswer {
    status == 304
      ? PromptAnswer(status: status, fields: fieldsOfUnchanged, ownFields: ownFields)
      : PromptAnswer(
        status: status, fields: fields, ownFields: ownFields, body: representation.body)
  }

  /// Whether `Accept` is not there, or is a list of plain media ranges, without weights, one of
  /// which is the type itself or `*/*`. All else in the field, faults too, goes the long way.
  private func accepts(_ head: RequestHead) -> Bool {
    switch head.place(of: "accept") {
    case .absent: true
    case .repeated: false
    case .line(let index): head.withLine(index) { accepts($0) }
    }
  }

  private func accepts(_ list: Span<UInt8>) -> Bool {
    var start = 0
    var isAccepted = false
    for index in 0...list.count {
      if index < list.count, list[index] != UInt8(ascii: ",") { continue }
      var (first, end) = (start, index)
      while first < end, list[first] == UInt8(ascii: " ") { first += 1 }
      while end > first, list[end - 1] == UInt8(ascii: " ") { end -= 1 }
      start = index + 1
      if first == end { continue }
      guard let isTaken = takes(list, first..<end) else { return false }
      isAccepted = isAccepted || isTaken
    }
    return isAccepted
  }

  /// Whether a media range is the type or `*/*`; nil when it is not a plain one.
  private func takes(_ list: Span<UInt8>, _ range: Range<Int>) -> Bool? {
    var slash: Int?
    for index in range {
      switch list[index] {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"),
        UInt8(ascii: "."):
        break
      case UInt8(ascii: "*"): if range.count != 3 { return nil }
      case UInt8(ascii: "/"):
        guard slash == nil, index > range.lowerBound, index + 1 < range.upperBound else {
          return nil
        }
        slash = index
      default: return nil
      }
    }
    guard slash != nil else { return nil }
    if range.count == 3, list[range.lowerBound] == UInt8(ascii: "*") {
      return list[range.upperBound - 1] == UInt8(ascii: "*") ? true : nil
    }
    guard range.count == mediaType.count else { return false }
    for index in range where list[index] != mediaType[index - range.lowerBound] { return false }
    return true
  }
}
