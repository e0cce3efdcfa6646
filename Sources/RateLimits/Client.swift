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
    /// Whoever signs up for the newsletter, by network address.
    case signUp
    /// The address of a mailbox that is signed up, by a digest.
    case mailbox
    /// All sign-ups together.
    case signUps

    /// Whether it goes by network address.
    var isNetwork: Bool {
      switch self {
      case .address, .credential, .signUp: true
      case .account, .mailbox, .signUps: false
      }
    }

    /// Whether its buckets may not make room for those of addresses.
    var isLasting: Bool {
      switch self {
      case .account, .signUps: true
      case .address, .credential, .signUp, .mailbox: false
      }
    }
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

  /// The same address, for the sign-ups that come from it.
  package static func signUp(_ high: UInt64, _ low: UInt64) -> Client {
    network(.signUp, high, low)
  }

  /// A mailbox, by 128 bits of a digest of its address.
  package static func mailbox(_ high: UInt64, _ low: UInt64) -> Client {
    Client(kind: .mailbox, isParent: false, high: high, low: low)
  }

  /// All who sign up.
  package static let signUps = Client(kind: .signUps, isParent: false, high: 0, low: 0)

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
    guard kind.isNetwork, low == 0, !isParent else { return nil }
    return Client(kind: kind, isParent: true, high: high & ~0xFFFF, low: 0)
  }
}
