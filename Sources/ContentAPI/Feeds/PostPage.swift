/// Where the web site shows a post: an http or https address with `{slug}` in one place of its path,
/// query or fragment, such as `https://example.com/blog/{slug}`.
package struct PostPage: Sendable, Equatable {
  /// What stands in front of the slug and what behind it.
  let opening: String
  let ending: String

  /// Reads the template; nil when it is none.
  package init?(_ template: String) {
    let slug = "{slug}"
    guard let place = template.firstRange(of: slug) else { return nil }
    opening = String(template[..<place.lowerBound])
    ending = String(template[place.upperBound...])
    let rest = opening + ending
    // The host stands in front of the slug, whole: all posts are of one site.
    let parts = opening.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
    let namesHost = parts.count == 4 || parts.last?.contains { "?#".contains($0) } == true
    guard namesHost, !rest.contains(where: { "{}".contains($0) }),
      rest.utf8.count(where: { $0 == UInt8(ascii: "#") }) < 2,
      WebAddress.complaint(opening) == nil, WebAddress.complaint(opening + "slug" + ending) == nil
    else { return nil }
  }
}
