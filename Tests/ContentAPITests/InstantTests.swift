import ContentAPI
import Testing

@Suite struct InstantInRFC3339 {
  @Test(arguments: [
    ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"),
    ("2026-03-12T09:00:00Z", 1_773_306_000_000_000, "2026-03-12T09:00:00Z"),
    ("2026-03-12T11:00:00+02:00", 1_773_306_000_000_000, "2026-03-12T09:00:00Z"),
    ("2026-03-11T21:30:00-11:30", 1_773_306_000_000_000, "2026-03-12T09:00:00Z"),
    ("2026-03-12t09:00:00z", 1_773_306_000_000_000, "2026-03-12T09:00:00Z"),
    ("2026-03-12T09:00:00-00:00", 1_773_306_000_000_000, "2026-03-12T09:00:00Z"),
    ("2026-03-12T09:00:00.5Z", 1_773_306_000_500_000, "2026-03-12T09:00:00.5Z"),
    ("2026-03-12T09:00:00.000001Z", 1_773_306_000_000_001, "2026-03-12T09:00:00.000001Z"),
    ("2026-03-12T09:00:00.000000Z", 1_773_306_000_000_000, "2026-03-12T09:00:00Z"),
    ("2024-02-29T23:59:59Z", 1_709_251_199_000_000, "2024-02-29T23:59:59Z"),
    ("2000-02-29T00:00:00Z", 951_782_400_000_000, "2000-02-29T00:00:00Z"),
    ("1969-12-31T23:59:59.999999Z", -1, "1969-12-31T23:59:59.999999Z"),
    ("0001-01-01T00:00:00Z", -62_135_596_800_000_000, "0001-01-01T00:00:00Z"),
    ("0000-12-31T23:30:00-01:00", -62_135_595_000_000_000, "0001-01-01T00:30:00Z"),
    ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
  ])
  func `is read to the microsecond and written in UTC`(
    text: String, microseconds: Int64, written: String
  ) throws {
    let instant = try Instant(rfc3339: text)
    #expect(instant.microseconds == microseconds)
    #expect(instant.description == written)
  }

  @Test(arguments: [
    ("", InstantError.form), ("2026-03-12", .form), ("2026-03-12T09:00Z", .form),
    ("2026-03-12 09:00:00Z", .form), ("2026-03-12T09:00:00", .form),
    ("2026-03-12T09:00:00+0200", .form), ("2026-03-12T09:00:00 Z", .form),
    ("2026-03-12T09:00:00Zx", .form), (" 2026-03-12T09:00:00Z", .form),
    ("2026-3-12T09:00:00Z", .form), ("2026-03-12T09:00:00.Z", .form),
    ("2026-03-12T09:00:00,5Z", .form), ("+2026-03-12T09:00:00Z", .form),
    ("２026-03-12T09:00:00Z", .form), ("now", .form),
    ("2026-02-29T00:00:00Z", .noSuchDay), ("1900-02-29T00:00:00Z", .noSuchDay),
    ("2026-04-31T00:00:00Z", .noSuchDay), ("2026-00-01T00:00:00Z", .noSuchDay),
    ("2026-13-01T00:00:00Z", .noSuchDay), ("2026-01-00T00:00:00Z", .noSuchDay),
    ("2026-03-12T24:00:00Z", .noSuchTime), ("2026-03-12T09:60:00Z", .noSuchTime),
    ("2026-03-12T09:00:61Z", .noSuchTime), ("2016-12-31T23:59:60Z", .leapSecond),
    ("2026-03-12T09:00:00.1234567Z", .tooManyFractionDigits),
    ("2026-03-12T09:00:00.0000000Z", .tooManyFractionDigits),
    ("2026-03-12T09:00:00+24:00", .noSuchOffset), ("2026-03-12T09:00:00+00:60", .noSuchOffset),
    ("0001-01-01T00:00:00+00:01", .outOfRange), ("0000-06-01T00:00:00Z", .outOfRange),
    ("9999-12-31T23:59:59-00:01", .outOfRange),
  ])
  func `is refused for a reason`(text: String, reason: InstantError) {
    #expect(throws: reason) { try Instant(rfc3339: text) }
  }

  @Test func `survives writing and reading on every day of four centuries`() throws {
    let day: Int64 = 86_400_000_000
    for index in Int64(0)..<146_097 {
      let instant = try #require(Instant(microseconds: (index - 73_000) * day - index))
      #expect(try Instant(rfc3339: instant.description) == instant)
    }
  }

  @Test func `stays within the years that can be written`() {
    #expect(Instant(microseconds: Instant.earliest.microseconds - 1) == nil)
    #expect(Instant(microseconds: Instant.latest.microseconds + 1) == nil)
    #expect(Instant(microseconds: .min) == nil)
    #expect(Instant(microseconds: .max) == nil)
    #expect(Instant.earliest.description == "0001-01-01T00:00:00Z")
    #expect(Instant.latest.description == "9999-12-31T23:59:59.999999Z")
    #expect(Instant.earliest < Instant.latest)
  }
}

@Suite struct InstantInFrontMatter {
  @Test(arguments: [
    ("2026-03-12", "2026-03-12T00:00:00Z"),
    ("2026-03-12 09:00", "2026-03-12T09:00:00Z"),
    ("2026-03-12 09:00:00", "2026-03-12T09:00:00Z"),
    ("2026-03-12 09:00:00.25", "2026-03-12T09:00:00.25Z"),
    ("2026-03-12T09:00:00+02:00", "2026-03-12T07:00:00Z"),
    ("2026-03-12 09:00:00 +0200", "2026-03-12T07:00:00Z"),
    ("2026-03-12 09:00:00 +02:00", "2026-03-12T07:00:00Z"),
    ("2026-03-12 09:00 -0500", "2026-03-12T14:00:00Z"),
    ("2026-03-12 09:00:00 Z", "2026-03-12T09:00:00Z"),
    ("2026-03-12T09:00:00Z", "2026-03-12T09:00:00Z"),
  ])
  func `takes the forms that files have`(text: String, written: String) throws {
    #expect(try Instant(frontMatter: text).description == written)
  }

  @Test(arguments: [
    "2026", "2026-03", "2026-03-12T", "2026-03-12 ", "12.03.2026", "2026-03-12 9:00",
    "2026-03-12 09", "2026-03-12 09:00 CET", "2026-03-12 09:00 +2", "March 12, 2026",
    "2026-03-12\t09:00", "2026-03-12 09:00 ",
  ])
  func `refuses others`(text: String) {
    #expect(throws: InstantError.form) { try Instant(frontMatter: text) }
  }
}
