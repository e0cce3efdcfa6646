import Postgres

/// An Atom feed (RFC 4287). The text of a post is its Markdown, as content of the type
/// `text/markdown`.
enum AtomFeed {
  /// A feed without entries was last changed when the profile was, as it says nothing else.
  static let statement = Feeds.statement(
    "feeds.atom",
    document: """
      '<?xml version="1.0" encoding="utf-8"?>' || e'\\n'
          || '<feed xmlns="http://www.w3.org/2005/Atom"'
          || coalesce(' xml:lang="' || \(XMLText.attribute("site.language")) || '"', '') || e'>\\n'
          || '<id>' || \(XMLText.uri(id)) || e'</id>\\n'
          || '<title>' || \(XMLText.content("site.title")) || e'</title>\\n'
          || coalesce('<subtitle>' || \(XMLText.content("site.description")) || e'</subtitle>\\n', '')
          || '<link rel="self" type="application/atom+xml" href="'
          || \(XMLText.uri("$4::text || '/atom.xml' || $5::text")) || e'"/>\\n'
          || '<link rel="alternate" href="' || \(XMLText.uri("site.home")) || e'"/>\\n'
          || '<updated>' || colophon.rfc3339(coalesce(
            (select max(e.updated_at) from entries e), site.updated_at)) || e'</updated>\\n'
          || '<author><name>' || \(XMLText.content("coalesce(site.name, site.title)")) || '</name>'
          || coalesce('<uri>' || \(XMLText.uri("site.url")) || '</uri>', '') || e'</author>\\n'
          || e'<generator>Colophon</generator>\\n'
          || coalesce((select string_agg(\(entry), '' order by e.place) from entries e), '')
          || e'</feed>\\n'
      """)

  /// The address of the site with the tags as a fragment: it stays when this service moves.
  private static let id = """
    case $5::text when '' then site.home
            else regexp_replace(site.home, '#.*$', '') || replace($5::text, '?', '#') end
    """

  private static let entry = """
    '<entry>' || e'\\n' || '<id>urn:uuid:' || e.id || e'</id>\\n'
            || '<title>' || \(XMLText.content("e.title")) || e'</title>\\n'
            || '<link rel="alternate" href="' || \(XMLText.uri("e.url")) || e'"/>\\n'
            || '<published>' || colophon.rfc3339(e.published_at) || e'</published>\\n'
            || '<updated>' || colophon.rfc3339(e.updated_at) || e'</updated>\\n'
            || coalesce((
              select string_agg('<category term="' || t.tag || '" label="'
                || \(XMLText.attribute(Feeds.tagName("t.tag"))) || e'"/>\\n', '' order by t.place)
              from unnest(e.tags) with ordinality t(tag, place)), '')
            || '<summary type="text">' || \(XMLText.content("e.excerpt")) || e'</summary>\\n'
            || '<content type="text/markdown">' || \(XMLText.content("e.body")) || e'</content>\\n'
            || e'</entry>\\n'
    """
}
