import CLibpq

/// A PGconn and nothing else: every call of libpq on a connection is in this file. It never blocks,
/// except that `PQconnectStart` resolves a host's name: give addresses where that may take long.
///
/// Owner: one `Session`, on its loop's thread.
@safe final class LibpqConnection {
  /// What connecting waits for.
  enum Polling {
    case reading, writing, connected, failed
  }

  /// One result of libpq's.
  enum Reply {
    /// No more results of the current command.
    case end
    case rows(Rows)
    case failure(ServerError)
    /// Skipped by the server because a command before it failed.
    case aborted
    /// ReadyForQuery after a Sync.
    case sync
    /// COPY or something else that this module does not speak.
    case unexpected
  }

  enum Flushed {
    case everything, partly, failed
  }

  /// Gathers what the server says beside results. libpq would print it to standard error.
  private final class Notices {
    var warnings: [String] = []
  }

  private let connection: OpaquePointer
  private let notices = Notices()
  private var arguments = Arguments()

  /// Begins to connect. A failure shows in the first `pollConnect`.
  init(_ candidate: ConnectionParameters.Candidate) throws(PostgresError) {
    let keywords = candidate.values.map { $0.keyword }
    let texts = candidate.values.map { $0.value }
    let started = unsafe Self.withCStrings(keywords) { keywords in
      unsafe Self.withCStrings(texts) { texts in unsafe PQconnectStartParams(keywords, texts, 0) }
    }
    guard let started = unsafe started else { throw .unavailable("out of memory") }
    unsafe connection = unsafe started
    _ = unsafe PQsetNoticeReceiver(
      started,
      { context, result in
        guard let context = unsafe context, let result = unsafe result,
          let severity = unsafe PQresultErrorField(result, Int32(UInt8(ascii: "V"))),
          unsafe String(cString: severity) == "WARNING"
        else { return }
        let message = unsafe PQresultErrorField(result, Int32(UInt8(ascii: "M")))
        let text = unsafe message.map { unsafe String(cString: $0) } ?? ""
        unsafe Unmanaged<Notices>.fromOpaque(context).takeUnretainedValue().warnings.append(text)
      }, Unmanaged.passUnretained(notices).toOpaque())
  }

  deinit { unsafe PQfinish(connection) }

  private static func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
  ) -> Result {
    var bytes: [CChar] = []
    var offsets: [Int] = []
    for string in strings {
      offsets.append(bytes.count)
      bytes.append(contentsOf: string.utf8.map { CChar(bitPattern: $0) })
      bytes.append(0)
    }
    return unsafe bytes.withUnsafeBufferPointer { bytes in
      var pointers: [UnsafePointer<CChar>?] = unsafe offsets.map {
        unsafe bytes.baseAddress! + $0
      }
      unsafe pointers.append(nil)
      return unsafe pointers.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
    }
  }

  // Connecting

  /// libpq may have closed the socket and opened another, even under the same number.
  func pollConnect() -> Polling {
    if unsafe PQstatus(connection) == CONNECTION_BAD { return .failed }
    switch unsafe PQconnectPoll(connection) {
    case PGRES_POLLING_READING: return .reading
    case PGRES_POLLING_WRITING: return .writing
    case PGRES_POLLING_OK: return .connected
    default: return .failed
    }
  }

  /// Once connected: non-blocking, and in pipeline mode if wanted.
  func enterOperation(pipelined: Bool) -> Bool {
    guard unsafe PQsetnonblocking(connection, 1) == 0 else { return false }
    if !pipelined { return true }
    return unsafe PQenterPipelineMode(connection) == 1
  }

  /// -1 when libpq has given the socket up.
  var socket: Int32 { unsafe PQsocket(connection) }

  var isAlive: Bool { unsafe PQstatus(connection) == CONNECTION_OK }

  var usesTLS: Bool { unsafe PQsslInUse(connection) != 0 }

  /// Of the server's process; 0 before the connection stands.
  var processIdentifier: Int { unsafe Int(PQbackendPID(connection)) }

  /// Nothing is under way and no transaction is open.
  var isIdle: Bool { unsafe PQtransactionStatus(connection) == PQTRANS_IDLE }

  /// For logs.
  var errorMessage: String {
    guard let text = unsafe PQerrorMessage(connection) else { return "" }
    return unsafe String(cString: text)
  }

  // Sending; each says whether libpq took it

  func sendPrepare(_ statement: Statement) -> Bool {
    unsafe PQsendPrepare(connection, statement.name, statement.sql, 0, nil) == 1
  }

  func sendExecute(_ call: Call) -> Bool {
    unsafe arguments.withPointers(call.parameters) { values, lengths, formats in
      unsafe call.statement.withCString { name in
        unsafe PQsendQueryPrepared(
          connection, name, Int32(call.parameters.count), values, lengths, formats, 0)
      }
    } == 1
  }

  func sendQuery(_ sql: String, _ parameters: [Parameter]) -> Bool {
    unsafe arguments.withPointers(parameters) { values, lengths, formats in
      unsafe PQsendQueryParams(
        connection, sql, Int32(parameters.count), nil, values, lengths, formats, 0)
    } == 1
  }

  /// Several statements by the simple protocol; not in pipeline mode.
  func sendScript(_ sql: String) -> Bool { unsafe PQsendQuery(connection, sql) == 1 }

  /// Ends a segment of the pipeline; libpq 15 writes out what it has with it.
  func sendSync() -> Bool { unsafe PQpipelineSync(connection) == 1 }

  /// Asks the server to send what it has without a Sync.
  func sendFlushRequest() -> Bool { unsafe PQsendFlushRequest(connection) == 1 }

  func flush() -> Flushed {
    switch unsafe PQflush(connection) {
    case 0: .everything
    case 1: .partly
    default: .failed
    }
  }

  /// Parameters as libpq takes them. The arrays serve one call after another.
  @safe private struct Arguments {
    private var bytes: [UInt8] = []
    private var offsets: [Int] = []
    private var lengths: [Int32] = []
    private var formats: [Int32] = []
    private var values: [UnsafePointer<CChar>?] = unsafe []

    /// Hands the values to `body`, their lengths and their formats.
    mutating func withPointers(
      _ parameters: [Parameter],
      _ body: (
        UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?
      ) -> Int32
    ) -> Int32 {
      encode(parameters)
      // One long text must not stay in memory for as long as the connection.
      defer { if bytes.capacity > 65_536 { bytes = [] } }
      let (bytes, offsets, lengths, formats) = (bytes, offsets, lengths, formats)
      return unsafe bytes.withUnsafeBytes { bytes in
        unsafe values.removeAll(keepingCapacity: true)
        for offset in offsets {
          let value = unsafe offset < 0 ? nil : bytes.baseAddress! + offset
          unsafe values.append(value?.assumingMemoryBound(to: CChar.self))
        }
        return unsafe values.withUnsafeBufferPointer { values in
          unsafe lengths.withUnsafeBufferPointer { lengths in
            unsafe formats.withUnsafeBufferPointer { formats in
              unsafe body(values.baseAddress, lengths.baseAddress, formats.baseAddress)
            }
          }
        }
      }
    }

    private mutating func encode(_ parameters: [Parameter]) {
      bytes.removeAll(keepingCapacity: true)
      offsets.removeAll(keepingCapacity: true)
      lengths.removeAll(keepingCapacity: true)
      formats.removeAll(keepingCapacity: true)
      for parameter in parameters {
        if case .null = parameter {
          offsets.append(-1)
          lengths.append(0)
          formats.append(0)
          continue
        }
        let start = bytes.count
        offsets.append(start)
        parameter.encode(into: &bytes)
        // libpq refuses what is longer than its own counters, and the server above 1 GB.
        lengths.append(Int32(clamping: bytes.count - start))
        formats.append(parameter.isBinary ? 1 : 0)
        bytes.append(0)
      }
    }
  }

  // Receiving

  /// Takes what has arrived. False: the connection has ended, though earlier results may be there.
  func consumeInput() -> Bool {
    guard unsafe PQconsumeInput(connection) == 1 else { return false }
    // What TLS has decrypted but libpq had no room for is not seen by epoll.
    if !usesTLS { return true }
    return unsafe PQconsumeInput(connection) == 1
  }

  /// Whether the next result has not come whole.
  var isBusy: Bool { unsafe PQisBusy(connection) != 0 }

  /// Only when not busy, else it would block.
  func nextReply() -> Reply {
    guard let result = unsafe PQgetResult(connection) else { return .end }
    switch unsafe PQresultStatus(result) {
    case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY, PGRES_SINGLE_TUPLE:
      return .rows(unsafe Rows(owning: result))
    case PGRES_PIPELINE_SYNC:
      unsafe PQclear(result)
      return .sync
    case PGRES_PIPELINE_ABORTED:
      unsafe PQclear(result)
      return .aborted
    case PGRES_FATAL_ERROR, PGRES_NONFATAL_ERROR, PGRES_BAD_RESPONSE:
      defer { unsafe PQclear(result) }
      return .failure(unsafe Self.serverError(result))
    default:
      unsafe PQclear(result)
      return .unexpected
    }
  }

  /// The warnings since the last call.
  func takeWarnings() -> [String] {
    if notices.warnings.isEmpty { return [] }
    defer { notices.warnings = [] }
    return notices.warnings
  }

  private static func serverError(_ result: OpaquePointer) -> ServerError {
    func field(_ code: Character) -> String? {
      guard let ascii = code.asciiValue,
        let text = unsafe PQresultErrorField(result, Int32(ascii))
      else { return nil }
      return unsafe String(cString: text)
    }
    // Without a SQLSTATE it is libpq that speaks: the connection is gone.
    guard let state = field("C") else {
      let text = unsafe PQresultErrorMessage(result).map { unsafe String(cString: $0) }
      var error = ServerError(sqlState: "08006", message: text ?? "")
      error.endsSession = true
      return error
    }
    var error = ServerError(sqlState: state, message: field("M") ?? "")
    error.detail = field("D")
    error.hint = field("H")
    error.schema = field("s")
    error.table = field("t")
    error.column = field("c")
    error.constraint = field("n")
    error.endsSession = ["FATAL", "PANIC"].contains(field("V") ?? "")
    return error
  }
}
