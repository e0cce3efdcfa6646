import ContentAPI
import JSON
import Postgres
import Testing

@Suite struct SubscriptionLists {
  private static let path = "/v1/newsletter/subscriptions"

  private func fill(_ site: Site, _ count: Int) async throws {
    try await site.sql(
      """
      insert into colophon.subscriptions (id, email, address, status, source, confirmed_at,
        unsubscribed_at)
      select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'R' || n || '@example.com',
        'r' || n || '@example.com', (array['pending', 'active', 'unsubscribed'])[1 + n % 3],
        case when n % 2 = 0 then 'footer' end,
        case when n % 3 > 0 then colophon.clock() end, case when n % 3 = 2 then colophon.clock() end
      from generate_series(1, $1::integer) n
      """, [.integer(count)])
  }

  private func emails(_ answer: Answer) -> [String] {
    (answer.json["data"]?.arrayValue ?? []).map { $0["email"]?.stringValue ?? "!" }
  }

  @Test func `show what is known of each, newest first`() async throws {
    try await Site.run { site in
      let links = try await site.invite("Ada@Example.com".lowercased())
      try await site.setClock(Site.start, plusSeconds: 60)
      _ = try await site.press(links.confirm.confirmation)
      try await site.setClock(Site.start, plusSeconds: 120)
      _ = try await site.signUp(json: #"{"email":"Bob@Example.com","source":"/posts/a"}"#)
      let answer = try await site.get(Self.path, site.authorized)
      #expect(answer.status == 200)
      #expect(answer["Cache-Control"] == "private, no-store")
      let data = try #require(answer.json["data"]?.arrayValue)
      #expect(
        data[0].objectValue?.map(\.name) == [
          "id", "email", "status", "source", "created_at", "confirmed_at", "unsubscribed_at",
        ])
      #expect(data[0]["email"]?.stringValue == "Bob@Example.com", "as it was written")
      #expect(data[0]["source"]?.stringValue == "/posts/a")
      #expect(data[0]["created_at"]?.stringValue == "2026-03-12T09:02:00Z")
      #expect(data[0]["confirmed_at"]?.isNull == true)
      #expect(data[1]["status"]?.stringValue == "active")
      #expect(data[1]["confirmed_at"]?.stringValue == "2026-03-12T09:01:00Z")
      #expect(answer.total == 2)
    }
  }

  @Test func `are walked in pages, forwards and back`() async throws {
    try await Site.run { site in
      try await fill(site, 25)
      for (filter, expected) in [
        ("", Array((1...25).reversed())),
        ("&status=active", [25, 22, 19, 16, 13, 10, 7, 4, 1]),
      ] {
        var seen: [String] = []
        var back: String?
        var next: String?
        repeat {
          let cursor = next.map { "&cursor=" + $0 } ?? ""
          let page = try await site.get(Self.path + "?limit=4" + filter + cursor, site.authorized)
          #expect(page.status == 200)
          #expect(page.total == expected.count)
          seen += emails(page)
          next = page.next
          if next == nil { back = page.previous }
        } while next != nil
        #expect(seen == expected.map { "R\($0)@example.com" })
        var reversed: [String] = []
        while let cursor = back {
          let page = try await site.get(
            Self.path + "?limit=4" + filter + "&cursor=" + cursor, site.authorized)
          reversed = emails(page) + reversed
          back = page.previous
        }
        #expect(reversed == Array(seen.prefix(reversed.count)))
        #expect(reversed.count == (expected.count - 1) / 4 * 4)
      }
      let link = try await site.get(
        Self.path + "?status=active&limit=2&count=false", site.authorized)
      #expect(link.json["meta"]?["total"]?.isNull == true)
      #expect(link["Link"]?.contains("?status=active&count=false&limit=2&cursor=") == true)
    }
  }

  @Test func `are for keys that may, and refuse what they do not know`() async throws {
    try await Site.run { site in
      #expect(try await site.get(Self.path).status == 401)
      let writer = ["Authorization: Bearer " + site.writer]
      #expect(try await site.get(Self.path, writer).status == 403)
      let id = "/00000000-0000-7000-8000-000000000001"
      #expect(try await site.send("DELETE " + Self.path + id, writer).status == 403)
      #expect(try await site.send("DELETE " + Self.path + id).status == 401)
      let cursor = try #require(
        Cursor(
          direction: .forward, filters: "subscriptions?status=", key: "x",
          id: "00000000-0000-7000-8000-000000000001")
      ).text
      for query in [
        "status=gone", "status=", "limit=0", "limit=101", "page=1", "email=a", "cursor=x",
        "cursor=" + cursor, "status=active&status=active",
      ] {
        #expect(
          try await site.get(Self.path + "?" + query, site.authorized).status == 400, "\(query)")
      }
      let html = try await site.get(Self.path, site.authorized + ["Accept: text/html"])
      #expect(html.status == 406)
    }
  }

  @Test func `are a table for spreadsheets, without formulas`() async throws {
    try await Site.run { site in
      let csv = site.authorized + ["Accept: text/csv"]
      let header =
        #""id","email","status","source","created_at","confirmed_at","unsubscribed_at""# + "\r\n"
      #expect(try await site.get(Self.path, csv).text == header)
      for (email, source) in [
        ("=cmd|x@example.com", "=1+1"), ("+1@example.com", "@SUM(A1)"), ("-a@example.com", "-2"),
        ("a=b@example.com", #"says \"hello\", twice"#),
      ] {
        let answer = try await site.signUp(json: #"{"email":"\#(email)","source":"\#(source)"}"#)
        #expect(answer.status == 202)
      }
      let answer = try await site.get(Self.path, csv)
      #expect(answer.status == 200)
      #expect(answer["Content-Type"] == "text/csv; charset=utf-8")
      #expect(answer["Content-Disposition"] == "attachment; filename=\"subscriptions.csv\"")
      #expect(answer["Cache-Control"] == "private, no-store")
      #expect(answer.text.hasPrefix(header))
      let lines = answer.text.split(separator: "\r\n").dropFirst().map { line in
        line.split(separator: ",\"", maxSplits: 1)[1]
      }
      #expect(
        Set(lines) == [
          #"'=cmd|x@example.com","pending","'=1+1","2026-03-12T09:00:00Z","","""#,
          #"'+1@example.com","pending","'@SUM(A1)","2026-03-12T09:00:00Z","","""#,
          #"'-a@example.com","pending","'-2","2026-03-12T09:00:00Z","","""#,
          #"a=b@example.com","pending","says ""hello"", twice","2026-03-12T09:00:00Z","","""#,
        ])
      #expect(answer.text.hasSuffix("\r\n"))
    }
  }

  @Test func `come as CSV in one piece, or in pages where a limit is given`() async throws {
    try await Site.run { site in
      try await fill(site, 300)
      let csv = site.authorized + ["Accept: text/csv;q=0.9, application/json;q=0.1"]
      let whole = try await site.get(Self.path, csv)
      #expect(whole.text.split(separator: "\r\n").count == 301)
      #expect(whole["Link"]?.contains("next") == false)
      let active = try await site.get(Self.path + "?status=active", csv)
      #expect(active.text.split(separator: "\r\n").count == 101)
      #expect(active.text.matches(of: /"active"/).count == 100)
      let page = try await site.get(Self.path + "?limit=200", csv)
      #expect(page.text.split(separator: "\r\n").count == 201)
      let link = try #require(page["Link"]?.firstMatch(of: /<([^>]*)>; rel="next"/)).output.1
      let rest = try await site.get(String(link), csv)
      #expect(rest.text.split(separator: "\r\n").count == 101)
      #expect(rest.text.contains("R1@example.com"))
    }
  }
}

@Suite struct Erasure {
  @Test func `takes an address out of every table, and later mail with it`() async throws {
    try await Site.run { site in
      let key = ["Idempotency-Key: k"]
      let address = "Forget.Me@example.com"
      _ = try await site.signUp(address, key)
      let links = try #require(try await site.deliver(to: address.lowercased()))
      _ = try await site.press(links.confirm.confirmation)
      _ = try await site.press(links.unsubscribe.unsubscription)
      try await site.setClock(Site.start, plusSeconds: 7200)
      _ = try await site.signUp(address, ["Idempotency-Key: k2"] + site.authorized)
      _ = try await site.signUp(form: "email=forget.me%40example.com")
      _ = try await site.signUp("stays@example.com")
      #expect(try await site.mailsWaiting() == 2)
      let list = try await site.get("/v1/newsletter/subscriptions", site.authorized)
      let row = try #require(
        list.json["data"]?.arrayValue?.first { $0["email"]?.stringValue == address })
      let id = try #require(row["id"]?.stringValue)
      let path = "DELETE /v1/newsletter/subscriptions/" + id

      #expect(try await site.send(path, site.authorized).status == 204)
      let everything = try await site.everything()
      for line in everything {
        #expect(!line.lowercased().contains("forget.me"), "\(line)")
        let bytes = "forget.me".utf8.map { String($0, radix: 16) }.joined()
        #expect(!line.lowercased().contains(bytes), "\(line)")
        #expect(!line.contains(id), "\(line)")
      }
      #expect(everything.contains { $0.contains("stays@example.com") })
      #expect(try await site.deliver(to: "forget.me@example.com") == nil)
      #expect(try await site.mailsWaiting() == 1)
      #expect(try await site.send(path, site.authorized).status == 404)
      #expect(try await site.get(links.unsubscribe.unsubscription).status == 404)
      #expect(try await site.press(links.unsubscribe.unsubscription).status == 200)
      // Who comes back is new.
      _ = try await site.signUp(address)
      #expect(try await site.status(of: "forget.me@example.com") == "pending")
    }
  }

  @Test func `finds nothing under what is no id`() async throws {
    try await Site.run { site in
      for id in [
        "x", "00000000-0000-7000-8000-000000000001", "00000000000070008000000000000001",
        "%7B00000000-0000-7000-8000-000000000001%7D", "00000000-0000-7000-8000-00000000000g",
      ] {
        let answer = try await site.send(
          "DELETE /v1/newsletter/subscriptions/" + id, site.authorized)
        #expect(answer.status == 404, "\(id)")
      }
    }
  }
}
