import Assets
import HTTP

/// `GET /openapi.yaml`: the contract, as this program was built with it.
enum Contract {
  static func show(_ call: RouteCall) throws(Problem) -> Response {
    try Representation(
      body: Assets.openAPI, mediaType: .yaml, tag: tag, isPublic: call.caller.isAnonymous
    ).answer(to: call.head)
  }

  /// The file changes with the program only, so a hash that anybody could compute is enough.
  private static let tag: EntityTag = {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in Assets.openAPI { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return EntityTag(opaque: String(hash, radix: 16))!
  }()
}
