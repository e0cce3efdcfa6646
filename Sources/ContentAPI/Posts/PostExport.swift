package import Postgres

/// All posts that are not in the trash as files, drafts and scheduled ones too, in the order of their
/// slugs and as they were at one moment. The connection is the export's alone until `end`.
package struct PostExport: Sendable {
  private let connection: Connection

  /// How many posts are in memory at once, each of at most 512 KiB.
  private static let batch = 16

  package init(_ connection: Connection) { self.connection = connection }

  /// Begins, and says how many posts there are.
  package func begin() async throws -> Int {
    _ = try await connection.query("begin isolation level repeatable read read only")
    let rows = try await connection.query(
      "select count(*) from colophon.posts p where p.trashed_at is null")
    guard let count = rows.integer(0, 0) else { throw UnexpectedRows() }
    return count
  }

  /// The next posts behind the one of this slug, from the first one on without; none at the end.
  package func files(after slug: String?) async throws -> [(slug: String, file: [UInt8])] {
    let rows = try await connection.query(
      """
      select \(PostDraft.columns)
      from colophon.posts p
      where p.slug > $1::text collate "C" and p.trashed_at is null
      order by p.slug
      limit \(Self.batch)
      """, [.text(slug ?? "")])
    return try (0..<rows.count).map { row in
      let draft = try PostDraft(rows, row: row, firstColumn: 0)
      return (draft.slug ?? "", draft.file)
    }
  }

  package func end() async throws { _ = try await connection.query("rollback") }
}
