import HTTP

/// The query of a request, read strictly: every fault is named, none is corrected.
struct Query {
  private let values: [String: String]
  private var faults: [Fault] = []

  /// - Parameter names: the parameters that may stand there, once each; others are faults.
  init(_ target: Target, allows names: [String]) {
    var values: [String: String] = [:]
    for (name, value) in target.query {
      if !names.contains(name) {
        let known =
          names.isEmpty ? "this takes none" : "known here: " + names.joined(separator: ", ")
        faults.append(
          Fault(place: .parameter(name), detail: "This parameter is not known; \(known)."))
      } else if values.updateValue(value, forKey: name) != nil {
        faults.append(
          Fault(place: .parameter(name), detail: "This parameter may stand there once."))
      }
    }
    self.values = values
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

  /// `true` or `false`; nil when the parameter is absent.
  mutating func boolean(_ name: String) -> Bool? {
    guard let text = values[name] else { return nil }
    guard let flag = Bool(text) else {
      refuse(name, "true or false is expected.")
      return nil
    }
    return flag
  }

  mutating func refuse(_ name: String, _ detail: String) {
    faults.append(Fault(place: .parameter(name), detail: detail))
  }

  /// Throws everything that is wrong; call it when everything has been read.
  func finish() throws(Problem) {
    if faults.isEmpty { return }
    throw Problem(
      .invalidParameter,
      faults.count == 1 ? faults[0].detail : "\(faults.count) faults; see errors.", faults: faults)
  }
}
