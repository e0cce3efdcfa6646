import ContentAPI
import EventLoop
import Postgres

/// `colophon export`: every post that is not in the trash as a file of a folder.
struct Export {
  private let folder: String
  private let configuration: Configuration
  private let loop: EventLoop

  init(folder: String, configuration: Configuration, loop: EventLoop) {
    var folder = folder
    while folder.hasSuffix("/"), folder != "/" { folder.removeLast() }
    self.folder = folder
    self.configuration = configuration
    self.loop = loop
  }

  func run() async throws -> Colophon.Status {
    let connection = try await Database.openMade(configuration.databaseURL, on: loop)
    try makeFolder()
    let status = try await Database.explaining { try await write(PostExport(connection)) }
    await connection.close()
    return status
  }

  private func makeFolder() throws {
    do {
      try Files.makeFolder(folder, mode: 0o777)
      guard try Files.target(folder).isFolder else { throw Failure("\(folder) is no folder") }
    } catch let error as SystemError {
      throw Failure("the folder cannot be made: \(error)")
    }
  }

  private func write(_ export: PostExport) async throws -> Colophon.Status {
    let total = try await export.begin()
    var progress = ProgressBar("Exporting", total == 1 ? "post" : "posts", total: total)
    // Names of earlier exports, until their post turns up.
    var others: Set<String>
    do {
      let names = try Files.list(folder)
      others = Set(names.filter { Self.slug($0) != nil })
      // Left over from an export that was killed.
      for name in names where name.hasPrefix(".") && name.hasSuffix(".new") {
        if Self.slug(String(name.dropFirst().dropLast(4))) != nil {
          Files.remove("\(folder)/\(name)")
        }
      }
    } catch {
      throw Failure("the folder cannot be read: \(error)")
    }
    var faults: [String] = []
    var written = 0
    var last: String?
    while true {
      let posts = try await export.files(after: last)
      if posts.isEmpty { break }
      for post in posts {
        others.remove(post.slug + ".md")
        do {
          if try put(post.file, post.slug) { written += 1 }
        } catch let failure as Failure {
          faults.append("\(folder)/\(post.slug).md: \(failure.message)")
        } catch {
          faults.append("\(folder)/\(post.slug).md: \(error)")
        }
        progress.advance()
      }
      last = posts.last?.slug
    }
    try await export.end()
    progress.finish()
    for fault in faults { Terminal.note(fault) }
    for name in others.sorted() {
      Terminal.note("\(folder)/\(name): there is no such post any more; the file is left alone")
    }
    let count = progress.done - faults.count
    Terminal.print(
      "\(count) \(count == 1 ? "post" : "posts"): \(written) written, \(count - written) unchanged"
        + (faults.isEmpty ? "" : ", \(faults.count) \(faults.count == 1 ? "fault" : "faults")"))
    return faults.isEmpty ? .done : .failed
  }

  /// The slug that a file of an export has for its name.
  private static func slug(_ name: String) -> String? {
    guard name.hasSuffix(".md") else { return nil }
    let slug = String(name.dropLast(3))
    return Slug.isValid(slug) ? slug : nil
  }

  /// Writes a file that is not there with these bytes; whether it had to.
  private func put(_ file: [UInt8], _ slug: String) throws -> Bool {
    let path = "\(folder)/\(slug).md"
    if let status = Files.status(path) {
      guard status.isFile else {
        throw Failure("this is no file and is left alone: move it away and export again")
      }
      if status.size == file.count, try Files.read(path, atMost: file.count) == file {
        return false
      }
    }
    try Files.write(file, to: path, beside: "\(folder)/.\(slug).md.new", mode: 0o666)
    return true
  }
}
