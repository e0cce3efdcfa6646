import Assets
import HTTP

/// `GET /openapi.yaml`: the contract, as this program was built with it.
enum Contract {
  static func show(_ call: RouteCall) -> Reply {
    .representation(
      Representation(
        body: Assets.openAPI, mediaType: .yaml, tag: tag, isPublic: call.caller.isAnonymous
      ))
  }

  /// The file changes with the program only, so a hash that anybody could compute is enough.
  private static let tag = EntityTag(opaque: String(FNV1a.hash(Assets.openAPI), radix: 16))!
}
