import Assets
import Glibc
import Testing

@Suite struct EmbeddedFiles {
  @Test func `the schema is schema.sql`() {
    #expect(Array(Assets.schema.utf8) == contents(of: "schema.sql"))
  }

  @Test func `the OpenAPI document is openapi.yaml`() {
    #expect(Assets.openAPI == contents(of: "openapi.yaml"))
  }

  @Test func `the sample posts are the files of the posts folder, all of them, in order`() {
    let files = paths(matching: "Sources/CAssets/posts/*")
    #expect(files.count == 30)
    #expect(Assets.samplePosts == files.map(contents(ofFile:)))
  }

  @Test func `the other samples are the files of their folder, in order`() {
    let files = paths(matching: "Sources/CAssets/samples/*").map(contents(ofFile:))
    #expect(files.count == 5)
    let samples = Assets.samples
    #expect([samples.profile, samples.newsletter] + samples.projects == files)
  }

  @Test func `style and script of the documentation page are the files of their folder`() {
    #expect(Array(Assets.docs.style.utf8) == contents(of: "Sources/CAssets/docs/docs.css"))
    #expect(Array(Assets.docs.script.utf8) == contents(of: "Sources/CAssets/docs/docs.js"))
  }
}

@Suite struct SamplePosts {
  static let posts = Assets.samplePosts.map { String(decoding: $0, as: UTF8.self) }

  @Test func `each has front matter with title, slug, tags and date, and a body`() throws {
    for post in Self.posts {
      let lines = post.split(separator: "\n", omittingEmptySubsequences: false)
      #expect(lines[0] == "---")
      let end = try #require(lines.dropFirst().firstIndex(of: "---"))
      let keys = lines[1..<end].map { line in line.prefix { $0 != ":" } }
      for key in ["title", "slug", "tags", "date"] {
        #expect(keys.count { $0 == key } == 1, "\(key) in \(lines[1])")
      }
      let words = lines[(end + 1)...].joined(separator: " ").split(separator: " ")
      #expect(words.count >= 150, "\(lines[1])")
    }
  }

  @Test func `no two share a slug`() {
    let slugs = Self.posts.compactMap { post in
      post.split(separator: "\n").first { $0.hasPrefix("slug: ") }
    }
    #expect(Set(slugs).count == Self.posts.count)
  }
}

/// The repository's root, found from this file's own place in it.
private let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }

private func contents(of name: String) -> [UInt8] {
  contents(ofFile: "\(root)/\(name)")
}

private func contents(ofFile path: String) -> [UInt8] {
  let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else {
    Issue.record("cannot open \(path)")
    return []
  }
  defer { close(descriptor) }
  var contents: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 65_536)
  while true {
    let count = unsafe read(descriptor, &chunk, chunk.count)
    guard count > 0 else { return contents }
    contents += chunk[..<count]
  }
}

/// The paths in the repository that match a shell pattern, in the order of their names.
private func paths(matching pattern: String) -> [String] {
  var found = unsafe glob_t()
  defer { unsafe globfree(&found) }
  guard unsafe glob("\(root)/\(pattern)", 0, nil, &found) == 0 else { return [] }
  return unsafe (0..<Int(found.gl_pathc)).compactMap { index in
    unsafe found.gl_pathv[index].map { unsafe String(cString: $0) }
  }
}
