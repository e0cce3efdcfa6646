import JSON

/// The members of one post while they are checked.
struct PostReading {
  /// What a post that was left open becomes.
  var defaultStatus: PostDraft.Status?
  /// The slug of the post that this one replaces.
  var replaced: String?
  /// Whether the post has a slug, which it can change but not lose.
  var keepsSlug = false
  /// Whether no front matter was found, so that nothing can be called missing.
  var isUnsplit = false

  private var members: [String: JSONValue] = [:]
  private var lines: [String: Int] = [:]
  /// The names whose values could not be read, which are therefore not missing.
  private var unreadable: Set<String> = []
  private var faults = Faults()

  private static let writable: Set<String> = [
    "slug", "type", "title", "excerpt", "body", "status", "published_at", "featured",
    "featured_order", "tags", "cover_image", "canonical_url", "meta_title", "meta_description",
  ]
  private static let readOnly: Set<String> = [
    "id", "word_count", "reading_time", "created_at", "updated_at", "version", "trashed_at",
  ]
  /// The keys of front matter with the member that each stands for.
  private static let keys: [(key: String, member: String)] = [
    ("title", "title"), ("slug", "slug"), ("tags", "tags"), ("excerpt", "excerpt"),
    ("description", "excerpt"), ("date", "published_at"), ("published_at", "published_at"),
    ("status", "status"), ("draft", "status"), ("type", "type"), ("featured", "featured"),
    ("featured_order", "featured_order"), ("cover_image", "cover_image"),
    ("canonical_url", "canonical_url"), ("meta_title", "meta_title"),
    ("meta_description", "meta_description"),
  ]

  private static func member(_ key: String) -> String? { keys.first { $0.key == key }?.member }

  static func kind(_ value: JSONValue) -> String {
    switch value {
    case .null: "null"
    case .bool: "a boolean"
    case .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }

  /// The text in double quotes, shortened, for use within a sentence.
  static func quoted(_ text: String) -> String {
    let opening = String(String.UnicodeScalarView(text.unicodeScalars.prefix(60)))
    return opening.utf8.count < text.utf8.count ? "\"\(opening)…\"" : "\"\(text)\""
  }

  private static let orders = "an integer from 0 to 2147483647"

  private mutating func fault(_ name: String, _ detail: String, at place: Fault.Place? = nil) {
    fault(place ?? .pointer(to: name), lines[name], detail)
  }

  private mutating func fault(_ place: Fault.Place, _ line: Int?, _ detail: String) {
    let prefix = line.map { "line \($0): " } ?? ""
    faults.append(Fault(place: place, detail: prefix + detail))
  }
}

// What was given.
extension PostReading {
  /// Takes a member; an unknown or a read-only one is a fault.
  mutating func give(_ name: String, _ value: JSONValue, line: Int?) {
    if PostReading.writable.contains(name) {
      members[name] = value
      lines[name] = line
    } else if PostReading.readOnly.contains(name) {
      fault(name, "\(name) is read-only: leave it out")
    } else {
      fault(name, "unknown member \(PostReading.quoted(name))")
    }
  }

  /// Takes a merge patch and what it makes of the members of a post. A member that the patch takes
  /// away must exist all the same: one that is unknown is a fault, whatever its value.
  mutating func give(_ patched: [JSONMember], by patch: [JSONMember]) {
    for member in patched { give(member.name, member.value, line: nil) }
    for member in patch where member.value.isNull { give(member.name, .null, line: nil) }
    let parts = patch.first { $0.name == "cover_image" }?.value.objectValue ?? []
    for part in parts where part.value.isNull && !["url", "alt"].contains(part.name) {
      unknownPart(part.name)
    }
  }

  private mutating func unknownPart(_ name: String) {
    fault(
      "cover_image", "unknown member \(PostReading.quoted(name)); known are url and alt",
      at: .pointer(to: "cover_image", name))
  }

  /// Whether a writer may give a member of this name.
  static func isWritable(_ name: String) -> Bool { writable.contains(name) }

  /// Takes what is wrong with the front matter itself.
  mutating func giveUp(on fault: FrontMatter.Fault) {
    guard let key = fault.key else {
      let place = fault.reason == .missing ? Fault.Place.pointer(to: "title") : .pointer("")
      return self.fault(place, fault.line, fault.reason.description)
    }
    let member = PostReading.member(key) ?? key
    unreadable.insert(member)
    self.fault(.pointer(to: member), fault.line, "\(PostReading.quoted(key)): \(fault.reason)")
  }

  /// Takes an entry of front matter as the member that its key stands for.
  mutating func give(_ entry: FrontMatter.Entry) {
    guard let member = PostReading.member(entry.key) else {
      let known = PostReading.keys.map(\.key).joined(separator: ", ")
      let detail = "unknown key \(PostReading.quoted(entry.key)); known are \(known)"
      return fault(.pointer(to: entry.key), entry.line, detail)
    }
    if let earlier = lines[member] {
      let detail = "\(entry.key) says again what line \(earlier) says: keep one of them"
      return fault(.pointer(to: member), entry.line, detail)
    }
    lines[member] = entry.line
    if let value = value(of: entry, as: member) {
      members[member] = value
    } else {
      unreadable.insert(member)
    }
  }

  /// The JSON value that an entry means for a member; nil when a fault was told instead.
  private mutating func value(of entry: FrontMatter.Entry, as member: String) -> JSONValue? {
    if case .scalar(let scalar) = entry.value, scalar.isNull { return .null }
    switch (member, entry.value) {
    case ("tags", .list(let names)): return .array(tags(from: names))
    case ("tags", _):
      fault(member, "expected a list such as [swift, \"rate limits\"]")
    case ("cover_image", .scalar(let scalar)):
      return .object([JSONMember(name: "url", value: .string(scalar.text))])
    case ("cover_image", .mapping(let parts)):
      return .object(
        parts.map { part in
          guard case .scalar(let scalar) = part.value, !scalar.isNull else {
            return JSONMember(name: part.key, value: .null)
          }
          return JSONMember(name: part.key, value: .string(scalar.text))
        })
    case ("cover_image", .list):
      fault(member, "expected an address or a mapping such as {url: https://…, alt: …}")
    case (_, .list): fault(member, "expected one value, got a list")
    case (_, .mapping): fault(member, "expected one value, got a mapping")
    case ("featured", .scalar(let scalar)):
      if let flag = scalar.boolean { return .bool(flag) }
      fault(member, "expected true or false without quotes, got \(PostReading.quoted(scalar.text))")
    case ("status", .scalar(let scalar)) where entry.key == "draft":
      if let flag = scalar.boolean {
        return .string((flag ? PostDraft.Status.draft : .published).rawValue)
      }
      let got = PostReading.quoted(scalar.text)
      fault(member, "draft: expected true or false without quotes, got \(got)")
    case ("featured_order", .scalar(let scalar)):
      if let number = scalar.integer { return .number(String(number)) }
      let got = PostReading.quoted(scalar.text)
      fault(member, "expected \(PostReading.orders) without quotes, got \(got)")
    case ("published_at", .scalar(let scalar)):
      do throws(InstantError) {
        return .string(try Instant(frontMatter: scalar.text).description)
      } catch {
        let forms = "2026-03-12, 2026-03-12 09:00 or 2026-03-12T09:00:00+02:00"
        let got = PostReading.quoted(scalar.text)
        fault(member, "expected a date such as \(forms), got \(got): \(error)")
      }
    case (_, .scalar(let scalar)): return .string(scalar.text)
    }
    return nil
  }

  /// The slugs of display names, each once.
  private mutating func tags(from names: [FrontMatter.Scalar]) -> [JSONValue] {
    var seen: Set<String> = []
    var tags: [JSONValue] = []
    for (index, name) in names.enumerated() {
      let slug = name.isNull ? nil : Slug.derive(from: name.text, limit: Slug.maximumTagLength)
      guard let slug else {
        let detail = "no slug can be made of \(PostReading.quoted(name.text)): use a-z and digits"
        fault("tags", detail, at: .pointer(to: "tags", String(index)))
        continue
      }
      if seen.insert(slug).inserted { tags.append(.string(slug)) }
    }
    return tags
  }
}

// The rules.
extension PostReading {
  /// The post, or everything that is wrong.
  mutating func draft() -> Result<PostDraft, Faults> {
    let title = title()
    let body = body()
    var draft = PostDraft(title: title ?? "", body: body ?? "")
    draft.slug = slug("slug", limit: Slug.maximumLength)
    if let replaced, let slug = draft.slug, slug != replaced {
      fault("slug", "the path says \(replaced): leave slug out")
    }
    if keepsSlug, value("slug") == nil {
      fault("slug", "a post cannot lose its slug: give another or leave it out")
    }
    draft.type = slug("type", limit: Slug.maximumTypeLength) ?? "post"
    draft.excerpt = line("excerpt", limit: 1000, allowsLineBreaks: true)
    draft.metaTitle = line("meta_title", limit: 300)
    draft.metaDescription = line("meta_description", limit: 500)
    draft.canonicalURL = string("canonical_url").flatMap { address($0, "canonical_url") }
    draft.coverImage = coverImage()
    draft.featured = featured()
    draft.featuredOrder = featuredOrder()
    draft.tags = tags()
    draft.publishedAt = publishedAt()
    draft.status = status(draft.publishedAt)
    guard faults.isEmpty else { return .failure(faults) }
    return .success(draft)
  }

  /// The value of a member unless it is absent or null.
  private func value(_ name: String) -> JSONValue? {
    members[name].flatMap { $0 == .null ? nil : $0 }
  }

  private mutating func expected(_ what: String, _ name: String, _ value: JSONValue) {
    fault(name, "expected \(what), got \(PostReading.kind(value))")
  }

  private mutating func string(_ name: String) -> String? {
    guard let value = value(name) else { return nil }
    guard case .string(let text) = value else {
      expected("a string", name, value)
      return nil
    }
    return text
  }

  private mutating func required(_ name: String, _ hint: String) -> String? {
    if value(name) == nil, !unreadable.contains(name), !isUnsplit {
      fault(name, "\(name) is required: \(hint)")
    }
    return string(name)
  }

  private mutating func title() -> String? {
    guard let text = required("title", "give 1 to 300 characters") else { return nil }
    if PostReading.trimmed(text).isEmpty {
      fault("title", "title is blank: give 1 to 300 characters")
      return nil
    }
    return checked(text, "title", limit: 300)
  }

  private mutating func body() -> String? {
    guard let text = required("body", "give the post's Markdown") else { return nil }
    if text.utf8.count > 524_288 {
      fault("body", "body may have at most 524288 bytes (512 KiB), it has \(text.utf8.count)")
    } else if text.utf8.contains(0) {
      fault("body", "body must not contain the character U+0000")
    } else if text.unicodeScalars.allSatisfy(\.properties.isWhitespace) {
      fault("body", "body is blank: give the post's Markdown")
    }
    return text
  }

  private mutating func line(
    _ name: String, limit: Int, allowsLineBreaks: Bool = false
  ) -> String? {
    guard let text = string(name) else { return nil }
    return checked(text, name, limit: limit, allowsLineBreaks: allowsLineBreaks)
  }

  /// The text without white space at its ends; nil when nothing is left or a fault was told.
  private mutating func checked(
    _ text: String, _ name: String, limit: Int, allowsLineBreaks: Bool = false,
    at place: Fault.Place? = nil, as label: String? = nil
  ) -> String? {
    let trimmed = PostReading.trimmed(text)
    let label = label ?? name
    let length = trimmed.unicodeScalars.count
    if length > limit {
      fault(name, "\(label) may have at most \(limit) characters, it has \(length)", at: place)
      return nil
    }
    let control = trimmed.unicodeScalars.first {
      PostReading.isControl($0) && !(allowsLineBreaks && ["\n", "\r", "\t"].contains($0))
    }
    if let control {
      let digits = String(control.value, radix: 16, uppercase: true)
      let code = "U+" + String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
      let kind = allowsLineBreaks ? "other than line breaks and tabs" : "or line breaks"
      fault(
        name, "\(label) must not contain control characters \(kind), it has \(code)", at: place)
      return nil
    }
    return trimmed.isEmpty ? nil : trimmed
  }

  static func trimmed(_ text: String) -> String {
    let scalars = text.unicodeScalars
    guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
      let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
    else { return "" }
    return String(scalars[first...last])
  }

  /// The control characters and the two separators that break a line as well.
  static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0...0x1F, 0x7F...0x9F, 0x2028, 0x2029: true
    default: false
    }
  }

  private mutating func slug(_ name: String, limit: Int) -> String? {
    guard let text = string(name) else { return nil }
    return slug(text, name, limit: limit, at: .pointer(to: name))
  }

  private mutating func slug(
    _ text: String, _ name: String, limit: Int, at place: Fault.Place
  ) -> String? {
    if Slug.isValid(text, limit: limit) { return text }
    let hint = Slug.derive(from: text, limit: limit).map { "; did you mean \"\($0)\"?" } ?? ""
    let got = PostReading.quoted(text)
    fault(name, "expected 1 to \(limit) \(Slug.rule), got \(got)\(hint)", at: place)
    return nil
  }

  private mutating func tags() -> [String] {
    guard let value = value("tags") else { return [] }
    guard case .array(let items) = value else {
      expected("an array of slugs", "tags", value)
      return []
    }
    if items.count > 32 { fault("tags", "a post may have at most 32 tags, it has \(items.count)") }
    var tags: [String] = []
    var places: [String: Int] = [:]
    for (index, item) in items.enumerated() {
      let place = Fault.Place.pointer(to: "tags", String(index))
      guard case .string(let text) = item else {
        fault("tags", "expected a string, got \(PostReading.kind(item))", at: place)
        continue
      }
      guard let tag = slug(text, "tags", limit: Slug.maximumTagLength, at: place) else { continue }
      if let earlier = places[tag] {
        fault("tags", "the tag \"\(tag)\" already stands at /tags/\(earlier)", at: place)
        continue
      }
      places[tag] = index
      tags.append(tag)
    }
    return tags
  }

  private mutating func featured() -> Bool {
    guard let value = value("featured") else { return false }
    guard case .bool(let flag) = value else {
      expected("true or false", "featured", value)
      return false
    }
    return flag
  }

  private mutating func featuredOrder() -> Int32? {
    guard let value = value("featured_order") else { return nil }
    guard case .number(let lexeme) = value else {
      expected(PostReading.orders, "featured_order", value)
      return nil
    }
    guard let whole = value.integerValue, let number = Int32(exactly: whole), number >= 0 else {
      let shown = lexeme.utf8.count <= 30 ? lexeme : "a longer number"
      fault("featured_order", "expected \(PostReading.orders), got \(shown)")
      return nil
    }
    return number
  }

  private mutating func publishedAt() -> Instant? {
    guard let text = string("published_at") else { return nil }
    do throws(InstantError) {
      return try Instant(rfc3339: text)
    } catch {
      let got = PostReading.quoted(text)
      fault(
        "published_at",
        "expected an RFC 3339 date-time such as 2026-03-12T09:00:00Z, got \(got): \(error)")
      return nil
    }
  }

  private mutating func status(_ publishedAt: Instant?) -> PostDraft.Status? {
    guard let text = string("status") else { return defaultStatus }
    guard let status = PostDraft.Status(rawValue: text) else {
      let got = PostReading.quoted(text)
      fault("status", "expected draft, scheduled or published, got \(got)")
      return nil
    }
    // Of a post that is replaced the stored date stays, which only the database knows.
    if status == .scheduled, replaced == nil, value("published_at") == nil,
      !unreadable.contains("published_at")
    {
      fault("published_at", "a scheduled post needs published_at, the time it is to appear")
    }
    return status
  }

  private mutating func coverImage() -> PostDraft.CoverImage? {
    guard let value = value("cover_image") else { return nil }
    guard case .object(let parts) = value else {
      expected("an object {url, alt} or null", "cover_image", value)
      return nil
    }
    var url: String?
    var alt = ""
    var hasURL = false
    for part in parts {
      let place = Fault.Place.pointer(to: "cover_image", part.name)
      switch (part.name, part.value) {
      case ("url", .string(let text)):
        hasURL = true
        url = address(text, "cover_image", at: place)
      case ("alt", .null): break
      case ("alt", .string(let text)):
        alt = checked(text, "cover_image", limit: 300, at: place, as: "alt") ?? ""
      case ("url", let other), ("alt", let other):
        hasURL = hasURL || part.name == "url"
        fault("cover_image", "expected a string, got \(PostReading.kind(other))", at: place)
      default: unknownPart(part.name)
      }
    }
    if !hasURL {
      let place = Fault.Place.pointer(to: "cover_image", "url")
      fault("cover_image", "a cover image needs its url", at: place)
    }
    return url.map { PostDraft.CoverImage(url: $0, alt: alt) }
  }

  private mutating func address(
    _ text: String, _ name: String, at place: Fault.Place? = nil
  ) -> String? {
    guard let complaint = WebAddress.complaint(text) else { return text }
    let rule = "an absolute http or https URL of at most 2048 characters"
    fault(name, "expected \(rule), got \(PostReading.quoted(text)): \(complaint)", at: place)
    return nil
  }
}
