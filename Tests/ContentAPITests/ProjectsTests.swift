import ContentAPI
import JSON
import Testing

@Suite struct ListProjects {
  @Test func `shows them by position, ties by id, without their bodies`() async throws {
    try await Site.run { site in
      for (name, position) in [("c", 2), ("a", 1), ("b", 1), ("d", 0)] {
        let answer = try await site.send(
          "POST", "/v1/projects", #"{"name":"\#(name)","position":\#(position),"body":"B"}"#)
        #expect(answer.status == 201)
        // Ids grow with time.
        try await site.setClock("2026-03-12T09:00:0\(answer.slug == "c" ? 1 : 2)Z")
      }
      let answer = try await site.get("/v1/projects")
      #expect(answer.status == 200)
      #expect(answer.total == 4)
      #expect(answer.slugs.first == "d" && answer.slugs.last == "c")
      #expect(Set(answer.slugs[1...2]) == ["a", "b"])
      let first = try #require(answer.json["data"]?.arrayValue?.first)
      #expect(
        first.objectValue?.map(\.name) == [
          "id", "slug", "name", "description", "url", "repository_url", "tags", "featured",
          "position", "created_at", "updated_at", "version",
        ])
      #expect(answer["Cache-Control"]?.hasPrefix("public, max-age=60") == true)
      #expect(answer["Last-Modified"] == nil)
      for limit in 1...5 {
        #expect(
          try await site.walk("/v1/projects?limit=\(limit)").flatMap(\.self) == answer.slugs)
      }
    }
  }

  @Test func `filters by featured and by any of several tags`() async throws {
    try await Site.run(publicURL: "https://example.com") { site in
      for json in [
        #"{"name":"a","featured":true,"tags":["x","y"]}"#, #"{"name":"b","tags":["y"]}"#,
        #"{"name":"c","featured":true}"#, #"{"name":"d","tags":["z"]}"#,
      ] {
        #expect(try await site.send("POST", "/v1/projects", json).status == 201)
      }
      for (query, slugs) in [
        ("", ["a", "b", "c", "d"]), ("featured=true", ["a", "c"]), ("featured=false", ["b", "d"]),
        ("tag=y", ["a", "b"]), ("tag=z,x", ["a", "d"]), ("tag=y&featured=true", ["a"]),
        ("tag=nobody", []),
      ] {
        let answer = try await site.get("/v1/projects?" + query)
        #expect(answer.slugs == slugs, "\(query)")
        #expect(answer.total == slugs.count)
      }
      let page = try await site.get("/v1/projects?tag=y,z&limit=1")
      let next = try #require(page.next)
      let base = "https://example.com/v1/projects?tag=y,z&limit=1"
      #expect(page["Link"]?.contains("<\(base)&cursor=\(next)>; rel=\"next\"") == true)
      #expect(try await site.get("/v1/projects?tag=z,y&cursor=" + next).slugs == ["b", "d"])
      #expect(try await site.get("/v1/projects?tag=y&cursor=" + next).places == ["?cursor"])
    }
  }

  @Test func `names every fault of a query at once`() async throws {
    try await Site.run { site in
      let answer = try await site.get("/v1/projects?featured=yes&tag=A&limit=x&cursor=1&sort=name")
      #expect(answer.status == 400)
      #expect(
        Set(answer.places) == ["?featured", "?tag", "?limit", "?cursor", "?sort"])
    }
  }
}

@Suite struct EditProject {
  private static let whole = #"""
    {"slug":"p","name":" A name ","description":"One\nTwo","url":"https://example.com/p",
    "repository_url":"https://example.com/p.git","tags":["b","a"],"featured":true,"position":7,
    "body":"# B\n"}
    """#

  @Test func `POST makes one with all its members`() async throws {
    try await Site.run(publicURL: "https://example.com") { site in
      let made = try await site.send("POST", "/v1/projects", Self.whole)
      #expect(made.status == 201)
      #expect(made["Location"] == "https://example.com/v1/projects/p")
      #expect(made["Last-Modified"] == "Thu, 12 Mar 2026 09:00:00 GMT")
      let shown = try await site.get("/v1/projects/p")
      #expect(shown.text == made.text)
      #expect(shown["ETag"] == made["ETag"])
      #expect(shown["ETag"]?.hasPrefix("\"1-") == true)
      #expect(shown["Last-Modified"] == made["Last-Modified"])
      let project = shown.json
      #expect(project["name"]?.stringValue == "A name")
      #expect(project["description"]?.stringValue == "One\nTwo")
      #expect(project["url"]?.stringValue == "https://example.com/p")
      #expect(project["repository_url"]?.stringValue == "https://example.com/p.git")
      #expect(shown.tags == ["b", "a"])
      #expect(project["featured"]?.boolValue == true)
      #expect(project["position"]?.integerValue == 7)
      #expect(project["body"]?.stringValue == "# B\n")
      #expect(project["created_at"]?.stringValue == Site.start)
      #expect(project["updated_at"]?.stringValue == Site.start)
      #expect(project["version"]?.integerValue == 1)
      #expect(project["id"]?.stringValue?.utf8.count == 36)
      let taken = try await site.send("POST", "/v1/projects", Self.whole)
      #expect(taken.status == 409)
      #expect(taken.problem == "slug-taken")
      #expect(taken.places == ["/slug"])
    }
  }

  @Test func `absent members are null, and the place is behind the last`() async throws {
    try await Site.run { site in
      for (number, slug) in ["a-name", "a-name-2", "a-name-3"].enumerated() {
        let made = try await site.send("POST", "/v1/projects", #"{"name":"A name"}"#)
        #expect(made.slug == slug)
        #expect(made["Location"] == "/v1/projects/" + slug)
        #expect(made.json["position"]?.integerValue == number)
        for name in ["description", "url", "repository_url", "body"] {
          #expect(made.json[name]?.isNull == true)
        }
        #expect(made.tags == [])
        #expect(made.json["featured"]?.boolValue == false)
      }
      let last = try await site.send(
        "POST", "/v1/projects", #"{"name":"日本","position":2147483647}"#)
      #expect(last.slug == "project")
      let next = try await site.send("POST", "/v1/projects", #"{"name":"Beyond"}"#)
      #expect(next.json["position"]?.integerValue == 2_147_483_647)
    }
  }

  @Test func `names of one slug at once get one each`() async throws {
    try await Site.run { site in
      let slugs = try await withThrowingTaskGroup(of: String?.self) { group in
        for _ in 0..<8 {
          group.addTask {
            try await site.send("POST", "/v1/projects", #"{"name":"Same"}"#).slug
          }
        }
        return try await group.reduce(into: Set<String>()) { $0.insert($1 ?? "none") }
      }
      #expect(slugs == Set(["same"] + (2...8).map { "same-\($0)" }))
    }
  }

  @Test func `PUT makes and replaces, keeps the place, and changes nothing the second time`()
    async throws
  {
    try await Site.run { site in
      _ = try await site.send("POST", "/v1/projects", #"{"name":"First"}"#)
      let made = try await site.send("PUT", "/v1/projects/p", Self.whole)
      #expect(made.status == 201)
      #expect(made["Location"] == "/v1/projects/p")
      _ = try await site.send("POST", "/v1/projects", #"{"name":"Behind"}"#)
      try await site.setClock("2026-03-12T10:00:00Z")
      let same = try await site.send("PUT", "/v1/projects/p", Self.whole)
      #expect(same.status == 200)
      #expect(same["ETag"] == made["ETag"])
      let bare = try await site.send("PUT", "/v1/projects/p", #"{"name":"B"}"#)
      #expect(bare.status == 200)
      #expect(bare.version == 2)
      #expect(bare.json["position"]?.integerValue == 7)
      #expect(bare.json["description"]?.isNull == true)
      #expect(bare.json["updated_at"]?.stringValue == "2026-03-12T10:00:00Z")
      #expect(bare.json["created_at"]?.stringValue == Site.start)
      #expect(bare["Last-Modified"] == "Thu, 12 Mar 2026 10:00:00 GMT")
      #expect(try await site.send("PUT", "/v1/projects/p", #"{"name":"B"}"#).version == 2)
      let other = try await site.send("PUT", "/v1/projects/p", #"{"name":"B","slug":"q"}"#)
      #expect(other.status == 422)
      #expect(other.places == ["/slug"])
    }
  }

  @Test func `PATCH changes what it names and renames`() async throws {
    try await Site.run(publicURL: "https://example.com") { site in
      _ = try await site.send("PUT", "/v1/projects/p", Self.whole)
      _ = try await site.send("PUT", "/v1/projects/q", #"{"name":"Q"}"#)
      let patched = try await site.send(
        "PATCH", "/v1/projects/p", #"{"description":null,"tags":["c"],"featured":false}"#)
      #expect(patched.status == 200)
      #expect(patched.version == 2)
      #expect(patched.json["description"]?.isNull == true)
      #expect(patched.tags == ["c"])
      #expect(patched.json["body"]?.stringValue == "# B\n")
      let same = try await site.send("PATCH", "/v1/projects/p", #"{"tags":["c"]}"#)
      #expect(same["ETag"] == patched["ETag"])
      let taken = try await site.send("PATCH", "/v1/projects/p", #"{"slug":"q"}"#)
      #expect(taken.status == 409)
      #expect(taken.places == ["/slug"])
      let renamed = try await site.send("PATCH", "/v1/projects/p", #"{"slug":"r"}"#)
      #expect(renamed.status == 200)
      #expect(renamed["Content-Location"] == "https://example.com/v1/projects/r")
      #expect(renamed.version == 3)
      #expect(renamed.json["id"] == patched.json["id"])
      #expect(try await site.get("/v1/projects/p").status == 404)
      #expect(try await site.get("/v1/projects/r")["ETag"] == renamed["ETag"])
      #expect(try await site.send("PATCH", "/v1/projects/p", "{}").status == 404)
    }
  }

  @Test func `DELETE is for good`() async throws {
    try await Site.run { site in
      let made = try await site.send("PUT", "/v1/projects/p", Self.whole)
      let tag = try #require(made["ETag"])
      let stale = try await site.delete(path: "/v1/projects/p", ["If-Match: \"2-x\""])
      #expect(stale.status == 412)
      #expect(stale["ETag"] == tag)
      let gone = try await site.delete(path: "/v1/projects/p", ["If-Match: " + tag])
      #expect(gone.status == 204)
      #expect(gone.body.isEmpty)
      #expect(gone["Cache-Control"] == "private, no-store")
      for method in ["GET", "DELETE"] {
        #expect(try await site.send(method + " /v1/projects/p", site.authorized).status == 404)
      }
      #expect(try await site.send("PUT", "/v1/projects/p", Self.whole).status == 201)
    }
  }

  @Test func `one of several writers with one If-Match wins`() async throws {
    try await Site.run { site in
      let tag = try #require(
        try await site.send("PUT", "/v1/projects/p", Self.whole)["ETag"])
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<8 {
          group.addTask {
            try await site.send(
              number % 2 == 0 ? "PUT" : "PATCH", "/v1/projects/p", #"{"name":"\#(number)"}"#,
              ["If-Match: " + tag]
            ).status
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses.sorted() == [200] + Array(repeating: 412, count: 7))
      #expect(try await site.get("/v1/projects/p").version == 2)
    }
  }

  @Test func `one of several creators wins, and the others replace`() async throws {
    try await Site.run { site in
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<8 {
          group.addTask {
            try await site.send("PUT", "/v1/projects/p", #"{"name":"\#(number)"}"#).status
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses.sorted() == Array(repeating: 200, count: 7) + [201])
      #expect(try await site.get("/v1/projects/p").version == 8)
    }
  }

  @Test func `names every fault at once`() async throws {
    try await Site.run { site in
      let answer = try await site.send(
        "POST", "/v1/projects",
        #"""
        {"slug":"A","name":"  ","description":{},"url":"ftp://example.com","repository_url":"/p",
        "tags":["a","A b",7,"a"],"featured":"yes","position":-1,"body":"\u0000","version":3,
        "id":null,"colour":1}
        """#)
      #expect(answer.status == 422)
      #expect(
        Set(answer.places) == [
          "/slug", "/name", "/description", "/url", "/repository_url", "/tags/1", "/tags/2",
          "/tags/3", "/featured", "/position", "/body", "/version", "/id", "/colour",
        ])
      let long = String(repeating: "x", count: 524_289)
      let bounds = try await site.send(
        "PUT", "/v1/projects/p",
        #"{"name":"\#(long.prefix(301))","position":0.5,"tags":{},"body":"\#(long)"}"#)
      #expect(Set(bounds.places) == ["/name", "/position", "/tags", "/body"])
      #expect(try await site.send("POST", "/v1/projects", "{}").places == ["/name"])
      #expect(try await site.send("POST", "/v1/projects", "[]").places == [""])
      #expect(try await site.send("POST", "/v1/projects", "{").problem == "malformed-json")
    }
  }

  @Test func `needs the scope projects:write`() async throws {
    try await Site.run { site in
      let json = "Content-Type: application/json"
      for request in [
        "POST /v1/projects", "PUT /v1/projects/p", "PATCH /v1/projects/p", "DELETE /v1/projects/p",
      ] {
        let key = "Authorization: Bearer " + site.writer
        let forbidden = try await site.send(request, [json, key])
        #expect(forbidden.status == 403)
        #expect(try await site.send(request, [json]).status == 401)
      }
    }
  }
}
