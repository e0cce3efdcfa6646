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
}
