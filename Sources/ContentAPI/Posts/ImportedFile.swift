import JSON

/// A Markdown file that was written for Jekyll, Hugo, Astro or something like them, or by `export`, as
/// a post of ours.
///
/// What they call by several names is taken from the first that is there. What no post has is left
/// out, but never unsaid. The rules of a post are those of every other: a value that breaks them is
/// a fault, with its line.
package struct ImportedFile: Sendable {
  /// The post; its slug is there.
  package let draft: PostDraft
  /// The keys that stand for nothing a post has, or for what another key says too.
  package let leftOut: [String]

  /// Why a file is not a post.
  package struct Unreadable: Error, Sendable {
    /// A sentence for each fault that begins with `:` and the line where it has one, so that the
    /// file's name may stand in front.
    package let faults: [String]

    package init(faults: [String]) { self.faults = faults }
  }

  /// The largest file that may be one: a body of the largest size, and its front matter.
  package static let maximumSize = 524_288 + FrontMatter.maximumSize + 3

  /// - Parameter path: where the file was found. Without a slug in the front matter, the name says
  ///   it, and of `index.md` the folder's; a date in front of it (`2024-01-02-name.md`) is the post's
  ///   if it has no other. What lies in `_drafts` is a draft if it does not say otherwise.
  package static func read(
    _ file: [UInt8], at path: String
  ) -> Result<ImportedFile, Unreadable> {
    if file.starts(with: [0xFF, 0xFE]) || file.starts(with: [0xFE, 0xFF]) {
      return .failure(Unreadable(faults: [":1: the file is in UTF-16: save it in UTF-8"]))
    }
    do throws(UTF8.ValidationError) {
      _ = try UTF8Span(validating: file.span)
    } catch {
      let line = Self.line(of: error.byteOffsets.lowerBound, in: file)
      return .failure(
        Unreadable(faults: [":\(line): the bytes are not UTF-8: save the file in UTF-8"]))
    }
    let frontMatter = FrontMatter.read(file.span, known: ImportedFrontMatter.known)
    var post = ImportedFrontMatter(frontMatter, place: FilePlace(path))
    // A line that says nothing may have been any member.
    guard let bodyOffset = frontMatter.bodyOffset, frontMatter.faults.allSatisfy({ $0.key != nil })
    else { return .failure(Unreadable(post.complaints.faults)) }
    let body = file[bodyOffset...]
    post.complaints.lines["body"] = line(of: body.firstIndex(of: 0) ?? bodyOffset, in: file)
    let members =
      post.members + [
        JSONMember(name: "body", value: .string(String(decoding: body, as: UTF8.self)))
      ]
    return PostReading(slug: nil, defaultStatus: .published)
      .draft(.object(members), post.complaints)
      .map { ImportedFile(draft: $0, leftOut: post.leftOut) }
      .mapError(Unreadable.init)
  }

  private static func line(of offset: Int, in file: [UInt8]) -> Int {
    file[..<offset].count { $0 == UInt8(ascii: "\n") } + 1
  }
}

extension ImportedFile.Unreadable {
  /// A file has at most this many faults told; there is always the next import.
  private static let limit = 20

  init(_ faults: Faults) {
    let details = faults.list.map(\.detail)
    let rest = details.count - Self.limit
    self.faults =
      Array(details.prefix(Self.limit)) + (rest > 0 ? [": and \(rest) faults more"] : [])
  }
}

/// What the path of a file says of its post.
struct FilePlace {
  let slug: String?
  /// A calendar date, as RFC 3339 writes it.
  let date: String?
  let isDraft: Bool

  init(_ path: String) {
    var parts = path.split(separator: "/").map(String.init)
    isDraft = parts.dropLast().contains("_drafts")
    var name = parts.popLast() ?? ""
    if let dot = name.lastIndex(of: "."), dot != name.startIndex { name = String(name[..<dot]) }
    if name == "index", let folder = parts.last { name = folder }
    let words = name.split(separator: "-", maxSplits: 3, omittingEmptySubsequences: false)
    let lengths = words.map(\.utf8.count)
    if words.count == 4, lengths[0] == 4, (1...2).contains(lengths[1]),
      (1...2).contains(lengths[2]), !words[3].isEmpty,
      let date = try? Instant(free: words[..<3].joined(separator: "-"))
    {
      self.date = date.description
      name = String(words[3])
    } else {
      date = nil
    }
    slug = Slug.isValid(name) ? name : Slug.derive(from: name)
  }
}

/// The members of a post that the front matter of another program stands for.
struct ImportedFrontMatter {
  private(set) var members: [JSONMember] = []
  private(set) var leftOut: [String] = []
  var complaints = Complaints()

  private var entries: [String: FrontMatter.Entry] = [:]

  /// The keys that may stand for a member, the first that has a value says it.
  private static let names: [(member: String, keys: [String])] = [
    ("title", ["title"]), ("slug", ["slug"]), ("type", ["type"]),
    ("published_at", dateNames),
    ("excerpt", ["excerpt", "summary", "description"]), ("featured", ["featured"]),
    ("featured_order", ["featured_order"]),
    ("canonical_url", ["canonical_url", "canonicalURL", "canonicalUrl"]),
    ("meta_title", ["meta_title"]), ("meta_description", ["meta_description"]),
  ]
  private static let dateNames = [
    "published_at", "publishDate", "publishdate", "pubDate", "pubDatetime", "date",
  ]
  private static let tagNames = ["tags", "tag", "categories", "category"]
  private static let statusNames = ["status", "draft", "published"]
  /// Pictures, of which a post takes one that has an address of its own.
  private static let pictureNames = [
    "cover_image", "heroImage", "hero_image", "image", "cover", "featured_image", "featuredImage",
    "thumbnail",
  ]

  /// The keys whose values are looked into.
  static let known = Set(
    names.flatMap(\.keys) + tagNames + statusNames + ["cover_image"])

  init(_ frontMatter: FrontMatter, place: FilePlace) {
    complaints.opening = { $0.map { ":\($0): " } ?? ": " }
    for fault in frontMatter.faults {
      let key = fault.key.map { $0.quoted + ": " } ?? ""
      let reason =
        fault.reason == .missing
        ? "the file has no front matter: its first line must be --- (YAML) or +++ (TOML)"
        : fault.reason.description
      complaints.tell(key + reason, at: [fault.key ?? ""], line: fault.line)
    }
    leftOut = frontMatter.passedOver
    for entry in frontMatter.entries {
      if case .scalar(let scalar) = entry.value, scalar.isNull { continue }
      entries[entry.key] = entry
    }
    guard frontMatter.bodyOffset != nil else { return }
    takeStatus(place)
    for (member, keys) in Self.names { take(member, keys) }
    takeTags()
    takePicture()
    complete(from: place, hasFaults: !frontMatter.faults.isEmpty)
    leftOut += frontMatter.entries.map(\.key).filter { entries[$0] != nil }
  }

  private mutating func add(_ member: String, _ value: JSONValue, line: Int) {
    complaints.lines[member] = line
    members.append(JSONMember(name: member, value: value))
  }

  private mutating func take(_ member: String, _ keys: [String]) {
    guard let key = keys.first(where: { entries[$0] != nil }), let entry = entries[key] else {
      return
    }
    entries[entry.key] = nil
    do throws(PostFrontMatter.Refusal) {
      let value =
        member == "published_at"
        ? try Self.date(entry) : try PostFrontMatter.value(of: entry, as: member)
      add(member, value, line: entry.line)
    } catch {
      complaints.tell("\(entry.key): " + error.detail, at: [member], line: entry.line)
    }
  }

  private static func date(
    _ entry: FrontMatter.Entry
  ) throws(PostFrontMatter.Refusal) -> JSONValue {
    guard case .scalar(let scalar) = entry.value else {
      throw PostFrontMatter.Refusal("expected a date, got more than one value")
    }
    do throws(InstantError) {
      return .string(try Instant(free: scalar.text).description)
    } catch {
      let forms = "2024-01-02, 2024-01-02 10:00:00 +0200 or Jan 02 2024"
      throw PostFrontMatter.Refusal(
        "expected a date such as \(forms), got \(scalar.text.quoted): \(error)")
    }
  }

  /// A post is a draft when any of the keys says so. `published` may also be its date.
  private mutating func takeStatus(_ place: FilePlace) {
    var status: String?
    var line = 1
    for key in Self.statusNames {
      guard let entry = entries[key] else { continue }
      guard case .scalar(let scalar) = entry.value else {
        entries[key] = nil
        complaints.tell("\(key): expected one value", at: ["status"], line: entry.line)
        continue
      }
      var found: String
      switch (key, scalar.boolean) {
      case ("status", _): found = scalar.text == "publish" ? "published" : scalar.text
      case ("draft", let flag?): found = flag ? "draft" : "published"
      case ("published", let flag?): found = flag ? "published" : "draft"
      case ("published", nil):
        // Where no other key is the date, `take` finds this one.
        if !Self.dateNames.contains(where: { entries[$0] != nil }) {
          entries["date"] = FrontMatter.Entry(key: "date", value: entry.value, line: entry.line)
          entries[key] = nil
        }
        continue
      default:
        entries[key] = nil
        complaints.tell(
          "\(key): expected true or false without quotes, got \(scalar.text.quoted)",
          at: ["status"], line: entry.line)
        continue
      }
      entries[key] = nil
      if status == nil || found == "draft" { (status, line) = (found, entry.line) }
    }
    if let status = status ?? (place.isDraft ? "draft" : nil) {
      add("status", .string(status), line: line)
    }
  }

  /// Names in lists, and as other programs have them: with blanks or commas between them.
  private mutating func takeTags() {
    var names: [FrontMatter.Scalar] = []
    for key in Self.tagNames {
      guard let entry = entries[key] else { continue }
      entries[key] = nil
      if complaints.lines["tags"] == nil { complaints.lines["tags"] = entry.line }
      switch entry.value {
      case .list(let items): names += items
      case .scalar(let scalar) where key == "tag" || key == "category": names.append(scalar)
      case .scalar(let scalar):
        let hasCommas = scalar.text.contains(",")
        names += scalar.text.split { hasCommas ? $0 == "," : $0.isWhitespace }
          .map { FrontMatter.Scalar(text: String($0), isPlain: false) }
      case .mapping:
        complaints.tell("\(key): expected a list of names", at: ["tags"], line: entry.line)
      }
    }
    names.removeAll { $0.isNull || $0.text.unicodeScalars.allSatisfy(\.isWhitespace) }
    guard !names.isEmpty else { return }
    let tags = PostFrontMatter.tags(from: names, &complaints)
    members.append(JSONMember(name: "tags", value: .array(tags)))
  }

  private mutating func takePicture() {
    if entries["cover_image"] != nil { return take("cover_image", ["cover_image"]) }
    for key in Self.pictureNames {
      guard let entry = entries[key], case .scalar(let scalar) = entry.value,
        WebAddress.complaint(scalar.text) == nil
      else { continue }
      return take("cover_image", [key])
    }
  }

  /// What the path says in place of the front matter.
  private mutating func complete(from place: FilePlace, hasFaults: Bool) {
    func has(_ name: String) -> Bool { members.contains { $0.name == name } }
    if !has("published_at"), let date = place.date {
      members.append(JSONMember(name: "published_at", value: .string(date)))
    }
    if complaints.lines["title"] == nil { complaints.lines["title"] = 1 }
    guard complaints.lines["slug"] == nil else { return }
    if let slug = place.slug {
      members.append(JSONMember(name: "slug", value: .string(slug)))
    } else {
      let detail = "no slug can be made of the file's name: add slug: with a-z, digits and hyphens"
      complaints.tell(detail, at: ["slug"], line: 1)
    }
  }
}
