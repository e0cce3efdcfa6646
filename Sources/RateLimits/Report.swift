/// What a replica tells the others through the database: that it is there, and what its clients
/// have taken since it last said so.
package struct Report: Sendable, Equatable {
  /// The replica, a random number of this process.
  package let replica: UInt64
  /// What it believes the database's time to be, at the least; zero in its first report.
  package let time: Int64
  /// Whether no client has more than U taken that is not reported yet.
  package let isSettled: Bool
  /// The replicas that it reckons with and the ledger's epoch, in one number.
  package let view: UInt64
  package let lines: [Line]

  package init(
    replica: UInt64, time: Int64, isSettled: Bool, view: UInt64, lines: [Line]
  ) {
    self.replica = replica
    self.time = time
    self.isSettled = isSettled
    self.view = view
    self.lines = lines
  }

  /// One client.
  package struct Line: Sendable, Equatable {
    package let client: Client
    /// What its buckets lack at the least, zero where the ledger is trusted to know.
    package let known: Deficits
    /// What has been taken in addition; negative when more has been given back.
    package let charge: Deficits

    package init(client: Client, known: Deficits, charge: Deficits) {
      self.client = client
      self.known = known
      self.charge = charge
    }
  }
}

/// What the database answers to a report.
package struct Answer: Sendable, Equatable {
  /// The database's time.
  package let time: Int64
  /// Changes when the ledger's buckets have been lost.
  package let epoch: UInt64
  package let others: [Other]
  /// What the clients' buckets lack now, in the order of the report's lines; it may be more than a
  /// bucket holds: a debt, repaid before anyone admits.
  package let deficits: [Deficits]

  package init(time: Int64, epoch: UInt64, others: [Other], deficits: [Deficits]) {
    self.time = time
    self.epoch = epoch
    self.others = others
    self.deficits = deficits
  }

  /// Another replica, as it last reported.
  package struct Other: Sendable, Equatable {
    package let replica: UInt64
    /// Nanoseconds since.
    package let age: Int64
    package let isSettled: Bool
    package let view: UInt64

    package init(replica: UInt64, age: Int64, isSettled: Bool, view: UInt64) {
      self.replica = replica
      self.age = age
      self.isSettled = isSettled
      self.view = view
    }
  }
}
