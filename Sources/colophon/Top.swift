import ContentAPI
import EventLoop
import JSON

/// `colophon top`.
actor Top: LoopBound {
  nonisolated let loop: EventLoop
  private let address: SocketAddress
  private var shown: TopScreen
  private var isOver = false
  private var lastAnswer: MonotonicInstant?
  private let begun = MonotonicInstant.now()

  private static let interval = Duration.seconds(1)

  init(_ address: SocketAddress, on loop: EventLoop) {
    self.address = address
    self.loop = loop
    shown = TopScreen(address: "\(address)")
  }

  func run() async throws -> Colophon.Status {
    let signals = try Signals(Colophon.signals, on: loop) { _ in
      self.assumeIsolated { $0.isOver = true }
    }
    try await signals.start()
    return Terminal.outputIsTerminal ? await watch() : await look()
  }

  /// Until a key or a signal ends it.
  private func watch() async -> Colophon.Status {
    let screen = Screen()
    screen.enter()
    defer { screen.leave() }
    while !isOver {
      let due = MonotonicInstant.now() + Self.interval
      await ask()
      draw(on: screen)
      var size = screen.size
      while !isOver, .now() < due {
        await loop.sleep(for: .milliseconds(50))
        // q, Q, Ctrl-C.
        if screen.keys().contains(where: { [113, 81, 3].contains($0) }) { isOver = true }
        if screen.size != size {
          size = screen.size
          draw(on: screen)
        }
      }
    }
    return .done
  }

  private func draw(on screen: Screen) {
    let size = screen.size
    screen.draw(shown.lines(columns: size.columns, rows: size.rows))
  }

  /// Once, over a second.
  private func look() async -> Colophon.Status {
    for round in 0..<2 {
      if round > 0 { await loop.sleep(for: Self.interval) }
      await ask()
      if let outage = shown.outage {
        Terminal.note("colophon: \(address) does not answer: \(outage.reason)")
        return .failed
      }
    }
    for line in shown.lines(columns: 200, rows: 200, hint: "") { Terminal.print(line) }
    return .done
  }

  private func ask() async {
    shown.clock = Double(WallClock.unixMilliseconds()) / 1_000
    let outcome = await PrivateListener.get("/metrics", from: address, on: loop)
    let time = MonotonicInstant.now()
    switch outcome {
    case .failure(let error): fail(error.reason, time)
    case .success(let answer):
      let seconds = Double(time.nanoseconds) / 1e9
      guard answer.status == 200, let scrape = Scrape(answer.text, time: seconds) else {
        fail("what answers there is not Colophon's private listener", time)
        return
      }
      shown.before = shown.now
      shown.now = scrape
      shown.outage = nil
      lastAnswer = time
      await askWhetherReady()
    }
  }

  private func fail(_ reason: String, _ time: MonotonicInstant) {
    let since = (time - (lastAnswer ?? begun)).components.seconds
    shown.outage = (reason, Int(since))
  }

  private func askWhetherReady() async {
    guard case .success(let answer) = await PrivateListener.get("/readyz", from: address, on: loop),
      let json = try? JSONReader.read(Array(answer.text.utf8).span)
    else { return }
    shown.missing = (json["missing"]?.arrayValue ?? []).map { part in
      let seconds = part["seconds"]?.integerValue.map { " for \($0) s" } ?? ""
      return (part["reason"]?.stringValue ?? "") + seconds
    }
  }
}
