import JSON
import Testing

/// A post as a reader of feeds sees it.
struct FeedEntry: Equatable {
  var id: String?
  var title: String?
  var url: String?
  var summary: String?
  /// nil in RSS.
  var body: String?
  var tags: [String] = []
  var published: String?
}

/// What stands in the documents that answers are.
extension FeedEntry {
  static func json(_ answer: Answer) throws -> [FeedEntry] {
    try #require(answer.json["items"]?.arrayValue).map { item in
      FeedEntry(
        id: item["id"]?.stringValue, title: item["title"]?.stringValue,
        url: item["url"]?.stringValue, summary: item["summary"]?.stringValue ?? "",
        body: item["content_text"]?.stringValue,
        tags: (item["tags"]?.arrayValue ?? []).compactMap(\.stringValue),
        published: item["date_published"]?.stringValue)
    }
  }

  static func atom(_ answer: Answer) throws -> [FeedEntry] {
    let feed = try #require(XMLElement(answer.body), "\(answer.text)")
    #expect(feed.name == "feed")
    #expect(feed.attributes["xmlns"] == "http://www.w3.org/2005/Atom")
    return feed.all("entry").map { entry in
      #expect(entry.all("content").first?.attributes["type"] == "text/markdown")
      return FeedEntry(
        id: entry["id"], title: entry["title"], url: entry.all("link").first?.attributes["href"],
        summary: entry["summary"], body: entry["content"],
        tags: entry.all("category").compactMap { $0.attributes["label"] },
        published: entry["published"])
    }
  }

  /// Bodies, and the dates in another form, are left out.
  static func rss(_ answer: Answer) throws -> [FeedEntry] {
    let rss = try #require(XMLElement(answer.body), "\(answer.text)")
    #expect(rss.name == "rss" && rss.attributes["version"] == "2.0")
    let channel = try #require(rss.all("channel").first)
    return channel.all("item").map { item in
      FeedEntry(
        id: item["guid"], title: item["title"], url: item["link"],
        summary: item["description"]?.replacing("&lt;", with: "<").replacing("&gt;", with: ">")
          .replacing("&amp;", with: "&"),
        tags: item.all("category").map(\.text))
    }
  }

  static func addresses(_ answer: Answer) throws -> [String] {
    let map = try #require(XMLElement(answer.body), "\(answer.text)")
    #expect(map.attributes["xmlns"] == "http://www.sitemaps.org/schemas/sitemap/0.9")
    return (map.name == "urlset" ? map.all("url") : map.all("sitemap")).compactMap { $0["loc"] }
  }
}

extension FeedEntry {
  /// Byte by byte: to `==`, texts are the same that are spelled in another way.
  func isSame(_ other: Self) -> Bool {
    func bytes(_ text: String?) -> [UInt8]? { text.map { Array($0.utf8) } }
    return bytes(id) == bytes(other.id) && bytes(title) == bytes(other.title)
      && bytes(url) == bytes(other.url) && bytes(summary) == bytes(other.summary)
      && bytes(body) == bytes(other.body) && tags.map(bytes) == other.tags.map(bytes)
      && published == other.published
  }

  var inXML: Self {
    var entry = self
    entry.title = title.map(writable)
    entry.summary = summary.map(writable)
    entry.body = body.map(writable)
    entry.tags = tags.map(writable)
    return entry
  }
}

extension JSONValue {
  /// An object as a client would send it.
  static func document(_ members: [(String, JSONValue)]) -> String {
    var writer = JSONWriter()
    writer.value(.object(members.map { JSONMember(name: $0.0, value: $0.1) }))
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}
