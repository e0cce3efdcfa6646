import EventLoop
import HTTP
import JSON
import Postgres

/// `POST /v1/newsletter/subscriptions`: somebody asks for the newsletter, or asks for it in the
/// name of somebody else, or is a program that fills in every form it finds.
///
/// Whatever is known of the address, the answer is one and the same, after the same work in the
/// database, and at the next multiple of 50 ms after the request was there. Otherwise anyone could
/// ask here who reads.
extension Subscriptions {
  func signUp(_ call: RouteCall) async throws -> Response {
    let wantsPage = Self.isPlainForm(call.head)
    var arrival = MonotonicInstant.now()
    var response: Response
    do {
      try limits.admitSignUp(from: limits.address(of: call.request), at: clock)
      // Slow content must not let its sender choose how far a multiple of 50 ms is away.
      _ = try await call.bytes()
      arrival = .now()
      if !wantsPage, Accept(call.head.values(of: "accept")).quality(of: .json) == 0 {
        throw Problem(.notAcceptable, "What there is here is \(MediaType.json.essence).")
      }
      response = try await answer(to: call, try await SignUp(call), wantsPage)
    } catch {
      let problem = Problem(any: error)
      if problem.kind == .internalError || !wantsPage {
        await Self.wait(since: arrival, on: pool.loop)
        throw error
      }
      response = NewsletterPage(problem).response(status: problem.kind.status, problem.fields)
    }
    await Self.wait(since: arrival, on: pool.loop)
    return response
  }

  private func answer(
    to call: RouteCall, _ signUp: SignUp, _ wantsPage: Bool
  ) async throws -> Response {
    let accepted =
      wantsPage
      ? Response(status: 303, fields: ["Location": FieldValue(signUpPage)])
      : Response(
        status: 202, fields: ["Content-Type": "application/json"], body: Array(Self.accepted.utf8))
    // Who is signed up again and again is left alone, and nobody is told.
    guard case .address(let address, let source) = signUp,
      call.isRehearsal || limits.admitsMail(to: address, at: clock)
    else {
      var response = accepted
      response.fields.append("Cache-Control", "private, no-store")
      return response
    }
    return try await Writes(pool: pool).transaction(call) { write in
      try await write.commit(
        [
          Call(
            Self.signUp, [.text(address.text), .text(address.normalised), Parameter(source)])
        ], .response(accepted))
    }
  }

  /// A form that a browser sent by itself: it shows what comes back to a person.
  private static func isPlainForm(_ head: RequestHead) -> Bool {
    guard head.mediaType?.essence == MediaType.form.essence else { return false }
    let accept = Accept(head.values(of: "accept"))
    return accept.quality(of: .html) > accept.quality(of: .json)
  }

  private static let beat: Int64 = 50_000_000

  private static func wait(since arrival: MonotonicInstant, on loop: EventLoop) async {
    let spent = (MonotonicInstant.now() - arrival).wholeNanoseconds
    await loop.sleep(until: arrival + .nanoseconds((spent / beat + 1) * beat))
  }

  private static let accepted = """
    {"status":"accepted","detail":"If this address is not subscribed yet, a mail with a link to \
    confirm is on its way."}
    """

  /// $1 the address as it was written, $2 what it has in common with other spellings, $3 where the
  /// form stood. What is known of the address shows in the rows alone: each path locks one row of
  /// subscriptions, writes it, and looks for one of mails.
  ///
  /// A mail is ordered for who has not confirmed, and not while one is waiting or in the hour after
  /// the last: the row of `mails` is replaced under these conditions or not at all, under its lock.
  static let signUp = Statement(
    "subscriptions.sign_up",
    """
    with s as (
      insert into colophon.subscriptions (email, address, source)
      values ($1::text, $2::text, $3::text)
      on conflict on constraint subscriptions_address_unique
      do update set address = excluded.address
      returning id, status
    )
    insert into colophon.mails as m (subscription_id)
    select s.id from s where s.status <> 'active'
    on conflict (subscription_id) do update
    set id = colophon.uuidv7(), ordered_at = colophon.clock(), attempts = 0,
      next_attempt_at = colophon.clock(), sent_at = null, dead_at = null, failure = null
    where m.next_attempt_at is null
      and greatest(m.ordered_at, m.sent_at) <= colophon.clock() - interval '1 hour'
    """)
}

/// What a sign-up says.
private enum SignUp {
  case address(MailAddress, source: String?)
  /// The field that nobody sees was filled in.
  case byProgram

  /// Reads the content; throws every fault at once.
  init(_ call: RouteCall) async throws {
    var repeated: [String] = []
    let content =
      call.head.mediaType?.essence == MediaType.form.essence
      ? try Self.object(of: FormContent(try await call.bytes()), &repeated)
      : try await call.json()
    var reading = MemberReading(content, writable: ["email", "source", "website"])
    for name in repeated { reading.tell("\(name) may stand there once", at: [name]) }
    let website = reading.string("website") ?? ""
    let email = reading.required("email", "give the address that mail is to go to") { reading in
      guard let text = reading.string("email") else { return nil as MailAddress? }
      do throws(MailAddressError) {
        return try MailAddress(text)
      } catch {
        reading.tell("email \(error)", at: ["email"])
        return nil
      }
    }
    let source = reading.line("source", limit: 100)
    try reading.finish()
    guard let email else { throw UnexpectedRows() }
    self = website.isEmpty ? .address(email, source: source) : .byProgram
  }

  /// A form as if it were JSON; names that stand there again go into `repeated`.
  private static func object(of form: FormContent, _ repeated: inout [String]) -> JSONValue {
    var members: [JSONMember] = []
    for (name, value) in form.fields {
      if members.contains(where: { $0.name.utf8.elementsEqual(name.utf8) }) {
        if !repeated.contains(name) { repeated.append(name) }
      } else {
        members.append(JSONMember(name: name, value: .string(value)))
      }
    }
    return .object(members)
  }
}
