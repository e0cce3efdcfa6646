import ContentAPI
import Testing

private func read(_ text: String, at path: String = "a.md") throws -> ImportedFile {
  try ImportedFile.read(Array(text.utf8), at: path).get()
}

private func faults(_ text: String, at path: String = "a.md") -> [String] {
  faults(Array(text.utf8), at: path)
}

private func faults(_ bytes: [UInt8], at path: String = "a.md") -> [String] {
  guard case .failure(let error) = ImportedFile.read(bytes, at: path) else { return [] }
  return error.faults
}

/// The faults of front matter with a title beside these lines, which begin at line 3.
private func faults(of lines: String) -> [String] { faults("---\ntitle: T\n\(lines)\n---\nB") }
private func faults(ofTOML lines: String) -> [String] {
  faults("+++\ntitle = 'T'\n\(lines)\n+++\nB")
}

@Suite struct FilesOfOtherPrograms {
  @Test func `are those of Jekyll`() throws {
    let file = try read(
      """
      ---
      layout: post
      title:  "Welcome to Jekyll!"
      date:   2024-01-02 10:00:00 +0200
      categories: jekyll update
      tags: [C++, "rate limits", jekyll]
      permalink: /:categories/:title/
      header:
        overlay_image: /assets/x.jpg
        actions:
          - label: "Go"
            url: "https://example.com"
          - label: |
              *Stay* here

              &more: !text
      gallery: [{url: a.jpg, alt: "b]"}, {url: c.jpg}]
      toc:
      ---

      You'll find *this* post in `_posts`.
      """, at: "site/_posts/2023-12-31-welcome-to-jekyll.markdown")
    #expect(file.draft.slug == "welcome-to-jekyll")
    #expect(file.draft.title == "Welcome to Jekyll!")
    #expect(file.draft.publishedAt?.description == "2024-01-02T08:00:00Z")
    #expect(file.draft.tags == ["c", "rate-limits", "jekyll", "update"])
    #expect(file.draft.status == .published)
    #expect(file.draft.body == "\nYou'll find *this* post in `_posts`.")
    #expect(Set(file.leftOut) == ["layout", "permalink", "header", "gallery"])

    let dated = try read("---\ntitle: T\n---\nB", at: "_posts/2024-1-2-My Post.md")
    #expect(dated.draft.slug == "my-post")
    #expect(dated.draft.publishedAt?.description == "2024-01-02T00:00:00Z")
    let hidden = try read("--- \ntitle: T\npublished: false\n---  \nB", at: "2024-02-30-x.md")
    #expect(hidden.draft.status == .draft)
    #expect(hidden.draft.slug == "2024-02-30-x", "there is no such day")
    #expect(hidden.draft.publishedAt == nil)
    #expect(try read("---\ntitle: T\n---\nB", at: "_drafts/a.md").draft.status == .draft)
    #expect(
      try read("---\ntitle: T\npublished: true\n---\nB", at: "_drafts/a.md").draft.status
        == .published)
  }

  @Test func `are those of Hugo in YAML`() throws {
    let file = try read(
      """
      ---
      title: "A bundle"
      slug: a-better-name
      date: 2024-03-04T05:06:07.123456789+01:00
      publishDate: 2024-03-05
      lastmod: 2024-03-06
      draft: false
      weight: 10
      description: A description
        that goes on
      summary: "A summary:
        it goes on too"
      tags:
        - Go
        - "Static sites"
      categories: ["Dev"]
      params:
        math: true
        nested:
          deeper: [1, [2]]
      cover:
        image: cover.jpg
      ---
      Hugo
      """, at: "content/posts/my-post/index.md")
    #expect(file.draft.slug == "a-better-name")
    #expect(file.draft.publishedAt?.description == "2024-03-05T00:00:00Z")
    #expect(file.draft.excerpt == "A summary: it goes on too")
    #expect(file.draft.tags == ["go", "static-sites", "dev"])
    #expect(
      Set(file.leftOut) == ["date", "lastmod", "weight", "description", "params", "cover"])
    #expect(
      try read("---\ntitle: T\n---\nB", at: "content/posts/my-post/index.md").draft.slug
        == "my-post")
  }

  @Test func `are those of Hugo in TOML`() throws {
    let file = try read(
      #"""
      +++
      title = "My \"post\" \u00e9" # a comment
      'date' = 2024-03-04 05:06:07+01:00
      draft = true
      tags = [
        "a",  # x
        'B c',
      ]
      categories = ["Dev"]
      description = """
      One \
          line
      two"""
      weight = 1_000
      ratio = 1.5e3
      aliases = ["/old/", "/older/"]
      featured_order = 1_0
      params.math = true
      nested = { a = { b = [1, [2]] }, c = 'd' }

      [cover_image]
      url = "https://example.com/a.png"
      alt = '''It's "A"'''
      [menu.main]
      weight = 1
      [[resources]]
      src = "a.jpg"
      [[resources]]
      src = "b.jpg"
      +++
      Hugo
      """#, at: "post.md")
    #expect(file.draft.title == "My \"post\" é")
    #expect(file.draft.publishedAt?.description == "2024-03-04T04:06:07Z")
    #expect(file.draft.status == .draft)
    #expect(file.draft.tags == ["a", "b-c", "dev"])
    #expect(file.draft.excerpt == "One line\ntwo")
    #expect(file.draft.featuredOrder == 10)
    #expect(file.draft.coverImage?.url == "https://example.com/a.png")
    #expect(file.draft.coverImage?.alt == "It's \"A\"")
    #expect(file.draft.body == "Hugo")
    #expect(
      Set(file.leftOut) == [
        "weight", "ratio", "aliases", "params", "nested", "menu", "resources",
      ])
    let windows = try read("\u{FEFF}+++\r\ntitle = '''\r\nT'''\r\n+++\r\nB\r\n")
    #expect(windows.draft.title == "T")
    #expect(windows.draft.body == "B\r\n")
  }

  @Test func `are those of Astro`() throws {
    let file = try read(
      """
      ---
      title: 'First post'
      description: 'Lorem ipsum # dolor'
      pubDate: 'Jul 08 2022'
      updatedDate: 'Jul 09 2022'
      heroImage: '/blog-placeholder-3.jpg'
      tags:
        [
          "astro",
          # the second
          'two [words]', # and more
        ]
      draft: true
      ---
      Lorem
      """, at: "src/content/blog/first-post.md")
    #expect(file.draft.slug == "first-post")
    #expect(file.draft.publishedAt?.description == "2022-07-08T00:00:00Z")
    #expect(file.draft.excerpt == "Lorem ipsum # dolor")
    #expect(file.draft.tags == ["astro", "two-words"])
    #expect(file.draft.coverImage == nil)
    #expect(file.draft.status == .draft)
    #expect(file.leftOut == ["updatedDate", "heroImage"])
    let hero = try read("---\ntitle: T\nheroImage: https://example.com/a.png\n---\nB")
    #expect(hero.draft.coverImage?.url == "https://example.com/a.png")
    #expect(hero.leftOut == [])
  }

  @Test(arguments: [
    ("2024-01-02", "2024-01-02T00:00:00Z"), ("2024-1-2", "2024-01-02T00:00:00Z"),
    ("2024/01/02", "2024-01-02T00:00:00Z"), ("2024-01-02 10:00", "2024-01-02T10:00:00Z"),
    ("2024-01-02 10:00:00 +0200", "2024-01-02T08:00:00Z"),
    ("2024-01-02 10:00:00 +02:00", "2024-01-02T08:00:00Z"),
    ("2024-01-02T10:00:00Z", "2024-01-02T10:00:00Z"),
    ("2024-01-02T10:00:00+02", "2024-01-02T08:00:00Z"),
    ("2024-01-02T10:00:00.123456789-05:30", "2024-01-02T15:30:00.123456Z"),
    ("2024-01-02 9:05:00 UTC", "2024-01-02T09:05:00Z"), ("Jan 02 2024", "2024-01-02T00:00:00Z"),
    ("Jan 2, 2024", "2024-01-02T00:00:00Z"), ("2 January 2024", "2024-01-02T00:00:00Z"),
    ("september 30 2024 23:59", "2024-09-30T23:59:00Z"),
    ("Tue, 02 Jan 2024 10:00:00 GMT", "2024-01-02T10:00:00Z"),
    ("Tuesday 2 Jan 2024 10:00:00 -0100", "2024-01-02T11:00:00Z"),
  ])
  func `have dates of many forms`(text: String, instant: String) throws {
    #expect(try Instant(free: text).description == instant)
    #expect(
      try read("---\ntitle: T\ndate: \(text)\n---\nB").draft.publishedAt?.description == instant)
  }

  @Test(arguments: [
    "", "soon", "2024", "2024-01", "01-02-2024", "02/01/2024", "2024-02-30", "Feb 30 2024",
    "Jan 02", "Jan 2024", "Foo 02 2024", "02 2024 Jan", "2024-01-02 10:00 AM",
    "2024-01-02 25:00:00", "2024-01-02T", "2024-01-02 10:00:00 CET", "-2024-01-02",
    "2024-01-02-03", "Jan 02 24", "2024-01-02 10:00:00 +02:00 x", "10:00:00", "+", "T", ", ,",
    "2024-01-02 :::.Z+-", "2024-01-02 10:00:00.", "日本 02 2024",
  ])
  func `have no other dates`(text: String) {
    #expect(throws: InstantError.self) { try Instant(free: text) }
  }

  @Test func `may have any of the names for a thing, and the first one counts`() throws {
    let file = try read(
      """
      ---
      title: 1984
      published: 2024-01-02
      category: Plain text
      tag:
      tags: one, two words,, three
      status: publish
      excerpt: ~
      summary: ''
      description: D
      ---
      B
      """)
    #expect(file.draft.title == "1984")
    #expect(file.draft.publishedAt?.description == "2024-01-02T00:00:00Z")
    #expect(file.draft.tags == ["one", "two-words", "three", "plain-text"])
    #expect(file.draft.status == .published)
    #expect(
      try read("---\ntitle: T\ndraft: false\npublished: false\n---\nB").draft.status == .draft)
    let both = try read("---\ntitle: T\npublished: 2024-01-02\ndate: 2023-01-01\n---\nB")
    #expect(both.draft.publishedAt?.description == "2023-01-01T00:00:00Z")
    #expect(both.leftOut == ["published"])
  }
}

@Suite struct FaultOfAnImport {
  @Test(arguments: [
    ("a: &x 1", ":3: \"a\": anchors"), ("a: *x", ":3: \"a\": aliases"),
    ("a: &x [*x]", ":3: \"a\": anchors"), ("a: [[*x]]", ":3: \"a\": aliases"),
    ("a:\n  b: &x\n    c: *x", ":4: \"a\": anchors"), ("a:\n  - *x", ":4: \"a\": aliases"),
    ("a: !!python/object:os.system x", ":3: \"a\": YAML tags"),
    ("a:\n  - - !x y", ":4: \"a\": YAML tags"), ("<<: *x", ":3: merge keys"),
    ("a:\n\t- b", ":4: \"a\": tabs"), ("a: b\n\tc: d", ":4: tabs"),
    ("a: b\n  c: d", ":3: \"a\": a text with a colon"),
    ("a: \"b", ":3: \"a\": the quoted"), ("a: [b", ":3: \"a\": the list is not closed"),
    ("a: [[b]", ":3: \"a\": the list is not closed"), ("a: [{b]}", ":3: \"a\": the mapping"),
    ("a: 1\na: 2", ":4: \"a\": the key stands there twice"), ("a", ":3: this is not a line"),
    ("a: b\u{0}", ":3: control"), ("a:\n  b: \u{1}", ":4: \"a\": control"),
    ("tags: [[a]]", ":3: \"tags\": lists and mappings may only"),
    ("description:\n  a: b", ":3: description: expected one value, got a mapping"),
    ("tags:\n  a: b", ":3: tags: expected a list"), ("tags: [日本]", ":3: no slug can be made"),
    ("draft: yes", ":3: draft: expected true or false"), ("status: live", ":3: expected draft"),
    ("status: scheduled", ": published_at is required"),
    ("date: [2024-01-02]", ":3: date: expected a date"), ("date: soon", ":3: date: expected a"),
    ("slug: A B", ":3: expected 1 to 200"), ("slug: {a: b}", ":3: slug: expected one value"),
    ("featured: 1", ":3: featured: expected true"), ("cover_image: /a.png", ":3: expected an abs"),
    ("type: A B", ":3: expected 1 to 50"),
  ])
  func `has the file's line`(lines: String, opening: String) {
    let faults = faults(of: lines)
    #expect(faults.count == 1)
    #expect(faults.first?.hasPrefix(opening) == true, "\(faults)")
  }

  @Test(arguments: [
    ("a", ":3: \"a\": this is not a line of the form key = value"),
    ("a = ", ":3: \"a\": this is no value"),
    ("a = b", ":3: \"a\": this is no value"), ("a: b", ":3: \"a\": this is not a line"),
    ("= 1", ":3: a key is missing"), ("a = 1\na = 2", ":4: \"a\": the key stands there twice"),
    ("a = \"b", ":3: \"a\": the text is not closed"), ("a = '''b\n\nc", ":3: \"a\": the text is"),
    ("a = \"\\q\"", ":3: \"a\": this escape"), ("a = \"\\ud800\"", ":3: \"a\": this escape"),
    ("a = \"\\u0000\"", ":3: \"a\": this escape"), ("a = 1 2", ":3: \"a\": there is text behind"),
    ("a = [1, 2", ":4: \"a\": the list is not closed"), ("a = [1,, 2]", ":3: \"a\": there is noth"),
    ("a = {b = 1", ":3: \"a\": the mapping is not closed"), ("a = {b 1}", ":3: \"a\": this is not"),
    ("a = {b = 1, b = 2}", ":3: \"a\": the key stands"), ("[a", ":3: the name of a table"),
    ("[a]\n[a]", ":4: the key stands there twice"), ("a = 1\n[a]", ":4: the key stands there"),
    ("[]", ":3: a key of other"), ("a.b.c = 1\na = 2", ":4: \"a\": the key stands there twice"),
    ("a = \"b\u{0}\"", ":3: \"a\": control"), ("a = 1\rb = 2", ":3: \"a\": control"),
    ("ä = 1", ":3: a key of other"),
    ("tags = [['a']]", ":3: \"tags\": lists and mappings may only"),
    ("[title.x]", ":3: the key stands there twice"),
    ("date = 10:00:00", ":3: date: expected a date"),
    ("draft = \"true\"", ":3: draft: expected true or false"),
  ])
  func `has the file's line in TOML too`(lines: String, opening: String) {
    let faults = faults(ofTOML: lines)
    #expect(faults.first?.hasPrefix(opening) == true, "\(faults)")
  }

  @Test func `is one for a file that is none`() {
    #expect(
      faults("B") == [
        ":1: the file has no front matter: its first line must be --- (YAML) or +++ (TOML)"
      ])
    #expect(faults("") == faults("B"))
    #expect(
      faults("---\ntitle: T\n").first?.hasPrefix(":1: the front matter is not closed") == true)
    #expect(faults("+++\ntitle = 'T'\n---\n").first?.contains("exactly +++") == true)
    #expect(faults("---\n---\nB") == [":1: title is required: give 1 to 300 characters"])
    #expect(faults("---\ntitle: T\n---\n \n")[0].hasPrefix(":4: body is required"))
    #expect(
      faults("---\ntitle: T\n---\nB\n\0") == [
        ":5: body must not contain the character U+0000"
      ])
    #expect(faults("---\ntitle: T\n---\nB", at: "日本.md")[0].hasPrefix(":1: no slug"))
    let text = Array("---\ntitle: T\n---\nB".utf8)
    #expect(faults(text.flatMap { [$0, 0] }.reversed()) != [])
    #expect(faults([0xFF, 0xFE] + text.flatMap { [$0, 0] })[0].contains("UTF-16"))
    #expect(faults([0xFE, 0xFF] + text.flatMap { [0, $0] })[0].contains("UTF-16"))
    #expect(faults(text + [0x0A, 0xE4])[0].hasPrefix(":5: the bytes are not UTF-8"))
    let long = String(repeating: "x", count: 70_000)
    #expect(
      faults("---\ntitle: \(long)\n---\nB")[0].hasPrefix(":1: the front matter is not closed"))
    #expect(
      faults("---\ntitle: T\n---\n" + String(repeating: long, count: 8))[0]
        .hasPrefix(":4: body may have at most 524288 bytes"))
  }

  @Test func `is told at most twenty times`() {
    let faults = faults(of: (0..<90).map { "a\($0): &x" }.joined(separator: "\n"))
    #expect(faults.count == 21)
    #expect(faults.last == ": and 70 faults more")
  }

  @Test(arguments: [
    "a: [", "[", "{", "a: {\n", "- ", "  - ", "\"", "'", "a:\n ", "a: |\n", "a:\n  b: c\n",
    "b: [\n",
    "a = [", "a = {", "[[a]]\n", "a = '''", "a = \"\"\"\n", "a.", "x.y = 1\n", "a = 1\n", "#", "\t",
    "c = {b = ", "a: \"\n  b",
  ])
  func `costs no more than its size`(unit: String) {
    let middle = String(repeating: unit, count: 60_000 / unit.utf8.count)
    for fence in ["---", "+++"] {
      for text in [middle, "a: \(middle)", "a = \(middle)"] {
        #expect(!faults("\(fence)\n\(text)\n\(fence)\nB").isEmpty)
      }
    }
  }

  @Test func `never comes as a trap, whatever the bytes`() {
    let seeds = [
      """
      ---\ntitle: "A \\u00e9"\ntags:\n  [ a,\n 'b c' ]\ndate: 2026-03-12 09:00 +0200\nx:\n  - y: [z]
        - - w\nz: [{a: b}, [c]]\ndescription: a\n  b\npublished: false\n---\nText\n
      """,
      """
      +++\ntitle = "A \\u00e9"\ntags = [ "a",\n 'b c' ]\ndate = 2026-03-12 09:00:00+02:00
      d.e = {f = [1, {g = 2}]}\n[x.y]\nz = '''a\nb'''\n[[w]]\nv = 1e3\n+++\nText\n
      """,
    ].map { Array($0.utf8) }
    let tokens = [
      "---\n", "+++\n", "\n", ": ", " = ", "\"", "'", "'''", "\"\"\"", "[", "]", "{", "}", "[[",
      ".",
      "#", "- ", "  ", "\t", "\\", "&", "*a", "!", ",", "\0", "日",
    ].map { Array($0.utf8) }
    var random = SeededRandom(seed: 9)
    var read = 0
    for round in 0..<10_000 {
      let bytes = random.mutate(seeds[round % seeds.count], with: tokens)
      switch ImportedFile.read(bytes, at: "2024-01-02-a.md") {
      case .success(let file):
        read += 1
        #expect(Slug.isValid(file.draft.slug ?? ""))
      case .failure(let error): #expect(!error.faults.isEmpty)
      }
    }
    #expect(read > 500)
  }
}
