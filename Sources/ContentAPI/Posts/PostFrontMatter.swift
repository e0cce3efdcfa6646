import JSON

/// The members of a post that front matter stands for, and what is wrong with it.
struct PostFrontMatter {
  private(set) var members: [JSONMember] = []
  private(set) var complaints = Complaints()

  /// The keys with the member that each stands for.
  private static let keys: [(key: String, member: String)] = [
    ("title", "title"), ("slug", "slug"), ("tags", "tags"), ("excerpt", "excerpt"),
    ("description", "excerpt"), ("date", "published_at"), ("published_at", "published_at"),
    ("status", "status"), ("draft", "status"), ("type", "type"), ("featured", "featured"),
    ("featured_order", "featured_order"), ("cover_image", "cover_image"),
    ("canonical_url", "canonical_url"), ("meta_title", "meta_title"),
    ("meta_description", "meta_description"),
  ]

  private static func member(_ key: String) -> String? { keys.first { $0.key == key }?.member }

  init(_ frontMatter: FrontMatter) {
    for fault in frontMatter.faults { take(fault) }
    for entry in frontMatter.entries { take(entry) }
  }

  private mutating func take(_ fault: FrontMatter.Fault) {
    guard let key = fault.key else {
      let steps = fault.reason == .missing ? ["title"] : []
      return complaints.tell(fault.reason.description, at: steps, line: fault.line)
    }
    let member = Self.member(key) ?? key
    complaints.tell("\(key.quoted): \(fault.reason)", at: [member], line: fault.line)
  }

  private mutating func take(_ entry: FrontMatter.Entry) {
    guard let member = Self.member(entry.key) else {
      let known = Self.keys.map(\.key).joined(separator: ", ")
      let detail = "unknown key \(entry.key.quoted); known are \(known)"
      return complaints.tell(detail, at: [entry.key], line: entry.line)
    }
    if let earlier = complaints.lines[member] {
      let detail = "\(entry.key) says again what line \(earlier) says: keep one of them"
      return complaints.tell(detail, at: [member], line: entry.line)
    }
    complaints.lines[member] = entry.line
    do throws(Refusal) {
      let value: JSONValue
      if member == "tags", case .list(let names) = entry.value {
        value = .array(Self.tags(from: names, &complaints))
      } else {
        value = try Self.value(of: entry, as: member)
      }
      members.append(JSONMember(name: member, value: value))
    } catch {
      complaints.tell(error.detail, at: [member])
    }
  }

  /// Why an entry cannot be what its member expects.
  struct Refusal: Error {
    let detail: String

    init(_ detail: String) { self.detail = detail }
  }

  /// The JSON value that an entry means for a member other than a list of tags.
  static func value(
    of entry: FrontMatter.Entry, as member: String
  ) throws(Refusal) -> JSONValue {
    if case .scalar(let scalar) = entry.value, scalar.isNull { return .null }
    switch (member, entry.value) {
    case ("tags", _): throw Refusal("expected a list such as [swift, \"rate limits\"]")
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
      throw Refusal("expected an address or a mapping such as {url: https://…, alt: …}")
    case (_, .list): throw Refusal("expected one value, got a list")
    case (_, .mapping): throw Refusal("expected one value, got a mapping")
    case ("featured", .scalar(let scalar)):
      if let flag = scalar.boolean { return .bool(flag) }
      throw Refusal("expected true or false without quotes, got \(scalar.text.quoted)")
    case ("status", .scalar(let scalar)) where entry.key == "draft":
      if let flag = scalar.boolean { return .string(flag ? "draft" : "published") }
      throw Refusal("draft: expected true or false without quotes, got \(scalar.text.quoted)")
    case ("featured_order", .scalar(let scalar)):
      if let number = scalar.integer { return .number(String(number)) }
      throw Refusal("expected an integer without quotes, got \(scalar.text.quoted)")
    case ("published_at", .scalar(let scalar)):
      do throws(InstantError) {
        return .string(try Instant(frontMatter: scalar.text).description)
      } catch {
        let forms = "2026-03-12, 2026-03-12 09:00 or 2026-03-12T09:00:00+02:00"
        throw Refusal("expected a date such as \(forms), got \(scalar.text.quoted): \(error)")
      }
    case (_, .scalar(let scalar)): return .string(scalar.text)
    }
  }

  /// The slugs of display names, each once.
  static func tags(
    from names: [FrontMatter.Scalar], _ complaints: inout Complaints
  ) -> [JSONValue] {
    var seen: Set<String> = []
    var tags: [JSONValue] = []
    for (index, name) in names.enumerated() {
      let slug = name.isNull ? nil : Slug.derive(from: name.text, limit: Slug.maximumTagLength)
      guard let slug else {
        let detail = "no slug can be made of \(name.text.quoted): use a-z and digits"
        complaints.tell(detail, at: ["tags", String(index)])
        continue
      }
      if seen.insert(slug).inserted { tags.append(.string(slug)) }
    }
    return tags
  }
}
