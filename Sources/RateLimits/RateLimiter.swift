import Synchronization

/// Who may go on: the buckets of all clients, called from every loop.
///
/// The table has parts with a lock each, which is held for some tens of nanoseconds. A client and
/// the /48 that it is part of lie in the same part, so that both are charged or neither is. Accounts
/// have parts of their own: no number of addresses takes room from them. Memory is below 4 MiB from
/// the start and stays there.
package final class RateLimiter: Sendable {
  private let addresses: InlineArray<16, Mutex<Shard>>
  private let accounts: InlineArray<16, Mutex<Shard>>
  private let hash: KeyedHash

  /// - Parameter seed: random, a secret of the process.
  package init(_ limits: ClassLimits, seed: (UInt64, UInt64)) {
    let hash = KeyedHash(seed: seed)
    self.hash = hash
    addresses = InlineArray { _ in
      Mutex(Shard(sets: 512, width: 512, limits: limits, hash: hash))
    }
    accounts = InlineArray { _ in
      Mutex(Shard(sets: 64, width: 64, limits: limits, hash: hash))
    }
  }

  /// Takes the cost from the client's buckets, or changes nothing. Allocates nothing, waits for
  /// nobody but another loop inside the same call.
  ///
  /// - Parameter now: nanoseconds of the monotonic clock.
  package func admit(_ client: Client, cost: Amount, now: Int64) -> Verdict {
    let parent = client.parent
    let part = part(parent ?? client)
    return client.kind == .account
      ? accounts[part].withLock { $0.admit(client, parent, cost, now: now) }
      : addresses[part].withLock { $0.admit(client, parent, cost, now: now) }
  }

  /// Gives back what was taken too much, and says where the client stands then.
  package func refund(_ client: Client, _ amount: Amount, now: Int64) -> Standing {
    let parent = client.parent
    let part = part(parent ?? client)
    return client.kind == .account
      ? accounts[part].withLock { $0.refund(client, parent, amount, now: now) }
      : addresses[part].withLock { $0.refund(client, parent, amount, now: now) }
  }

  /// Where the client stands; changes nothing.
  package func standing(_ client: Client, now: Int64) -> Standing {
    let parent = client.parent
    let part = part(parent ?? client)
    return client.kind == .account
      ? accounts[part].withLock { $0.standing(client, parent, now: now) }
      : addresses[part].withLock { $0.standing(client, parent, now: now) }
  }

  private func part(_ client: Client) -> Int {
    Int(truncatingIfNeeded: hash(client) &>> 24) & 15
  }
}

/// What a client is answered.
package enum Verdict: Sendable, Equatable {
  /// With where it stands after the debit.
  case admitted(Standing)
  /// Nothing was taken. The policy is the one that admits last: after `wait` nanoseconds, if
  /// nothing else spends the bucket.
  case refused(Policy, wait: Int64, Standing)
}
