import ContentAPI
import Testing

/// The contract as a page.
@Suite struct Docs {
  @Test func `are one page for everybody`() async throws {
    try await Site.run { site in
      let page = try await site.get("/docs", ["Accept: text/html,*/*;q=0.8"])
      #expect(page.status == 200)
      #expect(page["Content-Type"] == "text/html; charset=utf-8")
      #expect(page["Cache-Control"]?.hasPrefix("public, max-age=60") == true)
      #expect(page["Referrer-Policy"] == "no-referrer")
      #expect(page["X-Content-Type-Options"] == "nosniff")
      let tag = try #require(page["ETag"])
      let again = try await site.get("/docs", ["If-None-Match: " + tag])
      #expect(again.status == 304)
      #expect(again["Content-Security-Policy"] == page["Content-Security-Policy"])
      #expect(try await site.get("/docs", site.authorized)["Cache-Control"] == "private, no-store")
      #expect(try await site.get("/docs", ["Accept: application/json"]).status == 406)
      #expect(try await site.get("/docs?x=1").status == 400)
    }
  }

  @Test func `name style and script by their digests and allow nothing else`() async throws {
    try await Site.run { site in
      let page = try await site.get("/docs")
      let style = try #require(page.text.firstMatch(of: /<style>([^<]+)<\/style>/)).output.1
      let script = try #require(page.text.firstMatch(of: /<script>((?s:.+?))<\/script>/)).output.1
      func source(_ text: Substring) -> String {
        "'sha256-" + BaseEncoding.base64URL.encode(SHA256.digest(of: text.utf8)) + "='"
      }
      #expect(
        page["Content-Security-Policy"]
          == "default-src 'none'; style-src \(source(style)); script-src \(source(script)); "
          + "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'")
      #expect(page.text.matches(of: /<(style|script)/).count == 2)
      #expect(page.text.firstMatch(of: /<[^>]* (style|on[a-z]+|src|action)=/) == nil)
    }
  }

  @Test func `have every operation, parameter, status and problem of the contract`() async throws {
    let contract = try OpenAPIDocument(try Repository.bytes("openapi.yaml"))
    try await Site.run { site in
      let page = try await site.get("/docs").text
      var articles: [String: Substring] = [:]
      for article in page.matches(of: /<details class="op"(?s:.+?)\n<\/div>\n<\/details>/) {
        let id = try #require(article.output.firstMatch(of: /class="body" id="([^"]+)"/)).output.1
        articles[String(id)] = article.output
      }
      for operation in contract.operations where operation.method != "head" {
        let article = try #require(articles[operation.id], "\(operation.id)")
        for parameter in contract.parameters(of: operation) {
          let name = try #require(parameter["name"]?.text)
          #expect(article.contains("<code class=\"n\">\(name)</code>"), "\(operation.id) \(name)")
        }
        for (status, _) in contract.responses(of: operation) where status != "default" {
          #expect(article.contains(">\(status)</span>"), "\(operation.id) \(status)")
        }
        for scope in operation.scopes { #expect(article.contains(scope), "\(operation.id)") }
        let line = try #require(article.firstMatch(of: /class="curl"><code>((?s:.+?))<\/code>/))
        #expect(line.output.1.contains(operation.path.prefix { $0 != "{" }), "\(operation.id)")
        #expect(!line.output.1.contains("{slug}"), "\(operation.id)")
      }
      #expect(articles.count == contract.operations.count { $0.method != "head" })
      for operation in contract.operations where operation.method == "head" {
        #expect(page.contains("id=\"\(operation.id)\""), "\(operation.id)")
      }
      for kind in Problem.Kind.allCases {
        #expect(page.contains("id=\"problem-\(kind.rawValue)\""), "\(kind)")
      }
    }
  }

  @Test func `say of a member what it is, must be and becomes`() async throws {
    try await Site.run { site in
      let page = try await site.get("/docs").text
      // Of a list in a query, a rule, a default, what a body must have, and what lies deeper.
      for row in [
        "<code class=\"n\">limit</code> <span class=\"t\">integer</span><p>How much a page holds "
          + "at most. Out of range is 400.</p>\n"
          + "<p class=\"rule\">1 to 100 · default <code>20</code></p>",
        "<code class=\"n\">tag</code> <span class=\"t\">array of string</span>",
        "<p class=\"rule\">1 to 32 elements</p>",
        "<code class=\"n\">title</code> <span class=\"t\">string</span> "
          + "<span class=\"r\">required</span>",
        "<code class=\"n\">data[].cover_image.url</code> <span class=\"t\">string</span>",
        "<code class=\"n\">data[].body</code> <span class=\"t\">string</span> "
          + "<span class=\"r\">optional</span>",
        "<span class=\"t\">Post, Project, TagResource, Profile, Newsletter or null</span>",
        "<a href=\"#problem-slug-taken\">slug-taken</a>",
        "Needs a key with the scope <code>posts:write</code>.",
      ] {
        #expect(page.contains(row), "\(row)")
      }
      // A text of the contract is a text of the page.
      #expect(page.contains("&lt;!DOCTYPE html&gt;"))
      #expect(page.firstMatch(of: /&lt;\/?(p|span|code|a|li|dt|strong)\b|&amp;lt;/) == nil)
    }
  }
}
