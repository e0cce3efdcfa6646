/// The limits of every class of clients.
///
/// In an array, although their number is known: of an array one element is read, of a value of that
/// size a copy is made first.
package struct ClassLimits: Sendable {
  /// Of each class, and behind them of the parents of each class.
  private let limits: [Limits]

  /// - Parameter limits: those of each class.
  package init(_ limits: (Client.Class) -> Limits) {
    let own = Client.Class.allCases.map(limits)
    self.limits = own + own.map { $0.times(16) }
  }

  package subscript(_ client: Client) -> Limits { limits[client.place] }

  /// U of every class.
  struct Unreported: Sendable {
    private let quarters: [Int64]

    init(_ limits: ClassLimits, _ regime: Regime) {
      let classes = Client.Class.allCases
      quarters = limits.limits.indices.map {
        regime.unreported(limits.limits[$0], of: classes[$0 % classes.count])
      }
    }

    /// Quarters of tokens.
    subscript(_ client: Client) -> Int64 { quarters[client.place] }
  }
}

extension Client {
  fileprivate var place: Int {
    Int(kind.rawValue) &+ (isParent ? Client.Class.allCases.count : 0)
  }
}
