// What admission costs: nanoseconds of RateLimiter.admit, with the clients of a busy server. Built by
// .ci/bench from the product's own sources. Usage: admission ROUNDS
import Glibc
import RateLimits

let limits = ClassLimits { _ in
  Limits(
    burst: Quota(tokens: 1_000_000_000, seconds: 1)!,
    sustained: Quota(tokens: 1_000_000_000, seconds: 1)!)
}
let limiter = RateLimiter(limits, seed: (1, 2))
let cost = Amount(tokens: 1)
let rounds = Int(CommandLine.arguments[1])!
let cases: [(String, [Client])] = [
  ("IPv4", (0..<1000).map { .address(0, 0xFFFF_0000_0000 | UInt64($0) &* 2_654_435_761 & 0xFFFF_FFFF) }),
  ("IPv6", (0..<1000).map { .address(0x2001_0db8_0000_0000 | UInt64($0) << 16, 1) }),
  ("account", (0..<1000).map { .account(UInt64($0) &* 0x9E37_79B9_7F4A_7C15, UInt64($0)) }),
]

func nanoseconds() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

for (name, clients) in cases {
  var best = Double.infinity
  for _ in 0..<7 {
    let start = nanoseconds()
    var admitted = 0
    for round in 0..<rounds {
      for client in clients {
        if case .admitted = limiter.admit(client, cost: cost, now: start + Int64(round)) {
          admitted += 1
        }
      }
    }
    let taken = Double(nanoseconds() - start) / Double(rounds * clients.count)
    precondition(admitted == rounds * clients.count)
    best = min(best, taken)
  }
  print("\(name) \(best)")
}
