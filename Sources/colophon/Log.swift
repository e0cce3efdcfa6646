import ContentAPI
import EventLoop
import Postgres

/// What goes to standard error while the service runs: one line for each event.
struct Log: Sendable {
  func write(_ event: LogEvent) {
    switch event {
    case .internalError(let request, let text):
      Terminal.note("error: request \(request): \(text)")
    }
  }

  func write(_ event: PoolEvent) { Terminal.note("database: \(event)") }
}
