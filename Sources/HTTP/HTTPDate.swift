/// An instant as HTTP writes it, in whole seconds (RFC 9110 §5.6.7).
package struct HTTPDate: Sendable, Hashable, Comparable {
  /// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted.
  package let secondsSinceEpoch: Int64

  package init(secondsSinceEpoch: Int64) {
    self.secondsSinceEpoch = secondsSinceEpoch
  }

  package static func < (left: HTTPDate, right: HTTPDate) -> Bool {
    left.secondsSinceEpoch < right.secondsSinceEpoch
  }

  /// Appends the IMF-fixdate, 29 bytes. It has four digits for the year: an instant before the
  /// year 0000 or after 9999 is written as the first or last second that it can say.
  package func append(to output: inout [UInt8]) {
    let seconds = min(max(secondsSinceEpoch, Self.first), Self.last)
    let (day, second) = (
      Self.floorDivided(seconds), Int(seconds - Self.floorDivided(seconds) * 86_400)
    )
    let date = CivilDate(daysSinceEpoch: day)
    output.append(contentsOf: Self.weekdays[Self.weekday(day)].prefix(3).utf8)
    output.append(contentsOf: ", ".utf8)
    Self.append(date.day, to: &output)
    output.append(.space)
    output.append(contentsOf: Self.months[date.month - 1].utf8)
    output.append(.space)
    Self.append(date.year / 100, to: &output)
    Self.append(date.year % 100, to: &output)
    output.append(.space)
    Self.append(second / 3600, to: &output)
    output.append(.colon)
    Self.append(second / 60 % 60, to: &output)
    output.append(.colon)
    Self.append(second % 60, to: &output)
    output.append(contentsOf: " GMT".utf8)
  }

  /// The IMF-fixdate.
  package var text: String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(29)
    append(to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Reads IMF-fixdate, the date of RFC 850 and that of asctime, nil for anything else, a day
  /// that does not exist and a wrong day of the week included. The two digits of an RFC 850 year
  /// mean the latest year that is at most 50 years after `now`.
  package init?(_ text: String, now: HTTPDate) {
    var reader = DateReader(text)
    guard let seconds = reader.imfFixdate() ?? reader.rfc850(now) ?? reader.asctime() else {
      return nil
    }
    secondsSinceEpoch = seconds
  }

  static var first: Int64 { -62_167_219_200 }
  static var last: Int64 { 253_402_300_799 }

  fileprivate static let weekdays = [
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
  ]
  fileprivate static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// Monday is 0; 1970-01-01 was a Thursday.
  fileprivate static func weekday(_ day: Int64) -> Int {
    Int(((day + 3) % 7 + 7) % 7)
  }

  fileprivate static func floorDivided(_ seconds: Int64) -> Int64 {
    let quotient = seconds / 86_400
    return seconds % 86_400 < 0 ? quotient - 1 : quotient
  }

  private static func append(_ number: Int, to output: inout [UInt8]) {
    output.append(0x30 + UInt8(number / 10))
    output.append(0x30 + UInt8(number % 10))
  }
}

/// A day of the proleptic Gregorian calendar, counted in eras of 400 years that begin on 1 March,
/// so that the leap day is the last of its year.
private struct CivilDate {
  let year: Int
  let month: Int
  let day: Int

  init(daysSinceEpoch: Int64) {
    let shifted = Int(daysSinceEpoch) + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  /// Nil when there is no such day.
  init?(year: Int, month: Int, day: Int) {
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    guard (1...12).contains(month), day >= 1, day <= lengths[month - 1] else { return nil }
    self.year = year
    self.month = month
    self.day = day
  }

  var daysSinceEpoch: Int64 {
    let shiftedYear = month <= 2 ? year - 1 : year
    let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
    let yearOfEra = shiftedYear - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return Int64(era * 146_097 + dayOfEra - 719_468)
  }
}

/// Reads the three forms; each attempt begins at the text's start.
private struct DateReader {
  private let bytes: [UInt8]
  private var index = 0

  init(_ text: String) {
    bytes = Array(text.utf8)
  }

  mutating func imfFixdate() -> Int64? {
    index = 0
    guard bytes.count == 29, let weekday = name(HTTPDate.weekdays, length: 3), skip(", "),
      let day = number(2), skip(" "), let month = name(HTTPDate.months, length: 3), skip(" "),
      let year = number(4), skip(" "), let time = timeOfDay(), skip(" GMT")
    else { return nil }
    return instant(year, month + 1, day, time, weekday)
  }

  mutating func rfc850(_ now: HTTPDate) -> Int64? {
    index = 0
    guard let weekday = name(HTTPDate.weekdays, length: nil), skip(", "), let day = number(2),
      skip("-"), let month = name(HTTPDate.months, length: 3), skip("-"),
      let shortYear = number(2), skip(" "), let time = timeOfDay(), skip(" GMT"),
      index == bytes.count
    else { return nil }
    let seconds = min(max(now.secondsSinceEpoch, HTTPDate.first), HTTPDate.last)
    let latest = CivilDate(daysSinceEpoch: HTTPDate.floorDivided(seconds)).year + 50
    let year = latest - ((latest - shortYear) % 100 + 100) % 100
    return instant(year, month + 1, day, time, weekday)
  }

  mutating func asctime() -> Int64? {
    index = 0
    guard bytes.count == 24, let weekday = name(HTTPDate.weekdays, length: 3), skip(" "),
      let month = name(HTTPDate.months, length: 3), skip(" "),
      let day = skip(" ") ? number(1) : number(2), skip(" "), let time = timeOfDay(), skip(" "),
      let year = number(4)
    else { return nil }
    return instant(year, month + 1, day, time, weekday)
  }

  private func instant(
    _ year: Int, _ month: Int, _ day: Int, _ time: Int64, _ weekday: Int
  ) -> Int64? {
    guard let days = CivilDate(year: year, month: month, day: day)?.daysSinceEpoch,
      HTTPDate.weekday(days) == weekday
    else { return nil }
    return days * 86_400 + time
  }

  private mutating func skip(_ text: String) -> Bool {
    guard bytes[index...].starts(with: text.utf8) else { return false }
    index += text.utf8.count
    return true
  }

  /// The place of the name that stands here, of each only its first `length` letters.
  private mutating func name(_ names: [String], length: Int?) -> Int? {
    names.firstIndex { skip(String($0.prefix(length ?? $0.count))) }
  }

  private mutating func number(_ digits: Int) -> Int? {
    guard bytes.count - index >= digits else { return nil }
    var number = 0
    for byte in bytes[index..<(index + digits)] {
      guard byte.isDigit else { return nil }
      number = number * 10 + Int(byte - 0x30)
    }
    index += digits
    return number
  }

  /// Seconds since midnight; 23:59:60 is a leap second and counts as the next midnight.
  private mutating func timeOfDay() -> Int64? {
    guard let hour = number(2), skip(":"), let minute = number(2), skip(":"),
      let second = number(2), hour < 24, minute < 60,
      second < 60 || (hour, minute, second) == (23, 59, 60)
    else { return nil }
    return Int64(hour * 3600 + minute * 60 + second)
  }
}
