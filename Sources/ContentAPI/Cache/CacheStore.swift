/// Values by the hash of their keys, within a bound of bytes. What is asked for once makes room for
/// what is asked for again: the queues of S3-FIFO (Yang and others, SOSP 2023).
///
/// What is new waits in a short queue, a tenth of the bytes, and moves on to the long one when it
/// has been used there twice; else only its hash is remembered for a while, and what comes back in
/// that time goes to the long queue at once. So any number of keys that nobody asks for a second
/// time passes through the short queue and displaces nothing. A use is one counter: nothing moves,
/// nothing is allocated. The refused alternative, a list in order of use, does the opposite of both.
package struct CacheStore<Value: Sendable>: Sendable {
  private struct Slot {
    var hash: UInt64
    /// Nil in a slot that is free.
    var value: Value?
    var weight: Int
    /// Up to three since it was put where it is.
    var uses: UInt8 = 0
    var line = Line.short
    /// The one that came to the queue after this one.
    var newer: Int?
  }

  private enum Line: Int { case short, long }

  private struct Queue {
    var oldest: Int?
    var newest: Int?
    var weight = 0
  }

  /// What may be kept in all, in bytes.
  let capacity: Int
  private var slots: [Slot] = []
  private var free: [Int] = []
  private var places: [UInt64: Int] = [:]
  /// By line.
  private var queues = [Queue(), Queue()]
  /// Hashes that left the short queue, in a ring.
  private var gone: [UInt64] = []
  private var oldestGone = 0
  private var isGone: Set<UInt64> = []

  private static var remembered: Int { 4096 }

  /// - Parameter capacity: in bytes.
  package init(capacity: Int) { self.capacity = capacity }

  /// How many values there are.
  package var count: Int { places.count }
  /// What they weigh, in bytes.
  package var weight: Int { queues[0].weight + queues[1].weight }

  /// Where the value of a hash is; good until something is kept.
  package func find(_ hash: UInt64) -> Int? { places[hash] }

  /// Notes that the value at `place`, which `find` has told, is used.
  package mutating func use(_ place: Int) -> Value? {
    if slots[place].uses < 3 { slots[place].uses += 1 }
    return slots[place].value
  }

  /// Keeps a value, in the place of the one of the same hash if there is one. What would take more
  /// than an eighth of everything is not kept.
  package mutating func keep(_ value: Value, hash: UInt64, weight: Int) {
    guard weight <= capacity / 8 else {
      if let place = places[hash] { replace(place, nil, weight: 0) }
      return
    }
    if let place = places[hash] {
      replace(place, value, weight: weight)
    } else {
      let slot = Slot(hash: hash, value: value, weight: weight)
      let place = free.popLast() ?? slots.count
      if place == slots.count { slots.append(slot) } else { slots[place] = slot }
      places[hash] = place
      add(place, to: isGone.remove(hash) == nil ? .short : .long)
    }
    while self.weight > capacity { evict() }
  }

  private mutating func replace(_ place: Int, _ value: Value?, weight: Int) {
    let more = weight - slots[place].weight
    queues[slots[place].line.rawValue].weight += more
    slots[place].value = value
    slots[place].weight = weight
  }

  private mutating func evict() {
    let (short, long) = (queues[Line.short.rawValue], queues[Line.long.rawValue])
    if short.weight > capacity / 10 || long.oldest == nil {
      guard let place = takeOldest(of: .short) else { return }
      if slots[place].uses > 1 {
        slots[place].uses = 0
        add(place, to: .long)
      } else {
        remember(slots[place].hash)
        drop(place)
      }
    } else {
      guard let place = takeOldest(of: .long) else { return }
      if slots[place].uses > 0 {
        slots[place].uses -= 1
        add(place, to: .long)
      } else {
        drop(place)
      }
    }
  }

  private mutating func drop(_ place: Int) {
    places[slots[place].hash] = nil
    slots[place] = Slot(hash: 0, value: nil, weight: 0)
    free.append(place)
  }

  private mutating func remember(_ hash: UInt64) {
    isGone.insert(hash)
    if gone.count < Self.remembered {
      gone.append(hash)
      return
    }
    isGone.remove(gone[oldestGone])
    gone[oldestGone] = hash
    oldestGone = (oldestGone + 1) % Self.remembered
  }

  private mutating func add(_ place: Int, to line: Line) {
    slots[place].line = line
    slots[place].newer = nil
    if let newest = queues[line.rawValue].newest {
      slots[newest].newer = place
    } else {
      queues[line.rawValue].oldest = place
    }
    queues[line.rawValue].newest = place
    queues[line.rawValue].weight += slots[place].weight
  }

  private mutating func takeOldest(of line: Line) -> Int? {
    guard let place = queues[line.rawValue].oldest else { return nil }
    queues[line.rawValue].oldest = slots[place].newer
    if slots[place].newer == nil { queues[line.rawValue].newest = nil }
    queues[line.rawValue].weight -= slots[place].weight
    return place
  }
}
