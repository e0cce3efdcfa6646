/// The 64-bit FNV-1a hash: enough to notice a slip of the pen or another version of a file, and
/// nothing that a secret may rest on.
package enum FNV1a {
  /// Of these bytes, in their order.
  package static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
    bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}
