import ContentAPI
import EventLoop
import JSON
import Postgres
import Testing

@Suite struct SignUps {
  @Test func `get one answer, whatever is known of the address`() async throws {
    try await Site.run { site in
      let active = try await site.invite("active@example.com")
      _ = try await site.press(active.confirm.confirmation)
      let gone = try await site.invite("gone@example.com")
      _ = try await site.press(gone.confirm.confirmation)
      _ = try await site.press(gone.unsubscribe.unsubscription)
      _ = try await site.signUp("pending@example.com")
      try await site.setClock(Site.start, plusSeconds: 3601)
      let before = try await site.everything()

      var answers = [try await site.signUp("new@example.com")]
      for address in ["pending", "active", "gone", "new"] {
        answers.append(try await site.signUp("\(address)@example.com"))
        answers.append(try await site.signUp("\(address.uppercased())@Example.COM"))
      }
      answers.append(
        try await site.signUp(json: #"{"email":"bot@example.com","website":"http://x.example"}"#))
      answers.append(try await site.signUp(json: #"{"email":"b@example.com","website":"x"}"#))
      for answer in answers {
        #expect(answer.status == 202)
        #expect(answer.body == answers[0].body)
        #expect(answer.json["status"]?.stringValue == "accepted")
        #expect(answer["Cache-Control"] == "private, no-store")
        let fields = answer.fields.filter { $0.name != "X-Request-Id" }.map { "\($0)" }
        let first = answers[0].fields.filter { $0.name != "X-Request-Id" }.map { "\($0)" }
        #expect(fields == first)
      }
      #expect(try await site.status(of: "active@example.com") == "active")
      #expect(try await site.status(of: "gone@example.com") == "unsubscribed")
      #expect(try await site.status(of: "pending@example.com") == "pending")
      #expect(try await site.status(of: "new@example.com") == "pending")
      #expect(try await site.status(of: "bot@example.com") == nil)
      // New, pending and gone get a mail; who reads already does not.
      #expect(try await site.mailsWaiting() == 3)
      let mine = before.filter { $0.contains("active@example.com") }
      #expect(try await site.everything().filter { $0.contains("active@example.com") } == mine)
    }
  }

  @Test func `are answered no sooner than 50 ms after they were there`() async throws {
    try await Site.run { site in
      for json in [
        #"{"email":"a@example.com"}"#, #"{"email":"a@example.com"}"#, #"{"email":"a"}"#,
        #"{"email":"a@example.com","website":"x"}"#, "{",
      ] {
        let start = MonotonicInstant.now()
        _ = try await site.signUp(json: json)
        #expect(MonotonicInstant.now() - start >= .milliseconds(50))
      }
    }
  }

  @Test func `of one address at once, in any case, make one subscriber and one mail`() async throws
  {
    try await Site.run { site in
      try await withThrowingTaskGroup(of: Answer.self) { group in
        for index in 0..<20 {
          group.addTask {
            let letters = "parallel@example.com".enumerated().map { place, letter in
              index >> (place % 5) & 1 == 1 ? letter.uppercased() : String(letter)
            }
            return try await site.signUp(letters.joined())
          }
        }
        for try await answer in group { #expect(answer.status == 202) }
      }
      let counts = try await site.sql(
        """
        select (select count(*) from colophon.subscriptions), count(*), min(address)
        from colophon.mails m join colophon.subscriptions s on s.id = m.subscription_id
        """)
      #expect(counts.integer(0, 0) == 1)
      #expect(counts.integer(0, 1) == 1)
      #expect(counts.text(0, 2) == "parallel@example.com")
    }
  }

  @Test func `send an address one mail an hour, whatever happens`() async throws {
    try await Site.run { site in
      let mail = "select id || ' ' || (next_attempt_at is not null) from colophon.mails"
      func current() async throws -> String? { try await site.value(mail) }
      _ = try await site.signUp("a@example.com")
      let first = try #require(try await current())
      #expect(first.hasSuffix("true"))

      // Waiting, for however long: nothing new is ordered.
      for seconds in [0, 60, 3600, 9000] {
        try await site.setClock(Site.start, plusSeconds: seconds)
        _ = try await site.signUp("A@example.com")
        #expect(try await current() == first, "\(seconds)")
      }
      // Sent at last: the hour begins then.
      #expect(try await site.deliver(to: "a@example.com") != nil)
      let sent = first.replacing("true", with: "false")
      for seconds in [9000, 9001, 9000 + 3599] {
        try await site.setClock(Site.start, plusSeconds: seconds)
        _ = try await site.signUp("a@example.com")
        #expect(try await current() == sent, "\(seconds)")
      }
      try await site.setClock(Site.start, plusSeconds: 9000 + 3600)
      _ = try await site.signUp("a@example.com")
      let second = try #require(try await current())
      #expect(second.hasSuffix("true"))
      #expect(second.prefix(36) != first.prefix(36), "another mail has another id")

      // Dead: an hour after it was ordered another may try.
      try await site.sql(
        "update colophon.mails set dead_at = colophon.clock(), next_attempt_at = null, attempts = 9"
      )
      _ = try await site.signUp("a@example.com")
      #expect(try await site.mailsWaiting() == 0)
      try await site.setClock(Site.start, plusSeconds: 9000 + 7200)
      _ = try await site.signUp("a@example.com")
      #expect(try await site.mailsWaiting() == 1)
      #expect(try await site.value("select attempts from colophon.mails") == "0")
      #expect(try await site.value("select count(*) from colophon.mails") == "1")
    }
  }

  @Test func `name every fault of JSON`() async throws {
    try await Site.run { site in
      let cases: [(String, Int, [String])] = [
        ("{}", 422, ["/email"]), (#"{"email":null}"#, 422, ["/email"]),
        (#"{"email":5,"source":[],"name":"x"}"#, 422, ["/name", "/email", "/source"]),
        (#"{"email":"no"}"#, 422, ["/email"]),
        (#"{"email":"a@example.com\r\nBcc: b@example.com"}"#, 422, ["/email"]),
        (#"{"email":"a@example.com\u0000"}"#, 422, ["/email"]),
        (#"{"email":"a@example.com,b@example.com"}"#, 422, ["/email"]),
        (#"{"email":"a@example.com","source":"a\nb"}"#, 422, ["/source"]),
        (
          "{\"email\":\"a@example.com\",\"source\":\"\(String(repeating: "s", count: 101))\"}", 422,
          ["/source"]
        ),
        (#"{"email":"a@example.com","website":true}"#, 422, ["/website"]),
        (#"{"email":"a","website":"spam"}"#, 422, ["/email"]),
        (#"{"email":"a@example.com","email":"a@example.com"}"#, 400, []), ("[]", 422, [""]),
        ("{", 400, []),
      ]
      for (json, status, places) in cases {
        let answer = try await site.signUp(json: json)
        #expect(answer.status == status, "\(json)")
        #expect(Set(answer.places) == Set(places), "\(json) \(answer.text)")
      }
      #expect(try await site.value("select count(*) from colophon.subscriptions") == "0")
      let html = try await site.signUp(json: "{}", ["Accept: text/html"])
      #expect(html.status == 406)
      let other = try await site.send(
        "POST " + Site.signUpPath, ["Content-Type: text/plain"], body: Array("email=a".utf8))
      #expect(other.status == 415)
      #expect(other["Accept-Post"] == "application/json, application/x-www-form-urlencoded")
    }
  }

  @Test func `keep where the form stood, from the first time`() async throws {
    try await Site.run { site in
      _ = try await site.signUp(
        json: #"{"email":"a@example.com","source":" /posts/a ","website":""}"#)
      _ = try await site.signUp(json: #"{"email":"a@example.com","source":"elsewhere"}"#)
      #expect(try await site.value("select source from colophon.subscriptions") == "/posts/a")
      _ = try await site.signUp(form: "email=b%40example.com&source=&website=")
      #expect(
        try await site.value("select count(*) from colophon.subscriptions where source is null")
          == "1")
    }
  }

  @Test func `by a plain form lead to the configured page`() async throws {
    try await Site.run(signUpPage: "https://example.com/thanks") { site in
      for form in [
        "email=a%40example.com", "email=a@example.com&source=footer&website=",
        "email=b%40example.com&website=spam", "email=x%40y.example&website=spam",
      ] {
        let answer = try await site.signUp(form: form)
        #expect(answer.status == 303)
        #expect(answer["Location"] == "https://example.com/thanks")
        #expect(answer["Cache-Control"] == "private, no-store")
        #expect(answer.body.isEmpty)
      }
      #expect(try await site.value("select count(*) from colophon.subscriptions") == "1")
      // A script that sends a form gets what it would get for JSON.
      for accept in ["*/*", "application/json", "text/html;q=0.5, application/json"] {
        let answer = try await site.signUp(form: "email=c%40example.com", accept: accept)
        #expect(answer.status == 202, "\(accept)")
        #expect(answer["Content-Type"] == "application/json")
      }
    }
  }

  @Test func `by a plain form lead to a page of ours where none is configured`() async throws {
    try await Site.run(publicURL: "https://api.example.com") { site in
      let answer = try await site.signUp(form: "email=a%40example.com", accept: "text/html")
      #expect(answer.status == 303)
      #expect(answer["Location"] == "https://api.example.com/newsletter/thanks")
      let page = try await site.get("/newsletter/thanks")
      #expect(page.status == 200)
      #expect(page.text.contains("Look into your mail."))
    }
  }

  @Test func `by a plain form are told their faults on a page`() async throws {
    try await Site.run { site in
      let cases: [(String, Int, String)] = [
        ("email=nobody", 422, "an e-mail address"), ("", 422, "Email is required"),
        ("email=a@example.com&email=b@example.com", 422, "Email may stand there once"),
        ("email=a@example.com&page=%3Cscript%3E", 422, "unknown member &quot;page&quot;"),
        ("email=%zz", 400, "byte 6"), ("email=%ff", 400, "UTF-8"),
        (String(repeating: "a=1&", count: 101), 400, "more than 100"),
      ]
      for (form, status, text) in cases {
        let answer = try await site.signUp(form: form)
        #expect(answer.status == status, "\(form)")
        #expect(answer["Content-Type"] == "text/html; charset=utf-8")
        #expect(answer.text.lowercased().contains(text.lowercased()), "\(form): \(answer.text)")
        #expect(!answer.text.contains("<script"))
        let script = try await site.signUp(form: form, accept: "*/*")
        #expect(script.status == status)
        #expect(script.problem != nil)
      }
      let twice = try await site.signUp(
        form: "email=a@example.com&email=a@example.com", accept: "*/*")
      #expect(twice.places == ["/email"])
      #expect(try await site.value("select count(*) from colophon.subscriptions") == "0")
    }
  }

  @Test func `may come from any page`() async throws {
    try await Site.run { site in
      let preflight = try await site.send(
        "OPTIONS " + Site.signUpPath,
        [
          "Origin: https://example.com", "Access-Control-Request-Method: POST",
          "Access-Control-Request-Headers: content-type, idempotency-key",
        ])
      #expect(preflight.status == 204)
      #expect(preflight["Access-Control-Allow-Origin"] == "*")
      #expect(preflight["Access-Control-Allow-Methods"] == "POST")
      #expect(preflight["Access-Control-Allow-Headers"]?.contains("Idempotency-Key") == true)
      for email in ["a@example.com", "no"] {
        let answer = try await site.signUp(email, ["Origin: https://example.com"])
        #expect(answer["Access-Control-Allow-Origin"] == "*")
      }
    }
  }
}

/// Strangers' keys: nobody can be told apart but by what he sends.
@Suite struct StrangersKeys {
  @Test func `replay the same request, and let others be`() async throws {
    try await Site.run { site in
      let key = ["Idempotency-Key: form-1"]
      let first = try await site.signUp("a@example.com", key)
      #expect(first.status == 202)
      #expect(first["Idempotent-Replayed"] == nil)
      let again = try await site.signUp("a@example.com", ["Idempotency-Key: \"form-1\""])
      #expect(again.status == 202)
      #expect(again["Idempotent-Replayed"] == "true")
      #expect(again.body == first.body)
      // Another stranger who chose the same key.
      let other = try await site.signUp("b@example.com", key)
      #expect(other.status == 202)
      #expect(other["Idempotent-Replayed"] == nil)
      let form = try await site.send(
        "POST " + Site.signUpPath, ["Content-Type: application/x-www-form-urlencoded"] + key,
        body: Array("email=c%40example.com".utf8))
      #expect(form.status == 202)
      #expect(try await site.value("select count(*) from colophon.subscriptions") == "3")
      let rows = try await site.sql(
        "select distinct scope, convert_from(body, 'UTF8') from colophon.idempotency_keys")
      #expect(rows.count == 1)
      #expect(rows.text(0, 0) == "anonymous POST /v1/newsletter/subscriptions")
      // A key of the API has a scope of its own, and its rules.
      let owner = try await site.signUp("d@example.com", key + site.authorized)
      #expect(owner.status == 202)
      #expect(try await site.signUp("e@example.com", key + site.authorized).status == 422)
      // It is nobody's to look up.
      #expect(try await site.get("/v1/idempotency/form-1").status == 401)
    }
  }

  @Test func `replay to twenty at once one that ran`() async throws {
    try await Site.run { site in
      try await withThrowingTaskGroup(of: Answer.self) { group in
        for _ in 0..<20 {
          group.addTask { try await site.signUp("a@example.com", ["Idempotency-Key: k"]) }
        }
        var replays = 0
        for try await answer in group {
          #expect(answer.status == 202)
          if answer["Idempotent-Replayed"] != nil { replays += 1 }
        }
        #expect(replays == 19)
      }
    }
  }

  @Test func `are forgotten after a day, without a trace`() async throws {
    try await Site.run { site in
      let key = ["Idempotency-Key: k"]
      _ = try await site.signUp("a@example.com", key)
      _ = try await site.post(json: Site.json(title: "T"), key)
      let reaper = KeyReaper(pool: site.pool)
      try await site.setClock(Site.start, plusSeconds: 86_399)
      try await reaper.sweep()
      #expect(try await site.signUp("a@example.com", key)["Idempotent-Replayed"] == "true")
      try await site.setClock(Site.start, plusSeconds: 86_401)
      try await reaper.sweep()
      let left = try await site.sql("select scope, expired from colophon.idempotency_keys")
      #expect(left.count == 1, "the writer's tombstone")
      #expect(left.boolean(0, 1) == true)
      let anew = try await site.signUp("a@example.com", key)
      #expect(anew.status == 202)
      #expect(anew["Idempotent-Replayed"] == nil)
    }
  }

  @Test func `are free after a refusal`() async throws {
    try await Site.run { site in
      for (email, key, status) in [
        ("no", "k", 422), ("no@example.com", "k", 202), ("a@example.com", "a b", 400),
      ] {
        let answer = try await site.signUp(email, ["Idempotency-Key: " + key])
        #expect(answer.status == status)
        #expect(answer["Idempotent-Replayed"] == nil)
      }
    }
  }
}
