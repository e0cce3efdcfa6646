/// First in, first out, without moving what stays.
struct Fifo<Element> {
  private var elements: [Element?] = []
  private var head = 0

  var count: Int { elements.count - head }
  var isEmpty: Bool { head == elements.count }
  var first: Element? { head < elements.count ? elements[head] : nil }

  mutating func append(_ element: Element) { elements.append(element) }

  mutating func popFirst() -> Element? {
    guard head < elements.count else { return nil }
    let element = elements[head]
    elements[head] = nil
    head += 1
    if head == elements.count {
      elements.removeAll(keepingCapacity: head <= 1024)
      head = 0
    } else if head >= 64, head * 2 >= elements.count {
      elements.removeFirst(head)
      head = 0
    }
    return element
  }

  func forEach(_ body: (Element) -> Void) {
    for index in head..<elements.count { if let element = elements[index] { body(element) } }
  }

  /// Takes out what `isGone` says yes to, in order.
  mutating func remove(where isGone: (Element) -> Bool) -> [Element] {
    var kept: [Element?] = []
    var removed: [Element] = []
    forEach { if isGone($0) { removed.append($0) } else { kept.append($0) } }
    if !removed.isEmpty {
      elements = kept
      head = 0
    }
    return removed
  }
}
