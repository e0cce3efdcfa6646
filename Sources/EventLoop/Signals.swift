import CLinux
import Glibc

/// Unix signals as events of a loop (signalfd(2)), not as interruptions.
package actor Signals: LoopBound {
  package let loop: EventLoop
  private let descriptor: Descriptor
  private let handler: @Sendable (Int32) -> Void

  /// Must be called on the first thread before any other starts: threads inherit the mask, and a
  /// signal that one thread leaves unblocked ends the process there. SIGPIPE is ignored for good; a
  /// closed peer is an answer of write(2).
  package static func block(_ numbers: [Int32]) {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for number in numbers { unsafe sigaddset(&set, number) }
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    _ = Glibc.signal(SIGPIPE, SIG_IGN)
  }

  /// Calls `handler` on the loop for each of `numbers` that arrives; they must have been blocked.
  package init(
    _ numbers: [Int32], on loop: EventLoop, handler: @Sendable @escaping (Int32) -> Void
  ) throws(SystemError) {
    self.loop = loop
    self.handler = handler
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for number in numbers { unsafe sigaddset(&set, number) }
    descriptor = try Descriptor(
      "signalfd", unsafe signalfd(-1, &set, Int32(SFD_CLOEXEC) | Int32(SFD_NONBLOCK)))
  }

  /// Begins to listen. The loop keeps this value alive from here on.
  package func start() throws(SystemError) {
    _ = try loop.register(descriptor.number, for: .readable, token: 0, of: self)
  }

  package func ready(_ token: Int, _ events: ReadyEvents) {
    var information = signalfd_siginfo()
    let size = MemoryLayout<signalfd_siginfo>.size
    while unsafe read(descriptor.number, &information, size) == size {
      handler(Int32(information.ssi_signo))
    }
  }
}
