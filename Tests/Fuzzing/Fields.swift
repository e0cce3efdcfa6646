import ContentAPI
import HTTP

/// Values of header fields, and others of one line. The first byte says of which kind the rest is.
func checkFields(_ bytes: [UInt8]) throws(Flaw) {
  guard let kind = bytes.first else { return }
  let text = Array(bytes.dropFirst()).text
  switch kind % 9 {
  case 0: try checkKey(text)
  case 1: try checkEntityTags(text)
  case 2: try checkMediaTypes(text)
  case 3: try checkDates(text)
  case 4: try checkForm(Array(bytes.dropFirst()))
  case 5: try checkMailAddress(text)
  case 6: try checkTarget(text)
  case 7:
    if let wait = IdempotencyKey.wait(preferences: [text]) {
      try hold(wait >= 0, "a wait of \(wait)")
    }
  default:
    if let key = APIKey(text) {
      try hold(key.text.utf8.elementsEqual(text.utf8), "another API key")
      try hold(text.utf8.allSatisfy { (0x21...0x7e).contains($0) }, "an API key of other bytes")
    }
  }
}

/// A key is visible ASCII, and the same key in quotes (RFC 9651 §3.3.3).
private func checkKey(_ text: String) throws(Flaw) {
  guard let key = IdempotencyKey(text) else { return }
  try hold((1...255).contains(key.text.utf8.count), "a key of \(key.text.utf8.count) bytes")
  try hold(key.text.utf8.allSatisfy { (0x21...0x7e).contains($0) }, "the key \(key.text)")
  let quoted =
    "\"" + key.text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  try hold(IdempotencyKey(quoted) == key, "\(quoted) is another key")
}

private func checkEntityTags(_ text: String) throws(Flaw) {
  guard case .oneOf(let tags) = EntityTagCondition([text]) else { return }
  let written = tags.map(\.text).joined(separator: ", ")
  try hold(EntityTagCondition([written]) == .oneOf(tags), "read again: \(written)")
  for tag in tags { try hold(tag.weaklyMatches(tag), "\(tag.text) is not itself") }
}

private func checkMediaTypes(_ text: String) throws(Flaw) {
  let offers = [MediaType("application", "json"), MediaType("text", "markdown")]
  let accept = Accept([text])
  for offer in offers {
    try hold((0...1000).contains(accept.quality(of: offer)), "a quality beyond 1")
  }
  if let best = accept.best(of: offers) {
    try hold(accept.quality(of: offers[best]) > 0, "the best is not taken")
  }
  guard let type = MediaType(text) else { return }
  try hold(
    type.essence.utf8.allSatisfy { (0x21...0x7e).contains($0) }, "the type \(type.essence)")
  try hold(MediaType(type.essence)?.essence == type.essence, "read again: \(type.essence)")
}

private func checkDates(_ text: String) throws(Flaw) {
  let now = HTTPDate(secondsSinceEpoch: 1_800_000_000)
  if let date = HTTPDate(text, now: now) {
    try hold(HTTPDate(date.text, now: now) == date, "read again: \(date.text)")
  }
  for instant in [try? Instant(rfc3339: text), try? Instant(free: text)] {
    guard let instant else { continue }
    let again = try? Instant(rfc3339: instant.description)
    try hold(again == instant, "read again: \(instant)")
  }
}

private func checkForm(_ bytes: [UInt8]) throws(Flaw) {
  guard let form = try? FormContent(bytes) else { return }
  try hold(form.fields.count <= FormContent.maximumFields, "\(form.fields.count) fields")
}

/// It can stand in a header field, and is one address wherever it is read.
private func checkMailAddress(_ text: String) throws(Flaw) {
  guard let address = try? MailAddress(text) else { return }
  try hold(address.text.utf8.count <= MailAddress.limit, "an address too long")
  try hold(
    address.text.utf8.allSatisfy {
      (0x21...0x7e).contains($0) && !",;<>()\"\\[]".utf8.contains($0)
    },
    "the address \(address.text)")
  try hold(address.text.utf8.count { $0 == UInt8(ascii: "@") } == 1, "two addresses")
  let again = try? MailAddress(address.normalised)
  try hold(again?.normalised == address.normalised, "read again: \(address.normalised)")
}

/// What is decoded can be encoded and read as the same.
private func checkTarget(_ text: String) throws(Flaw) {
  guard let target = try? Target(text) else { return }
  let path = target.segments.map { "/" + encoded($0) }.joined()
  let query = target.query.map { encoded($0.name) + "=" + encoded($0.value) }
  guard let again = try? Target(path + "?" + query.joined(separator: "&")) else {
    throw Flaw(text: "what was encoded is refused: \(path) \(query)")
  }
  try hold(
    again.segments.map { Array($0.utf8) } == target.segments.map { Array($0.utf8) },
    "another path: \(path)")
  try hold(
    again.query.map { [Array($0.name.utf8), Array($0.value.utf8)] }
      == target.query.map { [Array($0.name.utf8), Array($0.value.utf8)] },
    "another query: \(query)")
}

/// Every byte as an escape.
private func encoded(_ text: String) -> String {
  text.utf8.map { byte in
    "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }.joined()
}
