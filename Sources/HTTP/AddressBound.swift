package import EventLoop

/// How many connections one client address may have open at a server, over all of its loops, so that
/// one that holds on to as many as it gets leaves descriptors for others.
///
/// Of an IPv6 address the first 64 bits count: the rest is the client's own choice.
package final class AddressBound: Sendable {
  private struct Network: Hashable {
    let isIPv4: Bool
    let bits: UInt64

    init(_ address: SocketAddress) {
      isIPv4 = address.isIPv4
      bits = isIPv4 ? address.low : address.high
    }
  }

  private let most: Int
  private let isExempt: @Sendable (SocketAddress) -> Bool
  private let open = Locked<[Network: Int]>([:])

  /// - Parameters:
  ///   - most: the largest number of connections that are still taken.
  ///   - isExempt: whether an address may have any number, as a proxy may.
  package init(_ most: Int, isExempt: @Sendable @escaping (SocketAddress) -> Bool = { _ in false })
  {
    self.most = most
    self.isExempt = isExempt
  }

  /// Counts one more connection from there; false, without counting it, when that were too many.
  package func enter(_ peer: SocketAddress) -> Bool {
    if isExempt(peer) { return true }
    return open.withLock { open in
      let count = open[Network(peer), default: 0]
      if count >= most { return false }
      open[Network(peer)] = count + 1
      return true
    }
  }

  /// Takes back what `enter` has counted.
  package func leave(_ peer: SocketAddress) {
    if isExempt(peer) { return }
    open.withLock { open in
      let count = open[Network(peer), default: 0]
      open[Network(peer)] = count > 1 ? count - 1 : nil
    }
  }
}
