/// A JSON Merge Patch (RFC 7396): a document that looks like the one to be changed and holds what
/// shall be different; null stands for a member that shall go.
///
/// Lists are replaced as a whole, and no member can be made null: what the RFC says of itself.
package enum MergePatch {
  /// What `target` becomes by `patch`: `MergePatch` of RFC 7396 section 2. Without a target there is
  /// nothing yet.
  ///
  /// Members that the patch does not name stay as they are, in their places; new ones follow in the
  /// patch's order. Time is in proportion to the size of both.
  package static func apply(_ patch: JSONValue, to target: JSONValue?) -> JSONValue {
    guard case .object(let changes) = patch else { return patch }
    let members = target?.objectValue ?? []
    var places: [MemberNames.Name: Int] = [:]
    for (place, member) in members.enumerated() {
      places[MemberNames.Name(text: member.name)] = place
    }
    var result: [JSONMember?] = members
    for change in changes {
      let place = places[MemberNames.Name(text: change.name)]
      var member: JSONMember?
      if !change.value.isNull {
        let value = apply(change.value, to: place.map { members[$0].value })
        member = JSONMember(name: change.name, value: value)
      }
      if let place { result[place] = member } else { result.append(member) }
    }
    return .object(result.compactMap(\.self))
  }
}
