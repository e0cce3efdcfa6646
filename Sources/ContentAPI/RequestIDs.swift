import HTTP
import Synchronization

/// Names requests: the client's own name when it is sane, else one of ours.
package final class RequestIDs: Sendable {
  private let prefix: String
  private let counter = Atomic<UInt64>(0)

  /// - Parameter seed: random bytes that tell this process from every other.
  package init(seed: [UInt8]) {
    prefix = seed.map { Self.hex(UInt64($0), digits: 2) }.joined()
  }

  /// The next name of ours.
  package func make() -> String {
    let (_, number) = counter.wrappingAdd(1, ordering: .relaxed)
    return prefix + Self.hex(number, digits: 12)
  }

  /// `X-Request-Id` is echoed when it is at most 128 visible ASCII characters.
  func id(of head: RequestHead) -> String {
    guard case .one(let text) = head.only(of: "x-request-id"), Self.isSane(text.utf8Span.span)
    else { return make() }
    return text
  }

  /// Adds the field line that names the request, without an allocation; where in it the name stands.
  func appendField(for head: RequestHead, to output: inout [UInt8]) -> Range<Int> {
    let start = output.count + "X-Request-Id: ".utf8.count
    output.append(contentsOf: "X-Request-Id: ".utf8)
    var isNamed = false
    if case .line(let index) = head.place(of: "x-request-id") {
      isNamed = head.withLine(index) { name in
        guard Self.isSane(name) else { return false }
        for index in name.indices { output.append(name[index]) }
        return true
      }
    }
    if !isNamed {
      let (_, number) = counter.wrappingAdd(1, ordering: .relaxed)
      output.append(contentsOf: prefix.utf8)
      for shift in stride(from: UInt64(44), through: 0, by: -4) {
        let digit = UInt8(truncatingIfNeeded: number >> shift) & 15
        output.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
      }
    }
    output.append(contentsOf: "\r\n".utf8)
    return start..<output.count - 2
  }

  private static func isSane(_ name: Span<UInt8>) -> Bool {
    guard (1...128).contains(name.count) else { return false }
    for index in name.indices where !(0x21...0x7e).contains(name[index]) { return false }
    return true
  }

  private static func hex(_ number: UInt64, digits: Int) -> String {
    let text = String(number, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
  }
}
