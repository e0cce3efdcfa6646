import ContentAPI

/// A cursor has one text. The bytes are a cursor's text, and also what such a text holds: with the
/// checksum put behind them they get past it.
func checkCursors(_ bytes: [UInt8]) throws(Flaw) {
  try check(bytes.text)
  let check = FNV1a.hash(bytes)
  let sealed = bytes + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: check >> UInt64($0)) }
  try Fuzzing.check(BaseEncoding.base64URL.encode(sealed))
  // Those of lists are bound to filters, which a stranger may choose but not the hash of.
  if bytes.count >= 2 {
    let hash = FNV1a.hash("f".utf8)
    let bound =
      bytes[..<2] + (0..<8).reversed().map { UInt8(truncatingIfNeeded: hash >> UInt64(8 * $0)) }
      + bytes[2...]
    let check = FNV1a.hash(bound)
    let sealed = bound + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: check >> UInt64($0)) }
    try Fuzzing.check(BaseEncoding.base64URL.encode(sealed))
  }
}

private func check(_ text: String) throws(Flaw) {
  if let cursor = Cursor(text, filters: "f") {
    try hold(cursor.text.utf8.elementsEqual(text.utf8), "another text: \(cursor.text)")
    try hold(cursor.idText.utf8.count == 32, "the id \(cursor.idText)")
    for descending in [true, false] {
      guard let back = cursor.reversed(descending: descending) else { continue }
      try hold(Cursor(back.text, filters: "f") == back, "the way back is lost")
    }
  }
  if let cursor = FeedCursor(text) {
    try hold(cursor.text.utf8.elementsEqual(text.utf8), "another text: \(cursor.text)")
  }
}
