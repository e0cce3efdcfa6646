/// Where one field line lies: offsets from the first byte of its section.
struct FieldLine: Sendable, Equatable {
  var name: Range<UInt32>
  var value: Range<UInt32>
}

/// Finds the end of a head, or of a trailer section, and the fields in it.
///
/// It walks the bytes once, in order, and decides at fixed positions only, so that its outcome
/// cannot depend on how the bytes came in pieces. Between two calls it keeps a position but no
/// field: when a section came in pieces, the call that sees its end walks it once more.
struct HeadScanner: Sendable {
  enum Section: Sendable {
    case head, trailers
  }

  enum Outcome {
    case incomplete
    /// The section is this range of the input, its last CRLF included.
    case complete(Range<Int>)
    case refused(Refusal)
  }

  private enum Phase: Sendable {
    case start, startLineFeed, method, target, version, requestLineFeed
    case line, name, beforeValue, value, valueLineFeed, endLineFeed
  }

  let section: Section
  /// What the request line said, from its end on.
  private(set) var method = Method.get
  private(set) var version = Version.http11
  private(set) var target = Target.Layout()

  private var phase: Phase
  private var position = 0
  private var start = 0
  private var mark = 0
  private var nameEnd = 0
  private var methodEnd = 0
  private var targetEnd = 0
  private var fieldCount = 0

  init(_ section: Section) {
    self.section = section
    phase = section == .head ? .start : .line
  }

  /// Whether a byte of the section has been seen.
  var hasStarted: Bool { position > 0 }

  /// Goes on where the last call stopped; `input` starts with the bytes that it was given then.
  /// After `complete`, `lines` holds the section's fields.
  mutating func scan(
    _ input: Span<UInt8>, limits: RequestLimits, into lines: inout [FieldLine]
  ) -> Outcome {
    let resumed = hasStarted
    lines.removeAll(keepingCapacity: true)
    let outcome = walk(input, limits: limits, into: &lines)
    guard resumed, case .complete = outcome else { return outcome }
    self = HeadScanner(section)
    lines.removeAll(keepingCapacity: true)
    return walk(input, limits: limits, into: &lines)
  }

  private mutating func walk(
    _ input: Span<UInt8>, limits: RequestLimits, into lines: inout [FieldLine]
  ) -> Outcome {
    var index = position
    while true {
      let end = min(input.count, start + limits.head)
      guard index < end else {
        position = index
        return index - start >= limits.head ? .refused(.headTooLarge) : .incomplete
      }
      let byte = input[index]
      switch phase {
      case .start:
        if byte == .carriageReturn, start == 0 {
          phase = .startLineFeed
        } else if byte.isToken {
          phase = .method
          continue
        } else {
          return .refused(
            misplacedLineFeed(byte, at: index) ?? .malformedRequestLine(at: index - start))
        }

      case .startLineFeed:
        guard byte == .lineFeed else { return .refused(.bareCarriageReturn(at: index - 1)) }
        // RFC 9112 §2.2: one empty line before a request line is passed over.
        start = index + 1
        phase = .start

      case .method:
        while index < end, input[index].isToken { index += 1 }
        if index - start > Self.longestMethod { return .refused(.unknownMethod) }
        guard index < end else { continue }
        guard input[index] == .space else {
          return .refused(
            misplacedLineFeed(input[index], at: index) ?? .malformedRequestLine(at: index - start))
        }
        methodEnd = index
        phase = .target

      case .target:
        let limit = methodEnd + 1 + limits.target
        while index < end, input[index] > .space, input[index] != 0x7F, index <= limit {
          index += 1
        }
        if index > limit { return .refused(.targetTooLong) }
        guard index < end else { continue }
        guard input[index] == .space, index > methodEnd + 1 else {
          return .refused(
            misplacedLineFeed(input[index], at: index) ?? .malformedRequestLine(at: index - start))
        }
        targetEnd = index
        phase = .version

      case .version:
        if byte == .carriageReturn {
          phase = .requestLineFeed
        } else if byte == .lineFeed {
          return .refused(.bareLineFeed(at: index - start))
        } else if byte <= .space || byte >= 0x7F || index - targetEnd > 8 {
          return .refused(.malformedRequestLine(at: index - start))
        }

      case .requestLineFeed:
        guard byte == .lineFeed else {
          return .refused(.bareCarriageReturn(at: index - 1 - start))
        }
        do throws(Refusal) {
          try readRequestLine(input, end: index - 1)
        } catch {
          return .refused(error)
        }
        phase = .line

      case .line:
        mark = index
        if byte == .carriageReturn {
          phase = .endLineFeed
        } else if byte.isWhitespace {
          return .refused(.obsoleteLineFolding(at: index - start))
        } else if byte.isToken {
          if fieldCount == limits.fields { return .refused(.tooManyFields) }
          fieldCount += 1
          phase = .name
        } else {
          return .refused(
            byte == .lineFeed
              ? .bareLineFeed(at: index - start) : .invalidFieldName(at: index - start))
        }

      case .name:
        while index < end, input[index].isToken { index += 1 }
        guard index < end else { continue }
        guard input[index] == .colon else {
          return .refused(
            input[index].isWhitespace
              ? .spaceBeforeColon(at: mark - start)
              : misplacedLineFeed(input[index], at: index) ?? .invalidFieldName(at: mark - start))
        }
        nameEnd = index
        phase = .beforeValue

      case .beforeValue:
        guard byte.isWhitespace else {
          lines.append(line(valueFrom: index))
          phase = .value
          continue
        }

      case .value:
        while index < end, input[index].isFieldValue { index += 1 }
        guard index < end else { continue }
        guard input[index] == .carriageReturn else {
          return .refused(
            misplacedLineFeed(input[index], at: index) ?? .invalidFieldValue(at: index - start))
        }
        if !lines.isEmpty { endValue(input, at: index, in: &lines) }
        phase = .valueLineFeed

      case .valueLineFeed:
        guard byte == .lineFeed else {
          return .refused(.bareCarriageReturn(at: index - 1 - start))
        }
        phase = .line

      case .endLineFeed:
        guard byte == .lineFeed else {
          return .refused(.bareCarriageReturn(at: index - 1 - start))
        }
        return .complete(start..<(index + 1))
      }
      index += 1
    }
  }

  /// No method that is known is longer; a longer token is refused before its end (RFC 9112 §3).
  private static var longestMethod: Int { 32 }

  /// A line feed is named as such wherever it may not stand.
  private func misplacedLineFeed(_ byte: UInt8, at index: Int) -> Refusal? {
    switch byte {
    case .lineFeed: .bareLineFeed(at: index - start)
    default: nil
    }
  }

  private func line(valueFrom index: Int) -> FieldLine {
    let value = UInt32(index - start)
    return FieldLine(
      name: UInt32(mark - start)..<UInt32(nameEnd - start), value: value..<value)
  }

  /// Ends the newest line's value before the white space at its end. A line that an earlier call
  /// began is not in `lines`; the walk that follows reads it again.
  private func endValue(_ input: Span<UInt8>, at index: Int, in lines: inout [FieldLine]) {
    let last = lines.count - 1
    let first = lines[last].value.lowerBound
    var end = index
    while end > start + Int(first), input[end - 1].isWhitespace { end -= 1 }
    lines[last].value = first..<UInt32(max(end - start, Int(first)))
  }

  private mutating func readRequestLine(_ input: Span<UInt8>, end: Int) throws(Refusal) {
    let spelling = (targetEnd + 1)..<end
    if input.holds(Version.http11.rawValue, at: spelling) {
      version = .http11
    } else if input.holds(Version.http10.rawValue, at: spelling) {
      version = .http10
    } else if spelling.count == 8, input.holds("HTTP/", at: spelling.prefix(5)),
      input[spelling.lowerBound + 5].isDigit, input[spelling.lowerBound + 6] == 0x2E,
      input[spelling.lowerBound + 7].isDigit
    {
      throw .unsupportedVersion
    } else {
      throw .malformedRequestLine(at: spelling.lowerBound - start)
    }
    guard let known = Method(input, at: start..<methodEnd) else { throw .unknownMethod }
    method = known
    target = try Target.Layout(input, (methodEnd + 1)..<targetEnd, for: method, origin: start)
  }
}
