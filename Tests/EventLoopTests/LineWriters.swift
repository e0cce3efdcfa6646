import EventLoop
import Glibc
import Synchronization
import Testing
import Turns

/// A pipe whose writing end a writer of lines has.
private final class Pipe: Sendable {
  private let ends: Mutex<(reading: Int32?, writing: Int32)>

  init() {
    var numbers: [Int32] = [0, 0]
    #expect(unsafe pipe(&numbers) == 0)
    ends = Mutex((numbers[0], numbers[1]))
  }

  deinit {
    closeReading()
    close(writing)
  }

  var writing: Int32 { ends.withLock { $0.writing } }

  func closeReading() {
    let number = ends.withLock { ends in
      defer { ends.reading = nil }
      return ends.reading
    }
    if let number { close(number) }
  }

  /// Reads until the text ends in `end`.
  func text(endingIn end: String) -> String {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    guard let reading = ends.withLock({ $0.reading }) else { return "" }
    while true {
      let count = unsafe read(reading, &buffer, buffer.count)
      guard count > 0 else { break }
      bytes += buffer[..<count]
      if bytes.suffix(end.utf8.count).elementsEqual(end.utf8) { break }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension LineWriter.Lane {
  fileprivate func append(_ line: String) {
    append(atMost: line.utf8.count + 1) { $0 += Array((line + "\n").utf8) }
  }
}

@Suite(.turns) struct LineWriters {
  private func writer(to pipe: Pipe, capacity: Int = 1 << 20) throws -> LineWriter {
    _ = signal(SIGPIPE, SIG_IGN)
    let writer = LineWriter(to: pipe.writing, capacity: capacity) { Array("\($0) lost\n".utf8) }
    try writer.start()
    return writer
  }

  @Test func `write the lines of each lane in their order`() throws {
    let pipe = Pipe()
    let writer = try writer(to: pipe)
    let (one, other) = (writer.makeLane(), writer.makeLane())
    for number in 0..<100 {
      one.append("a \(number)")
      other.append("b \(number)")
    }
    writer.finish(within: .seconds(60))
    other.append("too late")
    one.append("end")
    let again = try self.writer(to: pipe)
    let lane = again.makeLane()
    lane.append("end")
    let lines = pipe.text(endingIn: "end\n").split(separator: "\n").map(String.init)
    #expect(lines.filter { $0.hasPrefix("a") } == (0..<100).map { "a \($0)" })
    #expect(lines.filter { $0.hasPrefix("b") } == (0..<100).map { "b \($0)" })
    #expect(lines.count == 201)
    #expect(writer.lostLines == 0)
    again.finish(within: .seconds(60))
  }

  @Test func `lose what nobody reads, count it, and say so once somebody does`() throws {
    let pipe = Pipe()
    let writer = try writer(to: pipe, capacity: 65_536)
    let lane = writer.makeLane()
    let line = String(repeating: "x", count: 999)
    // The pipe holds 64 KiB, the writer has as much in hand, and the lane as much again.
    for _ in 0..<1000 { lane.append(line) }
    #expect(writer.lostLines > 0, "it is known while the writer still waits")
    // It does not wait for the reader, who has not come.
    writer.finish(within: .milliseconds(1))
    let text = pipe.text(endingIn: " lost\n")
    let lines = text.split(separator: "\n").map(String.init)
    let note = try #require(lines.last)
    let lost = try #require(Int(note.prefix { $0 != " " }))
    #expect(lost > 0)
    #expect(lines.dropLast().allSatisfy { $0 == line })
    #expect(lines.count - 1 + lost == 1000)
    #expect(writer.lostLines == lost)
  }

  @Test func `go on after the reader has gone`() throws {
    let pipe = Pipe()
    let writer = try writer(to: pipe)
    let lane = writer.makeLane()
    lane.append("heard")
    #expect(pipe.text(endingIn: "heard\n") == "heard\n")
    pipe.closeReading()
    for _ in 0..<10 { lane.append("unheard") }
    writer.finish(within: .seconds(60))
    #expect(writer.lostLines == 10)
  }
}
