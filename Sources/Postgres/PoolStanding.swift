/// A pool at one moment, for metrics: for each class of calls its connections and its callers.
package struct PoolStanding: Sendable {
  package internal(set) var classes: [PoolRole: Class] = [:]
  /// Reads that were sent again since the start, because a connection or another read failed.
  package internal(set) var resentReads = 0

  package struct Class: Sendable {
    /// Slots without a connection; connections that are being made, that have nothing to do, and
    /// that do something.
    package internal(set) var missing = 0
    package internal(set) var connecting = 0
    package internal(set) var idle = 0
    package internal(set) var busy = 0
    /// Calls inside, and how many of them have no connection yet.
    package internal(set) var calls = 0
    package internal(set) var waiting = 0
    /// What a call that came now would wait, as far as is known.
    package internal(set) var expectedWait = Duration.zero
  }
}

extension Pool {
  package var standing: PoolStanding {
    var standing = PoolStanding()
    standing.resentReads = resentReads
    for role in PoolRole.allCases {
      var found = PoolStanding.Class()
      for slot in slots where slot.role == role {
        guard let session = slot.session else {
          found.missing += 1
          continue
        }
        if !slot.stands {
          found.connecting += 1
        } else if slot.tenancy != nil || session.unanswered > 0 {
          found.busy += 1
        } else {
          found.idle += 1
        }
      }
      found.calls = admissions[role].inside
      found.waiting = role == .read ? readLine.count : lines[role].count
      if role == .write { found.waiting += sharesLine.count }
      found.expectedWait = admissions[role].expectedWait
      standing.classes[role] = found
    }
    return standing
  }
}
