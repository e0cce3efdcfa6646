import RateLimits

/// How much may be asked, of each class of clients: `COLOPHON_RATE_LIMITS`.
package struct RateLimitSettings: Sendable, Equatable {
  /// Whom a limit counts, by the name that it has in the variable.
  package enum Class: String, Sendable, CaseIterable {
    /// Whoever sends no key, by network address.
    case address
    /// Whoever sends a good key, by its account.
    case key
    /// Keys that are not known to be good, by network address.
    case credential
    /// Whoever signs up for the newsletter, by network address.
    case signUp = "signup"
    /// An address that is signed up.
    case mailbox
    /// All sign-ups together.
    case signUps = "signups"
  }

  /// So many tokens in so much time.
  package struct Quota: Sendable, Equatable {
    /// Tokens, 5…1,000,000,000: what any request costs must fit in.
    package let tokens: Int
    /// Seconds, one to 366 days.
    package let seconds: Int

    package init(_ tokens: Int, per seconds: Int) {
      self.tokens = tokens
      self.seconds = seconds
    }
  }

  /// The policies of one class.
  package struct Limits: Sendable, Equatable {
    package var burst: Quota
    package var sustained: Quota

    package init(burst: Quota, sustained: Quota) {
      self.burst = burst
      self.sustained = sustained
    }
  }

  private var limits: [Class: Limits] = [
    .address: Limits(burst: Quota(1_000, per: 60), sustained: Quota(5_000, per: 900)),
    .key: Limits(burst: Quota(3_000, per: 60), sustained: Quota(15_000, per: 900)),
    .credential: Limits(burst: Quota(250, per: 60), sustained: Quota(2_500, per: 3_600)),
    .signUp: Limits(burst: Quota(10, per: 3_600), sustained: Quota(40, per: 86_400)),
    .mailbox: Limits(burst: Quota(5, per: 86_400), sustained: Quota(20, per: 2_592_000)),
    .signUps: Limits(burst: Quota(500, per: 3_600), sustained: Quota(5_000, per: 86_400)),
  ]

  /// The policies of a class.
  package subscript(_ name: Class) -> Limits {
    get {
      guard let limits = limits[name] else { preconditionFailure("every class has its limits") }
      return limits
    }
    set { limits[name] = newValue }
  }

  /// What there is without the variable.
  package init() {}

  /// The variable's value that says the same as the defaults do; README has it too.
  package static let example = """
    address:burst=1000/60s,sustained=5000/15m; key:burst=3000/60s,sustained=15000/15m; \
    credential:burst=250/60s,sustained=2500/1h; signup:burst=10/1h,sustained=40/1d; \
    mailbox:burst=5/1d,sustained=20/30d; signups:burst=500/1h,sustained=5000/1d
    """

  /// What is wrong with a value, as a clause that follows the variable's name.
  package struct Fault: Error, Sendable, Equatable {
    package let text: String
  }

  /// Reads classes with semicolons between them, each a name, a colon and policies with commas
  /// between them: `address:burst=1000/60s,sustained=5000/15m`. What is left out keeps its default.
  package init(_ text: String) throws(Fault) {
    var seen: Set<String> = []
    for part in text.split(separator: ";", omittingEmptySubsequences: false) {
      let words = part.split(separator: ":", omittingEmptySubsequences: false).map(Self.trimmed)
      guard words.count == 2, let name = Class(rawValue: words[0]) else {
        throw Fault(
          text: "has “\(Self.trimmed(part))” where a class is expected ("
            + Class.allCases.map(\.rawValue).joined(separator: ", ")
            + ") with a colon and its policies: \(Self.example)")
      }
      guard seen.insert(name.rawValue).inserted else {
        throw Fault(text: "has the class \(name.rawValue) twice: \(Self.example)")
      }
      for policy in words[1].split(separator: ",", omittingEmptySubsequences: false) {
        try read(Self.trimmed(policy), of: name, &seen)
      }
    }
  }

  private mutating func read(
    _ text: String, of name: Class, _ seen: inout Set<String>
  ) throws(Fault) {
    let words = text.split(separator: "=", omittingEmptySubsequences: false).map(Self.trimmed)
    let place = "of \(name.rawValue)"
    guard words.count == 2, let policy = Policy(rawValue: words[0]),
      let quota = Self.quota(words[1])
    else {
      throw Fault(
        text: "has “\(text)” \(place) where a policy is expected, such as burst=1000/60s or "
          + "sustained=5000/15m")
    }
    guard seen.insert(name.rawValue + "." + policy.rawValue).inserted else {
      throw Fault(text: "has \(policy.rawValue) \(place) twice")
    }
    guard quota.tokens >= Self.leastTokens else {
      throw Fault(
        text:
          "has “\(text)” \(place), which is less than the \(Self.leastTokens) that a write or a "
          + "bad key costs: \(policy.rawValue)=\(Self.leastTokens)/\(words[1].split(separator: "/")[1])"
      )
    }
    switch policy {
    case .burst: self[name].burst = quota
    case .sustained: self[name].sustained = quota
    }
  }

  private static let leastTokens = 5

  /// `1000/60s`: whole tokens, and seconds, minutes, hours or days.
  private static func quota(_ text: String) -> Quota? {
    let words = text.split(separator: "/", omittingEmptySubsequences: false)
    guard words.count == 2, let tokens = number(words[0], atMost: 1_000_000_000),
      let unit = words[1].utf8.last,
      let length = [
        UInt8(ascii: "s"): 1, UInt8(ascii: "m"): 60, UInt8(ascii: "h"): 3_600,
        UInt8(ascii: "d"): 86_400,
      ][unit],
      let count = number(words[1].dropLast(), atMost: 366 * 86_400 / length), count > 0
    else { return nil }
    return Quota(tokens, per: count * length)
  }

  private static func number(_ text: Substring, atMost limit: Int) -> Int? {
    guard (1...10).contains(text.utf8.count), text.utf8.allSatisfy(\.isDigit),
      let number = Int(text), number <= limit
    else { return nil }
    return number
  }

  private static func trimmed(_ text: some StringProtocol) -> String {
    text.split(separator: " ").joined(separator: " ")
  }
}
