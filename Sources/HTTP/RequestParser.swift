/// Turns the bytes of a connection into requests, one outcome at a time (RFC 9112).
///
/// It is a value without I/O: the connection owns it, offers it what it has read, and acts on the
/// outcome. Where the RFC lets a recipient be lenient about where a message ends, it is strict:
/// only CRLF ends a line (a bare LF is refused as a bare CR is), at most one empty line before a
/// request is passed over, and whatever is ambiguous is refused.
package struct RequestParser: Sendable {
  /// What `next` found. `consumed` bytes of the input are done with.
  package enum Step: Sendable {
    /// More input is needed: offer the rest of this input again, with more behind it.
    case incomplete(consumed: Int)
    /// The head is complete and its framing decided.
    case head(RequestHead, consumed: Int)
    /// Content of the request: this range of the input.
    case content(Range<Int>, consumed: Int)
    /// The request is complete; the next call begins the next one.
    case end(consumed: Int)
    /// Nothing more can be read from this connection; every later call says the same.
    case refused(Refusal)
  }

  /// The limits this parser was made with.
  package let limits: RequestLimits

  /// What heads are parsed into. No state lives in it between two calls of `next`, so that one
  /// storage may be lent to many parsers in turn (`swap`). It is used again without an allocation
  /// once the head that was parsed into it is gone.
  package var storage = HeadStorage()

  /// The head of the request that was refused with `bodyTooLarge` before its content was read.
  package private(set) var refusedHead: RequestHead?

  private enum Phase: Sendable {
    case head(HeadScanner)
    case content(remaining: Int)
    case chunked(ChunkedContent)
    case trailers(HeadScanner)
    case refused(Refusal)
  }

  private var phase = Phase.head(HeadScanner(.head))

  package init(limits: RequestLimits = RequestLimits()) {
    self.limits = limits.clamped
  }

  /// Whether the parser stands between two requests and has seen no byte of the next one.
  package var isBetweenRequests: Bool {
    if case .head(let scanner) = phase { return !scanner.hasStarted }
    return false
  }

  /// The next outcome in `input`. Call it, with what is left of the input even if that is empty,
  /// until it answers `incomplete` or `refused`.
  package mutating func next(_ input: Span<UInt8>) -> Step {
    switch phase {
    case .head(let scanner):
      return nextHead(input, scanner)

    case .content(let remaining):
      guard remaining > 0 else {
        phase = .head(HeadScanner(.head))
        return .end(consumed: 0)
      }
      guard !input.isEmpty else { return .incomplete(consumed: 0) }
      let count = min(remaining, input.count)
      phase = .content(remaining: remaining - count)
      return .content(0..<count, consumed: count)

    case .chunked(var content):
      switch content.next(input, limit: limits.body) {
      case .incomplete(let consumed):
        phase = .chunked(content)
        return .incomplete(consumed: consumed)
      case .content(let range):
        phase = .chunked(content)
        return .content(range, consumed: range.upperBound)
      case .trailers(let consumed):
        return nextTrailers(input, from: consumed, HeadScanner(.trailers))
      case .refused(let refusal):
        return refuse(refusal)
      }

    case .trailers(let scanner):
      return nextTrailers(input, from: 0, scanner)

    case .refused(let refusal):
      return .refused(refusal)
    }
  }

  private mutating func nextHead(_ input: Span<UInt8>, _ before: HeadScanner) -> Step {
    var scanner = before
    switch scanner.scan(input, limits: limits, into: &storage.lines) {
    case .incomplete:
      phase = .head(scanner)
      return .incomplete(consumed: 0)
    case .refused(let refusal):
      return refuse(refusal)
    case .complete(let range):
      storage.keep(input, range)
      let semantics: HeadSemantics
      do throws(Refusal) {
        semantics = try HeadSemantics(
          input, storage.lines, origin: range.lowerBound, version: scanner.version)
      } catch {
        return refuse(error)
      }
      let head = RequestHead(
        method: scanner.method, target: Target(bytes: storage.bytes, layout: scanner.target),
        version: scanner.version, semantics: semantics, storage: storage)
      switch semantics.framing {
      case .none:
        phase = .content(remaining: 0)
      case .length(let length):
        guard length <= limits.body else {
          refusedHead = head
          return refuse(.bodyTooLarge)
        }
        phase = .content(remaining: length)
      case .chunked:
        phase = .chunked(ChunkedContent())
      }
      return .head(head, consumed: range.upperBound)
    }
  }

  private mutating func nextTrailers(
    _ input: Span<UInt8>, from consumed: Int, _ before: HeadScanner
  ) -> Step {
    var scanner = before
    let rest = input.extracting(consumed..<input.count)
    switch scanner.scan(rest, limits: limits, into: &storage.lines) {
    case .incomplete:
      phase = .trailers(scanner)
      return .incomplete(consumed: consumed)
    case .refused(let refusal):
      return refuse(refusal.inTrailers)
    case .complete(let range):
      // The fields are not kept: nothing here reads a trailer, and what frames or routes a
      // message may not come behind it (RFC 9110 §6.5.1).
      for line in storage.lines where rest.framesOrRoutes(line) {
        return refuse(.forbiddenTrailer(at: Int(line.name.lowerBound)))
      }
      phase = .head(HeadScanner(.head))
      return .end(consumed: consumed + range.upperBound)
    }
  }

  private mutating func refuse(_ refusal: Refusal) -> Step {
    phase = .refused(refusal)
    return .refused(refusal)
  }
}

/// How much of a request is read. A limit is itself still allowed.
package struct RequestLimits: Sendable {
  /// Bytes of the head, from the request line's first byte to the empty line's last; the same
  /// bounds the trailer section.
  package var head = 32 * 1024
  /// Field lines of the head; the same bounds the trailer section.
  package var fields = 100
  /// Bytes of the request target.
  package var target = 8 * 1024
  /// Bytes of the content, chunk framing not counted.
  package var body = 1 << 20

  package init() {}

  /// Offsets within a head are kept in 32 bits, and none of the sums may overflow.
  fileprivate var clamped: RequestLimits {
    var limits = self
    limits.head = min(max(head, 0), 1 << 30)
    limits.target = min(max(target, 0), 1 << 30)
    limits.fields = max(fields, 0)
    limits.body = max(body, 0)
    return limits
  }
}

/// The memory that a head is parsed into.
package struct HeadStorage: Sendable {
  var bytes: [UInt8] = []
  var lines: [FieldLine] = []

  package init() {}

  mutating func keep(_ input: Span<UInt8>, _ range: Range<Int>) {
    bytes.removeAll(keepingCapacity: true)
    bytes.append(addingCapacity: range.count) { output in
      for index in range { output.append(input[index]) }
    }
  }
}

extension Refusal {
  /// What this fault of a field section is called when the section is a trailer.
  fileprivate var inTrailers: Refusal {
    switch self {
    case .bareCarriageReturn(let at), .bareLineFeed(let at), .obsoleteLineFolding(let at),
      .spaceBeforeColon(let at), .invalidFieldName(let at), .invalidFieldValue(let at):
      .malformedTrailer(at: at)
    default: self
    }
  }
}

extension Span<UInt8> {
  fileprivate func framesOrRoutes(_ line: FieldLine) -> Bool {
    let name = Int(line.name.lowerBound)..<Int(line.name.upperBound)
    return holds(ignoringCase: "content-length", at: name)
      || holds(ignoringCase: "transfer-encoding", at: name)
      || holds(ignoringCase: "host", at: name)
  }
}
