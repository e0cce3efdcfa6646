import CAssets

/// The files of this repository that travel inside the binary, so that one file is the whole
/// installation. The bytes are those of the working copy at build time: a change to one of the
/// files makes the build embed it again.
package enum Assets {
  /// `schema.sql`: what makes a new database.
  package static var schema: String {
    String(decoding: bytes(COLOPHON_SCHEMA), as: UTF8.self)
  }

  /// What brings an older database to a newer version, in ascending order. Version 1 is
  /// `schema.sql` itself and has no step.
  package static var schemaSteps: [(version: Int, sql: String)] {
    texts(COLOPHON_STEPS).enumerated().map {
      (version: $0 + 2, sql: String(decoding: $1, as: UTF8.self))
    }
  }

  /// `openapi.yaml`, copied out of the binary once because it is served.
  package static let openAPI = bytes(COLOPHON_OPENAPI)

  /// The posts that `colophon dev` starts with, Markdown with front matter, in the order of their
  /// file names.
  package static var samplePosts: [[UInt8]] {
    texts(COLOPHON_POSTS)
  }

  /// What `colophon dev` knows of the writer at the start: bodies of `PUT /v1/profile` and `PUT
  /// /v1/newsletter`, and one of `POST /v1/projects` for each project.
  package static var samples: (profile: [UInt8], newsletter: [UInt8], projects: [[UInt8]]) {
    let texts = texts(COLOPHON_SAMPLES)
    return (texts[0], texts[1], Array(texts[2...]))
  }

  /// What the page at `/docs` looks like, and what it does.
  package static var docs: (style: String, script: String) {
    let texts = texts(COLOPHON_DOCS).map { String(decoding: $0, as: UTF8.self) }
    return (texts[0], texts[1])
  }

  private static func texts(_ asset: colophon_asset) -> [[UInt8]] {
    bytes(asset).split(separator: 0).map(Array.init)
  }

  private static func bytes(_ asset: colophon_asset) -> [UInt8] {
    var count = 0
    let start = unsafe colophon_asset(asset, &count)
    return unsafe Array(UnsafeBufferPointer(start: start, count: count))
  }
}
