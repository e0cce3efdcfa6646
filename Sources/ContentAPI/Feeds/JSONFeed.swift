import Postgres

/// A JSON Feed, version 1.1 (https://www.jsonfeed.org/version/1.1/). The text of a post is its
/// Markdown, as `content_text`; members that a post has no value for are left out.
enum JSONFeed {
  static let statement = Feeds.statement(
    "feeds.json",
    document: """
      json_strip_nulls(json_build_object(
          'version', 'https://jsonfeed.org/version/1.1', 'title', site.title,
          'home_page_url', site.home, 'feed_url', $4::text || '/feed.json' || $5::text,
          'description', site.description, 'language', site.language,
          'authors', case when site.name is not null
            then json_build_array(json_build_object('name', site.name, 'url', site.url)) end,
          'items', coalesce((select json_agg(\(item) order by e.place) from entries e), '[]')
        ))::text
      """)

  private static let item = """
    json_build_object('id', 'urn:uuid:' || e.id, 'url', e.url, 'title', e.title,
            'content_text', e.body, 'summary', nullif(e.excerpt, ''), 'image', e.image,
            'date_published', colophon.rfc3339(e.published_at),
            'date_modified', colophon.rfc3339(e.updated_at),
            'tags', (select json_agg(\(Feeds.tagName("t.tag")) order by t.place)
              from unnest(e.tags) with ordinality t(tag, place)))
    """
}
