import HTTP

/// The query of a request, read strictly: every fault is named, none is corrected.
struct Query {
  private let values: [String: String]
  private(set) var faults: [Fault] = []

  init(_ target: Target) {
    values = Dictionary(
      target.query.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
  }

  /// Throws when a parameter is not one of `names` or stands there twice; all such faults at once.
  static func check(_ target: Target, allows names: [String]) throws(Problem) {
    var faults: [Fault] = []
    var seen: Set<String> = []
    for (name, _) in target.query {
      if !names.contains(name) {
        let known =
          names.isEmpty ? "this takes none" : "known here: " + names.joined(separator: ", ")
        faults.append(
          Fault(place: .parameter(name), detail: "This parameter is not known; \(known)."))
      } else if !seen.insert(name).inserted {
        faults.append(
          Fault(place: .parameter(name), detail: "This parameter may stand there once."))
      }
    }
    try throwIfAny(faults)
  }

  mutating func text(_ name: String) -> String? { values[name] }

  /// An integer in `range`, or `standard` when the parameter is absent.
  mutating func integer(_ name: String, in range: ClosedRange<Int>, standard: Int) -> Int {
    guard let text = values[name] else { return standard }
    guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }),
      let number = Int(text), range.contains(number)
    else {
      refuse(name, "A whole number from \(range.lowerBound) to \(range.upperBound) is expected.")
      return standard
    }
    return number
  }

  mutating func refuse(_ name: String, _ detail: String) {
    faults.append(Fault(place: .parameter(name), detail: detail))
  }

  /// Call when everything has been read.
  func finish() throws(Problem) { try Self.throwIfAny(faults) }

  private static func throwIfAny(_ faults: [Fault]) throws(Problem) {
    if faults.isEmpty { return }
    throw Problem(
      .invalidParameter,
      faults.count == 1 ? faults[0].detail : "\(faults.count) faults; see errors.", faults: faults)
  }
}
