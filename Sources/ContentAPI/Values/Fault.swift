/// One thing wrong with a request: where it stands and what would be right.
///
/// A fault is an entry of `errors` in a problem answer (RFC 9457, section 3.2).
package struct Fault: Sendable, Equatable {
  /// The part of the request that is meant.
  package enum Place: Sendable, Equatable {
    /// A JSON Pointer into the body (RFC 6901); the empty pointer is the whole body.
    case pointer(String)
    /// The name of a query parameter.
    case parameter(String)
  }

  /// Where the fault is.
  package let place: Place
  /// One sentence for people: the rule with its limits, and what was given.
  package let detail: String

  /// Makes a fault of a place and a sentence about it.
  package init(place: Place, detail: String) {
    self.place = place
    self.detail = detail
  }
}

extension Fault.Place {
  /// The pointer to a value reached by these names and indices, with `~` and `/` escaped
  /// (RFC 6901, section 3).
  package static func pointer(to steps: String...) -> Fault.Place { pointer(through: steps) }

  /// As `pointer(to:)`, for steps that were gathered on the way.
  package static func pointer(through steps: [String]) -> Fault.Place {
    var pointer = ""
    for step in steps {
      pointer += "/"
      for scalar in step.unicodeScalars {
        switch scalar {
        case "~": pointer += "~0"
        case "/": pointer += "~1"
        default: pointer.unicodeScalars.append(scalar)
        }
      }
    }
    return .pointer(pointer)
  }
}

/// Everything wrong with one request, in the order of its members.
///
/// The list is bounded so that a hostile request of many small faults cannot ask for an answer
/// many times its own size: after `limit` faults a last one says how many more there are.
package struct Faults: Error, Sendable, Equatable {
  /// The most faults that are told one by one.
  package static let limit = 100

  /// The faults; never empty in a thrown value.
  package var list: [Fault] {
    guard unlisted > 0 else { return listed }
    return listed + [Fault(place: .pointer(""), detail: "there are \(unlisted) more faults")]
  }

  /// Whether nothing is wrong.
  package var isEmpty: Bool { listed.isEmpty }

  /// Whether a fault of exactly this place is told.
  func contains(_ place: Fault.Place) -> Bool { listed.contains { $0.place == place } }

  private var listed: [Fault] = []
  private var unlisted = 0

  /// Starts from these faults, by default from none.
  package init(_ faults: [Fault] = []) {
    for fault in faults { append(fault) }
  }

  /// Adds a fault, or only counts it when `limit` are there already.
  package mutating func append(_ fault: Fault) {
    if listed.count < Faults.limit { listed.append(fault) } else { unlisted += 1 }
  }
}
