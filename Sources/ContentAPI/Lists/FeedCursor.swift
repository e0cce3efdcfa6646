/// What a reader of the changes feed has seen, as `next_cursor` tells it. Opaque to clients.
///
/// It names what the database has committed, and not how long ago, so the same answer has the same
/// cursor as long as nothing happens.
package struct FeedCursor: Sendable, Equatable {
  /// The transactions of one era that a reader has seen; those of earlier eras he has all seen.
  package struct Horizon: Sendable, Equatable {
    /// See `feed_eras` in schema.sql.
    package let era: Int
    /// A `pg_snapshot` as PostgreSQL writes it.
    package let snapshot: String

    /// nil for what PostgreSQL would not read.
    package init?(era: Int, snapshot: String) {
      let parts = snapshot.split(separator: ":", omittingEmptySubsequences: false)
      guard (0...Int(Int32.max)).contains(era), parts.count == 3,
        let first = FeedCursor.number(parts[0]), let end = FeedCursor.number(parts[1]),
        first > 0, first <= end
      else { return nil }
      var last = first - 1
      for part in parts[2].isEmpty
        ? [] : parts[2].split(separator: ",", omittingEmptySubsequences: false)
      {
        guard let xid = FeedCursor.number(part), xid > last, xid < end else { return nil }
        last = xid
      }
      self.era = era
      self.snapshot = snapshot
    }

    /// The lowest number that may not have been seen.
    var first: String { String(snapshot.prefix { $0 != ":" }) }
  }

  /// The last thing that was told, in the order of what was being told.
  package typealias Place = [String]

  package enum Progress: Sendable, Equatable {
    /// In the middle of everything there is; the changes since `since` come behind it.
    case everything(since: Horizon, place: Place)
    /// Everything up to `seen` has been told.
    case changes(seen: Horizon)
    /// In the middle of what is new between two horizons.
    case between(seen: Horizon, target: Horizon, place: Place)
  }

  /// Tells this feed from those of other databases, this one's backups included.
  package let feed: Int
  package let progress: Progress
  /// The last post that had come out by itself and was told, with its things: date in microseconds,
  /// slug, and which of the things.
  package let due: Place

  package init(feed: Int, progress: Progress, due: Place) {
    self.feed = feed
    self.progress = progress
    self.due = due
  }

  /// Before every post that ever comes out.
  static let earliest: Place = [String(Instant.earliest.microseconds), "", ""]

  /// The newest state of the database that it knows.
  var latest: Horizon {
    switch progress {
    case .everything(let horizon, _), .changes(let horizon), .between(_, let horizon, _): horizon
    }
  }

  /// As it stands in a query.
  package var text: String {
    var words = [String(feed)] + due
    func append(_ horizon: Horizon) { words += [String(horizon.era), horizon.snapshot] }
    append(latest)
    switch progress {
    case .changes: break
    case .everything(_, let place): words += ["all"] + place
    case .between(let seen, _, let place):
      words.append("new")
      append(seen)
      words += place
    }
    var bytes = [Self.format] + words.joined(separator: " ").utf8
    let check = FNV1a.hash(bytes)
    for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: check >> UInt64(shift))) }
    return BaseEncoding.base64URL.encode(bytes)
  }

  private static let format: UInt8 = 1
  private static let checkSize = 4

  /// Reads what `text` writes; nil for everything else.
  package init?(_ text: String) {
    guard let bytes = BaseEncoding.base64URL.decode(text), bytes.count > Self.checkSize,
      bytes[0] == Self.format,
      let content = String(validating: bytes[1..<(bytes.count - Self.checkSize)], as: UTF8.self)
    else { return nil }
    let words = content.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard words.count >= 6, let feed = Int(words[0]), let era = Int(words[4]),
      let latest = Horizon(era: era, snapshot: words[5])
    else { return nil }
    let due = Array(words[1...3])
    guard Self.isDate(due[0]), Self.isName(due[1]), Self.isName(due[2]) else { return nil }
    let rest = Array(words[6...])
    let progress: Progress
    switch (rest.first, rest.count) {
    case (nil, _): progress = .changes(seen: latest)
    case ("all", 5):
      let place = Array(rest[1...])
      guard let stage = Int(place[0]), (1...5).contains(stage), Self.isName(place[1]),
        Self.isDate(place[2]), Self.isID(place[3])
      else { return nil }
      progress = .everything(since: latest, place: place)
    case ("new", 8):
      let place = Array(rest[3...])
      guard let era = Int(rest[1]), let seen = Horizon(era: era, snapshot: rest[2]),
        let newEra = Int(place[0]), (0...Int(Int32.max)).contains(newEra),
        Self.number(place[1][...]) != nil, place[2...].allSatisfy(Self.isName)
      else { return nil }
      progress = .between(seen: seen, target: latest, place: place)
    default: return nil
    }
    self.init(feed: feed, progress: progress, due: due)
    // One text for each cursor, and the checksum with it.
    guard self.text.utf8.elementsEqual(text.utf8) else { return nil }
  }

  /// A number of a transaction.
  private static func number(_ text: Substring) -> Int? {
    guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy(\.isDigit) else { return nil }
    return Int(text)
  }

  private static func isDate(_ text: String) -> Bool {
    Int64(text).flatMap(Instant.init(microseconds:)) != nil
  }

  /// A slug, or one with its kind in front, or nothing.
  private static func isName(_ text: String) -> Bool {
    text.utf8.count <= 300
      && text.utf8.allSatisfy { $0.isLetter || $0.isDigit || "-:_".utf8.contains($0) }
  }

  private static func isID(_ text: String) -> Bool {
    let dashes = [8, 13, 18, 23]
    return text.utf8.count == 36
      && text.utf8.enumerated().allSatisfy { place, byte in
        dashes.contains(place)
          ? byte == UInt8(ascii: "-")
          : byte.isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
      }
  }
}
