import EventLoop
import Glibc
import JSON
import LocalPostgres
import Testing

extension TheProgram {
  /// `colophon import` and `colophon export`.
  @Suite struct FoldersOfFiles {
    @Test func `a thousand posts go out, into an empty database and out again as the same bytes`()
      async throws
    {
      try await Stage.run { stage in
        let (first, second) = (try await MadeDatabase.make(), try await MadeDatabase.make())
        let given = stage.folder + "/given"
        try WrittenFiles.write(1000, to: given)
        let imported = try await stage.run(["import", given], first.environment)
        #expect(imported.exit == .status(0), "\(imported.errors)")
        #expect(imported.output == "1000 new, 0 changed, 0 unchanged, 0 faults\n")
        // It says how far it is when it takes long.
        #expect(
          imported.errors.split(separator: "\n").allSatisfy { $0.hasPrefix("Importing: ") },
          "\(imported.errors)")

        let (one, two) = (stage.folder + "/one", stage.folder + "/two")
        let exported = try await stage.run(["export", one], first.environment)
        #expect(exported.exit == .status(0), "\(exported.errors)")
        #expect(exported.output == "1000 posts: 1000 written, 0 unchanged\n")
        let into = try await stage.run(["import", one], second.environment)
        #expect(into.output == "1000 new, 0 changed, 0 unchanged, 0 faults\n")
        _ = try await stage.run(["export", two], second.environment)
        let files = try FolderContent(one)
        #expect(files.names.count == 1000)
        #expect(try FolderContent(two) == files)

        // Again, into both: nothing moves.
        let before = try await second.history(stage)
        for folder in [one, two, given] {
          let again = try await stage.run(["import", folder], second.environment)
          #expect(again.exit == .status(0), "\(again.errors)")
          #expect(again.output == "0 new, 0 changed, 1000 unchanged, 0 faults\n")
        }
        #expect(try await second.history(stage) == before)
        let authors = try await stage.ask(
          second.conninfo, "select distinct author from colophon.posts")
        #expect(authors == ["import"])

        // One changes, and one alone is written.
        let path = one + "/" + files.names[500]
        try Files.write(try Files.read(path) + Array("\nMore.".utf8), to: path, mode: 0o644)
        let changed = try await stage.run(["import", one], second.environment)
        #expect(changed.output == "0 new, 1 changed, 999 unchanged, 0 faults\n")
        let updated = try await stage.run(["export", two], second.environment)
        #expect(updated.output == "1000 posts: 1 written, 999 unchanged\n")
        #expect(try FolderContent(two) == FolderContent(one))
      }
    }

    @Test(arguments: [SIGKILL, SIGINT])
    func `an import that is ended in the middle and run again ends the same`(_ signal: Int32)
      async throws
    {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let (given, out) = (stage.folder + "/given", stage.folder + "/out")
        try WrittenFiles.write(1000, to: given)
        let program = try await stage.start(["import", given], database.environment)
        let count = "select count(*) from colophon.posts"
        #expect(
          try await stage.comesToHold {
            Int(try await stage.ask(database.conninfo, count)[0])! >= 100
          })
        await program.send(signal)
        #expect(try await program.exit() == .signal(signal))
        let there = Int(try await stage.ask(database.conninfo, count)[0])!
        #expect((100..<1000).contains(there))
        let again = try await stage.run(["import", given], database.environment)
        #expect(again.exit == .status(0), "\(again.errors)")
        // What the server had in hand when the program died may have been committed after that.
        let sums = again.output.split(separator: " ").compactMap { Int($0) }
        #expect(sums.count == 4 && sums[0] + sums[2] == 1000 && sums[1] == 0 && sums[3] == 0)
        let whole = try await MadeDatabase.make()
        _ = try await stage.run(["import", given], whole.environment)
        let expected = stage.folder + "/expected"
        _ = try await stage.run(["export", expected], whole.environment)
        _ = try await stage.run(["export", out], database.environment)
        #expect(try FolderContent(out) == FolderContent(expected))
        let versions = try await stage.ask(
          database.conninfo, "select distinct version from colophon.posts")
        #expect(versions == ["1"])
      }
    }

    @Test func `a trial says what an import would do, and does nothing`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let given = stage.folder + "/given"
        try WrittenFiles.write(20, to: given)
        try Files.write(Array("---\n---\nB".utf8), to: given + "/bad.md", mode: 0o644)
        let before = try await database.history(stage)
        let trial = try await stage.run(["import", "--dry-run", given], database.environment)
        #expect(trial.exit == .status(1))
        #expect(
          trial.output == "20 new, 0 changed, 0 unchanged, 1 fault; nothing was written\n")
        #expect(trial.errors == "\(given)/bad.md:1: title is required: give 1 to 300 characters\n")
        #expect(try await database.history(stage) == before)
      }
    }

    @Test func `an import names every fault and takes the other files in`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let folder = stage.folder + "/blog"
        let faults = try HostileFolder.make(folder)
        let imported = try await stage.run(["import", folder], database.environment)
        #expect(imported.exit == .status(1))
        #expect(imported.output == "4 new, 0 changed, 0 unchanged, \(faults.count) faults\n")
        var lines = imported.errors.split(separator: "\n").map(String.init)
        #expect(
          lines.removeFirst()
            == "passed over: *.mdx (1 file), README.md (1 file), _index.md (1 file)")
        #expect(lines.removeFirst() == "left out: layout (2 files), author (1 file)")
        #expect(lines.count == faults.count)
        for fault in faults {
          let matching = lines.filter { $0.hasPrefix(folder + "/" + fault) }
          #expect(matching.count == 1, "\(fault): \(lines)")
        }
        #expect(
          try await stage.ask(database.conninfo, "select slug from colophon.posts order by slug")
            == ["bundle", "by-hugo", "good", "linked"])
        let again = try await stage.run(["import", folder], database.environment)
        #expect(again.output == "0 new, 0 changed, 4 unchanged, \(faults.count) faults\n")
        #expect(again.errors == imported.errors)
      }
    }

    @Test func `an import takes what it is given, once`() async throws {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let folder = stage.folder + "/notes"
        for name in ["/notes", "/notes/trip"] {
          try Files.makeFolder(stage.folder + name, mode: 0o755)
        }
        let file = Array("---\ntitle: T\n---\nB".utf8)
        for name in ["/a.md", "/trip/index.md", "/README.md", "/c.txt"] {
          try Files.write(file, to: folder + name, mode: 0o644)
        }
        let imported = try await stage.run(
          ["import", "index.md", "../", "../README.md", "../c.txt", folder + "/a.md", "none.md"],
          database.environment, in: folder + "/trip")
        #expect(imported.exit == .status(1))
        #expect(imported.output == "3 new, 0 changed, 0 unchanged, 2 faults\n")
        #expect(imported.errors.contains("../c.txt: neither a folder nor a file whose name"))
        #expect(imported.errors.contains("none.md: No such file or directory"))
        #expect(
          try await stage.ask(database.conninfo, "select slug from colophon.posts order by slug")
            == ["a", "readme", "trip"])
      }
    }

    @Test func `an export leaves alone what it did not write, and says what is no post any more`()
      async throws
    {
      try await Stage.run { stage in
        let database = try await MadeDatabase.make()
        let (given, out) = (stage.folder + "/given", stage.folder + "/out")
        try WrittenFiles.write(5, to: given)
        _ = try await stage.run(["import", given], database.environment)
        _ = try await stage.run(["export", out + "/"], database.environment)
        let files = try FolderContent(out)
        _ = try await stage.ask(
          database.conninfo,
          "update colophon.posts set trashed_at = now(), counted = false where slug = 'post-3'")
        for name in ["notes.txt", "Not a slug.md", ".post-1.md.new", ".post-3.md.new"] {
          try Files.write([1], to: out + "/" + name, mode: 0o644)
        }
        Files.remove(out + "/post-1.md")
        try Files.makeFolder(out + "/post-1.md", mode: 0o755)
        Files.remove(out + "/post-2.md")
        let exported = try await stage.run(["export", out], database.environment)
        #expect(exported.exit == .status(1))
        #expect(exported.output == "3 posts: 1 written, 2 unchanged, 1 fault\n")
        let lines = exported.errors.split(separator: "\n")
        #expect(lines.count == 2, "\(lines)")
        #expect(lines[0].hasPrefix("\(out)/post-1.md: this is no file"))
        #expect(lines[1].hasPrefix("\(out)/post-3.md: there is no such post any more"))
        Files.remove(out + "/post-1.md")
        let again = try await stage.run(["export", out], database.environment)
        #expect(again.exit == .status(0))
        #expect(again.output == "4 posts: 1 written, 3 unchanged\n")
        var expected = files
        expected.content["notes.txt"] = [1]
        expected.content["Not a slug.md"] = [1]
        #expect(try FolderContent(out) == expected)

        let nowhere = try await stage.run(
          ["export", stage.folder + "/no/such"], database.environment)
        #expect(nowhere.exit == .status(1))
        #expect(nowhere.errors.hasPrefix("colophon: the folder cannot be made: "))
      }
    }
  }
}

extension MadeDatabase {
  fileprivate var environment: [String: String] { ["DATABASE_URL": conninfo] }

  /// All that an import which changes nothing must leave as it is.
  fileprivate func history(_ stage: Stage) async throws -> [String] {
    try await stage.ask(
      conninfo,
      """
      select 'posts ' || count(*) || ' ' || coalesce(sum(version), 0) || ' '
        || coalesce(max(xmin::text), '') from colophon.posts
      union all select 'revisions ' || count(*) from colophon.revisions
      union all select 'changes ' || count(*) || ' ' || coalesce(max(xid)::text, '')
        from colophon.changes
      """)
  }
}

/// What is in a folder.
private struct FolderContent: Equatable {
  var content: [String: [UInt8]] = [:]

  var names: [String] { content.keys.sorted() }

  init(_ folder: String) throws {
    for name in try Files.list(folder) { content[name] = try Files.read(folder + "/" + name) }
  }
}

/// Files as somebody may have written them, with every member and in many spellings.
private enum WrittenFiles {
  static func write(_ count: Int, to folder: String) throws {
    try Files.makeFolder(folder, mode: 0o755)
    for number in 0..<count {
      try Files.write(
        Array(text(number).utf8), to: "\(folder)/post-\(number).md", mode: 0o644)
    }
  }

  private static let awkward = [
    "Plain", "A: \"b\" # c", " - x", "'", "\\", "null", "1984", "2026-03-12", "👩🏽‍🚀", "\u{200F}שלום",
    "e\u{301}", "[x]", "{y}", "& * !", "日本語", "\u{FEFF}z", "no",
  ]

  private static let bodies = [
    "Text.", "\n\nText\n", "---\nText\r\n", "---\ntitle: x\n---\n", "Text\u{2028}more\t\n\n\n", "#",
    "Ünïcode\u{0}".replacing("\u{0}", with: "\u{1}"),
  ]

  private static func text(_ number: Int) -> String {
    func pick(_ texts: [String], _ salt: Int) -> String { texts[(number / 3 + salt) % texts.count] }
    func quoted(_ text: String) -> String {
      var json = JSONWriter()
      json.string(text)
      return String(decoding: json.bytes, as: UTF8.self)
    }
    var lines = ["title: \(quoted("\(pick(awkward, 0)) \(number)"))"]
    let day = 1 + number % 28
    if number % 9 == 4 {
      lines.append("draft: true")
    } else {
      let dates = [
        "2024-03-\(day)", "2024-03-\(day) 10:00:00 +0200", "Mar \(day) 2024", "'2099-03-\(day)'",
      ]
      lines.append("date: \(dates[number % 4])")
    }
    if number % 2 == 0 { lines.append("tags: [tag-\(number % 40), \"\(number % 7)\", on]") }
    if number % 5 == 0 { lines.append("categories: plain text") }
    if number % 3 == 0 { lines.append("description: \(quoted("One\n\(pick(awkward, 3)) end"))") }
    if number % 6 == 0 { lines.append("featured: true\nfeatured_order: \(number)") }
    if number % 7 == 0 {
      lines.append(
        "cover_image: {url: \"https://example.com/\(number).png\", alt: \(quoted("A \(pick(awkward, 5)) b"))}"
      )
    }
    if number % 8 == 0 { lines.append("type: essay\ncanonical_url: https://example.com/\(number)") }
    if number % 11 == 0 {
      lines.append("meta_title: \(quoted("M \(pick(awkward, 7)) m"))\nmeta_description: 'it''s'")
    }
    return "---\n" + lines.joined(separator: "\n") + "\n---\n" + pick(bodies, 1) + " \(number)"
  }
}

/// A folder with everything that may be wrong, and four files that are right.
private enum HostileFolder {
  /// Makes it; how each line of a fault begins.
  static func make(_ folder: String) throws -> [String] {
    for name in ["", "/by-hugo", "/bundle", "/folder.md", "/node_modules", "/.git"] {
      try Files.makeFolder(folder + name, mode: 0o755)
    }
    func write(_ name: String, _ text: String) throws {
      try Files.write(Array(text.utf8), to: folder + "/" + name, mode: 0o644)
    }
    func write(_ name: String, bytes: [UInt8]) throws {
      try Files.write(bytes, to: folder + "/" + name, mode: 0o644)
    }
    let good = "---\ntitle: T\nlayout: post\n---\nB"
    try write("good.md", good)
    try write("bundle/index.md", "\u{FEFF}---\r\ntitle: T\r\nlayout: [[a], {b: c}]\r\n---\r\nB")
    try write("by-hugo/2024-01-02-by-hugo.markdown", "+++\ntitle = 'T'\nauthor = 'x'\n+++\nB")
    try write("target.txt", "---\ntitle: T\n---\nB")
    symbolicLink(to: "target.txt", at: folder + "/linked.md")
    for name in ["node_modules/a.md", ".git/a.md", ".hidden.md", "README.md", "_index.md", "c.mdx"]
    { try write(name, good) }

    let million = (0..<1_000_000).map { "t\($0)" }.joined(separator: ", ")
    let line = String(repeating: "x", count: 500_000)
    try write("alias.md", "---\ntitle: T\na: *b\n---\nB")
    try write("anchor.md", "---\ntitle: T\na: &a [*a]\n---\nB")
    try write("cycle.md", "---\ntitle: T\na:\n  b: &a\n    c: *a\n---\nB")
    try write(
      "deep-blocks.md",
      "---\ntitle: T\na:\n"
        + (1..<100).map { String(repeating: " ", count: $0) + "a:\n" }.joined() + "---\nB")
    try write("deep.md", "---\ntitle: T\na: \(String(repeating: "[", count: 9000))\n---\nB")
    try write(
      "deep-toml.md", "+++\ntitle = 'T'\na = \(String(repeating: "[", count: 9000))\n+++\nB")
    try write("duplicate.md", "---\ntitle: T\ntitle: U\n---\nB")
    try write("latin1.md", bytes: Array("---\ntitle: T".utf8) + [0xE4] + Array("\n---\nB".utf8))
    try write("line.md", "---\ntitle: \(line)\n---\nB")
    try write("long-body.md", "---\ntitle: T\n---\n\(line)\(line.prefix(30_000))")
    try write("long.md", "---\ntitle: T\n---\n\(line)\(line)\(line)")
    try write("many-tags.md", "---\ntitle: T\ntags: [\(million.prefix(50_000))]\n---\nB")
    try write("million-tags.md", "---\ntitle: T\ntags: [\(million)]\n---\nB")
    try write("nul-body.md", "---\ntitle: T\n---\nB\n\u{0}")
    try write("nul.md", "---\ntitle: T\u{0}\n---\nB")
    try write("python.md", "---\ntitle: T\na: !!python/object/apply:os.system [id]\n---\nB")
    try write("tab.md", "---\ntitle: T\n\ta: b\n---\nB")
    try write("unclosed.md", "---\ntitle: T\nB")
    try write(
      "utf16.md",
      bytes: [0xFF, 0xFE]
        + "---\ntitle: T\n---\nB".utf16.flatMap {
          [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)]
        })
    try write("same-1.md", "---\ntitle: T\nslug: same\n---\nB")
    try write("same-2.md", "---\ntitle: T\nslug: same\n---\nB")
    try write("same-3.md", "---\ntitle: T\nslug: same\n---\nB")
    makeHole(folder + "/huge.md", size: 100 << 20)
    makePipe(folder + "/pipe.md")
    symbolicLink(to: "loop-b.md", at: folder + "/loop-a.md")
    symbolicLink(to: "loop-a.md", at: folder + "/loop-b.md")
    symbolicLink(to: "..", at: folder + "/up")
    // A file that nobody can read from its beginning, not even root.
    symbolicLink(to: "/proc/self/mem", at: folder + "/unreadable.md")
    symbolicLink(to: "nowhere.md", at: folder + "/dangling.md")
    return [
      "alias.md:3: ", "anchor.md:3: ", "cycle.md:4: ", "dangling.md: No such file",
      "deep-blocks.md:", "deep-toml.md:3: ", "deep.md:3: ", "duplicate.md:3: ",
      "folder.md: a folder", "huge.md: the file has 104857600 bytes", "latin1.md:2: ",
      "line.md:1: ", "long-body.md:4: body may have at most", "long.md: the file has 15000",
      "loop-a.md: Too many levels", "loop-b.md: Too many levels", "many-tags.md:3: tags may have",
      "million-tags.md: the file has", "nul-body.md:5: ", "nul.md:2: ", "pipe.md: not a file",
      "python.md:3: ",
      "same-1.md: has the slug same, as have \(folder)/same-2.md, "
        + "\(folder)/same-3.md: ", "tab.md:3: ", "unclosed.md:1: ",
      "unreadable.md: cannot be read: ", "up: a link to a folder", "utf16.md:1: ",
    ]
  }

  private static func symbolicLink(to target: String, at path: String) {
    #expect(unsafe symlink(target, path) == 0)
  }

  private static func makePipe(_ path: String) { #expect(unsafe mkfifo(path, 0o644) == 0) }

  private static func makeHole(_ path: String, size: Int) {
    let file = unsafe open(path, O_WRONLY | O_CREAT, 0o644)
    #expect(ftruncate(file, size) == 0)
    close(file)
  }
}
