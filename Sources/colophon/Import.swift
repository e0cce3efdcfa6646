import ContentAPI
import EventLoop
import Postgres

/// `colophon import`: Markdown files with front matter become posts.
///
/// Everything is read twice: first to find all faults and which files say the same slug, then to
/// write, so that no file gets in that another one contradicts, and no more than a few are in memory.
struct Import {
  let paths: [String]
  let isRehearsal: Bool
  let configuration: Configuration
  let loop: EventLoop

  /// How many posts are written at once.
  private static let inFlight = 4

  func run() async throws -> Colophon.Status {
    // Says what is wrong with the database before anything is read.
    await (try await Database.openMade(configuration.databaseURL, on: loop)).close()
    let files = MarkdownFiles(paths)
    var report = ImportReport(files)
    let sound = check(files.paths, &report)

    var settings = PoolSettings()
    settings.readConnections = 0
    settings.queryConnections = 0
    settings.writeConnections = Self.inFlight
    let pool = Pool(
      conninfo: configuration.databaseURL ?? "", statements: PostImport.statements,
      settings: settings, loop: loop)
    await pool.start()
    defer { report.tell(isRehearsal: isRehearsal) }
    try await Database.explaining {
      try await write(sound, PostImport(pool: pool, isRehearsal: isRehearsal), &report)
    }
    await pool.close()
    return report.faults.isEmpty ? .done : .failed
  }

  /// The files that are posts, each with a slug of its own.
  private func check(_ paths: [String], _ report: inout ImportReport) -> [String] {
    var progress = ProgressBar("Reading", paths.count == 1 ? "file" : "files", total: paths.count)
    var slugs: [String] = []
    var first: [String: Int] = [:]
    var sharing: [Int: [Int]] = [:]
    for (index, path) in paths.enumerated() {
      switch Self.read(path) {
      case .success(let file):
        let slug = file.draft.slug ?? ""
        slugs.append(slug)
        if let other = first[slug] { sharing[other, default: []].append(index) }
        if first[slug] == nil { first[slug] = index }
      case .failure(let error):
        slugs.append("")
        report.add(error.faults, of: path)
      }
      progress.advance()
    }
    progress.finish()
    for (index, others) in sharing.sorted(by: { $0.key < $1.key }) {
      let names = others.map { paths[$0] }.joined(separator: ", ")
      report.add(
        [": has the slug \(slugs[index]), as have \(names): give each a slug of its own"],
        of: paths[index])
      for place in others + [index] { slugs[place] = "" }
    }
    return zip(paths, slugs).filter { !$1.isEmpty }.map(\.0)
  }

  /// The file as a post, or what is wrong with it.
  private static func read(_ path: String) -> Result<ImportedFile, ImportedFile.Unreadable> {
    let content: [UInt8]
    do {
      let size = try Files.target(path).size
      content =
        size > ImportedFile.maximumSize
        ? [] : try Files.read(path, atMost: ImportedFile.maximumSize)
      if max(size, content.count) > ImportedFile.maximumSize {
        let size = size > ImportedFile.maximumSize ? "\(size) bytes" : "too many bytes"
        return .failure(
          ImportedFile.Unreadable(faults: [
            ": the file has \(size): front matter may have 64 KiB and a post 512 KiB"
          ]))
      }
    } catch {
      let reason = SystemError.message(for: error.code)
      return .failure(ImportedFile.Unreadable(faults: [": cannot be read: \(reason)"]))
    }
    // The name of the folder is needed where the path does not have it.
    let isBare = !path.contains("/") && path.hasPrefix("index.")
    return ImportedFile.read(content, at: isBare ? Files.resolve(path) ?? path : path)
  }

  private func write(
    _ paths: [String], _ posts: PostImport, _ report: inout ImportReport
  ) async throws {
    var progress = ProgressBar(
      isRehearsal ? "Trying" : "Importing", paths.count == 1 ? "file" : "files",
      total: paths.count)
    defer { progress.finish() }
    try await withThrowingTaskGroup(of: Written.self) { group in
      for (index, path) in paths.enumerated() {
        if index >= Self.inFlight, let written = try await group.next() {
          report.add(written)
          progress.advance()
        }
        group.addTask(executorPreference: loop) { try await Self.put(path, posts) }
      }
      while let written = try await group.next() {
        report.add(written)
        progress.advance()
      }
    }
  }

  /// What became of a file.
  struct Written: Sendable {
    let path: String
    let outcome: Result<(PostImport.Outcome, leftOut: [String]), ImportedFile.Unreadable>
  }

  private static func put(_ path: String, _ posts: PostImport) async throws -> Written {
    switch read(path) {
    case .failure(let error): return Written(path: path, outcome: .failure(error))
    case .success(let file):
      let outcome = try await posts.put(file.draft)
      return Written(path: path, outcome: .success((outcome, file.leftOut)))
    }
  }
}

/// What an import tells at its end.
struct ImportReport {
  private(set) var faults: [String]
  private let passedOver: [String: Int]
  private var leftOut: [String: Int] = [:]
  private var otherKeys = 0
  private var new = 0
  private var changed = 0
  private var unchanged = 0

  /// How many different keys are counted, each under its name.
  private static let limit = 500

  init(_ files: MarkdownFiles) {
    faults = files.faults
    passedOver = files.passedOver
  }

  mutating func add(_ faults: [String], of path: String) {
    self.faults += faults.map { path + $0 }
  }

  mutating func add(_ written: Import.Written) {
    switch written.outcome {
    case .failure(let error): return add(error.faults, of: written.path)
    case .success((.refused(let reason), _)): return add([": " + reason], of: written.path)
    case .success((.created, _)): new += 1
    case .success((.changed, _)): changed += 1
    case .success((.unchanged, _)): unchanged += 1
    }
    guard case .success((_, let keys)) = written.outcome else { return }
    for key in Set(keys) {
      if leftOut[key] != nil || leftOut.count < Self.limit {
        leftOut[key, default: 0] += 1
      } else {
        otherKeys += 1
      }
    }
  }

  /// Faults and what was left out to standard error, the sum to standard output.
  func tell(isRehearsal: Bool) {
    func list(_ counts: [String: Int]) -> String {
      counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        .map { "\(Self.printable($0.key)) (\($0.value) \($0.value == 1 ? "file" : "files"))" }
        .joined(separator: ", ")
    }
    if !passedOver.isEmpty { Terminal.note("passed over: \(list(passedOver))") }
    if !leftOut.isEmpty {
      let more = otherKeys > 0 ? ", and \(otherKeys) times other keys" : ""
      Terminal.note("left out: \(list(leftOut))\(more)")
    }
    for fault in faults { Terminal.note(Self.printable(fault)) }
    Terminal.print(
      "\(new) new, \(changed) changed, \(unchanged) unchanged, "
        + "\(faults.count) \(faults.count == 1 ? "fault" : "faults")"
        + (isRehearsal ? "; nothing was written" : ""))
  }

  /// A text of strangers in one line, without what a terminal would obey.
  private static func printable(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { scalar in
          switch scalar.value {
          case 0..<0x20, 0x7F...0x9F, 0x2028, 0x2029, 0x202A...0x202E, 0x2066...0x2069: "\u{FFFD}"
          default: scalar
          }
        }))
  }
}
