import ContentAPI
import Postgres
import Testing

@Suite struct SHA256Digest {
  private func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef")
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }

  /// From FIPS 180-2, appendix B, and the empty message.
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      String(repeating: "a", count: 1_000_000),
      "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    ),
  ])
  func `is what the standard gives`(message: String, digest: String) {
    #expect(hexadecimal(SHA256.digest(of: message.utf8)) == digest)
  }

  @Test func `is PostgreSQL's for every length around a block`() async throws {
    try await Site.run { site in
      for count in Array(0...3) + Array(54...66) + Array(118...130) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
        let rows = try await site.sql("select sha256($1::bytea)", [.bytes(bytes)])
        #expect(rows.bytes(0, 0) == SHA256.digest(of: bytes), "\(count) bytes")
      }
    }
  }
}
