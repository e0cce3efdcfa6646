import ContentAPI
import JSON
import Testing

@Suite struct NewsletterText {
  @Test func `is there from the start`() async throws {
    try await Site.run { site in
      let answer = try await site.get("/v1/newsletter")
      #expect(answer.status == 200)
      #expect(answer.text == #"{"name" : "", "description" : null, "frequency" : null}"#)
      #expect(answer["ETag"]?.hasPrefix("\"1-") == true)
      #expect(answer["Cache-Control"]?.hasPrefix("public, max-age=60") == true)
    }
  }

  @Test func `PUT replaces it, and changes nothing the second time`() async throws {
    try await Site.run { site in
      let json = #"{"name":" Letters ","description":"One.\nTwo.","frequency":"monthly"}"#
      let put = try await site.send("PUT", "/v1/newsletter", json)
      #expect(put.status == 200)
      #expect(put.json["name"]?.stringValue == "Letters")
      #expect(put.json["description"]?.stringValue == "One.\nTwo.")
      #expect(put["ETag"]?.hasPrefix("\"2-") == true)
      #expect(try await site.send("PUT", "/v1/newsletter", json)["ETag"] == put["ETag"])
      let shown = try await site.get("/v1/newsletter")
      #expect(shown.text == put.text)
      #expect(shown["ETag"] == put["ETag"])
      let bare = try await site.send("PUT", "/v1/newsletter", #"{"name":"L"}"#)
      #expect(bare.json["frequency"]?.isNull == true)
    }
  }

  @Test func `names every fault at once`() async throws {
    try await Site.run { site in
      let answer = try await site.send(
        "PUT", "/v1/newsletter", #"{"name":1,"description":[],"frequency":"a\nb","version":1}"#)
      #expect(answer.status == 422)
      #expect(Set(answer.places) == ["/name", "/description", "/frequency", "/version"])
    }
  }

  @Test func `one of two writers with one If-Match wins`() async throws {
    try await Site.run { site in
      let tag = try #require(try await site.get("/v1/newsletter")["ETag"])
      async let one = site.send("PUT", "/v1/newsletter", #"{"name":"1"}"#, ["If-Match: " + tag])
      async let two = site.send("PUT", "/v1/newsletter", #"{"name":"2"}"#, ["If-Match: " + tag])
      #expect(try await [one.status, two.status].sorted() == [200, 412])
      for condition in ["W/" + tag, "\"x\""] {
        let stale = try await site.send(
          "PUT", "/v1/newsletter", "{}", ["If-Match: " + condition])
        #expect(stale.status == 412)
      }
      #expect(
        try await site.send("PUT", "/v1/newsletter", "{}", ["If-Match: \"1-a\", \"2-b\""]).status
          == 200)
    }
  }

  @Test func `needs the scope profile:write`() async throws {
    try await Site.run { site in
      let lines = ["Content-Type: application/json", "Authorization: Bearer " + site.writer]
      let put = try await site.send("PUT /v1/newsletter", lines)
      #expect(put.status == 403)
      let patch = try await site.send("PATCH /v1/newsletter", lines)
      #expect(patch.status == 405)
    }
  }
}
