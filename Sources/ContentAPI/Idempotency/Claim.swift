import EventLoop
import HTTP
import Postgres

/// One write's place in `idempotency_keys`, and the statements around it. Claim, write and answer
/// are committed together, so nothing is ever stored that says "in progress": a write that is under
/// way is a row that is not committed yet, for which PostgreSQL lets others of the same key wait.
struct Claim: Sendable {
  let name: WriteName
  let version: UInt8
  /// What is hashed; empty for a write without a key.
  let fingerprint: [UInt8]
  /// Tells this request from others of its key.
  private let run = Int.random(in: .min ... .max)

  /// What leaves in front of the write's first statements; `results` reads their results.
  ///
  /// `proceed` fails on purpose unless the claim is ours. The server then skips what is behind it: on
  /// a replay no statement of the write runs, so it locks nothing and waits for nobody's row. A
  /// guard in each write's own first statement could be forgotten. The price is one line in
  /// PostgreSQL's log for a replay that no replica could answer from its memory.
  ///
  /// - Parameters:
  ///   - wait: how long the same key may be waited for, at least a millisecond.
  ///   - author: who writes; empty for nobody who has a name.
  func opening(wait: Duration, author: String) -> [Call] {
    calls(
      wait: "\(max(1, wait.wholeNanoseconds / 1_000_000))ms", patience: Self.patience,
      author: author) + [Transaction.savepoint]
  }

  /// Row locks of others are waited for so long, then the answer is 503.
  private static let patience = "2000ms"

  static let openingCount = 4

  /// As `opening`, in front of a write that may share its transaction with others: who has to wait
  /// for a lock gives way to them, and without a savepoint nothing is left when something fails.
  func openingShared(author: String) -> [Call] {
    calls(wait: Self.moment, patience: Self.moment, author: author)
  }

  static let openingSharedCount = 3

  /// How long others may be kept waiting for a lock; a write that is not held up takes less.
  private static let moment = "20ms"

  private func calls(wait: String, patience: String, author: String) -> [Call] {
    let id: [Parameter] = [.text(name.scope), .text(name.key)]
    return [
      Call(
        Self.claim,
        id + [.integer(Int(version)), .text(wait), .bytes(fingerprint), .integer(run)]),
      Call(Self.look, id + [.integer(run)]),
      Call(Self.proceed, id + [.text(patience), .text(author)]),
    ]
  }

  /// What the opening has found.
  enum Finding {
    /// The claim is ours, and the savepoint stands.
    case ours
    /// The key has been answered: this request, as far as can be told (`Found`, or `OtherVersion` of
    /// this program, which compares in its way), or another (a problem).
    case decided(any Error)
    /// Another session is at it and was waited for long enough.
    case busy
    /// The row went while we looked: once more.
    case gone
    case failed(PostgresError)
  }

  /// - Parameter count: how many calls the opening has.
  func finding(_ outcome: Transaction.Outcome, count: Int = openingCount) throws -> Finding {
    guard let error = outcome.error, outcome.rows.count < count else { return .ours }
    switch outcome.rows.count {
    case 0 where error.serverError?.sqlState == "55P03": return .busy
    case 2 where error.serverError?.constraint == Self.stop:
      let row = outcome.rows[1]
      if row.isEmpty { return .gone }
      if row.boolean(0, 3) == true { return .decided(Problem.keyExpired) }
      guard let version = row.integer(0, 4).flatMap(UInt8.init(exactly:)),
        let isSame = row.boolean(0, 5)
      else { throw UnexpectedRows() }
      let answer = try KeptAnswer(row)
      if version != self.version {
        return .decided(OtherVersion(version: version, answer: answer))
      }
      let found = Found(answer: answer, isOwn: row.boolean(0, 6) ?? false)
      return .decided(isSame ? found : Problem.keyReused)
    default: return .failed(error)
    }
  }

  /// Stores the answer; goes right in front of COMMIT.
  func keep(_ answer: KeptAnswer) -> Call {
    // Without a key it is only asked whether the row is there: the answer is still in memory.
    let hasKey = name.scope != WriteName.unkeyed
    return Call(
      Self.keep,
      [
        .text(name.scope), .text(name.key), .integer(answer.status),
        .text(hasKey ? answer.lines : ""), .bytes(hasKey ? answer.body : []),
      ])
  }

  /// Stores what the write's last statement has rendered, with these fields beside its own.
  func keepRendered(
    status: Int, fields: ResponseFields, otherwise: KeptAnswer?
  ) -> Call {
    Call(
      Self.keepRendered,
      [
        .text(name.scope), .text(name.key), .integer(status), .text(KeptAnswer.lines(of: fields)),
        Parameter(otherwise?.lines), otherwise.map { .bytes($0.body) } ?? .null,
        otherwise.map { .integer($0.status) } ?? .null,
      ])
  }

  /// The name of the constraint by which `proceed` fails.
  private static let stop = "the_key_has_been_answered"

  /// The name of the constraint that breaks when there is no answer to keep: somebody else was
  /// faster, and the write has to be tried once more.
  static let raced = "idempotency_keys_answer"

  static let statements = [
    claim, look, proceed, keep, keepRendered, touch, compare, status,
  ]

  /// $1 scope, $2 key, $3 version of the fingerprint, $4 how long the claim may wait, $5 what is
  /// hashed; the hash stays at hand for `look`; $6 which request it is.
  /// Waits for a session that has the same key, until it
  /// commits (then nothing is inserted) or rolls back. How long is set before there is a row to
  /// insert, and a lock asks for it when it begins to wait.
  private static let claim = Statement(
    "idempotency.claim",
    """
    insert into colophon.idempotency_keys (scope, key, fingerprint_version, fingerprint, run)
    select $1::text, $2::text, $3::smallint, decode(s.fingerprint, 'hex'), $6::bigint
    from (
      select set_config('lock_timeout', $4::text, true),
        set_config('colophon.fingerprint', encode(sha256($5::bytea), 'hex'), true) as fingerprint
      offset 0
    ) s
    on conflict do nothing
    """)

  /// $1 scope, $2 key, $3 which request asks. A statement of its own, so that it sees what the claim
  /// waited for. Without a status the row is ours: nobody else can see one of those.
  private static let look = Statement(
    "idempotency.look",
    """
    select k.status, k.headers, k.body, k.expired, k.fingerprint_version,
      k.fingerprint = decode(current_setting('colophon.fingerprint'), 'hex'), k.run = $3::bigint
    from colophon.idempotency_keys k
    where k.scope = $1::text and k.key = $2::text
    """)

  /// $1 scope, $2 key, $3 how long each lock may be waited for from now on, $4 who writes, for the
  /// tables that note it. What another write of the transaction has rendered is none of this one's.
  private static let proceed = Statement(
    "idempotency.proceed",
    """
    select set_config('lock_timeout', $3::text, true),
      set_config('colophon.author', $4::text, true),
      set_config('colophon.body', '', true), set_config('colophon.post', '', true),
      (exists (
        select from colophon.idempotency_keys k
        where k.scope = $1::text and k.key = $2::text and k.status is null
      ))::colophon.open_claim
    """)

  /// $1 scope, $2 key, $3 status, $4 header lines, $5 body.
  private static let keep = Statement(
    "idempotency.keep",
    """
    update colophon.idempotency_keys k
    set status = $3::smallint, headers = $4::text, body = $5::bytea
    where k.scope = $1::text and k.key = $2::text
    """)

  /// $1 scope, $2 key, $3 status, $4 header lines beside those of the document that the write's last
  /// statement has rendered (`Document.render`); $5, $6 and $7 header lines, body and status in case
  /// that it rendered none. SQLSTATE 23514 by `raced` when that is null.
  private static let keepRendered = Statement(
    "idempotency.keep_rendered",
    """
    update colophon.idempotency_keys k
    set status = case when r.body is null then coalesce($7::smallint, $3::smallint)
        else $3::smallint end,
      headers = case when r.body is null then $5::text else r.headers || $4::text end,
      body = coalesce(convert_to(r.body, 'UTF8'), $6::bytea)
    from (
      select nullif(current_setting('colophon.body', true), '') as body,
        current_setting('colophon.headers', true) as headers
    ) r
    where k.scope = $1::text and k.key = $2::text
    returning k.status, k.headers, k.body
    """)

  /// $1 scope, $2 key. A change to commit: then a synchronous standby has what was there before too.
  static let touch = Statement(
    "idempotency.touch",
    """
    update colophon.idempotency_keys k set status = k.status
    where k.scope = $1::text and k.key = $2::text
    """)

  /// $1 scope, $2 key, $3 what is hashed: whether that is the same request.
  static let compare = Statement(
    "idempotency.compare",
    """
    select k.fingerprint = sha256($3::bytea) from colophon.idempotency_keys k
    where k.scope = $1::text and k.key = $2::text
    """)

  /// $1 scope, $2 key.
  static let status = Statement(
    "idempotency.status",
    """
    select k.status, k.expired, colophon.rfc3339(date_trunc('second', k.created_at))
    from colophon.idempotency_keys k
    where k.scope = $1::text and k.key = $2::text
    """)
}

/// What a write is to be answered with.
enum Answer {
  case response(Response)
  /// With the document that one of the write's statements renders, which nobody knows before it runs.
  /// `fields` come beside those of the document; `otherwise` when none is rendered because nothing is
  /// to be changed, or can be.
  case rendered(status: Int, fields: ResponseFields, otherwise: Response?)
}

/// An answer as it is stored and sent again: the same status, header fields and bytes. The first
/// answer is made from it too.
struct KeptAnswer: Sendable {
  let status: Int
  /// Those that are kept.
  private let fields: ResponseFields
  let body: [UInt8]

  private static let kept: [FieldName] = [
    "Content-Type", "ETag", "Last-Modified", "Location", "Content-Location", "Link",
  ]

  init(_ response: Response) {
    status = response.status
    var fields: ResponseFields = [:]
    for (name, value) in response.fields where Self.kept.contains(name) {
      fields.append(name, value)
    }
    self.fields = fields
    body = response.body
  }

  /// Reads status, header lines and body, the first columns of a row.
  init(_ rows: Rows) throws {
    guard let status = rows.integer(0, 0), let lines = rows.text(0, 1),
      let body = rows.bytes(0, 2)
    else { throw UnexpectedRows() }
    self.status = status
    self.body = body
    var fields: ResponseFields = [:]
    for line in lines.utf8.split(separator: UInt8(ascii: "\n")) {
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")),
        let name = FieldName(token: String(Substring(line[..<colon])))
      else { continue }
      fields.append(name, FieldValue(String(Substring(line[colon...].dropFirst(2)))))
    }
    self.fields = fields
  }

  /// A line for each header field, as they are stored.
  var lines: String { Self.lines(of: fields) }

  static func lines(of fields: ResponseFields) -> String {
    var lines: [UInt8] = []
    lines.reserveCapacity(256)
    for (name, value) in fields where kept.contains(name) {
      lines.append(contentsOf: name.text.utf8)
      lines.append(UInt8(ascii: ":"))
      lines.append(UInt8(ascii: " "))
      lines.append(contentsOf: value.text.utf8)
      lines.append(UInt8(ascii: "\n"))
    }
    return String(decoding: lines, as: UTF8.self)
  }

  var response: Response {
    var response = Response(status: status, fields: fields, body: body)
    response.fields.append(
      "Cache-Control", status < 400 ? "private, no-store" : "no-store")
    return response
  }

  /// The answer to whoever asks again.
  var replay: Response {
    var response = response
    response.fields.append("Idempotent-Replayed", "true")
    return response
  }
}
