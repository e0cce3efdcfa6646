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
  package var featured = false
  /// The place among featured posts, from 0.
  package var featuredOrder: Int32?
  /// At most 32 slugs in the author's order, none twice.
  package var tags: [String] = []
  package var coverImage: CoverImage?
  /// An absolute http or https address.
  package var canonicalURL: String?
  package var metaTitle: String?
  package var metaDescription: String?

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
    guard case .object(let members) = json else {
      let detail = "expected an object with at least title and body, got \(PostReading.kind(json))"
      return .failure(Faults([Fault(place: .pointer(""), detail: detail)]))
    }
    var reading = PostReading()
    reading.replaced = slug
    for member in members { reading.give(member.name, member.value, line: nil) }
    return reading.draft()
  }

  /// Reads a Markdown file with front matter and tells all faults at once. Pointers name the member
  /// that a key stands for, details begin with the line. Tags are display names here and become
  /// slugs; a file that says nothing of its status is published. `slug` is as in `read(json:)`.
  package static func read(
    markdown file: Span<UInt8>, replacing slug: String? = nil
  ) -> Result<PostDraft, MarkdownError> {
    do throws(UTF8.ValidationError) {
      _ = try UTF8Span(validating: file)
    } catch {
      return .failure(.invalidUTF8(offset: error.byteOffsets.lowerBound))
    }
    let frontMatter = FrontMatter.read(file)
    var reading = PostReading()
    reading.replaced = slug
    if let offset = frontMatter.bodyOffset {
      reading.give("body", .string(text(file, from: offset)), line: nil)
    } else {
      reading.isUnsplit = true
    }
    for fault in frontMatter.faults { reading.giveUp(on: fault) }
    for entry in frontMatter.entries { reading.give(entry) }
    reading.defaultStatus = .published
    return reading.draft().mapError(MarkdownError.faults)
  }

  private static func text(_ file: Span<UInt8>, from offset: Int) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(file.count - offset)
    for index in offset..<file.count { bytes.append(file[index]) }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// The members of one post while they are checked.
private struct PostReading {
  /// What a post that was left open becomes.
  var defaultStatus: PostDraft.Status?
  /// The slug of the post that this one replaces.
  var replaced: String?
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
  private static func quoted(_ text: String) -> String {
    let opening = String(String.UnicodeScalarView(text.unicodeScalars.prefix(60)))
    return opening.utf8.count < text.utf8.count ? "\"\(opening)…\"" : "\"\(text)\""
  }

  private mutating func fault(_ name: String, _ detail: String, at place: Fault.Place? = nil) {
    let prefix = lines[name].map { "line \($0): " } ?? ""
    faults.append(Fault(place: place ?? .pointer(to: name), detail: prefix + detail))
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

  /// Takes what is wrong with the front matter itself.
  mutating func giveUp(on fault: FrontMatter.Fault) {
    var place = Fault.Place.pointer("")
    if let key = fault.key {
      let member = PostReading.keys.first { $0.key == key }?.member ?? key
      place = .pointer(to: member)
      unreadable.insert(member)
    }
    let about = fault.key.map { "\(PostReading.quoted($0)): " } ?? ""
    let detail = "line \(fault.line): \(about)\(fault.reason)"
    faults.append(
      Fault(place: fault.reason == .missing ? .pointer(to: "title") : place, detail: detail))
  }

  /// Takes an entry of front matter as the member that its key stands for.
  mutating func give(_ entry: FrontMatter.Entry) {
    guard let member = PostReading.keys.first(where: { $0.key == entry.key })?.member else {
      let known = PostReading.keys.map(\.key).joined(separator: ", ")
      let detail =
        "line \(entry.line): unknown key \(PostReading.quoted(entry.key)); known are \(known)"
      faults.append(Fault(place: .pointer(to: entry.key), detail: detail))
      return
    }
    if let earlier = lines[member] {
      let detail = "\(entry.key) says again what line \(earlier) says: keep one of them"
      faults.append(
        Fault(place: .pointer(to: member), detail: "line \(entry.line): \(detail)"))
      return
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
    case ("cover_image", .mapping(let parts)):
      return .object(
        parts.map { part in
          guard case .scalar(let scalar) = part.value else {
            return JSONMember(name: part.key, value: .null)
          }
          return JSONMember(name: part.key, value: scalar.isNull ? .null : .string(scalar.text))
        })
    case ("cover_image", _): fault(member, "expected a mapping such as {url: https://…, alt: …}")
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
      if scalar.isPlain, let number = scalar.integer { return .number(String(number)) }
      let got = PostReading.quoted(scalar.text)
      fault(member, "expected an integer from 0 to 2147483647 without quotes, got \(got)")
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

  private static func trimmed(_ text: String) -> String {
    let scalars = text.unicodeScalars
    guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
      let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
    else { return "" }
    return String(scalars[first...last])
  }

  /// The control characters and the two separators that break a line as well.
  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
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
      expected("an integer from 0 to 2147483647", "featured_order", value)
      return nil
    }
    guard let number = Int32(lexeme), number >= 0 else {
      let shown = lexeme.utf8.count <= 30 ? lexeme : "a longer number"
      fault("featured_order", "expected an integer from 0 to 2147483647, got \(shown)")
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
      default:
        let name = PostReading.quoted(part.name)
        fault("cover_image", "unknown member \(name); known are url and alt", at: place)
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

/// The absolute http and https URLs that a post may name (RFC 3986, section 3, and letters beyond
/// ASCII as browsers take them).
private enum WebAddress {
  /// What is wrong with the text as an address; nil when nothing is.
  static func complaint(_ text: String) -> String? {
    if text.unicodeScalars.count > 2048 { return "it is longer" }
    for scalar in text.unicodeScalars {
      let isForbidden = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
      if isForbidden || scalar.properties.isWhitespace {
        return "spaces and control characters have to be percent-encoded"
      }
      if "\"<>\\`".unicodeScalars.contains(scalar) {
        return "the character \(scalar) has to be percent-encoded"
      }
    }
    let bytes = Array(text.utf8)
    guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")),
      ["http", "https"].contains(String(decoding: bytes[..<colon], as: UTF8.self).lowercased()),
      bytes[(colon + 1)...].starts(with: [47, 47])
    else { return "it does not begin with http:// or https://" }
    let authority = bytes[(colon + 3)...].prefix { !"/?#".utf8.contains($0) }
    if authority.contains(UInt8(ascii: "@")) { return "it must not carry a user or a password" }
    return complaint(authority: authority)
  }

  private static func complaint(authority: ArraySlice<UInt8>) -> String? {
    var host = authority
    if authority.first == UInt8(ascii: "[") {
      guard let close = authority.firstIndex(of: UInt8(ascii: "]")) else {
        return "the host's bracket is not closed"
      }
      host = authority[(authority.startIndex + 1)..<close]
      guard host.contains(UInt8(ascii: ":")), host.allSatisfy(isAddressByte) else {
        return "the host is not an IPv6 address"
      }
      return complaint(port: authority[(close + 1)...])
    }
    host = authority.prefix { $0 != UInt8(ascii: ":") }
    if host.isEmpty { return "it has no host" }
    guard host.allSatisfy(isNameByte), host.first != UInt8(ascii: ".") else {
      return "its host is not a name"
    }
    return complaint(port: authority[host.endIndex...])
  }

  private static func complaint(port: ArraySlice<UInt8>) -> String? {
    guard let first = port.first else { return nil }
    let digits = port.dropFirst()
    guard first == UInt8(ascii: ":"), digits.allSatisfy(isDigit),
      UInt16(String(decoding: digits, as: UTF8.self)) != nil
    else { return "its port is not a number from 0 to 65535" }
    return nil
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  private static func isAddressByte(_ byte: UInt8) -> Bool {
    isDigit(byte) || "abcdefABCDEF:.".utf8.contains(byte)
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    let letter = byte | 0x20
    return byte >= 0x80 || isDigit(byte) || "-._".utf8.contains(byte)
      || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(letter)
  }
}
