import HTTP
import JSON

/// The part of each resource that a client wants to see: `fields` and `excerpt_length`.
///
/// Without either the bytes that PostgreSQL rendered are passed on untouched; only with one of them
/// they are read and written again.
struct Projection {
  /// The members to show, nil for all that the resource shows by itself.
  private let members: [String]?
  private let excerptLength: Int?

  /// - Parameter known: every member there is, in the order in which answers have them.
  init(_ query: inout Query, of known: [String]) {
    members = Self.members(&query, known)
    excerptLength =
      query.text("excerpt_length") == nil
      ? nil : query.integer("excerpt_length", in: 1...1000, standard: 1000)
  }

  private static func members(_ query: inout Query, _ known: [String]) -> [String]? {
    guard let text = query.text("fields") else { return nil }
    let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    var complaints: [String] = []
    var seen: Set<String> = []
    for name in names {
      if !known.contains(where: { $0.utf8.elementsEqual(name.utf8) }) {
        complaints.append(name.isEmpty ? "a name is empty" : "\(name) is not known")
      } else if !seen.insert(name).inserted {
        complaints.append("\(name) stands there twice")
      }
    }
    if !complaints.isEmpty {
      query.refuse(
        "fields",
        "Names of members with commas between them are expected, but "
          + complaints.joined(separator: ", ") + "; known are \(known.joined(separator: ", ")).")
    }
    return known.filter(seen.contains)
  }

  /// Whether the client asked for this member by name.
  func names(_ member: String) -> Bool { members?.contains(member) ?? false }

  /// A resource, or an array of them, as it is to be shown.
  func apply(to json: [UInt8]) throws(JSONError) -> [UInt8] {
    if members == nil, excerptLength == nil { return json }
    let value = try JSONReader.read(json.span)
    var writer = JSONWriter(capacity: json.count)
    if let elements = value.arrayValue {
      writer.beginArray()
      for element in elements { write(element, to: &writer) }
      writer.endArray()
    } else {
      write(value, to: &writer)
    }
    return writer.bytes
  }

  private func write(_ resource: JSONValue, to json: inout JSONWriter) {
    json.beginObject()
    for member in resource.objectValue ?? [] where members?.contains(member.name) ?? true {
      json.name(member.name)
      if let excerptLength, member.name == "excerpt", let text = member.value.stringValue {
        json.string(MarkdownText.shorten(text, to: excerptLength))
      } else {
        json.value(member.value)
      }
    }
    json.endObject()
  }

  /// Tells this form of a representation from its others; nil for the form without a choice.
  var form: String? {
    if members == nil, excerptLength == nil { return nil }
    return (members?.joined(separator: ",") ?? "") + "&" + (excerptLength.map(String.init) ?? "")
  }

  /// The tag of this form of what `tag` stands for in full.
  func tag(of tag: EntityTag) -> EntityTag {
    guard let form else { return tag }
    let hash = String(FNV1a.hash(form.utf8), radix: 16)
    return EntityTag(opaque: tag.opaque + "-" + hash, isWeak: tag.isWeak) ?? tag
  }
}
