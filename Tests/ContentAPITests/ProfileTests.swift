import ContentAPI
import JSON
import Testing

@Suite struct ShowProfile {
  @Test func `is there from the start, with every member`() async throws {
    try await Site.run { site in
      let answer = try await site.get("/v1/profile")
      #expect(answer.status == 200)
      #expect(
        answer.json.objectValue?.map(\.name) == [
          "name", "role", "location", "headline", "intro", "availability", "about", "skills",
          "stats", "links", "contact", "site", "counts", "updated_at", "version",
        ])
      #expect(answer.json["name"]?.stringValue == "")
      #expect(answer.json["skills"]?.arrayValue == [])
      #expect(
        answer.json["contact"]?.objectValue?.map(\.name) == ["heading", "description", "email"])
      #expect(
        answer.json["site"]?.objectValue?.map(\.name) == [
          "title", "tagline", "description", "url", "language",
        ])
      #expect(answer["Last-Modified"] == nil)
      #expect(answer["ETag"]?.hasPrefix("\"1-") == true)
    }
  }

  @Test func `counts posts and projects, also a post that comes due`() async throws {
    try await Site.run { site in
      try await site.publish("one")
      try await site.publish("later", at: "2026-03-12T09:00:20Z")
      _ = try await site.send("POST", "/v1/projects", #"{"name":"P"}"#)
      func counts(_ answer: Answer) -> [Int?] {
        ["posts", "projects"].map { answer.json["counts"]?[$0]?.integerValue }
      }
      let before = try await site.get("/v1/profile")
      #expect(counts(before) == [1, 1])
      #expect(before["Cache-Control"] == "public, max-age=20, stale-if-error=86400")
      try await site.setClock("2026-03-12T09:00:20Z")
      let due = try await site.get("/v1/profile")
      #expect(counts(due) == [2, 1])
      #expect(due["ETag"] != before["ETag"])
      try await site.publish("other")
      #expect(counts(try await site.get("/v1/profile")) == [3, 1])
      _ = try await site.delete("later")
      _ = try await site.delete(path: "/v1/projects/p")
      #expect(counts(try await site.get("/v1/profile")) == [2, 0])
    }
  }
}

@Suite struct EditProfile {
  private static let whole = #"""
    {"name":"Nora Falk","role":"Engineer","location":"Malmö","headline":"Small servers",
    "intro":"One.\nTwo.","availability":"From May","about":"# About\n\nOne.\n\nTwo.\n\nThree.\n",
    "skills":["Swift","SQL","C"],"stats":[{"value":"9+","label":"years"},
    {"value":"1,200","label":"commits"}],"links":[{"rel":"me","label":"Code",
    "url":"https://example.com/nora"},{"label":"Blog","url":"https://example.com/"}],
    "contact":{"heading":"Write","description":"I answer.","email":"nora@example.com"},
    "site":{"title":"Falk","tagline":"T","description":"D","url":"https://example.com",
    "language":"en-GB"}}
    """#

  @Test func `PUT stores every member as it was sent, in order`() async throws {
    try await Site.run { site in
      let put = try await site.send("PUT", "/v1/profile", Self.whole)
      #expect(put.status == 200)
      let shown = try await site.get("/v1/profile")
      #expect(shown.text == put.text)
      #expect(shown["ETag"] == put["ETag"])
      let sent = try JSONReader.read(Array(Self.whole.utf8).span)
      for member in sent.objectValue ?? [] where member.name != "links" {
        #expect(shown.json[member.name] == member.value, "\(member.name)")
      }
      let links = shown.json["links"]?.arrayValue ?? []
      #expect(links.map { $0["label"]?.stringValue } == ["Code", "Blog"])
      #expect(links.map { $0["rel"]?.stringValue } == ["me", nil])
      #expect(links.last?["rel"]?.isNull == true)
      #expect(shown.version == 2)

      try await site.setClock("2026-03-12T10:00:00Z")
      let same = try await site.send("PUT", "/v1/profile", Self.whole)
      #expect(same.status == 200)
      #expect(same["ETag"] == put["ETag"])
      #expect(same.json["updated_at"]?.stringValue == Site.start)
      let bare = try await site.send("PUT", "/v1/profile", #"{"name":"N"}"#)
      #expect(bare.version == 3)
      #expect(bare.json["updated_at"]?.stringValue == "2026-03-12T10:00:00Z")
      #expect(bare.json["skills"]?.arrayValue == [])
      #expect(bare.json["contact"]?["email"]?.isNull == true)
      #expect(bare.json["about"]?.isNull == true)
    }
  }

  @Test func `PATCH reaches into objects and replaces lists`() async throws {
    try await Site.run { site in
      _ = try await site.send("PUT", "/v1/profile", Self.whole)
      let patched = try await site.send(
        "PATCH", "/v1/profile",
        #"{"contact":{"email":null},"stats":[{"value":"10","label":"years"}],"site":{"url":null}}"#)
      #expect(patched.status == 200)
      #expect(patched.version == 3)
      #expect(patched.json["contact"]?["heading"]?.stringValue == "Write")
      #expect(patched.json["contact"]?["email"]?.isNull == true)
      #expect(patched.json["site"]?["title"]?.stringValue == "Falk")
      #expect(patched.json["stats"]?.arrayValue?.count == 1)
      #expect(patched.json["skills"]?.arrayValue?.count == 3)
      let merge = try await site.send(
        "PATCH /v1/profile",
        site.authorized + ["Content-Type: application/merge-patch+json"],
        body: Array(#"{"contact":null}"#.utf8))
      #expect(merge.status == 200)
      #expect(merge.json["contact"]?["heading"]?.isNull == true)
      let same = try await site.send("PATCH", "/v1/profile", #"{"contact":{"email":null}}"#)
      #expect(same["ETag"] == merge["ETag"])
    }
  }

  @Test func `names every fault at once, with the way to it`() async throws {
    try await Site.run { site in
      let answer = try await site.send(
        "PUT", "/v1/profile",
        #"""
        {"name":"a\nb","intro":"\u0007","skills":["Swift",1,"  ","Swift"],
        "stats":[{"value":"9+","label":"years"},{"value":"1"},{"value":9,"label":"x","unit":"y"},7],
        "links":[{"label":"L","url":"javascript:alert(1)"},{"url":"https://example.com"}],
        "contact":{"email":"a@b@c","phone":null},"site":{"language":"english!","url":"x"},
        "counts":{},"updated_at":"now","version":null,"shoe_size":44}
        """#)
      #expect(answer.status == 422)
      #expect(
        Set(answer.places) == [
          "/name", "/intro", "/skills/1", "/skills/2", "/skills/3", "/stats/1/label",
          "/stats/2/value", "/stats/2/unit", "/stats/3", "/links/0/url", "/links/1/label",
          "/contact/email", "/contact/phone", "/site/language", "/site/url", "/counts",
          "/updated_at", "/version", "/shoe_size",
        ])
      #expect(answer.places.count == 19)
      for (json, place) in [
        (#"{"stats":{}}"#, "/stats"), (#"{"contact":[]}"#, "/contact"),
        (#"{"counts":null}"#, "/counts"), (#"{"contact":{"phone":null}}"#, "/contact/phone"),
        (#"{"site":{"a/b~c":null}}"#, "/site/a~1b~0c"), ("[]", ""), ("null", ""),
      ] {
        for method in ["PUT", "PATCH"] {
          let answer = try await site.send(method, "/v1/profile", json)
          #expect(answer.status == 422, "\(method) \(json)")
          #expect(answer.places == [place], "\(method) \(json)")
        }
      }
      #expect(try await site.get("/v1/profile").version == 1)
    }
  }

  @Test func `has bounds`() async throws {
    try await Site.run { site in
      let entry = #"{"value":"1","label":"l"}"#
      func stats(_ count: Int) -> String {
        #"{"stats":["# + Array(repeating: entry, count: count).joined(separator: ",") + "]}"
      }
      let full = try await site.send("PUT", "/v1/profile", stats(100))
      #expect(full.status == 200)
      #expect(try await site.send("PUT", "/v1/profile", stats(101)).places == ["/stats"])
      func text(_ name: String, _ count: Int) -> String {
        #"{"\#(name)":"\#(String(repeating: "é", count: count))"}"#
      }
      for (name, limit) in [
        ("name", 300), ("role", 300), ("location", 300), ("headline", 300), ("intro", 1000),
        ("availability", 300),
      ] {
        #expect(try await site.send("PUT", "/v1/profile", text(name, limit)).status == 200)
        #expect(
          try await site.send("PUT", "/v1/profile", text(name, limit + 1)).places == ["/" + name])
      }
      for email in ["a b@c", "@c", "a@", "a", "a,b@c.d", "a@b\\r\\n", "<a@b>"] {
        let json = #"{"contact":{"email":"\#(email)"}}"#
        let answer = try await site.send("PATCH", "/v1/profile", json)
        #expect(answer.places == ["/contact/email"], "\(email)")
      }
      let long = String(repeating: "a", count: 253)
      #expect(
        try await site.send("PATCH", "/v1/profile", #"{"contact":{"email":"\#(long)@b"}}"#).status
          == 422)
    }
  }

  @Test func `one of several writers with one If-Match wins`() async throws {
    try await Site.run { site in
      let tag = try #require(try await site.get("/v1/profile")["ETag"])
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<8 {
          group.addTask {
            try await site.send(
              number % 2 == 0 ? "PUT" : "PATCH", "/v1/profile", #"{"name":"\#(number)"}"#,
              ["If-Match: " + tag]
            ).status
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses.sorted() == [200] + Array(repeating: 412, count: 7))
      #expect(try await site.get("/v1/profile").version == 2)
    }
  }

  @Test func `patches of different members at once all count`() async throws {
    try await Site.run { site in
      let names = ["name", "role", "location", "headline", "intro", "availability", "about"]
      try await withThrowingTaskGroup(of: Int.self) { group in
        for name in names {
          group.addTask {
            try await site.send("PATCH", "/v1/profile", #"{"\#(name)":"\#(name)"}"#).status
          }
        }
        for try await status in group { #expect(status == 200) }
      }
      let profile = try await site.get("/v1/profile").json
      #expect(names.allSatisfy { profile[$0]?.stringValue == $0 })
      #expect(profile["version"]?.integerValue == 8)
    }
  }

  @Test func `needs the scope profile:write, and cannot be made or deleted`() async throws {
    try await Site.run { site in
      let lines = ["Content-Type: application/json", "Authorization: Bearer " + site.writer]
      for method in ["PUT", "PATCH"] {
        #expect(try await site.send(method + " /v1/profile", lines).status == 403)
      }
      let exists = try await site.send("PUT", "/v1/profile", "{}", ["If-None-Match: *"])
      #expect(exists.status == 412)
      let deleted = try await site.delete(path: "/v1/profile")
      #expect(deleted.status == 405)
      #expect(deleted["Allow"] == "GET, HEAD, PUT, PATCH, OPTIONS")
      let options = try await site.send("OPTIONS /v1/profile")
      #expect(options["Accept-Put"] == "application/json")
      #expect(options["Accept-Patch"] == "application/merge-patch+json, application/json")
    }
  }
}
