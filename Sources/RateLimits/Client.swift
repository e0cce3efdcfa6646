/// Whom a bucket belongs to.
package struct Client: Sendable, Hashable {
  /// The classes of clients, each with limits of its own.
  package enum Class: UInt8, Sendable, CaseIterable {
    /// Whoever sends no key, by network address.
    case address
    /// Keys that are not known to be good, by network address.
    case credential
    /// Whoever sends a good key, by its account.
    case account
  }

  package let kind: Class
  /// Whether it stands for a whole /48, with 16 times the limits.
  package let isParent: Bool
  package let high: UInt64
  package let low: UInt64

  /// A network address of 128 bits, most significant first; IPv4 as `::ffff:0:0/96` has it. Of any
  /// other address the first 64 bits count: whoever has one has as a rule all of them.
  package static func address(_ high: UInt64, _ low: UInt64) -> Client {
    network(.address, high, low)
  }

  /// The same address, for its keys that are not known to be good.
  package static func credential(_ high: UInt64, _ low: UInt64) -> Client {
    network(.credential, high, low)
  }

  /// An account, by the two halves of its UUID.
  package static func account(_ high: UInt64, _ low: UInt64) -> Client {
    Client(kind: .account, isParent: false, high: high, low: low)
  }

  private static func network(_ kind: Class, _ high: UInt64, _ low: UInt64) -> Client {
    let isIPv4 = high == 0 && low >> 32 == 0xFFFF
    return Client(kind: kind, isParent: false, high: high, low: isIPv4 ? low : 0)
  }

  init(kind: Class, isParent: Bool, high: UInt64, low: UInt64) {
    self.kind = kind
    self.isParent = isParent
    self.high = high
    self.low = low
  }

  /// Class and kind in one number from one on.
  var mark: UInt8 { kind.rawValue &+ 1 | (isParent ? 0x80 : 0) }

  /// The client of a mark.
  init?(mark: UInt8, high: UInt64, low: UInt64) {
    guard mark & 0x7F > 0, let kind = Class(rawValue: (mark & 0x7F) - 1) else { return nil }
    self.init(kind: kind, isParent: mark & 0x80 != 0, high: high, low: low)
  }

  /// The /48 that a /64 is part of, which is charged too.
  package var parent: Client? {
    guard kind != .account, low == 0, !isParent else { return nil }
    return Client(kind: kind, isParent: true, high: high & ~0xFFFF, low: 0)
  }
}
