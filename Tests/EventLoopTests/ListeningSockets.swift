import EventLoop
import Glibc
import Testing

@Suite struct ListeningSockets {
  /// Reads until something other than silence comes.
  private func read(_ socket: borrowing Socket) -> String {
    var buffer = [UInt8](repeating: 0, count: 16)
    let deadline = MonotonicInstant.now() + .seconds(60)
    while MonotonicInstant.now() < deadline {
      switch socket.read(into: &buffer) {
      case .bytes(let count): return String(decoding: buffer[..<count], as: UTF8.self)
      case .wouldBlock: usleep(1000)
      case .ended: return "ended"
      case .failed: return "failed"
      }
    }
    return "silent"
  }

  /// The connection that has come, which says hello.
  private func greet(_ listener: borrowing Socket) -> Bool {
    switch listener.accept() {
    case .connection(let guest, _):
      guard case .bytes = guest.write(Array("hello".utf8).span) else { return false }
      return true
    case .none: return false
    case .exhausted: return false
    }
  }

  @Test func `that hold off keep who has come and let nobody else in`() throws {
    let listener = try Socket.listen(
      on: try #require(SocketAddress("127.0.0.1:0")), sharingPort: true)
    let address = try listener.localAddress()
    let early = try Socket.connect(to: address)
    listener.holdOff()
    let late = try Socket.connect(to: address)
    let hasCome = greet(listener)
    let heard = read(early)
    let hasFollowed = greet(listener)
    #expect(hasCome)
    #expect(heard == "hello")
    #expect(!hasFollowed)
    var buffer: [UInt8] = [0]
    guard case .wouldBlock = late.read(into: &buffer) else {
      Issue.record("the second was told something")
      return
    }
    close(listener)
    // Only now that nobody listens any more.
    let end = read(late)
    #expect(end == "failed")
  }

  private func close(_ socket: consuming Socket) {}
}
