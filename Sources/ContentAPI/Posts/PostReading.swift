import JSON

/// The rules of a post, whatever form it comes in.
struct PostReading {
  /// The slug of the post that is replaced or patched; nil for a new one.
  var slug: String?
  /// What a post that was left open becomes.
  var defaultStatus: PostDraft.Status?

  private static let writable = [
    "slug", "type", "title", "excerpt", "body", "status", "published_at", "featured",
    "featured_order", "tags", "cover_image", "canonical_url", "meta_title", "meta_description",
  ]
  private static let readOnly = [
    "id", "word_count", "reading_time", "created_at", "updated_at", "version", "trashed_at",
  ]

  /// Whether a writer may give a member of this name.
  static func isWritable(_ name: String) -> Bool { writable.contains(name) }

  /// The post, or everything that is wrong. `value` and `patch` are as in `MemberReading`.
  func draft(
    _ value: JSONValue, patch: JSONValue? = nil, _ complaints: Complaints = Complaints()
  ) -> Result<PostDraft, Faults> {
    var reading = MemberReading(
      value, patch: patch, writable: Self.writable, readOnly: Self.readOnly, complaints)
    let title = reading.required("title", "give 1 to 300 characters") {
      $0.line("title", limit: 300)
    }
    let body = reading.required("body", "give the post's Markdown") { $0.markdown("body") }
    var draft = PostDraft(title: title ?? "", body: body ?? "")
    draft.slug = reading.slug(of: slug, mayRename: patch != nil)
    draft.type = reading.slug("type", limit: Slug.maximumTypeLength) ?? "post"
    draft.excerpt = reading.text("excerpt", limit: 1000)
    draft.metaTitle = reading.line("meta_title", limit: 300)
    draft.metaDescription = reading.line("meta_description", limit: 500)
    draft.canonicalURL = reading.address("canonical_url")
    draft.coverImage = Self.coverImage(&reading)
    draft.featured = reading.flag("featured") ?? false
    draft.featuredOrder = reading.integer("featured_order", in: 0...Int(Int32.max))
      .map(Int32.init)
    draft.tags = reading.tags("tags")
    draft.status = status(&reading)
    // Of a post that is replaced the stored date stays, which only the database knows.
    if draft.status == .scheduled, slug == nil || patch != nil {
      draft.publishedAt = reading.required("published_at", "it is when a scheduled post appears") {
        $0.instant("published_at")
      }
    } else {
      draft.publishedAt = reading.instant("published_at")
    }
    do throws(Faults) {
      try reading.finish()
      return .success(draft)
    } catch {
      return .failure(error)
    }
  }

  private func status(_ reading: inout MemberReading) -> PostDraft.Status? {
    guard let text = reading.string("status") else { return defaultStatus }
    if let status = PostDraft.Status(rawValue: text) { return status }
    reading.tell("expected draft, scheduled or published, got \(text.quoted)", at: ["status"])
    return nil
  }

  private static func coverImage(_ reading: inout MemberReading) -> PostDraft.CoverImage? {
    guard reading.has("cover_image") else { return nil }
    return reading.object("cover_image", ["url", "alt"]) { image in
      let url = image.required("url", "a cover image needs it") { $0.address("url") }
      let alt = image.line("alt", limit: 300) ?? ""
      return url.map { PostDraft.CoverImage(url: $0, alt: alt) }
    }
  }
}
