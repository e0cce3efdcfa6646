import ContentAPI
import Testing

@Suite struct NewsletterLinks {
  @Test func `change nothing when they are looked at`() async throws {
    try await Site.run { site in
      let links = try await site.invite("a@example.com")
      let before = try await site.everything()
      for path in [links.confirm.confirmation, links.unsubscribe.unsubscription] {
        for method in ["GET", "HEAD", "GET", "OPTIONS"] {
          let answer = try await site.send("\(method) \(path)", ["Accept: */*"])
          #expect(answer.status == (method == "OPTIONS" ? 204 : 200))
        }
      }
      #expect(try await site.everything() == before)
    }
  }

  @Test func `confirm at the press of a button, and once is enough`() async throws {
    try await Site.run { site in
      let links = try await site.invite("a@example.com")
      try await site.setClock(Site.start, plusSeconds: 60)
      let first = try await site.press(links.confirm.confirmation)
      #expect(first.status == 200)
      #expect(first.text.contains("You are subscribed"))
      let row = """
        select status || ' ' || colophon.rfc3339(confirmed_at) || ' ' || (unsubscribed_at is null)
        from colophon.subscriptions
        """
      let state = "active 2026-03-12T09:01:00Z true"
      #expect(try await site.value(row) == state)
      // Also when the link would have expired.
      for seconds in [120, 8 * 86_400] {
        try await site.setClock(Site.start, plusSeconds: seconds)
        let again = try await site.press(links.confirm.confirmation)
        #expect(again.status == 200)
        #expect(again.body == first.body)
        let shown = try await site.get(links.confirm.confirmation)
        #expect(shown.status == 200)
      }
      #expect(try await site.value(row) == state)
    }
  }

  @Test func `pressed by many at once confirm once`() async throws {
    try await Site.run { site in
      let links = try await site.invite("a@example.com")
      try await withThrowingTaskGroup(of: Answer.self) { group in
        for index in 0..<20 {
          group.addTask {
            try await site.press(
              index % 4 == 3 ? links.unsubscribe.unsubscription : links.confirm.confirmation)
          }
        }
        for try await answer in group { #expect(answer.status == 200) }
      }
      let status = try #require(try await site.status(of: "a@example.com"))
      #expect(["active", "unsubscribed"].contains(status))
      #expect(
        try await site.value(
          """
          select count(*) from colophon.subscription_tokens
          where purpose = 'confirm' and used_at is null
          """) == "0")
    }
  }

  @Test func `unsubscribe, by the page and by a mail program's own button`() async throws {
    let multipart = """
      --b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n
      """
    let ways: [([String], String)] = [
      (["Content-Type: application/x-www-form-urlencoded"], "List-Unsubscribe=One-Click"),
      (["Content-Type: multipart/form-data; boundary=b"], multipart),
      (["Content-Type: application/x-www-form-urlencoded"], ""), ([], ""),
      (["Content-Type: application/x-www-form-urlencoded", "Accept: application/json"], "x=%"),
    ]
    try await Site.run { site in
      for (index, (lines, body)) in ways.enumerated() {
        let address = "a\(index)@example.com"
        let links = try await site.invite(address)
        _ = try await site.press(links.confirm.confirmation)
        for _ in 1...2 {
          let answer = try await site.send(
            "POST " + links.unsubscribe.unsubscription, lines, body: Array(body.utf8))
          #expect(answer.status == 200)
          #expect(answer["Location"] == nil)
          #expect(answer["Set-Cookie"] == nil)
          #expect(try await site.status(of: address) == "unsubscribed")
        }
      }
    }
  }

  @Test func `answer 200 to a mail program for any token`() async throws {
    try await Site.run { site in
      let links = try await site.invite("a@example.com")
      try await site.setClock(Site.start, plusSeconds: 366 * 86_400)
      let tokens = [
        "", "?token=", "?token=abc", "?token=%F0%9F%92%8C", "?token=" + links.confirm.text,
        "?token=" + links.unsubscribe.text,
      ]
      for token in tokens {
        let answer = try await site.press("/newsletter/unsubscribe" + token)
        #expect(answer.status == 200, "\(token)")
        #expect(answer.text.contains("works no more"))
      }
      #expect(try await site.status(of: "a@example.com") == "pending")
    }
  }

  @Test func `expire, and say what to do`() async throws {
    try await Site.run { site in
      let links = try await site.invite("a@example.com")
      try await site.setClock(Site.start, plusSeconds: 7 * 86_400 - 1)
      #expect(try await site.get(links.confirm.confirmation).status == 200)
      try await site.setClock(Site.start, plusSeconds: 7 * 86_400)
      for answer in [
        try await site.get(links.confirm.confirmation),
        try await site.press(links.confirm.confirmation),
      ] {
        #expect(answer.status == 410)
        #expect(answer.text.contains("Sign up once more"))
        #expect(!answer.text.contains("<button"))
      }
      #expect(try await site.status(of: "a@example.com") == "pending")
      #expect(try await site.get(links.unsubscribe.unsubscription).status == 200)
      try await site.setClock(Site.start, plusSeconds: 365 * 86_400)
      #expect(try await site.get(links.unsubscribe.unsubscription).status == 410)
      // A token serves its own purpose alone, and nobody finds one by chance.
      let other = try await site.invite("b@example.com")
      for path in [
        "/newsletter/confirm?token=" + other.unsubscribe.text, "/newsletter/confirm",
        "/newsletter/confirm?token=" + String(repeating: "A", count: 43),
        "/newsletter/confirm?token=" + other.confirm.text.dropLast(),
        "/newsletter/confirm?token=\(other.confirm.text)A",
        "/newsletter/confirm?token=\(other.confirm.text.lowercased())",
      ] {
        #expect(try await site.get(path).status == 404, "\(path)")
        #expect(try await site.press(path).status == 404, "\(path)")
      }
      #expect(
        try await site.get("/newsletter/unsubscribe?token=" + other.confirm.text).status == 404)
      #expect(try await site.status(of: "b@example.com") == "pending")
      #expect(try await site.get("/newsletter/confirm?token=a&token=b").status == 400)
    }
  }

  @Test func `that are spent bring nobody back, those of a new mail do`() async throws {
    try await Site.run { site in
      let address = "a@example.com"
      let first = try await site.invite(address)
      try await site.setClock(Site.start, plusSeconds: 3600)
      let second = try await site.invite(address)
      _ = try await site.press(first.confirm.confirmation)
      #expect(try await site.status(of: address) == "active")
      _ = try await site.press(second.unsubscribe.unsubscription)
      #expect(try await site.status(of: address) == "unsubscribed")
      for link in [first.confirm, second.confirm] {
        let answer = try await site.press(link.confirmation)
        #expect(answer.status == 200)
        #expect(answer.text.contains("sign up once more"))
      }
      #expect(try await site.status(of: address) == "unsubscribed")

      try await site.setClock(Site.start, plusSeconds: 7200)
      let third = try await site.invite(address)
      #expect(try await site.status(of: address) == "unsubscribed", "until the button is pressed")
      _ = try await site.get(third.confirm.confirmation)
      #expect(try await site.status(of: address) == "unsubscribed")
      let answer = try await site.press(third.confirm.confirmation)
      #expect(answer.text.contains("You are subscribed"))
      #expect(try await site.status(of: address) == "active")
      // Who reads gets no mail, and a mail that was waiting then is not handed over.
      try await site.setClock(Site.start, plusSeconds: 20_000)
      _ = try await site.signUp(address)
      #expect(try await site.mailsWaiting() == 0)
      // Any of the links that have not expired still lead out.
      _ = try await site.press(first.unsubscribe.unsubscription)
      #expect(try await site.status(of: address) == "unsubscribed")
    }
  }

  @Test func `of a mail that waits are not made for who has confirmed meanwhile`() async throws {
    try await Site.run { site in
      let links = try await site.invite("a@example.com")
      try await site.setClock(Site.start, plusSeconds: 3600)
      _ = try await site.signUp("a@example.com")
      #expect(try await site.mailsWaiting() == 1)
      _ = try await site.press(links.confirm.confirmation)
      #expect(try await site.deliver(to: "a@example.com") == nil)
    }
  }

  @Test func `lead to pages that are whole, quiet and have one button`() async throws {
    try await Site.run { site in
      _ = try await site.send(
        "PUT", "/v1/newsletter", ##"{"name":"<b>R&D's \"Letters\"","frequency":"once a month"}"##)
      let links = try await site.invite("reader@example.com")
      let none = "?token=none"
      let pages = [
        (try await site.get(links.confirm.confirmation), 1),
        (try await site.get(links.unsubscribe.unsubscription), 1),
        (try await site.press(links.confirm.confirmation), 0),
        (try await site.press(links.unsubscribe.unsubscription), 0),
        (try await site.press(links.confirm.confirmation), 0),
        (try await site.get("/newsletter/confirm" + none), 0),
        (try await site.press("/newsletter/unsubscribe" + none), 0),
        (try await site.get("/newsletter/thanks"), 0), (try await site.signUp(form: "email="), 0),
      ]
      for (page, buttons) in pages {
        #expect(page["Content-Type"] == "text/html; charset=utf-8")
        #expect(page["Cache-Control"] == "no-store")
        #expect(page["Referrer-Policy"] == "no-referrer")
        #expect(page["X-Robots-Tag"] == "noindex")
        #expect(page["X-Content-Type-Options"] == "nosniff")
        #expect(page["ETag"] == nil)
        let html = page.text
        #expect(html.hasPrefix("<!DOCTYPE html>\n<html lang=\"en\">"))
        let style = try #require(html.firstMatch(of: /<style>((?s).*)<\/style>/)).output.1
        let digest = BaseEncoding.base64URL.encode(SHA256.digest(of: String(style).utf8))
        #expect(
          page["Content-Security-Policy"]
            == "default-src 'none'; style-src 'sha256-\(digest)='; form-action 'self'; "
            + "base-uri 'none'; frame-ancestors 'none'")
        for forbidden in ["<script", "<link", "<img", " on", " style=", "url(", "http", "<b>"] {
          #expect(
            !html.replacing(" once", with: "").replacing(" only", with: "")
              .replacing(" one", with: "").contains(forbidden) || forbidden == " on",
            "\(forbidden)")
        }
        #expect(html.matches(of: /<form method="post">/).count == buttons)
        #expect(html.matches(of: /<button type="submit">/).count == buttons)
        #expect(html.matches(of: /<h1>/).count == 1)
        #expect(html.contains("width=device-width"))
        #expect(!html.contains("reader@"), "a page may be read over a shoulder")
      }
      #expect(
        pages[0].0.text.contains("“&lt;b&gt;R&amp;D&#39;s &quot;Letters&quot;” is sent to"))
      #expect(pages[0].0.text.contains("(once a month)"))
      #expect(pages[0].0.text.contains("Close this page: nothing will be sent."))
    }
  }

  @Test func `are nowhere in the database`() async throws {
    try await Site.run { site in
      let links = try await site.invite("a@example.com")
      let lines = ["Content-Type: application/x-www-form-urlencoded", "Idempotency-Key: k"]
      for path in [links.confirm.confirmation, links.unsubscribe.unsubscription] {
        #expect(try await site.send("POST " + path, lines).status == 200)
        let again = try await site.send("POST " + path, lines)
        #expect(again["Idempotent-Replayed"] == "true")
        #expect(again["Content-Security-Policy"] != nil, "a replay is as safe a page")
      }
      let everything = try await site.everything().joined(separator: "\n")
      for token in [links.confirm.text, links.unsubscribe.text] {
        #expect(!everything.contains(token))
        let bytes = Array(token.utf8).map { String($0, radix: 16) }.joined()
        #expect(!everything.contains(bytes))
      }
      #expect(everything.contains("subscription_tokens"))
    }
  }
}
