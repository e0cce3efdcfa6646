import ContentAPI
import EventLoop
import JSON
import Postgres

/// `colophon check`: a line for each thing that it has looked at, on standard output.
struct Check {
  let asJSON: Bool
  let environment: [String: String]
  let loop: EventLoop

  func run() async throws -> Colophon.Status {
    let findings = await findings()
    if asJSON {
      show(findings)
    } else {
      for finding in findings {
        Terminal.print(
          [(finding.verdict.rawValue, 5), (finding.item, 22)].map { text, width in
            text + String(repeating: " ", count: max(0, width - text.count)) + " "
          }.joined() + finding.text)
      }
    }
    return findings.contains { $0.verdict == .wrong } ? .failed : .done
  }

  private func findings() async -> [Finding] {
    let configuration: Configuration
    do throws(ConfigurationError) {
      configuration = try Configuration(environment)
    } catch {
      return error.faults.map { fault in
        let words = fault.split(separator: " ", maxSplits: 1).map(String.init)
        return Finding(.wrong, words[0], words.count > 1 ? words[1] : "")
      }
    }
    let path = configuration.sendmail
    let check = ConfigurationCheck(
      configuration, sendmail: try? Files.target(path), isExecutable: Files.isExecutable(path),
      databaseURLIsExposed: Environment.variables()["DATABASE_URL"] != nil)
    return check.findings + (await databaseFindings(configuration))
  }

  private func databaseFindings(_ configuration: Configuration) async -> [Finding] {
    guard let url = configuration.databaseURL else { return [] }
    let connection: Connection
    do throws(PostgresError) {
      connection = try await open(url)
    } catch {
      return [Finding(.wrong, "database", Self.words(error))]
    }
    let check = DatabaseCheck(
      connection, runtimeRole: configuration.runtimeRole, loops: Environment.processorCount())
    do throws(PostgresError) {
      let findings = try await check.findings { () throws(PostgresError) in try await open(url) }
      await connection.close()
      return findings
    } catch {
      await connection.close()
      return [Finding(.wrong, "database", Self.words(error))]
    }
  }

  private func open(_ url: String) async throws(PostgresError) -> Connection {
    try await Connection.open(
      url, on: loop, deadline: .now() + .seconds(5), settings: DatabaseCheck.session(to: url))
  }

  private static func words(_ error: PostgresError) -> String {
    switch error {
    case .unavailable(let reason):
      "cannot be reached: "
        + reason.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        + "; see whether it runs and answers, and whether pg_hba.conf lets this user in"
    case .timedOut:
      "takes connections, but does not answer within 5 s: it is frozen, or its machine is; look at "
        + "its processes and its disk"
    case .server(let error): "refuses: \(error.message)"
    default: "ended the connection in the middle; look at PostgreSQL's log"
    }
  }

  private func show(_ findings: [Finding]) {
    var json = JSONWriter()
    json.beginArray()
    for finding in findings {
      json.beginObject()
      json.name("verdict")
      json.string(finding.verdict.rawValue)
      json.name("item")
      json.string(finding.item)
      json.name("text")
      json.string(finding.text)
      json.endObject()
    }
    json.endArray()
    Terminal.print(String(decoding: json.bytes, as: UTF8.self))
  }
}
