/// A media type (RFC 9110 §8.3.1), type, subtype and parameter names in lower case.
package struct MediaType: Sendable, Equatable {
  package struct Parameter: Sendable, Equatable {
    package let name: String
    /// Without quotes and escapes, its case kept.
    package let value: String
  }

  package let type: String
  package let subtype: String
  package let parameters: [Parameter]
  /// `type/subtype`
  package let essence: String

  /// A type of one's own, which is to be spelled in lower case.
  package init(_ type: String, _ subtype: String) {
    self.type = type
    self.subtype = subtype
    parameters = []
    essence = "\(type)/\(subtype)"
  }

  /// Reads a `Content-Type`; nil when it is malformed or names a parameter twice.
  package init?(_ text: String) {
    var reader = FieldReader(text)
    guard let type = reader.lowercasedToken(), reader.take(.slash),
      let subtype = reader.lowercasedToken(), let parameters = reader.parameters(),
      reader.isAtEnd, Set(parameters.map(\.name)).count == parameters.count
    else { return nil }
    self.type = type
    self.subtype = subtype
    self.parameters = parameters
    essence = "\(type)/\(subtype)"
  }

  /// The value of the parameter `name`, which is in lower case.
  package func parameter(_ name: String) -> String? {
    parameters.first { $0.name == name }?.value
  }
}
