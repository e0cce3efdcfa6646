/// libpq's keyword form of where to connect to.
package enum ConnectionString {
  /// One setting, quoted so that any value but one with NUL comes out as it went in.
  package static func setting(_ keyword: String, _ value: String) -> String {
    var quoted = "\(keyword)='"
    for scalar in value.unicodeScalars {
      if scalar == "'" || scalar == "\\" { quoted.unicodeScalars.append("\\") }
      quoted.unicodeScalars.append(scalar)
    }
    return quoted + "'"
  }

  static func local(socketFolder: String, database: String) -> String {
    [
      setting("host", socketFolder), "port=5432", "user=\(LocalCluster.role)",
      setting("dbname", database),
    ].joined(separator: " ")
  }

  /// A name as SQL writes it.
  package static func identifier(_ name: String) -> String {
    var quoted = "\""
    for scalar in name.unicodeScalars {
      if scalar == "\"" { quoted += "\"" }
      quoted.unicodeScalars.append(scalar)
    }
    return quoted + "\""
  }
}
