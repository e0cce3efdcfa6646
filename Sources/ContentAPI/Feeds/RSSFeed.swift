import Postgres

/// An RSS feed, version 2.0 (https://www.rssboard.org/rss-specification). Of a post it has the
/// excerpt alone: what RSS shows is HTML, and posts are Markdown.
enum RSSFeed {
  static let statement = Feeds.statement(
    "feeds.rss",
    document: """
      '<?xml version="1.0" encoding="utf-8"?>' || e'\\n'
          || '<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"'
          || e' xmlns:dc="http://purl.org/dc/elements/1.1/">\\n<channel>\\n'
          || '<title>' || \(XMLText.content("site.title")) || e'</title>\\n'
          || '<link>' || \(XMLText.uri("site.home")) || e'</link>\\n'
          || '<description>' || \(XMLText.html("coalesce(site.description, site.title)"))
          || e'</description>\\n'
          || coalesce('<language>' || \(XMLText.content("site.language")) || e'</language>\\n', '')
          || coalesce('<lastBuildDate>' || \(date("(select max(e.updated_at) from entries e)"))
            || e'</lastBuildDate>\\n', '')
          || e'<generator>Colophon</generator>\\n'
          || '<atom:link rel="self" type="application/rss+xml" href="'
          || \(XMLText.uri("$4::text || '/rss.xml' || $5::text")) || e'"/>\\n'
          || coalesce((select string_agg(\(item), '' order by e.place) from entries e), '')
          || e'</channel>\\n</rss>\\n'
      """)

  private static let item = """
    '<item>' || e'\\n' || '<title>' || \(XMLText.content("e.title")) || e'</title>\\n'
            || '<link>' || \(XMLText.uri("e.url")) || e'</link>\\n'
            || '<guid isPermaLink="false">urn:uuid:' || e.id || e'</guid>\\n'
            || '<pubDate>' || \(date("e.published_at")) || e'</pubDate>\\n'
            || coalesce('<dc:creator>' || \(XMLText.content("site.name")) || e'</dc:creator>\\n', '')
            || coalesce((
              select string_agg('<category>' || \(XMLText.content(Feeds.tagName("t.tag")))
                || e'</category>\\n', '' order by t.place)
              from unnest(e.tags) with ordinality t(tag, place)), '')
            || '<description>' || \(XMLText.html("e.excerpt")) || e'</description>\\n'
            || e'</item>\\n'
    """

  /// RFC 822 with four digits of year. The names are English whatever the locale: only `TM` in
  /// front would translate them.
  private static func date(_ instant: String) -> String {
    "to_char(\(instant) at time zone 'UTC', 'Dy, DD Mon YYYY HH24:MI:SS') || ' GMT'"
  }
}
