import ContentAPI
import EventLoop

/// A command line, read whole before anything is done.
enum Command: Equatable {
  case help(topic: String?)
  case version
  case dev(DevOptions)
  case serve
  case migrate
  case check(json: Bool)
  case key(KeyAction)
  case mail(MailAction)
  /// Of the private listener; nil for the configured one.
  case top(SocketAddress?)
  case importing(paths: [String], dryRun: Bool)
  case exporting(folder: String)

  struct DevOptions: Equatable {
    var port: UInt16?
    var data = ".colophon"
    var isEmpty = false
  }

  enum KeyAction: Equatable {
    case create(name: String, scopes: [Scope])
    case list(json: Bool)
    case rotate(id: String)
    case revoke(id: String)
  }

  enum MailAction: Equatable {
    case list(json: Bool)
    /// One dead mail, or all of them.
    case retry(id: String?)
  }

  /// Whether it runs until a signal ends it.
  var serves: Bool {
    switch self {
    case .dev, .serve, .top: true
    case .help, .version, .migrate, .check, .key, .mail, .importing, .exporting: false
    }
  }

  static let names = [
    "dev", "serve", "migrate", "check", "import", "export", "key", "mail", "top",
  ]

  init(arguments: [String]) throws(UsageError) {
    var rest = Arguments(arguments)
    guard let name = rest.next() else {
      throw UsageError(
        "say what to do: dev, serve, migrate, check, import, export, key, mail or top")
    }
    if rest.asksForHelp, Self.names.contains(name) {
      self = .help(topic: name)
      return
    }
    switch name {
    case "--help", "-h": self = .help(topic: nil)
    case "--version": self = .version
    case "help":
      let topic = rest.next()
      if let topic, !Self.names.contains(topic) {
        throw UsageError("there is no command \(topic)")
      }
      self = .help(topic: topic)
    case "dev": self = .dev(try Self.dev(&rest))
    case "serve": self = .serve
    case "migrate": self = .migrate
    case "check":
      let option = rest.next()
      guard option == nil || option == "--json" else {
        throw UsageError("check has no option \(option ?? "")")
      }
      self = .check(json: option != nil)
    case "key": self = .key(try Self.key(&rest))
    case "mail": self = .mail(try Self.mail(&rest))
    case "top":
      guard let text = rest.next() else {
        self = .top(nil)
        break
      }
      guard let address = SocketAddress(text), address.port != 0 else {
        throw UsageError(
          "top wants the private listener's address and port, such as 127.0.0.1:9090, not \(text)")
      }
      self = .top(address)
    case "import": self = try Self.importing(&rest)
    case "export":
      let folder = try rest.value(of: "export")
      guard !folder.hasPrefix("-") else { throw UsageError("export has no option \(folder)") }
      self = .exporting(folder: folder)
    default: throw UsageError("there is no command \(name)")
    }
    try rest.end()
  }

  private static func dev(_ rest: inout Arguments) throws(UsageError) -> DevOptions {
    var options = DevOptions()
    while let option = rest.next() {
      switch option {
      case "--port":
        let text = try rest.value(of: option)
        guard let port = UInt16(text), text.utf8.allSatisfy({ (48...57).contains($0) }) else {
          throw UsageError("--port wants a number from 0 to 65535, not \(text)")
        }
        options.port = port
      case "--data": options.data = try rest.value(of: option)
      case "--empty": options.isEmpty = true
      default: throw UsageError("dev has no option \(option)")
      }
    }
    return options
  }

  private static func importing(_ rest: inout Arguments) throws(UsageError) -> Command {
    var paths: [String] = []
    var dryRun = false
    while let word = rest.next() {
      if word == "--dry-run" {
        dryRun = true
      } else if word.hasPrefix("-") || word.isEmpty {
        throw UsageError("import has no option \(word); write ./ before a name that begins with -")
      } else {
        paths.append(word)
      }
    }
    if paths.isEmpty { throw UsageError("import wants files or folders, such as: import posts") }
    return .importing(paths: paths, dryRun: dryRun)
  }

  private static func key(_ rest: inout Arguments) throws(UsageError) -> KeyAction {
    switch rest.next() {
    case "create":
      guard let name = rest.next(), !name.hasPrefix("-") else {
        throw UsageError("key create wants a name, such as: key create laptop --scope posts:write")
      }
      guard (1...200).contains(name.unicodeScalars.count),
        name.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f })
      else { throw UsageError("a key's name has 1 to 200 characters on one line") }
      guard rest.next() == "--scope" else { throw UsageError("key create wants --scope SCOPES") }
      return .create(name: name, scopes: try scopes(try rest.value(of: "--scope")))
    case "list":
      guard let option = rest.next() else { return .list(json: false) }
      guard option == "--json" else { throw UsageError("key list has no option \(option)") }
      return .list(json: true)
    case "rotate": return .rotate(id: try rest.value(of: "key rotate"))
    case "revoke": return .revoke(id: try rest.value(of: "key revoke"))
    case let other?: throw UsageError("key has no action \(other)")
    case nil: throw UsageError("say what to do with keys: create, list, rotate or revoke")
    }
  }

  private static func mail(_ rest: inout Arguments) throws(UsageError) -> MailAction {
    switch rest.next() {
    case "list":
      guard let option = rest.next() else { return .list(json: false) }
      guard option == "--json" else { throw UsageError("mail list has no option \(option)") }
      return .list(json: true)
    case "retry":
      let name = try rest.value(of: "mail retry")
      if name == "--all" { return .retry(id: nil) }
      guard !name.hasPrefix("-") else { throw UsageError("mail retry has no option \(name)") }
      return .retry(id: name)
    case let other?: throw UsageError("mail has no action \(other)")
    case nil: throw UsageError("say what to do with mails: list or retry")
    }
  }

  private static func scopes(_ text: String) throws(UsageError) -> [Scope] {
    var scopes: [Scope] = []
    for name in text.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
      guard let scope = Scope(rawValue: name) else {
        let known = Scope.allCases.map(\.rawValue).joined(separator: ", ")
        throw UsageError("there is no scope \(name); there are: \(known)")
      }
      if !scopes.contains(scope) { scopes.append(scope) }
    }
    return scopes
  }
}

/// A command line that cannot be understood.
struct UsageError: Error {
  let message: String

  init(_ message: String) { self.message = message }
}

/// The words of a command line, taken one by one; `--option=value` is two of them.
private struct Arguments {
  private var words: [String]

  init(_ arguments: [String]) {
    words = arguments.flatMap { argument -> [String] in
      guard argument.hasPrefix("--"), let equals = argument.firstIndex(of: "=") else {
        return [argument]
      }
      return [String(argument[..<equals]), String(argument[argument.index(after: equals)...])]
    }
  }

  var asksForHelp: Bool { words.contains("--help") || words.contains("-h") }

  mutating func next() -> String? { words.isEmpty ? nil : words.removeFirst() }

  mutating func value(of option: String) throws(UsageError) -> String {
    guard let value = next(), !value.isEmpty else { throw UsageError("\(option) wants a value") }
    return value
  }

  func end() throws(UsageError) {
    if let word = words.first { throw UsageError("\(word) is one word too many") }
  }
}
