import Glibc

/// An open file descriptor, closed when its owner lets go of it. It cannot be copied, so nothing
/// can close it twice or use its number after somebody else got it.
package struct Descriptor: ~Copyable, Sendable {
  /// For registration and for calls that take a number; valid as long as this value lives.
  package let number: Int32

  package init(owning number: Int32) { self.number = number }

  /// Takes what a system call returned, or throws its errno.
  package init(_ call: String, _ result: Int32) throws(SystemError) {
    if result < 0 { throw SystemError(call) }
    number = result
  }

  deinit { close(number) }

  /// Gives the number away; this value closes nothing any more.
  package consuming func release() -> Int32 {
    let kept = number
    discard self
    return kept
  }
}

/// What came of an attempt to read without waiting.
package enum ReadOutcome: Sendable, Equatable {
  case bytes(Int)
  case wouldBlock
  /// The peer has finished sending.
  case ended
  case failed(errno: Int32)
}

/// What came of an attempt to write without waiting.
package enum WriteOutcome: Sendable, Equatable {
  /// Possibly fewer than were offered.
  case bytes(Int)
  case wouldBlock
  case failed(errno: Int32)
}

extension Descriptor {
  /// Reads what is there into the beginning of `buffer`, whose count stays as it is.
  package borrowing func read(into buffer: inout [UInt8]) -> ReadOutcome {
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes {
        unsafe Glibc.read(number, $0.baseAddress, $0.count)
      }
      if count > 0 { return .bytes(count) }
      if count == 0 { return .ended }
      switch errno {
      case EINTR: continue
      case EAGAIN: return .wouldBlock
      case let code: return .failed(errno: code)
      }
    }
  }

  /// Writes as much of `bytes` as the other side takes now. SIGPIPE is ignored by the process.
  package borrowing func write(_ bytes: Span<UInt8>) -> WriteOutcome {
    while true {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(number, $0.baseAddress, $0.count)
      }
      if count >= 0 { return .bytes(count) }
      switch errno {
      case EINTR: continue
      case EAGAIN: return .wouldBlock
      case let code: return .failed(errno: code)
      }
    }
  }
}
