import HTTP

/// The query of a request, read strictly: every fault is named, none is corrected.
struct Query {
  private let values: [String: String]
  private var faults: [Fault] = []

  /// - Parameter names: the parameters that may stand there, once each; others are faults.
  init(_ target: Target, allows names: [String]) {
    var values: [String: String] = [:]
    for (name, value) in target.query {
      if !names.contains(name) {
        let known =
          names.isEmpty ? "this takes none" : "known here: " + names.joined(separator: ", ")
        faults.append(
          Fault(place: .parameter(name), detail: "This parameter is not known; \(known)."))
      } else if values.updateValue(value, forKey: name) != nil {
        faults.append(
          Fault(place: .parameter(name), detail: "This parameter may stand there once."))
      }
    }
    self.values = values
  }

  func text(_ name: String) -> String? { values[name] }

  /// An integer in `range`, or `standard` when the parameter is absent.
  mutating func integer(_ name: String, in range: ClosedRange<Int>, standard: Int) -> Int {
    guard let text = values[name] else { return standard }
    guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy(\.isDigit),
      let number = Int(text), range.contains(number)
    else {
      refuse(name, "A whole number from \(range.lowerBound) to \(range.upperBound) is expected.")
      return standard
    }
    return number
  }

  /// `true` or `false`; nil when the parameter is absent.
  mutating func boolean(_ name: String) -> Bool? {
    choice(name, of: ["true", "false"]).map { $0 == "true" }
  }

  /// One of `choices`; nil when the parameter is absent.
  mutating func choice(_ name: String, of choices: [String]) -> String? {
    guard let text = values[name] else { return nil }
    guard let choice = choices.first(where: { $0.utf8.elementsEqual(text.utf8) }) else {
      refuse(name, "One of these is expected: \(choices.joined(separator: ", ")).")
      return nil
    }
    return choice
  }

  /// An instant of RFC 3339; nil when the parameter is absent.
  mutating func instant(_ name: String) -> Instant? {
    guard let text = values[name] else { return nil }
    do throws(InstantError) {
      return try Instant(rfc3339: text)
    } catch {
      refuse(
        name,
        "An instant such as 2026-03-12T09:00:00Z or 2026-03-12T11:00:00%2B02:00 is expected, but "
          + "\(error).")
      return nil
    }
  }

  /// One to 32 slugs of at most `limit` characters with commas between them, each kept once; empty
  /// when the parameter is absent.
  mutating func slugs(_ name: String, limit: Int) -> [String] {
    guard let text = values[name] else { return [] }
    var slugs: [String] = []
    for slug in text.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
      guard Slug.isValid(slug, limit: limit) else {
        refuse(name, "Slugs separated by commas are expected: \(Slug.rule).")
        return []
      }
      if !slugs.contains(slug) { slugs.append(slug) }
    }
    if slugs.count > 32 { refuse(name, "At most 32 slugs are expected.") }
    return slugs
  }

  /// Those of the parameters `names` that are there, as a link to another page repeats them.
  func repeated(_ names: [String]) -> [String] {
    names.compactMap { name in values[name].map { name + "=" + Self.encoded($0) } }
  }

  /// What RFC 3986 lets stand in a query, without what a form would read as something else.
  static func encoded(_ text: String) -> String {
    var encoded: [UInt8] = []
    for byte in text.utf8 {
      if byte.isLetter || byte.isDigit || "-._~,:".utf8.contains(byte) {
        encoded.append(byte)
      } else {
        let digits = Array("0123456789ABCDEF".utf8)
        encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: encoded, as: UTF8.self)
  }

  mutating func refuse(_ name: String, _ detail: String) {
    faults.append(Fault(place: .parameter(name), detail: detail))
  }

  /// Throws everything that is wrong; call it when everything has been read.
  func finish() throws(Problem) {
    if faults.isEmpty { return }
    throw Problem(
      .invalidParameter,
      faults.count == 1 ? faults[0].detail : "\(faults.count) faults; see errors.", faults: faults)
  }
}
