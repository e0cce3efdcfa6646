import EventLoop
import HTTP
import JSON
import Postgres

/// `/v1/projects`: what the writer has made, in an order of his own. They are few, and everybody
/// may see them.
struct Projects: Sendable {
  let pool: Pool
  let publicURL: String

  private static let patience = Duration.seconds(5)

  // GET /v1/projects

  func list(_ call: RouteCall) async throws -> Reply {
    var query = Query(call.head.target, allows: call.route.parameters)
    let featured = query.boolean("featured")
    let tags = query.slugs("tag", limit: Slug.maximumTagLength)
    return try await Self.list.page(
      of: call, query, filters: ["featured", "tag"],
      identity: "projects?featured=\(featured.map { "\($0)" } ?? "")&tag=\(tags.sorted())",
      values: [
        featured.map { .boolean($0) } ?? .null, tags.isEmpty ? .null : .textArray(tags),
      ], address: publicURL + "/v1/projects", pool: pool)
  }

  // GET /v1/projects/{slug}

  func show(_ call: RouteCall) async throws -> Reply {
    let slug = try call.slug(of: "project")
    let rows = try await pool.read(
      Call(Self.show, [.text(slug)]), deadline: .now() + Self.patience, for: call.trail)
    guard let project = try Document(rows) else {
      throw Problem(.notFound, "There is no project of this slug.")
    }
    return project.shown(to: call)
  }

  // POST /v1/projects

  func create(_ call: RouteCall) async throws -> Response {
    let draft = try Draft(try await call.json())
    return try await Writes(pool: pool).transaction(call) { write in
      guard let slug = draft.slug else {
        let derived = Slug.derive(from: draft.name) ?? "project"
        return try await write.commit(
          [
            Call(Self.reserve, [.text(derived)]),
            Call(Self.derive, [.text(derived)] + draft.parameters + [.text(url(of: ""))]),
          ], .rendered(status: 201, fields: [:], otherwise: nil))
      }
      return try await write.commit(
        [Call(Self.put, [.text(slug)] + draft.parameters)],
        .rendered(
          status: 201, fields: ["Location": FieldValue(url(of: slug))],
          otherwise: Problem.slugTaken.response(instance: call.instance)))
    }
  }

  private func url(of slug: String) -> String { publicURL + "/v1/projects/" + slug }

  // PUT and PATCH /v1/projects/{slug}

  func edit(_ call: RouteCall) async throws -> Response {
    let slug = try call.slug(of: "project")
    let isPatch = call.route.method == .patch
    let edit = Edit<Draft>(
      noun: "project", readOnly: Draft.readOnly,
      lock: { _ in [Call(Self.lock, [.text(slug)])] },
      read: { (content, patch) throws(Faults) in
        try Draft(content, patch: patch, slug: slug, mayRename: isPatch)
      },
      store: { draft, current, _ in
        if current == nil {
          return [Call(Self.put, [.text(slug)] + draft.parameters)]
        }
        return [Call(Self.update, [.text(slug), .text(draft.slug ?? slug)] + draft.parameters)]
      }, place: { url(of: $0.slug ?? slug) })
    return try await edit.run(call, Writes(pool: pool))
  }

  // DELETE /v1/projects/{slug}

  func delete(_ call: RouteCall) async throws -> Response {
    let slug = try call.slug(of: "project")
    let removal = Removal(
      noun: "project", lock: [Call(Self.lock, [.text(slug)])],
      remove: { _ in [Call(Self.delete, [.text(slug)])] })
    return try await removal.run(call, Writes(pool: pool))
  }

  /// What a writer asks a project to be.
  private struct Draft: Sendable {
    /// nil when it is to be derived, or to stay.
    let slug: String?
    let name: String
    let parameters: [Parameter]

    static let readOnly = ["id", "created_at", "updated_at", "version"]

    /// - Parameter slug: that of the project which is to be changed, or of the new one in its path.
    init(
      _ content: JSONValue, patch: JSONValue? = nil, slug: String? = nil, mayRename: Bool = true
    ) throws(Faults) {
      var reading = MemberReading(
        content, patch: patch,
        writable: [
          "slug", "name", "description", "url", "repository_url", "tags", "featured", "position",
          "body",
        ], readOnly: Self.readOnly)
      self.slug = reading.slug(of: slug, mayRename: mayRename)
      name =
        reading.required("name", "give 1 to 300 characters") { $0.line("name", limit: 300) } ?? ""
      parameters = [
        .text(name),
        Parameter(reading.text("description", limit: 1000)),
        Parameter(reading.address("url")),
        Parameter(reading.address("repository_url")),
        .text(reading.tags("tags").joined(separator: ",")),
        .boolean(reading.flag("featured") ?? false),
        reading.integer("position", in: 0...Int(Int32.max)).map { .integer($0) } ?? .null,
        Parameter(reading.markdown("body")),
      ]
      try reading.finish()
    }
  }

  static let statements =
    list.statements + [show, reserve, derive, put, lock, update, delete]

  // What a project is in SQL; `p` is the row.

  private static func members(_ row: String) -> String {
    """
    'id', \(row).id, 'slug', \(row).slug, 'name', \(row).name, 'description', \(row).description,
      'url', \(row).url, 'repository_url', \(row).repository_url, 'tags', \(row).tags,
      'featured', \(row).featured, 'position', \(row).position,
      'created_at', colophon.rfc3339(\(row).created_at),
      'updated_at', colophon.rfc3339(\(row).updated_at), 'version', \(row).version
    """
  }

  /// Its JSON, from the row `p`.
  static let json = "json_build_object(\(members("p")), 'body', p.body)"

  private static func document(of projects: String) -> String {
    Document.select(json, version: "p.version", modified: "p.updated_at", from: projects)
  }

  private static func rendering(location: String? = nil) -> String {
    Document.render(
      json, version: "p.version", modified: "p.updated_at", location: location, from: "p")
  }

  private static let show = Statement(
    "projects.show", document(of: "colophon.projects p where p.slug = $1::text"))

  /// $3 whether featured, $4 tags, of which one is enough; null for all projects.
  private static let list = ShortList(
    "projects.list",
    items: """
      select p.*, (lpad(p.position::text, 10, '0') || p.id) collate "C" as key
        from colophon.projects p
        where ($3::boolean is null or p.featured = $3::boolean)
          and ($4::text[] is null or p.tags && $4::text[])
      """,
    json: "json_build_object(\(members("i")))")

  /// As posts.reserve. $1 the derived slug.
  private static let reserve = Statement(
    "projects.reserve",
    """
    select pg_advisory_xact_lock(hashtextextended('colophon.projects.slug:' || $1::text, 0))
    """)

  /// $1 the slug, $2 … $9 the project. Renders nothing when the slug is taken.
  private static let put = Statement(
    "projects.put", insertion(slug: "$1::text") + rendering())

  /// As `put`, with -2, -3 … behind a slug that is taken; $10 stands before it in Location.
  private static let derive = Statement(
    "projects.derive",
    insertion(slug: Slug.firstFree(of: "$1::text", in: "colophon.projects"))
      + rendering(location: "$10::text || p.slug"))

  private static func insertion(slug: String) -> String {
    """
    with p as (
      insert into colophon.projects (
        slug, name, description, url, repository_url, tags, featured, position, body)
      select
        \(slug), $2::text, $3::text, $4::text, $5::text, string_to_array($6::text, ','), $7::boolean,
        -- Behind the last.
        coalesce($8::integer, (
          select least(coalesce(max(o.position)::bigint + 1, 0), 2147483647)::integer
          from colophon.projects o)),
        $9::text
      on conflict on constraint projects_slug_unique do nothing
      returning *
    )

    """
  }

  /// $1 the slug.
  private static let lock = Statement(
    "projects.lock",
    """
    with p as (
      select p.* from colophon.projects p where p.slug = $1::text for update
    )
    \(document(of: "p"))
    """)

  /// $1 the slug, $2 the new one or the same, $3 … $10 the project; a position that is not given
  /// stays. No row: it is all that already.
  private static let update = Statement(
    "projects.update",
    """
    with p as (
      update colophon.projects p
      set slug = $2::text, name = $3::text, description = $4::text, url = $5::text,
        repository_url = $6::text, tags = string_to_array($7::text, ','), featured = $8::boolean,
        position = coalesce($9::integer, p.position), body = $10::text,
        updated_at = colophon.this_second(), version = p.version + 1
      where p.slug = $1::text
        and (p.slug, p.name, p.description, p.url, p.repository_url, p.tags, p.featured,
            p.position, p.body)
          is distinct from ($2::text, $3::text, $4::text, $5::text, $6::text,
            string_to_array($7::text, ','), $8::boolean, coalesce($9::integer, p.position),
            $10::text)
      returning p.*
    )
    \(rendering())
    """)

  /// $1 the slug.
  private static let delete = Statement(
    "projects.delete", "delete from colophon.projects p where p.slug = $1::text")
}
