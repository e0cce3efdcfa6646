import EventLoop
import HTTP
import Synchronization

/// Where a request stands in a trace (W3C Trace Context): whose trace it belongs to, and what this
/// part of it is called.
package struct TraceContext: Sendable, Equatable {
  /// The trace's id, 128 bits that are not all zero.
  package let high: UInt64
  package let low: UInt64
  /// The id of this request's span, not zero.
  package let span: UInt64

  package init(high: UInt64, low: UInt64, span: UInt64) {
    self.high = high
    self.low = low
    self.span = span
  }
}

/// Continues the traces that requests come with, and begins those of the others.
package final class Traces: Sendable {
  private let count: Atomic<UInt64>

  private static var step: UInt64 { 0x9e37_79b9_7f4a_7c15 }

  /// Begins at a place of chance.
  package init() {
    count = Atomic(RandomBytes.make(8).reduce(0) { $0 << 8 | UInt64($1) })
  }

  /// The trace that the field `traceparent` names, with a span of its own, or a trace of its own when
  /// there is no such field, several, or one that is not valid. Allocates nothing.
  func context(of head: RequestHead) -> TraceContext {
    let span = number()
    if case .line(let index) = head.place(of: "traceparent"),
      let trace = head.withLine(index, { Self.trace(in: $0) })
    {
      return TraceContext(high: trace.high, low: trace.low, span: span)
    }
    return TraceContext(high: number(), low: number(), span: span)
  }

  /// Of a request that could not be read.
  func make() -> TraceContext {
    TraceContext(high: number(), low: number(), span: number())
  }

  /// A number that is not zero, and comes again after 2^64 others (SplitMix64).
  private func number() -> UInt64 {
    var number = count.wrappingAdd(Self.step, ordering: .relaxed).newValue
    number = (number ^ number >> 30) &* 0xbf58_476d_1ce4_e5b9
    number = (number ^ number >> 27) &* 0x94d0_49bb_1331_11eb
    number ^= number >> 31
    return number == 0 ? 1 : number
  }

  /// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`. Later versions may have more behind a
  /// hyphen; version ff there is none (§3.2).
  package static func trace(in value: Span<UInt8>) -> (high: UInt64, low: UInt64)? {
    guard value.count >= 55, value[2] == hyphen, value[35] == hyphen, value[52] == hyphen,
      let version = hexadecimal(value, 0..<2), version != 0xff,
      version == 0 ? value.count == 55 : value.count == 55 || value[55] == hyphen,
      let high = hexadecimal(value, 3..<19), let low = hexadecimal(value, 19..<35),
      high != 0 || low != 0, let parent = hexadecimal(value, 36..<52), parent != 0,
      hexadecimal(value, 53..<55) != nil
    else { return nil }
    return (high, low)
  }

  private static var hyphen: UInt8 { UInt8(ascii: "-") }

  /// Lower-case digits only.
  private static func hexadecimal(_ value: Span<UInt8>, _ range: Range<Int>) -> UInt64? {
    var number: UInt64 = 0
    for index in range {
      switch value[index] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt64(value[index] & 15)
      case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt64(value[index] - 87)
      default: return nil
      }
    }
    return number
  }
}
