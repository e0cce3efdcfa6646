/// Dates as people and their programs write them into files.
extension Instant {
  /// What `init(frontMatter:)` reads, also without leading zeros, with `/` for `-`, with the zone as
  /// `UTC`, `GMT` or `+02` and with more digits of a second than are kept; and a month by its name,
  /// with or without a day of the week, which is not checked: `Jan 02 2024`, `2 January 2024 10:00`,
  /// `Tue, 02 Jan 2024 10:00:00 +0200`. Without a zone it is UTC.
  package init(free text: String) throws(InstantError) {
    guard text.utf8.count <= 64 else { throw .form }
    var words = text.split { " ,\t".contains($0) }.map(String.init)
    var date = ""
    if let first = words.first, first.utf8.first?.isDigit == true,
      first.contains(where: { "-/".contains($0) })
    {
      words.removeFirst()
      // The time may follow its day without a blank.
      let parts = first.split(maxSplits: 1, omittingEmptySubsequences: false) { "Tt".contains($0) }
        .map(String.init)
      if parts.count == 2 { words.insert(parts[1], at: 0) }
      let numbers = parts[0].split(omittingEmptySubsequences: false) { "-/".contains($0) }
      guard numbers.count == 3, numbers[0].utf8.count == 4 else { throw .form }
      date = try Self.date(String(numbers[0]), String(numbers[1]), String(numbers[2]))
    } else {
      if let first = words.first, Self.isName(first, of: Self.weekdays) { words.removeFirst() }
      guard words.count >= 3 else { throw .form }
      let (day, name) = words[0].utf8.first?.isDigit == true ? (0, 1) : (1, 0)
      guard let month = Self.months.firstIndex(where: { Self.isName(words[name], of: [$0]) })
      else { throw .form }
      date = try Self.date(words[2], String(month + 1), words[day])
      words.removeFirst(3)
    }
    try self.init(frontMatter: date + Self.time(words))
  }

  /// The form of RFC 3339.
  private static func date(
    _ year: String, _ month: String, _ day: String
  ) throws(InstantError) -> String {
    guard year.utf8.count == 4 else { throw .form }
    var text = year
    for part in [month, day] {
      guard (1...2).contains(part.utf8.count) else { throw .form }
      text += "-" + (part.utf8.count == 1 ? "0" : "") + part
    }
    return text
  }

  /// A time with its zone, as `init(frontMatter:)` reads them behind a date.
  private static func time(_ words: [String]) throws(InstantError) -> String {
    guard var time = words.first else { return "" }
    guard words.count <= 2 else { throw .form }
    var zone = words.count == 2 ? words[1] : ""
    if zone.isEmpty, let start = time.firstIndex(where: { "Zz+-".contains($0) }) {
      zone = String(time[start...])
      time.removeSubrange(start...)
    }
    if let colon = time.firstIndex(of: ":"), time.distance(from: time.startIndex, to: colon) == 1 {
      time = "0" + time
    }
    if let point = time.firstIndex(of: ".") {
      let digits = time[point...].dropFirst()
      guard digits.utf8.allSatisfy(\.isDigit) else { throw .form }
      time = String(time[...point] + digits.prefix(6))
    }
    if ["UTC", "GMT"].contains(zone.uppercased()) { zone = "Z" }
    if zone.utf8.count == 3, "+-".contains(zone.first ?? " ") { zone += ":00" }
    return "T" + time + zone
  }

  private static let months = [
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
  ]
  private static let weekdays = [
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
  ]

  /// Whether a word is one of these names, or its first three letters.
  private static func isName(_ word: String, of names: [String]) -> Bool {
    let word = word.lowercased()
    return names.contains { $0 == word || $0.prefix(3) == word }
  }
}
