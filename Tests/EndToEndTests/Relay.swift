import EventLoop
import Glibc
import Testing

/// Stands between the program and PostgreSQL, passes messages on, and cuts connections at COMMIT.
///
/// It knows as much of the protocol as that takes: the first message of a client has a length alone,
/// all others of both sides a type and a length, and COMMIT is a Bind of the statement that the
/// pool has prepared for it, or the Sync behind a write that has claimed its key without BEGIN.
/// Everything of one loop; whoever started it has to `stop` it.
actor Relay: LoopBound {
  /// The environment of servers behind a relay: without limits they report nothing to each other, so
  /// that every COMMIT that comes by is a write's.
  static let withoutReports = ["COLOPHON_RATE_LIMITS": "off"]

  /// What becomes of a connection at a COMMIT.
  enum Fault: String, Sendable, CaseIterable {
    /// It ends; what came before COMMIT is passed on, COMMIT is not.
    case before
    /// It ends when the server has been sent COMMIT, and what answers is not listened to.
    case after
    /// It ends when the server has answered, and the client gets nothing of that; in a storm any part
    /// of it but the last byte.
    case swallowed
    /// As `swallowed`, but for the client it stands, and stays silent.
    case silent
    /// It ends for the client, and COMMIT is passed on only when somebody has claimed a key since:
    /// most likely who looks for what became of it.
    case late
  }

  nonisolated let loop: EventLoop
  nonisolated let address: SocketAddress
  private let socketPath: String
  private let socket: Socket
  private var registration: EventLoop.Registration?
  private var links: [Int: Link] = [:]
  private var serial = 0

  private var armed: [(fault: Fault, closesDoor: Bool)] = []
  private var storm: (chance: SplitMix, oneIn: UInt64, faults: [Fault])?
  private var isDoorClosed = false
  /// How often each fault has struck.
  private(set) var struck: [Fault: Int] = [:]
  /// How many of those COMMITs PostgreSQL has executed, as it says itself.
  private(set) var executed: [Fault: Int] = [:]
  /// How many COMMITs came in all.
  private(set) var commits = 0

  static func start(before conninfo: String, on loop: EventLoop) async throws -> Relay {
    // Whoever has gone is an answer of write(2), not the end of the tests.
    _ = signal(SIGPIPE, SIG_IGN)
    let relay = try Relay(before: conninfo, on: loop)
    try await relay.listen()
    return relay
  }

  private init(before conninfo: String, on loop: EventLoop) throws {
    // As the test cluster writes it; its folder has no character that needs a backslash.
    let folder = try #require(
      conninfo.split(separator: " ").first { $0.hasPrefix("host='") }?.dropFirst(6).dropLast())
    socketPath = "\(folder)/.s.PGSQL.5432"
    let local = try #require(SocketAddress("127.0.0.1:0"))
    socket = try Socket.listen(on: local, sharingPort: false)
    address = try socket.localAddress()
    self.loop = loop
  }

  /// The same database through this relay.
  nonisolated func conninfo(to conninfo: String) -> String {
    let kept = conninfo.split(separator: " ").filter {
      !$0.hasPrefix("host=") && !$0.hasPrefix("port=")
    }
    return
      (["host=\(address.host)", "port=\(address.port)", "sslmode=disable", "gssencmode=disable"]
      + kept).joined(separator: " ")
  }

  private func listen() throws {
    registration = try loop.register(socket.number, for: .readable, token: 0, of: self)
  }

  func stop() {
    if let registration { loop.unregister(registration) }
    registration = nil
    closeDoor()
  }

  // What is to happen

  /// The next COMMIT meets this fault; further ones those that are armed behind it. With
  /// `closingDoor` it is as if the database went away at that moment.
  func arm(_ fault: Fault, times: Int = 1, closingDoor: Bool = false) {
    for _ in 0..<times { armed.append((fault, closingDoor)) }
  }

  /// From now on one COMMIT in so many meets one of the faults.
  func beginStorm(_ faults: [Fault], oneIn: UInt64, seed: UInt64) {
    storm = (SplitMix(seed: seed), oneIn, faults)
  }

  func endStorm() {
    storm = nil
    armed = []
    passOnHeld()
  }

  /// Sends the COMMITs that are late.
  private func passOnHeld() {
    for link in links.values where !link.held.isEmpty {
      link.server.send(link.held)
      link.held = []
    }
  }

  /// Ends all connections, and each new one at once.
  func closeDoor() {
    isDoorClosed = true
    for link in links.values { end(link) }
  }

  func openDoor() { isDoorClosed = false }

  private func faultOfCommit() -> (fault: Fault, closesDoor: Bool)? {
    commits += 1
    if !armed.isEmpty { return armed.removeFirst() }
    guard storm != nil, let oneIn = storm?.oneIn, let draw = storm?.chance.next(below: oneIn),
      draw == 0, let count = storm?.faults.count,
      let choice = storm?.chance.next(below: UInt64(count)), let fault = storm?.faults[Int(choice)]
    else { return nil }
    return (fault, false)
  }

  // Events

  func ready(_ token: Int, _ events: ReadyEvents) {
    guard token > 0 else {
      accept()
      return
    }
    guard let link = links[token / 2] else { return }
    let isClient = token % 2 == 0
    let leg = isClient ? link.client : link.server
    if events.contains(.writable) { leg.sendRest() }
    if !events.isDisjoint(with: [.readable, .error, .hangUp]) {
      let (bytes, hasEnded) = leg.receive()
      if isClient { fromClient(bytes, link) } else { fromServer(bytes, link) }
      if hasEnded { ended(leg, isClient: isClient, link) }
    }
    if link.endsWhenSent, link.server.isSent { end(link) }
  }

  private func accept() {
    while case .connection(let socket, _) = socket.accept() {
      if isDoorClosed { continue }
      guard let server = try? Self.connect(to: socketPath) else { continue }
      serial += 1
      let client = Descriptor(owning: fcntl(socket.number, F_DUPFD_CLOEXEC, 0))
      guard
        let client = try? Leg(client, token: serial * 2, of: self, loop),
        let server = try? Leg(server, token: serial * 2 + 1, of: self, loop)
      else { continue }
      links[serial] = Link(number: serial, client: client, server: server)
    }
  }

  private static func connect(to path: String) throws -> Descriptor {
    let flags = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
    let socket = try Descriptor("socket", Glibc.socket(AF_UNIX, Int32(flags), 0))
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
    let number = socket.number
    let code = unsafe withUnsafePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe Glibc.connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    if code != 0 { throw SystemError("connect") }
    return socket
  }

  private func end(_ link: Link) {
    link.client.close()
    link.server.close()
    links[link.number] = nil
  }

  private func ended(_ leg: Leg, isClient: Bool, _ link: Link) {
    switch link.doom {
    // Its server's answer is still to be read, and the client has nothing more to say.
    case .after, .swallowed, .late: isClient ? link.client.close() : end(link)
    // The client hears nothing, not even of the end.
    case .silent: isClient ? end(link) : link.server.close()
    case .before, nil: end(link)
    }
  }

  // Messages

  private func fromClient(_ bytes: [UInt8], _ link: Link) {
    if link.isDeaf { return }
    link.input += bytes
    while let length = Packet.length(link.input, hasType: link.hasBegun) {
      let message = Array(link.input[..<length])
      link.input.removeFirst(length)
      if !link.hasBegun {
        link.hasBegun = true
        link.awaited = 1
      } else if link.commits(message), link.doom == nil, let next = faultOfCommit() {
        link.doom = next.fault
        link.closesDoor = next.closesDoor
        if next.fault == .before {
          strike(.before, link)
          link.isDeaf = true
          link.client.close()
          link.endsWhenSent = true
          if link.server.isSent { end(link) }
          return
        }
      }
      if link.doom == .late {
        link.held += message
      } else {
        link.server.send(message)
        if Packet.isClaim(message) { passOnHeld() }
      }
      guard message.first == Packet.sync, link.hasBegun else { continue }
      link.awaited += 1
      if link.doom != nil {
        // COMMIT is on its way, and nothing may follow it.
        link.isDeaf = true
        if let doom = link.doom, doom == .after || doom == .late {
          strike(doom, link)
          link.client.close()
        }
        return
      }
    }
  }

  private func closeDoorIfWanted(_ link: Link) {
    guard link.closesDoor else { return }
    isDoorClosed = true
    for other in links.values where other !== link { end(other) }
  }

  /// How much of a swallowed answer the client gets.
  private func heard(of answer: [UInt8]) -> ArraySlice<UInt8> {
    guard storm != nil, !answer.isEmpty, let count = storm?.chance.next(below: UInt64(answer.count))
    else { return [] }
    return answer.prefix(Int(count))
  }

  private func fromServer(_ bytes: [UInt8], _ link: Link) {
    link.output += bytes
    while let length = Packet.length(link.output, hasType: true) {
      let message = Array(link.output[..<length])
      link.output.removeFirst(length)
      if message.first == Packet.readyForQuery { link.awaited -= 1 }
      guard let doom = link.doom else {
        link.client.send(message)
        continue
      }
      link.answer += message
      if link.isCommitted(message) { executed[doom, default: 0] += 1 }
      guard link.isDeaf, link.awaited == 0 else { continue }
      switch doom {
      case .before: continue
      // Only now: a server that is slow looks every two seconds whether anybody is there, and does
      // not execute what it has not executed by then.
      case .after, .late: end(link)
      case .swallowed:
        strike(.swallowed, link)
        link.client.send(Array(heard(of: link.answer)))
        end(link)
      case .silent:
        strike(.silent, link)
        link.server.close()
        if link.closesDoor { end(link) }
      }
      return
    }
  }

  private func strike(_ fault: Fault, _ link: Link) {
    struck[fault, default: 0] += 1
    closeDoorIfWanted(link)
  }

  /// A connection of the program, and the one that the relay has for it.
  private final class Link {
    let number: Int
    let client: Leg
    let server: Leg
    /// What has come and is not a whole message yet.
    var input: [UInt8] = []
    var output: [UInt8] = []
    /// What the server has said since the COMMIT that meets a fault.
    var answer: [UInt8] = []
    var hasBegun = false
    /// How many times the server has yet to say that it is ready.
    var awaited = 0
    var doom: Fault?
    var closesDoor = false
    /// COMMIT and its Sync, when they are late.
    var held: [UInt8] = []
    /// Nothing more is passed on from the client.
    var isDeaf = false
    var endsWhenSent = false
    /// Of the transaction that the client sends.
    private var hasBegin = false
    private var hasClaim = false
    /// There was no COMMIT in it.
    private var isImplicit = false
    private var hasFailed = false

    init(number: Int, client: Leg, server: Leg) {
      self.number = number
      self.client = client
      self.server = server
    }

    /// Whether a transaction is committed by this message of the client's, should all be well.
    func commits(_ message: [UInt8]) -> Bool {
      if message.first == Packet.sync {
        isImplicit = hasClaim && !hasBegin
        hasClaim = false
        return isImplicit
      }
      if Packet.isClaim(message) { hasClaim = true }
      if Packet.isBegin(message) { hasBegin = true }
      guard Packet.isCommit(message) || Packet.isRollback(message) else { return false }
      hasBegin = false
      hasClaim = false
      isImplicit = false
      return Packet.isCommit(message)
    }

    /// Whether this message of the server's says that it has been.
    func isCommitted(_ message: [UInt8]) -> Bool {
      if message.first == Packet.error { hasFailed = true }
      if !isImplicit { return Packet.saysCommitted(message) }
      return message.first == Packet.readyForQuery && !hasFailed
    }
  }

  /// One end of a link.
  private final class Leg {
    private var descriptor: Descriptor?
    private var registration: EventLoop.Registration?
    private var output: [UInt8] = []
    private let loop: EventLoop

    init(
      _ descriptor: consuming Descriptor, token: Int, of owner: any LoopBound, _ loop: EventLoop
    ) throws {
      let number = descriptor.number
      self.descriptor = consume descriptor
      self.loop = loop
      registration = try loop.register(number, for: .readable, token: token, of: owner)
    }

    var isSent: Bool { output.isEmpty }

    func send(_ bytes: [UInt8]) {
      output += bytes
      sendRest()
    }

    func sendRest() {
      while !output.isEmpty {
        let outcome: WriteOutcome
        switch descriptor {
        case .some(let descriptor): outcome = descriptor.write(output.span)
        case .none: outcome = .failed(errno: EPIPE)
        }
        switch outcome {
        case .bytes(let count): output.removeFirst(count)
        case .wouldBlock:
          if let registration { loop.watch(registration, for: [.readable, .writable]) }
          return
        // Whatever it has still to say is read before its end.
        case .failed: output = []
        }
      }
      if let registration { loop.watch(registration, for: .readable) }
    }

    func receive() -> (bytes: [UInt8], hasEnded: Bool) {
      var bytes: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 65_536)
      while true {
        let outcome: ReadOutcome
        switch descriptor {
        case .some(let descriptor): outcome = descriptor.read(into: &buffer)
        case .none: outcome = .ended
        }
        switch outcome {
        case .bytes(let count): bytes += buffer[..<count]
        case .wouldBlock: return (bytes, false)
        case .ended, .failed: return (bytes, true)
        }
      }
    }

    func close() {
      if let registration { loop.unregister(registration) }
      registration = nil
      descriptor = nil
      output = []
    }
  }

  /// Messages of PostgreSQL's protocol, version 3 (its documentation, “Message Formats”).
  private enum Packet {
    static let sync = UInt8(ascii: "S")
    static let readyForQuery = UInt8(ascii: "Z")
    static let error = UInt8(ascii: "E")

    /// The length of the first message in `bytes` with its type, nil when it is not whole.
    static func length(_ bytes: [UInt8], hasType: Bool) -> Int? {
      let start = hasType ? 1 : 0
      guard bytes.count >= start + 4 else { return nil }
      let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) } + start
      return bytes.count >= length ? length : nil
    }

    /// Bind: portal, statement, each ended by NUL.
    static func isCommit(_ message: [UInt8]) -> Bool { binds("postgres.commit", message) }

    static func isBegin(_ message: [UInt8]) -> Bool { binds("postgres.begin", message) }

    static func isRollback(_ message: [UInt8]) -> Bool { binds("postgres.rollback", message) }

    static func isClaim(_ message: [UInt8]) -> Bool { binds("idempotency.claim", message) }

    private static func binds(_ statement: String, _ message: [UInt8]) -> Bool {
      message.starts(with: [UInt8(ascii: "B")])
        && message.dropFirst(5).starts(with: Array("\0\(statement)\0".utf8))
    }

    /// CommandComplete.
    static func saysCommitted(_ message: [UInt8]) -> Bool {
      message.starts(with: [UInt8(ascii: "C")])
        && message.dropFirst(5).elementsEqual(Array("COMMIT\0".utf8))
    }
  }
}

/// Numbers that are the same for the same seed (SplitMix64).
struct SplitMix: RandomNumberGenerator, Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }

  /// Below `bound`, which is not zero.
  mutating func next(below bound: UInt64) -> UInt64 { next() % bound }
}
