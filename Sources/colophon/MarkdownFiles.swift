import EventLoop

/// The Markdown files of an import: what the command line names, and of folders all that is in them.
struct MarkdownFiles {
  /// In the order in which they are found: the command line's, and by name within folders.
  private(set) var paths: [String] = []
  /// A line for each thing that looks like a file to import and cannot be one.
  private(set) var faults: [String] = []
  /// Files that are no posts by their name, with how many there are of each.
  private(set) var passedOver: [String: Int] = [:]

  /// Where each path leads, so that one that is named twice is read once.
  private var places: Set<String> = []

  init(_ arguments: [String]) {
    for argument in arguments {
      do {
        let status = try Files.target(argument)
        if status.isFolder {
          walk(argument)
        } else if Self.isMarkdown(argument) {
          add(argument, status)
        } else {
          faults.append(
            "\(argument): neither a folder nor a file whose name ends in .md or .markdown")
        }
      } catch {
        faults.append("\(argument): \(SystemError.message(for: error.code))")
      }
    }
  }

  private static func isMarkdown(_ name: String) -> Bool {
    name.hasSuffix(".md") || name.hasSuffix(".markdown")
  }

  private mutating func walk(_ folder: String) {
    let names: [String]
    do {
      names = try Files.list(folder)
    } catch {
      faults.append("\(folder): \(SystemError.message(for: error.code))")
      return
    }
    let folder = folder.hasSuffix("/") ? folder : folder + "/"
    for name in names where !name.hasPrefix(".") && name != "node_modules" {
      let path = folder + name
      guard let status = Files.status(path) else { continue }
      if status.isFolder {
        if Self.isMarkdown(name) {
          faults.append("\(path): a folder with the name of a file: rename it")
        } else {
          walk(path)
        }
      } else if ["README.md", "README.markdown", "_index.md", "_index.markdown"].contains(name) {
        passedOver[name, default: 0] += 1
      } else if name.hasSuffix(".mdx") {
        passedOver["*.mdx", default: 0] += 1
      } else if status.isSymbolicLink {
        follow(path, isMarkdown: Self.isMarkdown(name))
      } else if Self.isMarkdown(name) {
        add(path, status)
      }
    }
  }

  /// A link to a file is that file; one to a folder is not followed, or a walk might never end.
  private mutating func follow(_ path: String, isMarkdown: Bool) {
    do {
      let target = try Files.target(path)
      if target.isFolder {
        faults.append(
          "\(path): a link to a folder is not followed: name the folder itself to import it")
      } else if isMarkdown {
        add(path, target)
      }
    } catch {
      if isMarkdown { faults.append("\(path): \(SystemError.message(for: error.code))") }
    }
  }

  private mutating func add(_ path: String, _ status: Files.Status) {
    guard status.isFile else {
      faults.append("\(path): not a file but a pipe, a socket or a device")
      return
    }
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    let folder = parts.count > 1 ? parts.dropLast().joined(separator: "/") + "/" : "."
    let place = (Files.resolve(folder) ?? folder) + "/" + (parts.last ?? "")
    if places.insert(place).inserted { paths.append(path) }
  }
}
