/// An actor that lives on one event loop: its methods run on the loop's thread and nowhere else, so
/// that its state needs no lock, and a call from one such actor to another of the same loop is a
/// plain function call. The loop enters it once per event.
package protocol LoopBound: Actor {
  nonisolated var loop: EventLoop { get }

  /// A registered descriptor can be read or written. `token` is what it was registered with.
  func ready(_ token: Int, _ events: ReadyEvents)

  /// A timer that `EventLoop.schedule` was given has come due.
  func expired(_ token: Int)

  /// Everything that happened at once has been handled: the place to send what has gathered. Only
  /// for actors that asked with `EventLoop.observeTicks`.
  func tickEnded()
}

extension LoopBound {
  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe loop.asUnownedSerialExecutor()
  }

  package func ready(_ token: Int, _ events: ReadyEvents) {}
  package func expired(_ token: Int) {}
  package func tickEnded() {}
}

/// What a descriptor is watched for.
package struct Interest: OptionSet, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  package static let readable = Interest(rawValue: 0x001)
  package static let writable = Interest(rawValue: 0x004)
}

/// What epoll(7) says of a descriptor.
package struct ReadyEvents: OptionSet, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  package static let readable = ReadyEvents(rawValue: 0x001)
  package static let writable = ReadyEvents(rawValue: 0x004)
  package static let error = ReadyEvents(rawValue: 0x008)
  package static let hangUp = ReadyEvents(rawValue: 0x010)
}
