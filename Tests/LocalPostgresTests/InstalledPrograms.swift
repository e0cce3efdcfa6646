import EventLoop
import LocalPostgres
import Testing
import Turns

@Suite(.turns) struct InstalledPrograms {
  @Test func `are found on this machine`() async throws {
    try await Stage.run { stage in
      let programs = try await ServerPrograms.find(on: stage.loop)
      #expect(programs.version >= 15)
      #expect(Files.isExecutable(programs.initdb))
      #expect(Files.isExecutable(programs.postgres))
    }
  }

  @Test func `are found in versioned folders and by pg_config, which comes first`() async throws {
    try await Stage.run { stage in
      let programs = try await ServerPrograms.find(on: stage.loop)
      let bin = stage.folder + "/16/bin"
      try Files.makeFolder(stage.folder + "/16", mode: 0o755)
      try Files.makeFolder(bin, mode: 0o755)
      for name in ["initdb", "postgres"] {
        let text = "#!/bin/sh\necho 'postgres (PostgreSQL) 16.2'\n"
        try Files.write(Array(text.utf8), to: "\(bin)/\(name)", mode: 0o755)
      }
      #expect(await stage.canRun("\(bin)/postgres"))
      let versioned = ServerPrograms.Search(path: [], versioned: [stage.folder])
      let found = try await ServerPrograms.find(versioned, on: stage.loop)
      #expect(found.folder == bin)
      #expect(found.version == 16)

      let text = "#!/bin/sh\necho '\(programs.folder)'\n"
      try Files.write(Array(text.utf8), to: stage.folder + "/pg_config", mode: 0o755)
      #expect(await stage.canRun(stage.folder + "/pg_config"))
      let both = ServerPrograms.Search(path: ["/", stage.folder], versioned: [stage.folder])
      #expect(try await ServerPrograms.find(both, on: stage.loop) == programs)
      #expect(try await ServerPrograms.find(both, version: 16, on: stage.loop).folder == bin)
    }
  }

  @Test func `when they are missing, the error says what to install`() async throws {
    try await Stage.run { stage in
      let search = ServerPrograms.Search(path: [stage.folder], versioned: [stage.folder])
      do {
        _ = try await ServerPrograms.find(search, on: stage.loop)
        Issue.record("something was found")
      } catch let error as LocalPostgresError {
        #expect(error == .programsMissing(searched: [stage.folder + "/*/bin"]))
        #expect(error.description.contains("apt-get install postgresql"))
        #expect(error.description.contains(stage.folder))
      }
    }
  }

  @Test func `the newest version comes first`() {
    #expect(
      ServerPrograms.newestFirst(["9", "15", "common", "16", "x17", "100"])
        == ["100", "16", "15", "9"])
  }

  @Test(arguments: [
    ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 15),
    ("postgres (PostgreSQL) 17beta1", 17), ("postgres (PostgreSQL) 18devel", 18),
    ("postgres (PostgreSQL) 99999999999999999999", nil), ("postgres", nil), ("", nil),
  ])
  func `a version is read from what the server says of itself`(line: String, version: Int?) {
    #expect(ServerPrograms.majorVersion(line) == version)
  }
}

@Suite struct LocalConnectionString {
  @Test func `quotes what libpq would take for its own`() {
    #expect(ConnectionString.setting("host", #"/a b/it's \here"#) == #"host='/a b/it\'s \\here'"#)
    #expect(ConnectionString.setting("dbname", "") == "dbname=''")
    #expect(ConnectionString.setting("host", "/größe/🧅") == "host='/größe/🧅'")
    #expect(ConnectionString.setting("host", "'\u{301}") == "host='\\'\u{301}'")
  }

  @Test func `quotes names as SQL does`() {
    #expect(ConnectionString.identifier("plain") == "\"plain\"")
    #expect(ConnectionString.identifier("a\"b") == "\"a\"\"b\"")
  }
}

@Suite struct PostmasterPidFile {
  private func file(_ text: String) -> PostmasterFile? { PostmasterFile(Array(text.utf8)) }

  @Test func `says whether the server is ready`() {
    let head = "17\n/data\n1700000000\n5432\n/run\n\n  123 4\n"
    #expect(file(head + "ready   \n")?.pid == 17)
    #expect(file(head + "ready   \n")?.isReady == true)
    #expect(file(head + "starting\n")?.isReady == false)
    #expect(file(head)?.isReady == false)
    #expect(file("17")?.pid == 17)
  }

  @Test(arguments: ["", "\n", "x\n", "-5\n", "0\n", "99999999999\n", " 5\n", "\u{1F9C5}\n"])
  func `is nothing when it does not begin with a number`(text: String) {
    #expect(file(text) == nil)
  }

  @Test func `gets another number and keeps the rest`() {
    let content = Array("17\n/data\nready\n".utf8)
    #expect(PostmasterFile.replacing(pid: 4, in: content) == Array("4\n/data\nready\n".utf8))
    #expect(PostmasterFile.replacing(pid: 4, in: Array("17".utf8)) == Array("4".utf8))
    #expect(PostmasterFile.replacing(pid: 4, in: []) == Array("4".utf8))
  }
}
