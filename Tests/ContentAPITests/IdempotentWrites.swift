import ContentAPI
import EventLoop
import JSON
import Postgres
import Synchronization
import Testing

/// What a write does under a key that comes once, again, and with something else.
@Suite struct IdempotentWrites {
  static func key(_ text: String) -> [String] { ["Idempotency-Key: " + text] }

  private static let json = Site.json(title: "A post")

  private func posts(_ site: Site) async throws -> String? {
    try await site.value("select count(*)::text from colophon.posts")
  }

  /// Nobody ever sees a row without a status.
  private func open(_ site: Site) async throws -> String? {
    try await site.value(
      "select count(*)::text from colophon.idempotency_keys where status is null")
  }

  @Test func `runs a new key and replays a known one`() async throws {
    try await Site.run { site in
      let first = try await site.post(json: Self.json, Self.key("\"k\""))
      #expect(first.status == 201)
      #expect(first["Idempotent-Replayed"] == nil)
      #expect(first["Idempotency-Key"] == "\"k\"")
      let second = try await site.post(json: Self.json, Self.key("k"))
      #expect(second.status == 201)
      #expect(second.body == first.body)
      #expect(second["Idempotent-Replayed"] == "true")
      #expect(second["Idempotency-Key"] == "k")
      #expect(second["Cache-Control"]?.contains("no-store") == true)
      for name in ["Content-Type", "Location", "ETag", "Last-Modified", "Cache-Control"] {
        #expect(first[name] != nil && first[name] == second[name], "\(name)")
      }
      #expect(second["X-Request-Id"] != first["X-Request-Id"])
      #expect(try await posts(site) == "1")
      #expect(try await open(site) == "0")
      let counts = site.inFlight.counts
      #expect((counts.runs, counts.replays) == (1, 1))
    }
  }

  @Test func `takes two round trips at most, and one for a replay`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["t"])
      func trips(_ body: () async throws -> Answer) async throws -> Int {
        let before = site.inFlight.counts.roundTrips
        _ = try await body()
        return site.inFlight.counts.roundTrips - before
      }
      let json = Site.json(title: "Changed")
      let writes: [(String, () async throws -> Answer)] = [
        ("post", { try await site.post(json: json, Self.key("1")) }),
        ("put", { try await site.put("b", json: json, Self.key("2")) }),
        ("replace", { try await site.put("a", json: json, Self.key("3")) }),
        ("patch", { try await site.patch("a", #"{"title":"P"}"#, Self.key("4")) }),
        (
          "rename to a slug that is taken",
          { try await site.patch("a", #"{"slug":"b"}"#, Self.key("13")) }
        ),
        ("patch nothing", { try await site.patch("a", "{}", Self.key("5")) }),
        ("404", { try await site.patch("none", "{}", Self.key("6")) }),
        ("412", { try await site.put("a", json: json, ["If-Match: \"99-0\""] + Self.key("7")) }),
        ("tag", { try await site.send("PUT", "/v1/tags/t", #"{"name":"T"}"#, Self.key("8")) }),
        (
          "project",
          { try await site.send("POST", "/v1/projects", #"{"name":"P"}"#, Self.key("9")) }
        ),
        (
          "profile", { try await site.send("PUT", "/v1/profile", #"{"name":"N"}"#, Self.key("10")) }
        ),
        ("delete", { try await site.delete("a", Self.key("11")) }),
        ("restore", { try await site.restore("a", Self.key("12")) }),
      ]
      for (name, write) in writes {
        // What is created is all known beforehand.
        #expect(try await trips(write) == (["post", "project"].contains(name) ? 1 : 2), "\(name)")
        #expect(try await trips(write) == 1, "the replay of \(name)")
      }
      #expect(try await trips { try await site.post(json: json) } == 1, "without a key")
      #expect(try await open(site) == "0")
    }
  }

  @Test func `answers every kind of write again as the first time`() async throws {
    try await Site.run(publicURL: "https://example.com") { site in
      try await site.publish("a", tags: ["t"])
      try await site.publish("b")
      var number = 0
      func expectSame(
        _ name: String, _ status: Int, _ write: ([String]) async throws -> Answer
      ) async throws {
        number += 1
        let key = Self.key("key-\(number)")
        let first = try await write(key)
        let second = try await write(key)
        #expect(first.status == status, "\(name): \(first.text)")
        #expect(second.status == status, "\(name)")
        #expect(first.body == second.body, "\(name)")
        #expect(second["Idempotent-Replayed"] == "true", "\(name)")
        #expect(first["Idempotent-Replayed"] == nil, "\(name)")
        func kept(_ answer: Answer) -> [String] {
          answer.fields.filter {
            !["X-Request-Id", "Idempotent-Replayed"].contains($0.name)
          }.map { "\($0.name): \($0.value)" }.sorted()
        }
        #expect(kept(first) == kept(second), "\(name)")
      }
      func tag(_ method: String, _ json: String, _ key: [String]) async throws -> Answer {
        try await site.send(method, "/v1/tags/t", json, key)
      }
      func project(_ method: String, _ json: String, _ key: [String]) async throws -> Answer {
        try await site.send(method, "/v1/projects/p", json, key)
      }
      try await expectSame("create", 201) { try await site.post(json: Self.json, $0) }
      try await expectSame("create by Markdown", 201) {
        try await site.post(markdown: "---\ntitle: M\n---\nText\n", $0)
      }
      try await expectSame("taken", 409) {
        try await site.post(json: #"{"title":"T","body":"B","slug":"a"}"#, $0)
      }
      try await expectSame("put", 201) { try await site.put("new", json: Self.json, $0) }
      try await expectSame("replace", 200) {
        try await site.put("new", json: Site.json(title: "N"), $0)
      }
      try await expectSame("unchanged", 200) {
        try await site.put("new", json: Site.json(title: "N"), $0)
      }
      try await expectSame("exists", 412) {
        try await site.put("new", json: Self.json, ["If-None-Match: *"] + $0)
      }
      try await expectSame("patch", 200) { try await site.patch("new", #"{"title":"P"}"#, $0) }
      try await expectSame("patch of a draft", 200) {
        try await site.patch("new", #"{"status":"draft"}"#, $0)
      }
      try await expectSame("rename", 200) { try await site.patch("new", #"{"slug":"c"}"#, $0) }
      try await expectSame("rename to a taken slug", 409) {
        try await site.patch("c", #"{"slug":"a"}"#, $0)
      }
      try await expectSame("stale", 412) {
        try await site.patch("c", #"{"title":"X"}"#, ["If-Match: \"77-0\""] + $0)
      }
      try await expectSame("patch of nothing", 404) { try await site.patch("none", "{}", $0) }
      try await expectSame("delete", 204) { try await site.delete("c", $0) }
      try await expectSame("delete again", 404) { try await site.delete("c", $0) }
      try await expectSame("restore", 200) { try await site.restore("c", $0) }
      try await expectSame("erase", 204) { try await site.erase("c", $0) }
      try await expectSame("tag", 200) { try await tag("PUT", #"{"name":"T"}"#, $0) }
      try await expectSame("tag unchanged", 200) { try await tag("PUT", #"{"name":"T"}"#, $0) }
      try await expectSame("rename tag", 200) { try await tag("PATCH", #"{"slug":"u"}"#, $0) }
      try await expectSame("new tag", 201) { try await tag("PUT", #"{"name":"T"}"#, $0) }
      try await expectSame("tag taken", 409) { try await tag("PATCH", #"{"slug":"u"}"#, $0) }
      try await expectSame("delete tag", 204) { try await site.delete(path: "/v1/tags/t", $0) }
      try await expectSame("project", 201) {
        try await site.send("POST", "/v1/projects", #"{"name":"P"}"#, $0)
      }
      try await expectSame("project put", 200) { try await project("PUT", #"{"name":"Q"}"#, $0) }
      try await expectSame("project rename", 200) {
        try await project("PATCH", #"{"slug":"q"}"#, $0)
      }
      try await expectSame("project by put", 201) { try await project("PUT", #"{"name":"P"}"#, $0) }
      try await expectSame("project taken", 409) {
        try await project("PATCH", #"{"slug":"q"}"#, $0)
      }
      try await expectSame("project deleted", 204) {
        try await site.delete(path: "/v1/projects/q", $0)
      }
      try await expectSame("profile", 200) {
        try await site.send("PATCH", "/v1/profile", #"{"name":"N"}"#, $0)
      }
      try await expectSame("newsletter", 200) {
        try await site.send("PUT", "/v1/newsletter", #"{"name":"N"}"#, $0)
      }
      #expect(try await site.discrepancies() == [])
      #expect(try await open(site) == "0")
    }
  }

  @Test func `shows what it wrote exactly as a read does`() async throws {
    try await Site.run { site in
      try await site.publish("a", tags: ["t"])
      let patched = try await site.patch("a", #"{"title":"P"}"#)
      let read = try await site.get("/v1/posts/a")
      #expect(patched.body == read.body)
      for name in ["ETag", "Last-Modified", "Content-Type"] { #expect(patched[name] == read[name]) }
      for (method, path, json) in [
        ("PUT", "/v1/tags/t", #"{"name":"É\n\"x\""}"#), ("PATCH", "/v1/profile", #"{"name":"N"}"#),
        ("PUT", "/v1/newsletter", #"{"name":"N"}"#), ("PUT", "/v1/projects/p", #"{"name":"P"}"#),
        ("PATCH", "/v1/projects/p", #"{"name":"P\u00e9"}"#),
      ] {
        let written = try await site.send(method, path, json.replacing("\\n", with: " "))
        let read = try await site.get(path)
        #expect([200, 201].contains(written.status), "\(path): \(written.text)")
        #expect(written.body == read.body, "\(path)")
        for name in ["ETag", "Last-Modified", "Content-Type"] {
          #expect(written[name] == read[name], "\(path)")
        }
      }
    }
  }

  @Test func `refuses a known key with anything else, and keeps the first`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let key = Self.key("k")
      let first = try await site.put("p", json: Self.json, key)
      let others = [
        try await site.put("p", json: Site.json(title: "Another"), key),
        try await site.put("q", json: Self.json, key),
        try await site.put("p", json: Self.json, ["If-Match: *"] + key),
        try await site.put("p", json: Self.json, ["If-None-Match: *"] + key),
        try await site.put("p", markdown: "---\ntitle: T\n---\nB\n", key),
        try await site.post(json: Self.json, key),
        try await site.delete("a", key),
        try await site.send("DELETE /v1/posts/a?permanently=true", site.authorized + key),
      ]
      for other in others {
        #expect(other.status == 422)
        #expect(other.problem == "idempotency-key-reused")
        #expect(other["Idempotent-Replayed"] == nil)
        #expect(other["Idempotency-Key"] == "k")
      }
      #expect(try await site.get("/v1/posts/a").status == 200)
      let again = try await site.put("p", json: " " + Self.json, key)
      #expect(again.body == first.body)
      #expect(again["Idempotent-Replayed"] == "true")
      #expect(site.inFlight.counts.mismatches == others.count)
    }
  }

  @Test func `does not spend a key on what is refused before the data are asked`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let key = Self.key("k")
      let json = ["Content-Type: application/json"]
      func send(_ line: String, _ lines: [String], _ body: String = "{}") async throws -> Int {
        try await site.send(line, lines + key, body: Array(body.utf8)).status
      }
      let reader = ["Authorization: Bearer " + site.reader]
      let all = site.authorized
      #expect(try await send("POST /v1/posts", all + json, "{") == 400)
      #expect(try await send("POST /v1/posts?x=1", all + json) == 400)
      #expect(try await send("POST /v1/posts", json) == 401)
      #expect(try await send("POST /v1/posts", reader + json) == 403)
      #expect(try await send("POST /v1/none", all + json) == 404)
      #expect(try await send("PUT /v1/posts", all + json) == 405)
      #expect(try await send("POST /v1/posts", all + json + ["Accept: text/html"]) == 406)
      #expect(try await send("POST /v1/posts", all + ["Content-Type: text/css"]) == 415)
      #expect(try await send("POST /v1/posts", all + json) == 422)
      #expect(try await send("PUT /v1/posts/A_B", all + json, Self.json) == 422)
      // What a patch makes of the post is found inside the transaction.
      #expect(try await send("PATCH /v1/posts/a", all + json, #"{"title":7}"#) == 422)
      let scheduled = Site.json(title: "S", status: "scheduled")
      #expect(try await send("PUT /v1/posts/new", all + json, scheduled) == 422)
      #expect(
        try await site.value(
          "select count(*)::text from colophon.idempotency_keys"
            + " where scope <> 'unkeyed'") == "0")
      let answer = try await site.post(json: Self.json, key)
      #expect(answer.status == 201)
      #expect(answer["Idempotent-Replayed"] == nil)
    }
  }

  @Test func `refuses malformed keys, whoever may write`() async throws {
    try await Site.run { site in
      for lines in [
        ["Idempotency-Key:"], Self.key("a b"), Self.key("\"a"), Self.key("é"), Self.key("a,b"),
        Self.key(String(repeating: "k", count: 256)), Self.key("a") + Self.key("a"),
      ] {
        let answer = try await site.post(json: Self.json, lines)
        #expect(answer.status == 400)
        #expect(answer.problem == "idempotency-key-invalid")
        #expect(answer["Idempotency-Key"] == nil)
      }
      let stranger = try await site.send("POST /v1/posts", Self.key("a b"))
      #expect(stranger.status == 401)
      #expect(try await posts(site) == "0")
      #expect(try await site.get("/v1/posts", Self.key("a b")).status == 200)
      #expect(try await site.get("/v1/posts", Self.key("a"))["Idempotency-Key"] == nil)
    }
  }

  @Test func `asks for the right again before it replays`() async throws {
    try await Site.run { site in
      let writer = ["Authorization: Bearer " + site.writer, "Content-Type: application/json"]
      let key = Self.key("k")
      func send(_ lines: [String]) async throws -> Answer {
        try await site.send("POST /v1/posts", lines + key, body: Array(Self.json.utf8))
      }
      #expect(try await send(writer).status == 201)
      // Another account may use the same key.
      let other = try await site.post(json: Self.json, key)
      #expect(other.status == 201)
      #expect(other["Idempotent-Replayed"] == nil)
      try await site.sql(
        "update colophon.api_keys set scopes = '{projects:write}' where id = $1::text",
        [.text(try #require(APIKey(site.writer)).id)])
      // A server that has not verified it yet.
      try await site.withReplica { replica in
        let answer = try await replica.send(
          "POST /v1/posts", writer + key, body: Array(Self.json.utf8))
        #expect(answer.status == 403)
        #expect(answer["Idempotent-Replayed"] == nil)
        #expect(answer["Location"] == nil)
      }
      let bad = ["Authorization: Bearer nonsense", "Content-Type: application/json"]
      let known = try await send(bad)
      let unknown = try await site.send(
        "POST /v1/posts", bad + Self.key("never"), body: Array(Self.json.utf8))
      #expect(known.status == 401 && unknown.status == 401)
      #expect(known["Idempotent-Replayed"] == nil)
    }
  }

  @Test func `keeps a problem with the first request's instance`() async throws {
    try await Site.run { site in
      let first = try await site.patch("a", "{}", ["X-Request-Id: one"] + Self.key("k"))
      #expect(first.status == 404)
      #expect(first.json["instance"]?.stringValue == "one")
      // By now there is such a post, but the answer stays.
      try await site.publish("a")
      let second = try await site.patch("a", "{}", ["X-Request-Id: two"] + Self.key("k"))
      #expect(second.status == 404)
      #expect(second.body == first.body)
      #expect(second["X-Request-Id"] == "two")
      #expect(second["Idempotent-Replayed"] == "true")
    }
  }

  @Test func `keeps nothing of a failure of ours, so that the retry runs`() async throws {
    try await Site.run { site in
      try await site.publish("a")
      let stranger = try await site.connect()
      try await stranger.script("begin; select 1 from colophon.posts where slug = 'a' for update")
      let key = Self.key("k")
      let failed = try await site.put("a", json: Self.json, key)
      #expect(failed.status == 503)
      #expect(failed.problem == "unavailable")
      try await stranger.script("rollback")
      let retried = try await site.put("a", json: Self.json, key)
      #expect(retried.status == 200)
      #expect(retried["Idempotent-Replayed"] == nil)
      await stranger.close()
    }
  }

  @Test func `runs again what PostgreSQL undid in favour of another`() async throws {
    try await Site.run { site in
      let connection = try await site.connect()
      try await connection.script(
        """
        create sequence colophon.failures;
        create function colophon.fail() returns trigger language plpgsql security definer as $$
        begin
          case nextval('colophon.failures')
            when 1 then raise exception using errcode = '40001';
            when 2 then raise exception using errcode = '40P01';
            else null;
          end case;
          return null;
        end $$;
        create constraint trigger fail after insert on colophon.posts deferrable initially deferred
          for each row execute function colophon.fail();
        """)
      await connection.close()
      let answer = try await site.post(json: Self.json, Self.key("k"))
      #expect(answer.status == 201)
      #expect(answer["Idempotent-Replayed"] == nil)
      #expect(try await site.value("select last_value::text from colophon.failures") == "3")
      #expect(try await posts(site) == "1")
      #expect(try await site.post(json: Self.json, Self.key("k")).body == answer.body)
    }
  }

  /// Once perhaps together with others, then three times alone.
  @Test func `is given up after the fourth time, and its key is as free as before`() async throws {
    try await Site.run { site in
      let connection = try await site.connect()
      try await connection.script(
        """
        create sequence colophon.failures;
        create function colophon.fail() returns trigger language plpgsql security definer as $$
        begin
          if nextval('colophon.failures') <= 4 then raise exception using errcode = '40P01'; end if;
          return null;
        end $$;
        create constraint trigger fail after insert on colophon.posts deferrable initially deferred
          for each row execute function colophon.fail();
        """)
      await connection.close()
      let answer = try await site.post(json: Self.json, Self.key("k"))
      #expect(answer.status == 503)
      #expect(answer.problem == "unavailable")
      #expect(answer["Retry-After"] != nil)
      #expect(try await site.value("select last_value::text from colophon.failures") == "4")
      #expect(try await posts(site) == "0")
      #expect(try await site.post(json: Self.json, Self.key("k")).status == 201)
    }
  }

  @Test func `is replayed from a program that compares in another way`() async throws {
    let next = Fingerprints(
      current: 2, [1: Fingerprints.canonical, 2: { $1 += $0.path.joined().utf8 }])
    try await Site.run { site in
      let first = try await site.post(json: Self.json, Self.key("k"))
      try await site.withReplica(fingerprints: next) { replica in
        let replay = try await replica.post(json: Self.json + " ", Self.key("k"))
        #expect(replay.body == first.body)
        #expect(replay["Idempotent-Replayed"] == "true")
        let other = try await replica.post(json: Site.json(title: "X"), Self.key("k"))
        #expect(other.problem == "idempotency-key-reused")
        // What a newer program stored, this one cannot tell: it neither runs nor replays it.
        _ = try await replica.post(json: Self.json, Self.key("new"))
        #expect(try await site.post(json: Self.json, Self.key("new")).status == 503)
      }
      #expect(try await posts(site) == "2")
    }
  }
}
