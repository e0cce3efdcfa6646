import EventLoop

/// The files of this repository, found from this one.
enum Repository {
  static let root = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }

  static func bytes(_ path: String) throws -> [UInt8] { try Files.read(root + "/" + path) }

  static func text(_ path: String) throws -> String {
    String(decoding: try bytes(path), as: UTF8.self)
  }

  static func lines(_ path: String) throws -> [String] {
    try text(path).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  /// Every Swift file below a folder, whole.
  static func sources(_ folder: String) throws -> [String] {
    try Files.names(in: root + "/" + folder).flatMap { name in
      let path = folder + "/" + name
      return name.hasSuffix(".swift") ? [try text(path)] : try sources(path)
    }
  }
}
