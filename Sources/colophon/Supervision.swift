import ContentAPI
import EventLoop

/// Tells systemd, or whoever else watches, how a service is: that it is ready, what it is doing, and
/// again and again that all of its loops turn. A database that is away is no fault of the process,
/// which would only be started again for it: it shows in the words alone.
actor Supervision: LoopBound {
  nonisolated let loop: EventLoop
  private let service: Service
  private let supervisor: Supervisor
  private var untold: [String] = ["READY=1"]
  private var status = ""
  private var isEnding = false

  init(of service: Service, by supervisor: Supervisor, on loop: EventLoop) {
    self.service = service
    self.supervisor = supervisor
    self.loop = loop
  }

  /// Goes on until the process ends.
  func run() async {
    guard supervisor.listens else { return }
    let patience = supervisor.patience ?? .seconds(3)
    let pause = max(.milliseconds(10), min(.seconds(1), patience / 3))
    while true {
      let isReady = await service.isReady()
      if !isEnding {
        show(
          isReady
            ? "Serving on http://\(service.address)"
            : "Serving on http://\(service.address), but the database cannot be used")
      }
      tell(supervisor.patience == nil ? [] : ["WATCHDOG=1"])
      await loop.sleep(for: pause)
    }
  }

  /// The end has begun, and takes no longer than `bound` and a little.
  func ends(within bound: Duration) {
    isEnding = true
    let seconds = bound.components.seconds + 10
    untold += ["STOPPING=1", "EXTEND_TIMEOUT_USEC=\(seconds * 1_000_000)"]
    show("Ending: requests under way are answered first")
    tell([])
  }

  private func show(_ status: String) {
    guard status != self.status else { return }
    self.status = status
    untold.removeAll { $0.hasPrefix("STATUS=") }
    untold.append("STATUS=" + status)
  }

  /// What could not be told is told the next time.
  private func tell(_ passing: [String]) {
    let lines = untold + passing
    if !lines.isEmpty, supervisor.tell(lines) { untold = [] }
  }
}

/// The sockets that `serve` was started with and serves instead of the addresses in its
/// configuration.
struct GivenListeners {
  private(set) var publicly: PassedListener?
  private(set) var privately: PassedListener?

  init() {}

  /// Goes by the names `public` and `private` where a socket bears one of them, else by their order.
  init(_ listeners: [PassedListener]) throws(Failure) {
    let publicOnes = listeners.filter { $0.name == "public" }
    let privateOnes = listeners.filter { $0.name == "private" }
    let areNamed = !publicOnes.isEmpty || !privateOnes.isEmpty
    guard listeners.count <= 2, publicOnes.count <= 1, privateOnes.count <= 1,
      !areNamed || publicOnes.count + privateOnes.count == listeners.count
    else {
      let names = listeners.map { $0.name.isEmpty ? "(no name)" : $0.name }
      throw Failure(
        "sockets were passed with the names \(names.joined(separator: ", ")); there may be one "
          + "named public and one named private, or two without these names, the public one first")
    }
    publicly = areNamed ? publicOnes.first : listeners.first
    privately = areNamed ? privateOnes.first : listeners.dropFirst().first
  }
}
