/// A point in time: whole microseconds since 1970-01-01T00:00:00Z, as PostgreSQL keeps them.
///
/// The years are 0001 to 9999 in UTC, so that every instant has an RFC 3339 form. Days have
/// 86,400 seconds; leap seconds do not exist here, as they do not in PostgreSQL.
package struct Instant: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// 0001-01-01T00:00:00Z.
  package static let earliest = Instant(unchecked: -62_135_596_800_000_000)
  /// 9999-12-31T23:59:59.999999Z.
  package static let latest = Instant(unchecked: 253_402_300_799_999_999)

  /// Microseconds since 1970-01-01T00:00:00Z; negative before it.
  package let microseconds: Int64

  private init(unchecked microseconds: Int64) { self.microseconds = microseconds }

  /// The instant so many microseconds after 1970-01-01T00:00:00Z; nil outside the years 1 to 9999.
  package init?(microseconds: Int64) {
    guard
      (Instant.earliest.microseconds...Instant.latest.microseconds).contains(microseconds)
    else { return nil }
    self.microseconds = microseconds
  }

  /// Reads an RFC 3339 date-time (section 5.6), at most six fractional digits.
  package init(rfc3339 text: String) throws(InstantError) {
    var scan = Scan(text)
    self = try scan.dateTime(.rfc3339)
  }

  /// Reads the dates that front matter holds: a date, a date with a time after `T` or a blank,
  /// seconds optional, an offset such as `Z`, `+02:00` or `+0200` optional and blanks before it.
  /// Without an offset the time is UTC; without a time it is midnight.
  package init(frontMatter text: String) throws(InstantError) {
    var scan = Scan(text)
    self = try scan.dateTime(.frontMatter)
  }

  /// Whether `one` comes first.
  package static func < (one: Instant, other: Instant) -> Bool {
    one.microseconds < other.microseconds
  }

  /// The RFC 3339 form in UTC: `2026-03-12T09:00:00Z`; a fraction only when there is one, without
  /// its trailing zeros.
  package var description: String {
    let (seconds, fraction) = Calendar.floorDivide(microseconds, by: 1_000_000)
    let (days, second) = Calendar.floorDivide(seconds, by: 86_400)
    let (year, month, day) = Calendar.date(ofDay: Int(days))
    var text =
      "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
      + "T\(padded(Int(second) / 3600, 2)):\(padded(Int(second) / 60 % 60, 2))"
      + ":\(padded(Int(second) % 60, 2))"
    if fraction != 0 {
      var digits = padded(Int(fraction), 6)
      while digits.last == "0" { digits.removeLast() }
      text += "." + digits
    }
    return text + "Z"
  }

  private func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }
}

/// Why a text is not an instant.
package enum InstantError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The text has another form than a date-time.
  case form
  /// There is no such day, such as 30 February.
  case noSuchDay
  /// An hour above 23, a minute or a second above 59.
  case noSuchTime
  /// The second is 60.
  case leapSecond
  /// More than six digits behind the point.
  case tooManyFractionDigits
  /// An offset above 23:59.
  case noSuchOffset
  /// Before the year 1 or after the year 9999 once in UTC.
  case outOfRange

  /// A clause for people.
  package var description: String {
    switch self {
    case .form: "it does not have the form of a date-time"
    case .noSuchDay: "there is no such day in the calendar"
    case .noSuchTime: "there is no such time of day (00:00:00 to 23:59:59)"
    case .leapSecond: "leap seconds (:60) are not kept, use :59 or the next minute"
    case .tooManyFractionDigits: "a second may have at most 6 fractional digits"
    case .noSuchOffset: "there is no such offset from UTC (-23:59 to +23:59)"
    case .outOfRange: "in UTC it is outside the years 0001 to 9999"
    }
  }
}

/// The Gregorian calendar, extended to all years, by days since 1970-01-01.
enum Calendar {
  static let monthLengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  /// Days from 0000-01-01 to 1970-01-01.
  static let epoch = 719_528

  static func isLeap(_ year: Int) -> Bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
  }

  static func length(of month: Int, _ year: Int) -> Int {
    month == 2 && isLeap(year) ? 29 : monthLengths[month - 1]
  }

  /// Days from 0000-01-01 to the first day of a year that is not negative.
  static func daysBefore(_ year: Int) -> Int {
    365 * year + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400
  }

  static func day(_ year: Int, _ month: Int, _ day: Int) -> Int {
    var days = daysBefore(year) + day - 1 - epoch
    for earlier in 1..<month { days += length(of: earlier, year) }
    return days
  }

  static func date(ofDay day: Int) -> (year: Int, month: Int, day: Int) {
    let days = day + epoch
    var year = days * 400 / 146_097
    while daysBefore(year) > days { year -= 1 }
    while daysBefore(year + 1) <= days { year += 1 }
    var rest = days - daysBefore(year)
    var month = 1
    while rest >= length(of: month, year) {
      rest -= length(of: month, year)
      month += 1
    }
    return (year, month, rest + 1)
  }

  static func floorDivide(_ number: Int64, by divisor: Int64) -> (Int64, Int64) {
    let (quotient, remainder) = number.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
  }
}

/// A walk over the bytes of a date-time.
private struct Scan {
  enum Form { case rfc3339, frontMatter }

  private let bytes: [UInt8]
  private var position = 0

  init(_ text: String) {
    // The longest date-time has 33 bytes; blanks in front matter may add a few.
    bytes = Array(text.utf8.prefix(65))
  }

  mutating func dateTime(_ form: Form) throws(InstantError) -> Instant {
    let year = try digits(4)
    try expect("-")
    let month = try digits(2)
    try expect("-")
    let day = try digits(2)
    guard (1...12).contains(month), day >= 1, day <= Calendar.length(of: month, year) else {
      throw .noSuchDay
    }
    var seconds = Calendar.day(year, month, day) * 86_400
    var fraction = 0
    if form == .rfc3339 || position < bytes.count {
      try separator(form)
      (seconds, fraction) = try time(after: seconds, form)
    }
    guard position == bytes.count else { throw .form }
    guard let instant = Instant(microseconds: Int64(seconds) * 1_000_000 + Int64(fraction)) else {
      throw .outOfRange
    }
    return instant
  }

  private mutating func time(
    after midnight: Int, _ form: Form
  ) throws(InstantError) -> (seconds: Int, fraction: Int) {
    let hour = try digits(2)
    try expect(":")
    let minute = try digits(2)
    var second = 0
    var fraction = 0
    if form == .rfc3339 || peek() == UInt8(ascii: ":") {
      try expect(":")
      second = try digits(2)
      if take(".") { fraction = try microseconds() }
    }
    guard hour <= 23, minute <= 59 else { throw .noSuchTime }
    guard second != 60 else { throw .leapSecond }
    guard second <= 59 else { throw .noSuchTime }
    let offset = try offset(form)
    return (midnight + hour * 3600 + minute * 60 + second - offset, fraction)
  }

  private mutating func separator(_ form: Form) throws(InstantError) {
    if take("T") || take("t") { return }
    guard form == .frontMatter, take(" ") else { throw .form }
    skipBlanks()
  }

  private mutating func microseconds() throws(InstantError) -> Int {
    var value = 0
    var count = 0
    while let byte = peek(), let digit = digit(byte) {
      count += 1
      guard count <= 6 else { throw .tooManyFractionDigits }
      value = value * 10 + digit
      position += 1
    }
    guard count > 0 else { throw .form }
    while count < 6 {
      value *= 10
      count += 1
    }
    return value
  }

  /// Seconds that the local time is ahead of UTC.
  private mutating func offset(_ form: Form) throws(InstantError) -> Int {
    if form == .frontMatter {
      if position == bytes.count { return 0 }
      skipBlanks()
    }
    if take("Z") || take("z") { return 0 }
    let sign: Int
    if take("+") { sign = 1 } else if take("-") { sign = -1 } else { throw .form }
    let hours = try digits(2)
    if form == .rfc3339 || peek() == UInt8(ascii: ":") { try expect(":") }
    let minutes = try digits(2)
    guard hours <= 23, minutes <= 59 else { throw .noSuchOffset }
    return sign * (hours * 3600 + minutes * 60)
  }

  private func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: scalar) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ scalar: Unicode.Scalar) throws(InstantError) {
    guard take(scalar) else { throw .form }
  }

  private mutating func skipBlanks() {
    while take(" ") {}
  }

  private func digit(_ byte: UInt8) -> Int? {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") ? Int(byte - UInt8(ascii: "0")) : nil
  }

  private mutating func digits(_ count: Int) throws(InstantError) -> Int {
    var value = 0
    for _ in 0..<count {
      guard let byte = peek(), let digit = digit(byte) else { throw .form }
      value = value * 10 + digit
      position += 1
    }
    return value
  }
}
