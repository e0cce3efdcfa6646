import EventLoop

/// Sees what happens on one loop, or what belongs to none: counts it, and has it written down.
package final class Observer: Sendable {
  package let meters = Meters()
  let traces = Traces()
  private let log: Log?
  private let lane: LineWriter.Lane?

  /// - Parameter log: nil when only the numbers are wanted.
  package init(_ log: Log? = nil) {
    self.log = log
    lane = log?.writer.makeLane()
  }

  /// Whatever happens goes through here.
  package func note(_ event: Event) {
    switch event {
    case .answered(let request): meters.answered(request)
    case .database(let event): meters.database(event)
    default: break
    }
    guard let log, let lane, event.level <= log.level else { return }
    log.write(event, to: lane)
  }
}
