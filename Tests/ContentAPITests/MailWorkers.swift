import ContentAPI
import EventLoop
import Postgres
import Synchronization
import Testing

@Suite struct MailWorkers {
  /// Later by a second than a mail that is ordered at the start.
  private func letComeDue(_ site: Site, plusSeconds seconds: Int = 1) async throws {
    try await site.setClock(Site.start, plusSeconds: seconds)
  }

  @Test func `hand a mail over, and the links in it work by then`() async throws {
    try await Site.run { site in
      try await FakeSendmail.run { sendmail in
        let id = try await site.orderMail(to: "Ada.L@example.org")
        let events = MailEvents()
        let worker = try site.worker(.sendmail(path: sendmail.path), events)
        // Not while the answer to the sign-up waits.
        #expect(try await worker.handOverNext() == false)
        try await letComeDue(site)
        try sendmail.setWaits(true)
        async let handedOver = worker.handOverNext()
        try await site.wait { try sendmail.mails().count == 1 }

        let mail = try #require(try sendmail.mails().first)
        #expect(mail["To"] == "Ada.L@example.org")
        #expect(mail["Message-ID"] == "<\(id)@example.com>")
        #expect(mail["Date"] == "Thu, 12 Mar 2026 09:00:01 +0000")
        #expect(mail.body.contains("until Thu, 19 Mar 2026 09:00:01 GMT"))
        #expect(
          try sendmail.arguments() == [["-i", "-f", "news@example.com", "--", "Ada.L@example.org"]])
        let tokens = mail.tokens
        #expect(Set(tokens).count == 2 && tokens.allSatisfy { $0.utf8.count == 43 })
        let paths = ["confirm", "unsubscribe"].map {
          "https://api.example.com/newsletter/\($0)?token="
        }
        #expect(zip(mail.links, paths).allSatisfy { $0.hasPrefix($1) })
        let digests = try await site.sql(
          """
          select t.digest, colophon.rfc3339(t.expires_at) from colophon.subscription_tokens t
          join colophon.mails m using (subscription_id) order by t.purpose
          """)
        #expect(digests.count == 2)
        for (row, expiry) in ["2026-03-19T09:00:01Z", "2027-03-12T09:00:01Z"].enumerated() {
          #expect(digests.bytes(row, 0) == SHA256.digest(of: tokens[row].utf8))
          #expect(digests.text(row, 1) == expiry)
        }
        // sendmail may take its time: nothing in the database waits for it.
        let open = try await site.value(
          """
          select count(*) from pg_stat_activity
          where datname = current_database() and usename = '\(Site.role)' and state like 'idle in transaction%'
          """)
        #expect(open == "0")
        let lease = try await site.value(
          "select colophon.rfc3339(next_attempt_at) || ' ' || attempts from colophon.mails")
        #expect(lease == "2026-03-12T09:00:21Z 1")
        try sendmail.setWaits(false)
        #expect(try await handedOver)

        let state = try await site.value(
          """
          select concat_ws(' ', attempts, colophon.rfc3339(sent_at), next_attempt_at, dead_at,
            failure) from colophon.mails
          """)
        #expect(state == "1 2026-03-12T09:00:01Z")
        #expect(events.all == [.left(mail: id, attempt: 1)])
        try await letComeDue(site, plusSeconds: 1_000_000)
        #expect(try await worker.handOverNext() == false)
        #expect(try sendmail.mails().count == 1)
      }
    }
  }

  @Test(arguments: [
    "-oQ/tmp@example.com", "--help@example.com", "-t@example.com", "$HOME@example.com",
  ])
  func `hand over no address as anything else`(email: String) async throws {
    try await Site.run { site in
      try await FakeSendmail.run { sendmail in
        try await site.orderMail(to: email)
        try await letComeDue(site)
        #expect(try await site.worker(.sendmail(path: sendmail.path)).handOverNext())
        #expect(try sendmail.arguments() == [["-i", "-f", "news@example.com", "--", email]])
        let environment = try #require(try sendmail.environments().first)
        #expect(environment.contains("PATH="))
        for name in ["DATABASE_URL", "COLOPHON_", "\nPG"] { #expect(!environment.contains(name)) }
      }
    }
  }

  @Test func `give the mail to nobody after its last attempt, until somebody retries it`()
    async throws
  {
    try await Site.run { site in
      try await FakeSendmail.run { sendmail in
        let id = try await site.orderMail(to: "ada@example.org")
        let events = MailEvents()
        let worker = try site.worker(.sendmail(path: sendmail.path), events)
        let connection = try await site.connect()
        let register = MailRegister(connection)
        try sendmail.fail(with: 75)
        try sendmail.talk()
        var now = 1
        for attempt in 1...MailBackoff.attempts {
          try await letComeDue(site, plusSeconds: now)
          #expect(try await worker.handOverNext())
          #expect(try await worker.handOverNext() == false)
          let entry = try #require(try await register.list().first)
          #expect(entry.id == id && entry.email == "ada@example.org")
          #expect(entry.attempts == attempt)
          #expect(entry.failure == "sendmail ended with status 75 (temporary failure)")
          try await expectNoTokens(of: sendmail, in: site, events)
          if attempt == MailBackoff.attempts {
            #expect(entry.state == "dead" && entry.nextAttemptAt == nil && entry.deadAt != nil)
            break
          }
          #expect(entry.state == "waiting" && entry.deadAt == nil)
          let wait = try #require(
            Double(
              try await site.value(
                "select extract(epoch from next_attempt_at - colophon.clock()) from colophon.mails")
                ?? ""))
          let most = Double(MailBackoff.wait(after: attempt, chance: 0).components.seconds)
          #expect((most / 2 - 0.01...most).contains(wait), "\(attempt): \(wait)")
          // Not before its time.
          try await letComeDue(site, plusSeconds: now + Int(wait) - 1)
          #expect(try await worker.handOverNext() == false)
          now += Int(wait) + 2
        }
        try await letComeDue(site, plusSeconds: 100_000_000)
        #expect(try await worker.handOverNext() == false)
        guard case .died(id, MailBackoff.attempts, _, let said) = events.all.last else {
          Issue.record("\(events.all)")
          return
        }
        #expect(said.hasPrefix("Date: ") && !said.contains("ada@"))

        #expect(try await register.retry("01932a2b-0000-7000-8000-000000000001") == 0)
        #expect(try await register.retry("'; drop table colophon.mails; --") == 0)
        #expect(try await register.retry(nil) == 1)
        #expect(try await register.retry(id) == 0, "it is not dead any more")
        try sendmail.fail(with: nil)
        try await letComeDue(site, plusSeconds: 100_000_001)
        #expect(try await worker.handOverNext())
        #expect(events.all.last == .left(mail: id, attempt: 1))
        #expect(try await register.list().isEmpty)
        let mails = try sendmail.mails()
        #expect(mails.count == MailBackoff.attempts + 1)
        #expect(Set(mails.map { $0["Message-ID"] }) == ["<\(id)@example.com>"])
        // Each has links of its own, and all of them work.
        let confirmations = Set(mails.map { $0.tokens[0] })
        #expect(confirmations.count == mails.count)
        for token in confirmations {
          let count = try await site.value(
            """
            select count(*) from colophon.subscription_tokens
            where digest = $1::bytea and purpose = 'confirm'
            """, [.bytes(SHA256.digest(of: token.utf8))])
          #expect(count == "1")
        }
        try await expectNoTokens(of: sendmail, in: site, events)
        await connection.close()
      }
    }
  }

  /// No token of a mail is in the database or in what was told to the log, and no address in the
  /// latter.
  private func expectNoTokens(
    of sendmail: FakeSendmail, in site: Site, _ events: MailEvents
  ) async throws {
    let dump = try await site.dump()
    let log = "\(events.all)"
    #expect(dump.contains("INSERT INTO colophon.mails") && dump.contains("ada@example.org"))
    for mail in try sendmail.mails() {
      for token in mail.tokens {
        #expect(!dump.contains(token.prefix(20)) && !dump.contains(token.suffix(20)))
        #expect(!log.contains(token.prefix(20)) && !log.contains(token.suffix(20)))
        let hexadecimal = token.utf8.map { String($0, radix: 16) }.joined()
        #expect(!dump.contains(hexadecimal), "as the bytes of a bytea")
      }
    }
    #expect(!log.contains("ada@example.org"))
  }

  @Test(arguments: [
    (1, "sendmail ended with status 1"), (67, "sendmail ended with status 67 (no such user)"),
    (255, "sendmail ended with status 255"),
  ])
  func `try again whatever the failure`(status: Int, failure: String) async throws {
    try await Site.run { site in
      try await FakeSendmail.run { sendmail in
        try await site.orderMail(to: "ada@example.org")
        try sendmail.fail(with: status)
        try await letComeDue(site)
        #expect(try await site.worker(.sendmail(path: sendmail.path)).handOverNext())
        let state = try await site.value(
          """
          select concat_ws(' ', next_attempt_at <= colophon.clock() + interval '4 seconds', dead_at,
            failure) from colophon.mails
          """)
        #expect(state == "t " + failure)
      }
    }
  }

  @Test func `end a sendmail that hangs, and one that is missing is a failure as well`()
    async throws
  {
    try await Site.run { site in
      try await FakeSendmail.run { sendmail in
        let id = try await site.orderMail(to: "ada@example.org")
        let events = MailEvents()
        try sendmail.setWaits(true)
        try await letComeDue(site)
        let hanging = MailTransport.sendmail(path: sendmail.path, within: .seconds(1))
        #expect(try await site.worker(hanging, events).handOverNext())
        #expect(try sendmail.mails().count == 1)
        try await letComeDue(site, plusSeconds: 60)
        let missing = MailTransport.sendmail(path: sendmail.folder + "/none")
        #expect(try await site.worker(missing, events).handOverNext())
        let reasons = events.all.map { event -> String in
          guard case .failed(id, _, let reason, "", _) = event else { return "\(event)" }
          return reason
        }
        #expect(
          reasons == [
            "sendmail took too long and was killed",
            "sendmail could not be started: No such file or directory",
          ])
      }
    }
  }

  @Test func `of several replicas take every mail once`() async throws {
    try await Site.run { site in
      try await FakeSendmail.run { sendmail in
        try await site.withReplica { replica in
          let count = 30
          for index in 0..<count { try await site.orderMail(to: "reader\(index)@example.org") }
          try await letComeDue(site)
          let workers = try [site, replica, site, replica].map {
            try $0.worker(.sendmail(path: sendmail.path))
          }
          let taken = try await withThrowingTaskGroup(of: Int.self) { group in
            for worker in workers {
              group.addTask {
                var taken = 0
                while try await worker.handOverNext() { taken += 1 }
                return taken
              }
            }
            return try await group.reduce(into: []) { $0.append($1) }
          }
          #expect(taken.reduce(0, +) == count)
          #expect(taken.count { $0 > 0 } >= 2, "\(taken)")
          let mails = try sendmail.mails()
          #expect(mails.count == count)
          #expect(Set(mails.map { $0["To"] }).count == count)
          #expect(Set(mails.map { $0["Message-ID"] }).count == count)
          #expect(
            try await site.value("select count(*) from colophon.mails where sent_at is not null")
              == "\(count)")
        }
      }
    }
  }

  @Test func `leave a mail to others only when the lease is over`() async throws {
    try await Site.run { site in
      try await FakeSendmail.run { sendmail in
        let id = try await site.orderMail(to: "ada@example.org")
        let events = MailEvents()
        try sendmail.setWaits(true)
        try await letComeDue(site)
        let first = try site.worker(.sendmail(path: sendmail.path), events)
        async let slow = first.handOverNext()
        try await site.wait { try sendmail.mails().count == 1 }
        let second = try site.worker(.sendmail(path: sendmail.path), events)
        for seconds in [2, 20] {
          try await letComeDue(site, plusSeconds: seconds)
          #expect(try await second.handOverNext() == false)
        }
        // As if the first had died.
        try await letComeDue(site, plusSeconds: 22)
        async let repeated = second.handOverNext()
        try await site.wait { try sendmail.mails().count == 2 }
        try sendmail.setWaits(false)
        #expect(try await slow)
        #expect(try await repeated)
        #expect(Set(try sendmail.mails().map { $0["Message-ID"] }) == ["<\(id)@example.com>"])
        let state = try await site.value(
          "select concat_ws(' ', attempts, sent_at is not null, next_attempt_at) from colophon.mails"
        )
        #expect(state == "2 t")
      }
    }
  }

  @Test func `note a failure only of the attempt that is still theirs`() async throws {
    try await Site.run { site in
      try await FakeSendmail.run { sendmail in
        try await site.orderMail(to: "ada@example.org")
        try sendmail.fail(with: 1)
        try sendmail.setWaits(true)
        try await letComeDue(site)
        let worker = try site.worker(.sendmail(path: sendmail.path))
        async let late = worker.handOverNext()
        try await site.wait { try sendmail.mails().count == 1 }
        // Another one had it meanwhile, and it has left.
        try await site.sql(
          """
          update colophon.mails
          set attempts = 2, sent_at = colophon.clock(), next_attempt_at = null
          """)
        try sendmail.setWaits(false)
        #expect(try await late)
        #expect(
          try await site.value("select concat_ws(' ', attempts, failure) from colophon.mails")
            == "2")
      }
    }
  }

  @Test func `call a mail dead whose last attempt nobody saw end`() async throws {
    try await Site.run { site in
      let id = try await site.orderMail(to: "ada@example.org")
      try await site.sql(
        "update colophon.mails set attempts = $1", [.integer(MailBackoff.attempts)])
      try await letComeDue(site)
      let events = MailEvents()
      let worker = try site.worker(.shown { _ in Issue.record("it is handed over") }, events)
      #expect(try await worker.handOverNext())
      #expect(try await worker.handOverNext() == false)
      #expect(
        events.all == [.died(mail: id, attempts: MailBackoff.attempts, because: "", said: "")])
      let connection = try await site.connect()
      let entry = try await MailRegister(connection).list().first
      await connection.close()
      #expect(entry?.state == "dead")
      #expect(entry?.failure == "the last attempt was not seen to end")
    }
  }

  @Test func `send nothing to who has confirmed or was erased meanwhile`() async throws {
    try await Site.run { site in
      try await site.orderMail(to: "ada@example.org", status: "active")
      try await site.orderMail(to: "eve@example.org")
      try await site.sql("delete from colophon.subscriptions where address = 'eve@example.org'")
      try await letComeDue(site)
      let worker = try site.worker(.shown { _ in Issue.record("a mail leaves") })
      while try await worker.handOverNext() {}
      #expect(
        try await site.value(
          """
          select (select count(*) from colophon.mails)
            + (select count(*) from colophon.subscription_tokens)
          """) == "0")
    }
  }

  @Test func `let a subscriber be erased while sendmail has his mail`() async throws {
    try await Site.run { site in
      try await FakeSendmail.run { sendmail in
        try await site.orderMail(to: "ada@example.org")
        try sendmail.setWaits(true)
        try sendmail.fail(with: 75)
        try await letComeDue(site)
        let worker = try site.worker(.sendmail(path: sendmail.path))
        async let handedOver = worker.handOverNext()
        try await site.wait { try sendmail.mails().count == 1 }
        try await site.sql("delete from colophon.subscriptions")
        try sendmail.setWaits(false)
        #expect(try await handedOver)
        #expect(try await !site.dump().contains("ada@"))
        try await letComeDue(site, plusSeconds: 1000)
        #expect(try await worker.handOverNext() == false)
      }
    }
  }

  @Test func `finish with the mail in hand, or when their time is over`() async throws {
    try await Site.run { site in
      try await FakeSendmail.run { sendmail in
        try await site.orderMail(to: "ada@example.org")
        try await site.orderMail(to: "eve@example.org")
        try sendmail.setWaits(true)
        try await letComeDue(site)
        let worker = try site.worker(.sendmail(path: sendmail.path))
        async let running: Void = worker.run()
        try await site.wait { try sendmail.mails().count == 1 }
        await worker.finish(by: .now())
        #expect(try await site.value("select count(sent_at) from colophon.mails") == "0")
        async let finished: Void = worker.finish(by: .now() + .seconds(60))
        try sendmail.setWaits(false)
        await finished
        #expect(try await site.value("select count(sent_at) from colophon.mails") == "1")
        await running
        #expect(try sendmail.mails().count == 1, "it takes no more")
      }
    }
  }

  @Test func `count what waits, what is dead, what has left and what failed`() async throws {
    try await Site.run { site in
      for index in 0..<4 { try await site.orderMail(to: "reader\(index)@example.org") }
      try await site.sql(
        """
        update colophon.mails set dead_at = colophon.clock(), next_attempt_at = null
        where id = (select min(id::text)::uuid from colophon.mails)
        """)
      try await letComeDue(site)
      let counts = MailCounts()
      let attempt = Mutex(0)
      let worker = MailWorker(
        pool: site.pool, transport: .sendmail(path: "/none"),
        sender: try MailAddress("news@example.com"), publicURL: "https://api.example.com",
        counts: counts
      ) { _ in attempt.withLock { $0 += 1 } }
      async let running: Void = worker.run()
      try await site.wait { counts.numbers.dead != nil }
      await worker.finish(by: .now())
      await running
      #expect(attempt.withLock { $0 } == 3)
      var metrics = Metrics()
      counts.describe(in: &metrics)
      for line in [
        "colophon_mails_waiting 3", "colophon_mails_dead 1", "colophon_mails_left_total 0",
        "colophon_mail_failures_total 3",
      ] { #expect(metrics.text.contains(line + "\n"), "\(metrics.text)") }
    }
  }

  @Test func `take links away a month after they have expired`() async throws {
    try await Site.run { site in
      try await site.orderMail(to: "ada@example.org")
      try await site.sql(
        """
        insert into colophon.subscription_tokens (digest, subscription_id, purpose, expires_at)
        select sha256(n::text::bytea), s.id, 'confirm', colophon.clock() + make_interval(days => n)
        from colophon.subscriptions s, generate_series(0, 2) n
        """)
      try await site.setClock("2026-04-12T10:00:00Z")
      try await site.sql("delete from colophon.mails")
      let worker = try site.worker(.shown { _ in })
      async let running: Void = worker.run()
      try await site.wait {
        try await site.value("select count(*) from colophon.subscription_tokens") == "1"
      }
      await worker.finish(by: .now())
      await running
    }
  }
}
