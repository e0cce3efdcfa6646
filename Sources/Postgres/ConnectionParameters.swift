import CLibpq

/// Where and how to connect: the operator's connection string with what we add to it, taken apart
/// into one candidate for each host.
///
/// libpq could walk through several hosts itself, but its non-blocking connect has no time limit
/// for each, so that a first host that swallows packets would hide the second for ever.
struct ConnectionParameters: Sendable {
  /// Keywords and values for one host, or for all of them where the wish concerns the whole list.
  struct Candidate: Sendable {
    var values: [(keyword: String, value: String)]
  }

  let candidates: [Candidate]

  /// Reads a libpq URI or keyword string. Throws `.unavailable` with what libpq says of it up to
  /// the first quotation: that might be a piece of a password.
  init(_ conninfo: String, settings: SessionSettings) throws(PostgresError) {
    var values = try Self.parse(conninfo)
    let environment = Self.environmentDefaults()
    func add(_ keyword: String, _ value: String) {
      if values[keyword] == nil, environment[keyword] == nil { values[keyword] = value }
    }
    values["options"] = settings.options(
      around: values["options"] ?? environment["options"] ?? "")
    values["client_encoding"] = "UTF8"
    add("fallback_application_name", settings.applicationName)
    add("target_session_attrs", settings.targetSessionAttributes)
    add("keepalives", "1")
    add("keepalives_idle", "10")
    add("keepalives_interval", "5")
    add("keepalives_count", "3")
    add("tcp_user_timeout", "10000")
    candidates = Self.split(values, environment).map { values in
      Candidate(values: values.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    }
  }

  private static func split(
    _ values: [String: String], _ environment: [String: String]
  ) -> [[String: String]] {
    let wish = values["target_session_attrs"] ?? environment["target_session_attrs"] ?? "any"
    func list(_ keyword: String) -> [String] {
      guard let text = values[keyword] ?? environment[keyword], !text.isEmpty else { return [] }
      return text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    let hosts = list("host")
    let addresses = list("hostaddr")
    let ports = list("port")
    let count = max(hosts.count, addresses.count)
    guard count > 1, ["any", "read-write", "primary"].contains(wish),
      hosts.isEmpty || hosts.count == count, addresses.isEmpty || addresses.count == count,
      ports.count <= 1 || ports.count == count
    else { return [values] }
    return (0..<count).map { index in
      var single = values
      if !hosts.isEmpty { single["host"] = hosts[index] }
      if !addresses.isEmpty { single["hostaddr"] = addresses[index] }
      if ports.count > 1 { single["port"] = ports[index] }
      return single
    }
  }

  static func parse(_ conninfo: String) throws(PostgresError) -> [String: String] {
    if conninfo.utf8.contains(0) { throw .invalidParameter }
    var message: UnsafeMutablePointer<CChar>?
    guard let options = unsafe PQconninfoParse(conninfo, &message) else {
      let text = unsafe message.map { unsafe String(cString: $0) } ?? "out of memory"
      unsafe PQfreemem(message)
      let harmless = text.prefix { $0 != "\"" && $0 != ":" && $0 != "\n" }
      throw .unavailable("the connection string is malformed (\(harmless)…)")
    }
    defer { unsafe PQconninfoFree(options) }
    return unsafe collect(options) { option in unsafe option.val != nil }
  }

  /// What environment variables say, such as PGHOST. libpq's built-in defaults are left out, so
  /// that ours can take their place.
  static func environmentDefaults() -> [String: String] {
    guard let options = unsafe PQconndefaults() else { return [:] }
    defer { unsafe PQconninfoFree(options) }
    return unsafe collect(options) { option in
      guard let value = unsafe option.val, unsafe option.envvar != nil else { return false }
      guard let compiled = unsafe option.compiled else { return true }
      return unsafe String(cString: value) != String(cString: compiled)
    }
  }

  private static func collect(
    _ options: UnsafeMutablePointer<PQconninfoOption>, where isWanted: (PQconninfoOption) -> Bool
  ) -> [String: String] {
    var values: [String: String] = [:]
    var next = unsafe options
    while let keyword = unsafe next.pointee.keyword {
      if unsafe isWanted(next.pointee), let value = unsafe next.pointee.val {
        unsafe values[String(cString: keyword)] = unsafe String(cString: value)
      }
      unsafe next += 1
    }
    return values
  }
}
