package import EventLoop

/// An HTTP/1.1 server (RFC 9110, RFC 9112) on one listening address: a `Worker` per loop, each with a
/// listening socket of its own among which the kernel deals the connections.
package struct Server<App: Responder>: Sendable {
  /// Where it listens; the port is the real one also when 0 was asked for.
  package let address: SocketAddress
  private let workers: [Worker<App>]
  /// Whether the listening sockets end with it. One that was passed is another's, too.
  private let ownsListeners: Bool

  /// Listens and serves. Throws when the address cannot be listened on, also when another process
  /// does so already: sharing a port is for the workers of one server.
  package static func start(
    on address: SocketAddress, loops: [EventLoop], limits: RequestLimits = RequestLimits(),
    timeouts: Timeouts = Timeouts(), perAddress: AddressBound? = nil, responder: (EventLoop) -> App
  ) async throws(SystemError) -> Server {
    if address.port != 0 { _ = try Socket.listen(on: address, sharingPort: false) }
    return try await start(
      on: address, ownsListeners: true, loops, limits, timeouts, perAddress, responder
    ) { (address) throws(SystemError) in try Socket.listen(on: address, sharingPort: true) }
  }

  private static func start(
    on address: SocketAddress, ownsListeners: Bool, _ loops: [EventLoop], _ limits: RequestLimits,
    _ timeouts: Timeouts, _ perAddress: AddressBound?, _ responder: (EventLoop) -> App,
    listen: (SocketAddress) throws(SystemError) -> Socket
  ) async throws(SystemError) -> Server {
    var workers: [Worker<App>] = []
    var bound = address
    do throws(SystemError) {
      for loop in loops {
        let socket = try listen(bound)
        bound = try socket.localAddress()
        let worker = Worker(
          listening: socket, responder: responder(loop), limits: limits, timeouts: timeouts,
          perAddress: perAddress, loop: loop)
        try await worker.start()
        workers.append(worker)
      }
    } catch {
      for worker in workers { await worker.close() }
      throw error
    }
    return Server(address: bound, workers: workers, ownsListeners: ownsListeners)
  }

  /// The same on a socket that listens already. The workers share it, and it goes on listening
  /// when this server has ended: who connects then waits for the next one.
  package static func start(
    on listener: PassedListener, loops: [EventLoop], limits: RequestLimits = RequestLimits(),
    timeouts: Timeouts = Timeouts(), perAddress: AddressBound? = nil, responder: (EventLoop) -> App
  ) async throws(SystemError) -> Server {
    try await start(
      on: listener.address, ownsListeners: false, loops, limits, timeouts, perAddress, responder
    ) { (_) throws(SystemError) in try listener.socket() }
  }

  /// Ends in order. Every answer says `Connection: close` from now on. New connections are still
  /// taken, because whoever deals them out needs a moment to see that this server is not ready any
  /// more; so are requests on kept connections, whose clients may be sending at this moment. That
  /// ends when nobody has come and nothing been open for a tenth of the grace, or with the grace, a
  /// quarter of `bound` (at most 5 s), so that clients who go on coming leave the requests under way
  /// the rest of it. It is over when nothing is busy, or at `bound`.
  package func drain(within bound: Duration) async {
    guard let loop = workers.first?.loop else { return }
    for worker in workers { await worker.drain() }
    let start = MonotonicInstant.now()
    let grace = min(.seconds(5), bound / 4)
    var lastSeen = start
    var accepted = await openConnections().accepted
    while .now() - start < bound {
      let open = await openConnections()
      if open.busy + open.idle > 0 || open.accepted != accepted { lastSeen = .now() }
      accepted = open.accepted
      if .now() - lastSeen >= grace / 10 { break }
      if .now() - start >= grace { break }
      await loop.sleep(for: .milliseconds(25))
    }
    // Nobody may stand at a door that is shut: a handshake under way is waited for.
    if ownsListeners {
      for worker in workers { await worker.holdOff() }
      await loop.sleep(for: .milliseconds(100))
    }
    for worker in workers { await worker.stopListening() }
    // Whoever was accepted last is given a moment to send the request that made it connect.
    repeat {
      await loop.sleep(for: .milliseconds(100))
    } while await openConnections().busy > 0
      && .now() - start < bound
    for worker in workers { await worker.close() }
  }

  /// Ends at once.
  package func close() async {
    for worker in workers { await worker.close() }
  }

  /// Counts the connections of all workers.
  package func openConnections() async -> OpenConnections {
    var sum = OpenConnections()
    for worker in workers {
      let counts = await worker.openConnections()
      sum.busy += counts.busy
      sum.idle += counts.idle
      sum.accepted += counts.accepted
    }
    return sum
  }
}

/// The connections of a server at one moment.
package struct OpenConnections: Sendable {
  /// In the middle of something.
  package internal(set) var busy = 0
  /// Waiting between requests, or for the client to close.
  package internal(set) var idle = 0
  /// All that were ever accepted.
  package internal(set) var accepted = 0
}
