/// SipHash-1-3 (Aumasson and Bernstein) of a client: whoever does not know the seed cannot choose
/// addresses that fall together.
package struct KeyedHash: Sendable {
  private let seed: (UInt64, UInt64)

  package init(seed: (UInt64, UInt64)) {
    self.seed = seed
  }

  package func callAsFunction(_ client: Client) -> UInt64 {
    var v0 = seed.0 ^ 0x736f_6d65_7073_6575
    var v1 = seed.1 ^ 0x646f_7261_6e64_6f6d
    var v2 = seed.0 ^ 0x6c79_6765_6e65_7261
    var v3 = seed.1 ^ 0x7465_6462_7974_6573

    func round() {
      v0 &+= v1
      v1 = v1 &<< 13 | v1 &>> 51
      v1 ^= v0
      v0 = v0 &<< 32 | v0 &>> 32
      v2 &+= v3
      v3 = v3 &<< 16 | v3 &>> 48
      v3 ^= v2
      v0 &+= v3
      v3 = v3 &<< 21 | v3 &>> 43
      v3 ^= v0
      v2 &+= v1
      v1 = v1 &<< 17 | v1 &>> 47
      v1 ^= v2
      v2 = v2 &<< 32 | v2 &>> 32
    }

    v3 ^= client.high
    round()
    v0 ^= client.high
    v3 ^= client.low
    round()
    v0 ^= client.low
    // The last word holds the length, as the algorithm wants it, and the class.
    let last: UInt64 = 17 << 56 | UInt64(client.mark)
    v3 ^= last
    round()
    v0 ^= last
    v2 ^= 0xFF
    round()
    round()
    round()
    return v0 ^ v1 ^ v2 ^ v3
  }
}

/// A client and its hash, which says where its buckets are.
package struct HashedClient: Sendable {
  let client: Client
  let hash: UInt64

  /// - Parameter hash: of the table that is asked for it.
  package init(_ client: Client, _ hash: KeyedHash) {
    self.client = client
    self.hash = hash(client)
  }
}
