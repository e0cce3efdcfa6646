/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers from the same seed.
struct Random: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z &>> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z &>> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z &>> 31
  }

  /// From zero to below the limit, near enough to even.
  mutating func below(_ limit: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(max(0, limit))).high)
  }

  mutating func happens(_ perMille: Int) -> Bool { below(1_000) < perMille }

  /// Nanoseconds within a range of milliseconds.
  mutating func milliseconds(_ range: ClosedRange<Int>) -> Int64 {
    let low = range.lowerBound * 1_000
    let high = range.upperBound * 1_000
    return Int64(low + below(high - low + 1)) * 1_000
  }
}
