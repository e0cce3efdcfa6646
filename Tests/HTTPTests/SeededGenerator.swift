/// Random numbers that are the same in every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

extension [UInt8] {
  /// One change of the kind that breaks parsers: a byte put in, taken out or replaced, a piece
  /// doubled, or the end of another message put behind.
  mutating func mutate(with other: [UInt8], using random: inout SeededGenerator) {
    let telling = Array<UInt8>("\r\n\t :;,=\"\\%/?0aG".utf8) + [0, 0x0B, 0x7F, 0x80, 0xFF]
    let byte =
      Bool.random(using: &random)
      ? telling.randomElement(using: &random)! : UInt8.random(in: 0...255, using: &random)
    let place = Int.random(in: 0...count, using: &random)
    switch Int.random(in: 0..<5, using: &random) {
    case 0: insert(byte, at: place)
    case 1: if place < count { remove(at: place) }
    case 2: if place < count { self[place] = byte }
    case 3: insert(contentsOf: self[place..<Swift.min(place + 20, count)], at: place)
    default: append(contentsOf: other.dropFirst(Int.random(in: 0...other.count, using: &random)))
    }
  }
}
