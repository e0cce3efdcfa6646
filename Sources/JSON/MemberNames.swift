/// The names that an object has so far, so that a repeated one is found while it is read.
///
/// A few names are compared one by one, which costs no hashing; many go into a set. Its key is the
/// name's UTF-8: `Set<String>` would take canonically equivalent names for one. The hash is seeded
/// per process, so that nobody can choose names that collide.
struct MemberNames {
  private static let fewest = 16
  private var few: [String] = []
  private var many: Set<Name> = []

  /// Adds a name; false when it is there already.
  mutating func insert(_ name: String) -> Bool {
    guard many.isEmpty else { return many.insert(Name(text: name)).inserted }
    guard !few.contains(where: { $0.hasSameScalars(as: name) }) else { return false }
    few.append(name)
    if few.count == Self.fewest {
      many = Set(few.map(Name.init(text:)))
      few = []
    }
    return true
  }

  /// A name as a key: equal when both have the same Unicode scalars.
  struct Name: Hashable {
    let text: String

    static func == (left: Name, right: Name) -> Bool {
      left.text.hasSameScalars(as: right.text)
    }

    func hash(into hasher: inout Hasher) {
      // Eight bytes at a time: the hasher's cost is per call. The length keeps a name apart from
      // the same name with U+0000 behind it.
      let bytes = text.utf8
      hasher.combine(bytes.count)
      var word: UInt64 = 0
      var filled = 0
      for byte in bytes {
        word = word << 8 | UInt64(byte)
        filled += 1
        if filled == 8 {
          hasher.combine(word)
          word = 0
          filled = 0
        }
      }
      if filled > 0 { hasher.combine(word) }
    }
  }
}
