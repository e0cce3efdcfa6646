import HTTP
import Postgres

/// The trash: `DELETE /v1/posts/{slug}` puts a post there, `POST /v1/posts/{slug}/restore` brings it
/// back, and `?permanently=true` ends it, wherever it lies.
///
/// A post in the trash keeps its slug, its status and its version: neither way is a change of what
/// the author wrote, so a post that comes back has the bytes and the ETag that it had.
extension Posts {
  // DELETE /v1/posts/{slug}

  func delete(_ call: RouteCall) async throws -> Response {
    var query = Query(call.head.target, allows: call.route.parameters)
    let permanently = query.boolean("permanently") ?? false
    _ = query.boolean(Route.dryRun)
    try query.finish()
    return try await writes.transaction(call) { write in
      let (id, _) = try await move(call, permanently ? Self.discard : Self.trash, write)
      let settle = Call(Self.settle, [.text(id)])
      let erase = Call(Self.erase, [.text(id)])
      return try await write.commit(
        permanently ? [settle, erase] : [settle], .response(Response(status: 204)))
    }
  }

  // POST /v1/posts/{slug}/restore

  func restore(_ call: RouteCall) async throws -> Response {
    try await writes.transaction(call) { write in
      let (id, post) = try await move(call, Self.restore, write)
      return try await write.commit(
        [Call(Self.settle, [.text(id)])], .response(replaced(post)))
    }
  }

  /// Sends a statement that moves the post of the path, which `If-Match` may forbid.
  private func move(
    _ call: RouteCall, _ statement: Statement, _ write: Write
  ) async throws -> (id: String, post: Stored) {
    let slug = call.variables[0]
    guard Slug.isValid(slug) else { throw Self.notFound }
    let expected: Parameter = try call.head.expectedVersions().map { .text($0) } ?? .null
    let rows = try await write.send([Call(statement, [.text(slug), expected])])
    guard let row = rows.first else { throw UnexpectedRows() }
    guard row.count == 1 else { throw Self.notFound }
    guard let id = row.text(0, 0), let hasMoved = row.boolean(0, 1) else { throw UnexpectedRows() }
    let post = try Stored(row, firstColumn: 2)
    guard hasMoved else { throw Self.stale(post) }
    return (id, post)
  }

  static let trashStatements = [trash, restore, discard, erase]

  /// Whether `If-Match` lets a write touch the post `p`: $2 is null, *, or versions joined by commas.
  static let isExpected = """
    coalesce($2::text = '*' or p.version::text = any (string_to_array($2::text, ',')), true)
    """

  /// $1 the slug; $2 as in `isExpected`. No row: there is no such post. One row: whether it has moved,
  /// and the post as it is now.
  private static func moveStatement(
    _ name: String, of posts: String, lock: String = "no key update", set: String,
    with more: String = ""
  ) -> Statement {
    Statement(
      name,
      """
      with old as (
        select p.* from colophon.posts p where p.slug = $1::text and \(posts) for \(lock)
      ), moved as (
        update colophon.posts p set \(set)
        from old
        where p.id = old.id and \(isExpected)
        returning p.*
      )\(more), p as (
        select * from moved
        union all
        select * from old where not exists (select from moved)
      )
      select r.id, r.has_moved, \(document)
      from (
        select p.id, exists (select from moved) as has_moved, \(rendering)
        from p
        offset 0
      ) r
      """)
  }

  private static let trash = moveStatement(
    "posts.trash", of: "p.trashed_at is null",
    set: "trashed_at = colophon.this_second(), counted = false")

  private static let restore = moveStatement(
    "posts.restore", of: "p.trashed_at is not null",
    set: """
      trashed_at = null,
          counted = p.status = 'published' and p.published_at <= colophon.clock()
      """)

  /// Takes the post out of every list, for `erase` to find nothing but its row. Its former slugs go
  /// here, before `settle` touches the counters: that is the order of locks.
  private static let discard = moveStatement(
    "posts.discard", of: "true", lock: "update",
    set: "trashed_at = colophon.this_second(), counted = false",
    with: """
      , freed as (
        delete from colophon.former_slugs f using moved where f.post_id = moved.id
      )
      """)

  /// $1 the id of a post that `settle` has taken out of the counters.
  private static let erase = Statement(
    "posts.erase", "delete from colophon.posts p where p.id = $1::uuid")
}
