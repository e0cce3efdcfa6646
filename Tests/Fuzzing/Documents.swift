import ContentAPI
import JSON

/// What is accepted is written as JSON that reads as the same value, and what is refused is refused
/// at a place within the document.
func checkJSON(_ bytes: [UInt8]) throws(Flaw) {
  let value: JSONValue
  do throws(JSONError) {
    value = try JSONReader.read(bytes.span)
  } catch {
    try hold((0...bytes.count).contains(error.offset), "refused at \(error.offset)")
    return
  }
  var writer = JSONWriter()
  writer.value(value)
  guard let again = try? JSONReader.read(writer.bytes.span) else {
    throw Flaw(text: "what was written is refused: \(writer.bytes.text)")
  }
  try hold(again == value, "read again: \(again)")
  // A patch that was applied has nothing left to do (RFC 7396 §2).
  let patched = MergePatch.apply(value, to: .null)
  try hold(MergePatch.apply(value, to: patched) == patched, "patched twice: \(patched)")
  if case .success(let draft) = PostDraft.read(json: value) { try check(draft) }
}

/// Nothing behind the closing line changes what stands before it, faults lie in lines that are
/// there, and a post that is accepted keeps to the rules.
func checkFrontMatter(_ bytes: [UInt8]) throws(Flaw) {
  let post = PostDraft.read(markdown: bytes.span)
  let imported = ImportedFile.read(bytes, at: "_drafts/2024-01-02-a-name.md")
  if case .success(let draft) = post { try check(draft) }
  if case .success(let file) = imported { try check(file.draft) }
  if case .failure(.invalidUTF8) = post { return }

  let lines = bytes.count { $0 == UInt8(ascii: "\n") } + 1
  for known in [nil, ["title", "date", "tags", "image"]] as [Set<String>?] {
    let whole = FrontMatter.read(bytes.span, known: known)
    for fault in whole.faults {
      try hold((1...lines).contains(fault.line), "a fault in line \(fault.line) of \(lines)")
    }
    try hold(
      Set(whole.entries.map { Array($0.key.utf8) }).count == whole.entries.count, "a key twice")
    guard let end = whole.bodyOffset else { continue }
    try hold((0...bytes.count).contains(end), "a body at \(end)")
    let head = FrontMatter.read(bytes.span.extracting(0..<end), known: known)
    try hold(head == whole, "without its body: \(head)")
  }
}

private func check(_ draft: PostDraft) throws(Flaw) {
  try hold((1...300).contains(draft.title.unicodeScalars.count), "a title of no good length")
  try hold(
    draft.title.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control },
    "a title with a control character")
  try hold(!draft.body.utf8.contains(0), "a body with NUL")
  try hold(draft.body.utf8.count <= 524_288, "a body of \(draft.body.utf8.count) bytes")
  try hold(draft.tags.count <= 32, "\(draft.tags.count) tags")
  for slug in draft.tags + [draft.slug, draft.type].compactMap({ $0 }) {
    try hold(
      (1...200).contains(slug.utf8.count)
        && slug.utf8.allSatisfy {
          (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-")
        }, "the slug \(slug)")
  }
  for address in [draft.canonicalURL, draft.coverImage?.url].compactMap({ $0 }) {
    try hold(
      address.hasPrefix("http://") || address.hasPrefix("https://"), "the address \(address)")
    try hold(address.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f }, "the address \(address)")
  }
}
