/// Deadlines in the order they come due; equal ones in the order they were added. A binary heap.
package struct TimerQueue<Action> {
  private struct Entry {
    let due: MonotonicInstant
    let order: UInt64
    let action: Action

    func precedes(_ other: Entry) -> Bool {
      due < other.due || (due == other.due && order < other.order)
    }
  }

  private var heap: [Entry] = []
  private var added: UInt64 = 0

  package init() {}

  package var nextDue: MonotonicInstant? { heap.first?.due }

  package mutating func add(_ action: Action, due: MonotonicInstant) {
    heap.append(Entry(due: due, order: added, action: action))
    added &+= 1
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].precedes(heap[parent]) else { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  /// The earliest action that is due at `now`, or nil when none is.
  package mutating func takeDue(at now: MonotonicInstant) -> Action? {
    guard let first = heap.first, first.due <= now else { return nil }
    let last = heap.removeLast()
    guard !heap.isEmpty else { return first.action }
    heap[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < heap.count && heap[child].precedes(heap[least]) {
        least = child
      }
      guard least != parent else { break }
      heap.swapAt(parent, least)
      parent = least
    }
    return first.action
  }
}
