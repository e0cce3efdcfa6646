package import JSON

/// What a writer asks a post to be: checked and normalised, before a clock or the database has
/// had a say.
///
/// One-line texts and the excerpt lose white space at their ends, and where nothing is left the
/// optional ones count as absent. The body stays as it was sent, byte for byte. An optional member
/// that is null counts as absent. Characters are Unicode scalars.
package struct PostDraft: Sendable, Equatable {
  /// The state that the writer asks for; what it means depends on `publishedAt` and the time.
  package enum Status: String, Sendable, CaseIterable {
    case draft, scheduled, published
  }

  /// A picture that stands for the post.
  package struct CoverImage: Sendable, Equatable {
    /// An absolute http or https address.
    package var url: String
    /// What it shows; empty for decoration.
    package var alt: String

    package init(url: String, alt: String) {
      self.url = url
      self.alt = alt
    }
  }

  /// The slug asked for; nil when it is to be derived from the title.
  package var slug: String?
  /// The kind of post, formed as a slug; "post" by default.
  package var type = "post"
  /// 1 to 300 characters without control characters.
  package var title: String
  /// The author's own excerpt, 1 to 1,000 characters; nil when it is to be derived.
  package var excerpt: String?
  /// Markdown, not blank, at most 524,288 bytes of UTF-8, without U+0000.
  package var body: String
  /// nil when the writer did not say: JSON then means a draft, and Markdown never leaves it open.
  package var status: Status?
  /// The time of publication asked for; nil leaves the stored one or takes the time of publishing.
  package var publishedAt: Instant?
  /// Whether it stands out, for clients to show.
  package var featured = false
  /// The place among featured posts, from 0.
  package var featuredOrder: Int32?
  /// At most 32 slugs in the author's order, none twice.
  package var tags: [String] = []
  /// nil for none.
  package var coverImage: CoverImage?
  /// An absolute http or https address.
  package var canonicalURL: String?
  /// For search engines, 1 to 300 characters.
  package var metaTitle: String?
  /// For search engines, 1 to 500 characters.
  package var metaDescription: String?

  /// A post in which everything else has its default; nothing is checked.
  package init(title: String, body: String) {
    self.title = title
    self.body = body
  }

  /// Whether both ask for the same bytes; `String` would take canonically equivalent texts for one.
  package static func == (one: PostDraft, other: PostDraft) -> Bool {
    one.texts.elementsEqual(other.texts) { $0.map { Array($0.utf8) } == $1.map { Array($0.utf8) } }
      && one.status == other.status && one.publishedAt == other.publishedAt
      && one.featured == other.featured && one.featuredOrder == other.featuredOrder
      && one.tags == other.tags
  }

  private var texts: [String?] {
    [
      slug, type, title, excerpt, body, coverImage?.url, coverImage?.alt, canonicalURL, metaTitle,
      metaDescription,
    ]
  }

  /// Why a Markdown file is not a post.
  package enum MarkdownError: Error, Sendable, Equatable {
    /// The file is not UTF-8 from this byte on: a malformed request (400).
    case invalidUTF8(offset: Int)
    /// The file is well-formed text that breaks rules (422).
    case faults(Faults)
  }

  /// Reads the JSON form of a post and tells all faults at once.
  ///
  /// - Parameter slug: that of the post it is to replace, which no other slug may contradict and
  ///   whose stored date a scheduled post may take; nil for a new post.
  package static func read(
    json: JSONValue, replacing slug: String? = nil
  ) -> Result<PostDraft, Faults> {
    PostReading(slug: slug).draft(json)
  }

  /// Reads what a merge patch (RFC 7396) makes of a post, whose writable members `stored` are, and
  /// tells all faults at once. A member that the patch takes away has its default again.
  package static func read(
    patch: [JSONMember], of stored: JSONValue
  ) -> Result<PostDraft, Faults> {
    let patch = JSONValue.object(patch)
    return PostReading(slug: stored["slug"]?.stringValue, defaultStatus: .draft)
      .draft(MergePatch.apply(patch, to: stored), patch: patch)
  }

  /// Reads a Markdown file with front matter and tells all faults at once. Pointers name the member
  /// that a key stands for, details begin with the line. Tags are display names here and become
  /// slugs, a cover image may be its address alone, and a file that says nothing of its status is
  /// published. `slug` is as in `read(json:)`.
  package static func read(
    markdown file: Span<UInt8>, replacing slug: String? = nil
  ) -> Result<PostDraft, MarkdownError> {
    do throws(UTF8.ValidationError) {
      _ = try UTF8Span(validating: file)
    } catch {
      return .failure(.invalidUTF8(offset: error.byteOffsets.lowerBound))
    }
    let frontMatter = FrontMatter.read(file)
    let post = PostFrontMatter(frontMatter)
    guard let bodyOffset = frontMatter.bodyOffset else {
      return .failure(.faults(post.complaints.faults))
    }
    let body = JSONMember(name: "body", value: .string(text(file, from: bodyOffset)))
    return PostReading(slug: slug, defaultStatus: .published)
      .draft(.object(post.members + [body]), post.complaints)
      .mapError(MarkdownError.faults)
  }

  private static func text(_ file: Span<UInt8>, from offset: Int) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(file.count - offset)
    for index in offset..<file.count { bytes.append(file[index]) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
