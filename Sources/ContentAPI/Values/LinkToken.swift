/// What a link carries that lets whoever has it do one thing: 256 random bits. The database has only
/// their digest, which is made here, so that the token itself is in the link alone and not even a
/// parameter of a statement.
package struct LinkToken: Sendable {
  /// As it stands in the link.
  package let text: String

  /// Makes one of 32 random bytes.
  package init(random: [UInt8]) {
    precondition(random.count == 32)
    text = BaseEncoding.base64URL.encode(random)
  }

  /// What somebody sent as one, which may be anything.
  package init(_ text: String) { self.text = text }

  /// SHA-256 of the text.
  package var digest: [UInt8] { SHA256.digest(of: text.utf8) }
}
