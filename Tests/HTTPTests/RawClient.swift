import EventLoop
import Glibc
import HTTP

/// An answer as it came over the wire.
struct Answer: Equatable {
  let status: Int
  /// Names in lower case.
  let fields: [String: String]
  let content: [UInt8]

  var text: String { String(decoding: content, as: UTF8.self) }
  var closes: Bool { fields["connection"] == "close" }
}

/// A client that sends bytes as they are and waits for each thing with a deadline. The one place of
/// these tests that speaks to the system itself.
final class RawClient {
  private let socket: Socket
  private(set) var received: [UInt8] = []
  private(set) var isEnded = false
  private(set) var isReset = false

  static let patience = Duration.seconds(60)

  init(_ address: SocketAddress) throws {
    socket = try Socket.connect(to: address)
    wait(for: POLLOUT, until: .now() + Self.patience)
  }

  @discardableResult
  private func wait(for events: Int32, until deadline: MonotonicInstant) -> Bool {
    let left = max(0, (deadline - .now()).wholeNanoseconds / 1_000_000)
    var entry = pollfd(fd: socket.number, events: Int16(events), revents: 0)
    return unsafe poll(&entry, 1, Int32(clamping: left)) > 0
  }

  // Sending

  /// Sends everything; false when the server does not take it all.
  @discardableResult
  func send(_ bytes: [UInt8], within time: Duration = patience) -> Bool {
    let deadline = MonotonicInstant.now() + time
    var start = 0
    while start < bytes.count {
      switch socket.write(bytes.span.extracting(start..<bytes.count)) {
      case .bytes(let count): start += count
      case .wouldBlock:
        if !wait(for: POLLOUT, until: deadline) { return false }
      case .failed: return false
      }
    }
    return true
  }

  @discardableResult
  func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  func finishSending() { socket.shutdownSending() }

  /// Makes the kernel send a reset when this client goes, instead of an orderly end.
  func resetAtEnd() {
    var setting = linger(l_onoff: 1, l_linger: 0)
    let size = socklen_t(MemoryLayout<linger>.size)
    _ = unsafe setsockopt(socket.number, SOL_SOCKET, SO_LINGER, &setting, size)
  }

  /// How many segments with data have come, which is at most one per send and 64 KiB of it: the
  /// member `tcpi_data_segs_in` of the kernel's `struct tcp_info`, which the C library's lacks.
  var dataSegments: Int {
    var information = [UInt32](repeating: 0, count: 64)
    var size = socklen_t(256)
    let code = unsafe getsockopt(
      socket.number, Int32(IPPROTO_TCP), TCP_INFO, &information, &size)
    return code == 0 && size >= 156 ? Int(information[38]) : .max
  }

  // Receiving

  /// Reads once; false at the end and when nothing comes in time.
  @discardableResult
  func read(until deadline: MonotonicInstant = .now() + patience) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      switch socket.read(into: &buffer) {
      case .bytes(let count):
        received += buffer[..<count]
        return true
      case .wouldBlock:
        if !wait(for: POLLIN, until: deadline) { return false }
      case .ended:
        isEnded = true
        return false
      case .failed:
        isEnded = true
        isReset = true
        return false
      }
    }
  }

  /// The next answer; nil when the connection ends, or time does, before it is complete. To HEAD
  /// there is no content whatever the fields say.
  func answer(toHead isHead: Bool = false) -> Answer? {
    let deadline = MonotonicInstant.now() + Self.patience
    while true {
      if let answer = takeAnswer(isHead) { return answer }
      if !read(until: deadline) { return nil }
    }
  }

  /// Everything up to the end of the connection.
  func answersToTheEnd() -> [Answer] {
    readToTheEnd()
    var answers: [Answer] = []
    while let answer = takeAnswer(false) { answers.append(answer) }
    return answers
  }

  func readToTheEnd() {
    let deadline = MonotonicInstant.now() + Self.patience
    while read(until: deadline) {}
  }

  private func takeAnswer(_ isHead: Bool) -> Answer? {
    guard let end = endOfHead() else { return nil }
    let lines = String(decoding: received[..<end], as: UTF8.self).split(separator: "\r\n")
    let status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    var fields: [String: String] = [:]
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      fields[line[..<colon].lowercased()] = String(line[colon...].dropFirst(2))
    }
    let start = end + 4
    let length = isHead ? 0 : fields["content-length"].flatMap { Int($0) } ?? 0
    guard received.count - start >= length else { return nil }
    let content = Array(received[start..<(start + length)])
    received.removeFirst(start + length)
    return Answer(status: status, fields: fields, content: content)
  }

  private func endOfHead() -> Int? {
    guard received.count >= 4 else { return nil }
    for index in 0...(received.count - 4)
    where received[index] == 13 && received[index + 1] == 10 && received[index + 2] == 13
      && received[index + 3] == 10
    {
      return index
    }
    return nil
  }
}

/// How much processor time the calling thread has used.
func threadProcessorTime() -> Duration {
  var time = timespec()
  unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}
