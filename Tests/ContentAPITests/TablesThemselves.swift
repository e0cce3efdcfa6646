import EventLoop
import Postgres
import Testing

/// No road into the tables is wider than the service's own.
@Suite struct TablesThemselves {
  @Test func `refuse posts that break a rule, each by a constraint with a name`() async throws {
    let long = "repeat('x', 2049)"
    let cases = [
      ("slug", "'A'", "posts_slug_form"), ("slug", "repeat('s', 201)", "posts_slug_length"),
      ("type", "'T'", "posts_type_form"), ("title", "''", "posts_title_length"),
      ("title", "repeat('t', 301)", "posts_title_length"),
      ("excerpt", "repeat('e', 1001)", "posts_excerpt_length"),
      ("derived_excerpt", "repeat('e', 1001)", "posts_derived_excerpt_length"),
      ("body", "repeat('b', 524289)", "posts_body_size"), ("status", "'scheduled'", "posts_status"),
      ("status", "'published'", "posts_published_has_date"),
      ("published_at", "'infinity'", "posts_published_at_range"),
      ("published_at", "'0001-01-01 BC'", "posts_published_at_range"),
      ("tags", "array(select 't' || n from generate_series(1, 33) n)", "posts_tags_count"),
      ("tags", "array['T']", "posts_tags_form"), ("tags", "array[null]", "posts_tags_form"),
      ("tags", "array['']", "posts_tags_form"),
      ("cover_image_url", long, "posts_cover_image_url_length"),
      ("cover_image_alt", "'a'", "posts_cover_image_alt_needs_url"),
      ("canonical_url", long, "posts_canonical_url_length"),
      ("word_count", "-1", "posts_word_count"), ("version", "0", "posts_version"),
      ("counted", "true", "posts_counted_is_public"), ("slug", "'taken'", "posts_slug_unique"),
    ]
    try await Site.run { site in
      try await site.sql(
        "insert into colophon.posts (slug, title, body) values ('taken', 'T', 'B')")
      for (column, value, constraint) in cases {
        var values = ["slug": "'new'", "title": "'T'", "body": "'B'"]
        values[column] = value
        let columns = values.keys.sorted()
        let sql = """
          insert into colophon.posts (\(columns.joined(separator: ", ")))
          values (\(columns.map { values[$0] ?? "" }.joined(separator: ", ")))
          """
        let error = await refusal(of: sql, on: site)
        #expect(error?.constraint == constraint, "\(column) \(value)")
      }
      let names = try await site.value(
        """
        select string_agg(conname, ' ' order by conname) from pg_constraint
        where conrelid = 'colophon.posts'::regclass and contype in ('c', 'u')
        """)
      #expect(names == Set(cases.map(\.2)).sorted().joined(separator: " "), "all of them are tried")
    }
  }

  @Test func `refuse subscribers, links and mails that break a rule`() async throws {
    let id = "'00000000-0000-7000-8000-000000000001'"
    let subscription = ["id": id, "email": "'a@b.co'", "address": "'a@b.co'"]
    let token = [
      "digest": "sha256('')", "subscription_id": id, "purpose": "'confirm'",
      "expires_at": "colophon.clock()",
    ]
    let digest = String(repeating: "0", count: 62)
    let cases: [(String, [String: String], String, String, String)] = [
      ("subscriptions", subscription, "email", "'a@b@c.co'", "subscriptions_email_form"),
      ("subscriptions", subscription, "email", "e'a@b.co\\r\\nBcc:x'", "subscriptions_email_form"),
      ("subscriptions", subscription, "email", "'a@b.co,c@d.co'", "subscriptions_email_form"),
      ("subscriptions", subscription, "email", "'A <a@b.co>'", "subscriptions_email_form"),
      (
        "subscriptions", subscription, "email", "'a@' || repeat('b', 253)",
        "subscriptions_email_size"
      ),
      ("subscriptions", subscription, "address", "'a'", "subscriptions_address_size"),
      ("subscriptions", subscription, "status", "'gone'", "subscriptions_status"),
      ("subscriptions", subscription, "status", "'active'", "subscriptions_active_is_confirmed"),
      (
        "subscriptions", subscription, "status", "'unsubscribed'",
        "subscriptions_unsubscribed_has_date"
      ),
      ("subscriptions", subscription, "source", "repeat('s', 101)", "subscriptions_source_length"),
      ("subscriptions", subscription, "address", "'taken@b.co'", "subscriptions_address_unique"),
      ("subscription_tokens", token, "digest", "'\\x\(digest)'", "subscription_tokens_digest_size"),
      ("subscription_tokens", token, "purpose", "'any'", "subscription_tokens_purpose"),
      ("mails", ["subscription_id": id], "kind", "'any'", "mails_kind"),
      ("mails", ["subscription_id": id], "attempts", "-1", "mails_attempts"),
      ("mails", ["subscription_id": id], "sent_at", "colophon.clock()", "mails_state"),
      ("mails", ["subscription_id": id], "next_attempt_at", "null", "mails_state"),
      ("mails", ["subscription_id": id], "failure", "repeat('f', 301)", "mails_failure_length"),
      (
        "mails", ["subscription_id": id], "id", "(select id from colophon.mails)", "mails_id_unique"
      ),
    ]
    try await Site.run { site in
      try await site.sql(
        """
        with s as (
          insert into colophon.subscriptions (email, address) values ('taken@b.co', 'taken@b.co')
          returning id
        )
        insert into colophon.mails (subscription_id) select id from s
        """)
      for (table, row, column, value, constraint) in cases {
        var values = row
        values[column] = value
        let columns = values.keys.sorted()
        let error = await refusal(
          of: """
            insert into colophon.\(table) (\(columns.joined(separator: ", ")))
            values (\(columns.map { values[$0] ?? "" }.joined(separator: ", ")))
            """, on: site)
        #expect(error?.constraint == constraint, "\(column) \(value)")
      }
      let names = try await site.value(
        """
        select string_agg(conname, ' ' order by conname collate "C") from pg_constraint
        where conrelid in ('colophon.subscriptions'::regclass, 'colophon.mails'::regclass,
          'colophon.subscription_tokens'::regclass) and contype in ('c', 'u')
        """)
      #expect(names == Set(cases.map(\.4)).sorted().joined(separator: " "), "all of them are tried")
    }
  }

  private func refusal(of sql: String, on site: Site) async -> ServerError? {
    do {
      try await site.sql(sql)
      return nil
    } catch {
      return (error as? PostgresError)?.serverError
    }
  }

  @Test func `turn instants into microseconds and back without loss`() async throws {
    try await Site.run { site in
      let wrong = try await site.value(
        """
        with instants as (
          select i from (values (timestamptz '0001-01-01T00:00:00Z'), ('1969-12-31T23:59:59.999999Z'),
            ('1970-01-01T00:00:00Z'), ('2255-06-05T23:47:34.740993Z'),
            ('9999-12-31T23:59:59.999999Z')) v(i)
          union all
          select timestamptz '0001-01-01T00:00:00Z' + make_interval(secs => n * 3155760.123457)
          from generate_series(1, 99000) n
        )
        select count(*) from instants
        where colophon.instant(colophon.microseconds(i)) <> i
        """)
      #expect(wrong == "0")
    }
  }

  @Test func `write times as RFC 3339, whatever the session's style`() async throws {
    try await Site.run { site in
      let connection = try await site.connect()
      for style in ["German, DMY", "SQL, MDY", "ISO, YMD"] {
        try await connection.script("set datestyle = '\(style)'; set timezone = 'Asia/Kathmandu'")
        for text in [
          "2026-03-12T09:00:00Z", "0001-01-01T00:00:00.000001Z", "9999-12-31T23:59:59.5Z",
        ] {
          let rows = try await connection.query(
            "select colophon.rfc3339($1::timestamptz)", [.text(text)])
          #expect(rows.text(0, 0) == text, "\(style)")
        }
      }
      await connection.close()
    }
  }

  @Test func `make ids that grow with time`() async throws {
    try await Site.run { site in
      let first = try await site.value("select colophon.uuidv7()") ?? ""
      try await site.setClock(Site.start, plusSeconds: 1)
      let second = try await site.value("select colophon.uuidv7()") ?? ""
      #expect(first < second)
      for id in [first, second] {
        let characters = Array(id.utf8)
        #expect(characters[14] == UInt8(ascii: "7"))
        #expect("89ab".utf8.contains(characters[19]))
      }
    }
  }

  @Test func `say what time it is by one function only`() throws {
    let schema = try Repository.text("schema.sql")
    let sources = try Repository.sources("Sources/ContentAPI").joined()
    for clock in [
      " now()", "(now()", "current_timestamp", "current_date", "clock_timestamp",
      "transaction_timestamp", "localtimestamp",
    ] {
      #expect(!schema.contains(clock), "\(clock)")
      #expect(!sources.contains(clock), "\(clock)")
    }
    #expect(schema.matches(of: /statement_timestamp/).count == 1)
  }
}
