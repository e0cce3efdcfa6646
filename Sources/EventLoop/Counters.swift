import Synchronization

/// Numbers that one thread adds to, or a few, and any thread reads: no lock, nothing allocated. Each is
/// right by itself; several read together may be of slightly different moments.
@safe package final class Counters: @unchecked Sendable {
  private let values: UnsafeMutablePointer<Atomic<Int>>
  package let count: Int

  /// All zero.
  package init(_ count: Int) {
    self.count = count
    unsafe values = .allocate(capacity: count)
    for index in 0..<count { unsafe (values + index).initialize(to: Atomic(0)) }
  }

  deinit {
    unsafe values.deinitialize(count: count)
    unsafe values.deallocate()
  }

  package func add(_ amount: Int = 1, at index: Int) {
    precondition(index >= 0 && index < count)
    unsafe values[index].wrappingAdd(amount, ordering: .relaxed)
  }

  /// Adds where one thread alone adds: other processors are not waited for.
  package func addAlone(_ amount: Int = 1, at index: Int) {
    precondition(index >= 0 && index < count)
    let sum = unsafe values[index].load(ordering: .relaxed) &+ amount
    unsafe values[index].store(sum, ordering: .relaxed)
  }

  /// Of all of them.
  package var sum: Int { (0..<count).reduce(0) { $0 + self[$1] } }

  package subscript(_ index: Int) -> Int {
    precondition(index >= 0 && index < count)
    return unsafe values[index].load(ordering: .relaxed)
  }
}
