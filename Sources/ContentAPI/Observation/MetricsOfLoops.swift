import EventLoop
import Postgres

/// What all loops have counted.
extension Metrics {
  package mutating func describe(_ meters: [Meters]) {
    describeRequests(meters)
    describeDatabase(meters)
    add(
      histograms: "loop_lag_seconds",
      help: "How late a loop was for what should have happened at a certain moment.",
      meters.enumerated().map { number, meters in
        var lag = Histogram()
        lag.add(meters.lag, at: 0)
        return ([("loop", "\(number)")], lag)
      })
  }

  private mutating func describeRequests(_ meters: [Meters]) {
    var times: [(labels: Labels, value: Histogram)] = []
    var counts: [(labels: Labels, value: Int)] = []
    var bytes: [(labels: Labels, value: Int)] = []
    for (route, name) in RouteNumber.names.enumerated() {
      for status in 0..<Meters.statusClasses {
        let place = route * Meters.statusClasses + status
        var time = Histogram()
        for meters in meters { time.add(meters.requests, at: place) }
        if time.count == 0 { continue }
        let labels: Labels = [
          ("method", name.method), ("route", name.template), ("status", "\(status + 2)xx"),
        ]
        times.append((labels, time))
        counts.append((labels, time.count))
        bytes.append((labels, meters.reduce(0) { $0 + $1.bytes[place] }))
      }
    }
    add(
      .gauge, "http_requests_in_flight",
      max(0, meters.reduce(0) { $0 + $1.flights[0] - $1.flights[1] }),
      help: "Requests that have come and are not answered yet.")
    add(
      .counter, "http_requests_total",
      help: "Requests that were answered, by route and class of status.", counts)
    add(
      .counter, "http_response_bytes_total", help: "Bytes of content that were answered.", bytes)
    add(
      histograms: "http_request_duration_seconds",
      help: "From the end of a request's head to the beginning of its answer.", times)
  }

  private mutating func describeDatabase(_ meters: [Meters]) {
    add(
      histograms: "database_call_duration_seconds",
      help: "How long requests waited for the database, a connection included, by class of call.",
      PoolRole.allCases.enumerated().map { place, role in
        var time = Histogram()
        for meters in meters { time.add(meters.calls, at: place) }
        return ([("role", role.rawValue)], time)
      })
    add(
      .counter, "database_errors_total", help: "Calls of the database that have failed, by class.",
      DatabaseErrorClass.allCases.enumerated().map { place, kind in
        ([("class", kind.rawValue)], meters.reduce(0) { $0 + $1.databaseErrors[place] })
      })
    let kinds = DatabaseEventKind.allCases
    add(
      .counter, "database_events_total",
      help: "Connections made, refused and lost; calls that found no room, or no answer in time.",
      PoolRole.allCases.enumerated().flatMap { row, role in
        kinds.enumerated().map { column, kind in
          (
            [("role", role.rawValue), ("event", kind.rawValue)],
            meters.reduce(0) { $0 + $1.databaseEvents[row * kinds.count + column] }
          )
        }
      })
  }

  /// The connections of all pools and who waits for them.
  mutating func describe(_ pools: [PoolStanding]) {
    func sum(_ role: PoolRole, _ value: (PoolStanding.Class) -> Int) -> Int {
      pools.reduce(0) { $0 + ($1.classes[role].map(value) ?? 0) }
    }
    let states: [(String, (PoolStanding.Class) -> Int)] = [
      ("missing", \.missing), ("connecting", \.connecting), ("idle", \.idle), ("busy", \.busy),
    ]
    add(
      .gauge, "database_connections", help: "Connections to the database, by class and state.",
      PoolRole.allCases.flatMap { role in
        states.map { state, value in
          ([("role", role.rawValue), ("state", state)], sum(role, value))
        }
      })
    add(
      .gauge, "database_calls", help: "Calls that wait for the database or are under way.",
      PoolRole.allCases.map { ([("role", $0.rawValue)], sum($0, \.calls)) })
    add(
      .gauge, "database_calls_waiting", help: "Those of them that have no connection yet.",
      PoolRole.allCases.map { ([("role", $0.rawValue)], sum($0, \.waiting)) })
    add(
      .gauge, "database_expected_wait_seconds",
      help: "What a call that came now would wait, on the loop where that is most.",
      nanoseconds: PoolRole.allCases.map { role in
        let waits = pools.map { $0.classes[role]?.expectedWait ?? .zero }
        return ([("role", role.rawValue)], (waits.max() ?? .zero).wholeNanoseconds)
      })
    add(
      .counter, "database_reads_resent_total", pools.reduce(0) { $0 + $1.resentReads },
      help: "Reads that were sent again, as a connection was lost or another read failed.")
  }

  /// The process itself, under the names that Prometheus gives to these everywhere.
  mutating func describe(_ usage: ProcessUsage) {
    add(
      .gauge, common: "process_resident_memory_bytes", "\(usage.residentMemory)",
      help: "Memory of the process.")
    add(
      .counter, common: "process_cpu_seconds_total", Self.seconds(usage.processorNanoseconds),
      help: "Processor time of the process, of the user and the system.")
    add(
      .gauge, common: "process_open_fds", "\(usage.openDescriptors)", help: "Open descriptors.")
    add(
      .gauge, common: "process_max_fds", "\(usage.descriptorLimit)",
      help: "How many descriptors there may be.")
    add(
      .gauge, common: "process_start_time_seconds", "\(usage.startedAt)",
      help: "When the process started, since 1970.")
  }
}
