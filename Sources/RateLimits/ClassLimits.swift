/// The limits of every class of clients.
package struct ClassLimits: Sendable {
  private var own: InlineArray<6, Limits>
  private var ofParents: InlineArray<6, Limits>

  /// - Parameter limits: those of each class.
  package init(_ limits: (Client.Class) -> Limits) {
    own = InlineArray { limits(Client.Class.allCases[$0]) }
    ofParents = InlineArray { limits(Client.Class.allCases[$0]).times(16) }
  }

  package subscript(_ client: Client) -> Limits {
    client.isParent ? ofParents[client.kind.place] : own[client.kind.place]
  }

  /// U of every class.
  struct Unreported: Sendable {
    private let own: InlineArray<6, Int64>
    private let ofParents: InlineArray<6, Int64>

    init(_ limits: ClassLimits, _ regime: Regime) {
      own = InlineArray { regime.unreported(limits.own[$0]) }
      ofParents = InlineArray { regime.unreported(limits.ofParents[$0]) }
    }

    /// Quarters of tokens.
    subscript(_ client: Client) -> Int64 {
      client.isParent ? ofParents[client.kind.place] : own[client.kind.place]
    }
  }
}

extension Client.Class {
  /// Its place among all.
  fileprivate var place: Int { Int(rawValue) }
}
