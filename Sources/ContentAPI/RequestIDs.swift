import HTTP
import Synchronization

/// Names requests: the client's own name when it is sane, else one of ours.
package final class RequestIDs: Sendable {
  private let prefix: [UInt8]
  private let counter = Atomic<UInt64>(0)

  /// - Parameter seed: random bytes that tell this process from every other.
  package init(seed: [UInt8]) {
    prefix = seed.flatMap { [Self.digit($0 >> 4), Self.digit($0 & 15)] }
  }

  /// The next name of ours.
  package func make() -> String {
    var name: [UInt8] = []
    name.reserveCapacity(32)
    append(to: &name)
    return String(decoding: name, as: UTF8.self)
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
    if !isNamed { append(to: &output) }
    output.append(contentsOf: "\r\n".utf8)
    return start..<output.count - 2
  }

  /// Appends the next name of ours.
  private func append(to output: inout [UInt8]) {
    let (_, number) = counter.wrappingAdd(1, ordering: .relaxed)
    output.append(contentsOf: prefix)
    for shift in stride(from: UInt64(44), through: 0, by: -4) {
      output.append(Self.digit(UInt8(truncatingIfNeeded: number >> shift) & 15))
    }
  }

  private static func isSane(_ name: Span<UInt8>) -> Bool {
    guard (1...128).contains(name.count) else { return false }
    for index in name.indices where !(0x21...0x7e).contains(name[index]) { return false }
    return true
  }

  private static func digit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }
}
