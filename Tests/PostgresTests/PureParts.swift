import EventLoop
import Postgres
import Testing

private func at(_ milliseconds: Int64) -> MonotonicInstant {
  MonotonicInstant(nanoseconds: milliseconds * 1_000_000)
}

@Suite struct BackoffBetweenAttempts {
  @Test func `is never shorter than a second from attempt to attempt`() {
    for failures in 0..<12 {
      for chance in [0, 0.3, 0.999] {
        var backoff = Backoff()
        for _ in 0..<failures {
          _ = backoff.failed(attempt: at(0), now: at(0), chance: 0)
        }
        let due = backoff.failed(attempt: at(5000), now: at(5010), chance: chance)
        #expect(due >= at(6000))
        #expect(due <= at(8000))
      }
    }
  }

  @Test func `reaches farther with every failure, and starts anew after a success`() {
    var backoff = Backoff()
    let reaches = (0..<6).map { _ in
      backoff.failed(attempt: at(0), now: at(0), chance: 1)
    }
    #expect(reaches == [at(1250), at(1500), at(2000), at(3000), at(3000), at(3000)])
    backoff.succeeded()
    #expect(backoff.failed(attempt: at(0), now: at(0), chance: 1) == at(1250))
  }

  @Test func `counts from now when the attempt itself took long`() {
    var backoff = Backoff()
    #expect(backoff.failed(attempt: at(0), now: at(3000), chance: 0) == at(3000))
  }
}

@Suite struct AdmissionToAPool {
  @Test func `refuses beyond its limit and admits again when one has left`() {
    var admission = Admission(limit: 2, lanes: 1)
    #expect(admission.enter(now: at(0), deadline: at(1000)) == .admitted)
    #expect(admission.enter(now: at(0), deadline: at(1000)) == .admitted)
    #expect(admission.enter(now: at(0), deadline: at(1000)) == .overloaded)
    admission.leave(took: nil)
    #expect(admission.enter(now: at(0), deadline: at(1000)) == .admitted)
  }

  @Test func `refuses a call that could not be served before its deadline`() {
    var admission = Admission(limit: 100, lanes: 1)
    for _ in 0..<64 {
      #expect(admission.enter(now: at(0), deadline: .distantFuture) == .admitted)
      admission.leave(took: .milliseconds(100))
    }
    for _ in 0..<5 { _ = admission.enter(now: at(0), deadline: .distantFuture) }
    #expect(admission.enter(now: at(0), deadline: at(300)) == .overloaded)
    #expect(admission.enter(now: at(0), deadline: at(600)) == .admitted)
  }

  @Test func `always lets the first in, however long the last ones took`() {
    var admission = Admission(limit: 100, lanes: 2)
    for _ in 0..<64 {
      _ = admission.enter(now: at(0), deadline: .distantFuture)
      admission.leave(took: .seconds(3600))
    }
    #expect(admission.enter(now: at(0), deadline: at(1)) == .admitted)
    #expect(admission.enter(now: at(0), deadline: at(1)) == .admitted)
    #expect(admission.enter(now: at(0), deadline: at(1)) == .overloaded)
  }
}
