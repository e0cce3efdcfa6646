/// The limits of every class of clients.
package struct ClassLimits: Sendable, Equatable {
  package let address: Limits
  package let credential: Limits
  package let account: Limits
  private let parentOfAddress: Limits
  private let parentOfCredential: Limits

  package init(address: Limits, credential: Limits, account: Limits) {
    self.address = address
    self.credential = credential
    self.account = account
    parentOfAddress = address.times(16)
    parentOfCredential = credential.times(16)
  }

  package subscript(_ client: Client) -> Limits {
    switch client.kind {
    case .address: client.isParent ? parentOfAddress : address
    case .credential: client.isParent ? parentOfCredential : credential
    case .account: account
    }
  }

  /// U of every class.
  struct Unreported: Sendable {
    private let address: Int64
    private let credential: Int64
    private let account: Int64
    private let parentOfAddress: Int64
    private let parentOfCredential: Int64

    init(_ limits: ClassLimits, _ regime: Regime) {
      address = regime.unreported(limits.address)
      credential = regime.unreported(limits.credential)
      account = regime.unreported(limits.account)
      parentOfAddress = regime.unreported(limits.parentOfAddress)
      parentOfCredential = regime.unreported(limits.parentOfCredential)
    }

    /// Quarters of tokens.
    subscript(_ client: Client) -> Int64 {
      switch client.kind {
      case .address: client.isParent ? parentOfAddress : address
      case .credential: client.isParent ? parentOfCredential : credential
      case .account: account
      }
    }
  }
}
