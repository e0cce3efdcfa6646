import HTTP
import Testing

@Suite struct Dates {
  private let now = HTTPDate(secondsSinceEpoch: 1_770_000_000)

  private func parsed(_ text: String) -> Int64? {
    HTTPDate(text, now: now)?.secondsSinceEpoch
  }

  @Test func `reads the three forms of one instant`() {
    #expect(parsed("Sun, 06 Nov 1994 08:49:37 GMT") == 784_111_777)
    #expect(parsed("Sunday, 06-Nov-94 08:49:37 GMT") == 784_111_777)
    #expect(parsed("Sun Nov  6 08:49:37 1994") == 784_111_777)
    #expect(parsed("Wed Nov 16 08:49:37 1994") == 784_975_777)
  }

  @Test(arguments: [
    "", "now", "0", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
    "sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Mon, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
    "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:60 GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT ", " Sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 gmt", "Sun, 00 Nov 1994 08:49:37 GMT",
    "Thu, 31 Nov 1994 08:49:37 GMT", "Wed, 29 Feb 1995 08:49:37 GMT",
    "Thu, 29 Feb 1900 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT", "Sun,06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov +994 08:49:37 GMT", "Sun, 06-Nov-94 08:49:37 GMT",
    "Sunday, 06-Nov-1994 08:49:37 GMT", "Monday, 06-Nov-94 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT+1", "Sun Nov 6 08:49:37 1994", "Sun Nov 06 08:49:37 94",
    "Sun Nov  6 08:49:37 1994 GMT", "Sun Nov  0 08:49:37 1994", "1994-11-06T08:49:37Z",
    "Sun, 06 Nov 1994 08:49:37 GM\u{ff34}",
  ])
  func `reads nothing else`(_ text: String) {
    #expect(parsed(text) == nil)
  }

  @Test func `takes a leap second for the next one`() {
    #expect(parsed("Sat, 31 Dec 2016 23:59:60 GMT") == parsed("Sun, 01 Jan 2017 00:00:00 GMT"))
  }

  @Test func `takes two digits for the latest year within fifty from now`() {
    // `now` lies in 2026.
    #expect(parsed("Wednesday, 01-Jan-76 00:00:00 GMT") == parsed("Wed, 01 Jan 2076 00:00:00 GMT"))
    #expect(parsed("Saturday, 01-Jan-77 00:00:00 GMT") == parsed("Sat, 01 Jan 1977 00:00:00 GMT"))
    #expect(parsed("Wednesday, 01-Jan-76 00:00:00 GMT") != nil)
    #expect(parsed("Saturday, 01-Jan-77 00:00:00 GMT") != nil)
  }

  @Test func `agrees with a calendar that counts day by day`() {
    let weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    let names = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    var (year, month, day, weekday) = (1899, 1, 1, 6)
    var count: Int64 = -25_932
    while year < 2105 {
      let seconds = count * 86_400 + (count & 0xFFFF)
      let second = Int(count & 0xFFFF)
      func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
      let expected =
        "\(weekdays[weekday]), \(two(day)) \(names[month - 1]) \(year) "
        + "\(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60)) GMT"
      let date = HTTPDate(secondsSinceEpoch: seconds)
      #expect(date.text == expected)
      if count % 7 == 0 { #expect(HTTPDate(expected, now: now) == date) }
      let leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0)
      let length = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
      (day, weekday, count) = (day + 1, (weekday + 1) % 7, count + 1)
      if day > length { (day, month) = (1, month + 1) }
      if month > 12 { (month, year) = (1, year + 1) }
    }
  }

  @Test func `extremes are written as the first and the last second that have four digits`() {
    let first = "Sat, 01 Jan 0000 00:00:00 GMT"
    let last = "Fri, 31 Dec 9999 23:59:59 GMT"
    #expect(HTTPDate(secondsSinceEpoch: .min).text == first)
    #expect(HTTPDate(secondsSinceEpoch: .max).text == last)
    #expect(parsed(last) == 253_402_300_799)
    #expect(parsed(first) == -62_167_219_200)
    for extreme in [Int64.min, .max] {
      let now = HTTPDate(secondsSinceEpoch: extreme)
      for year in 0..<100 {
        let text = "Sunday, 06-Nov-\(year < 10 ? "0" : "")\(year) 08:49:37 GMT"
        _ = HTTPDate(text, now: now)
      }
    }
  }
}
