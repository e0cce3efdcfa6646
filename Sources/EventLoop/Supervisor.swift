import CLinux
import Glibc

/// What keeps watch over this process and speaks systemd's protocols: a datagram socket that it is
/// told the state on (sd_notify(3)), a time within which it wants a sign of life
/// (sd_watchdog_enabled(3)), and sockets that listen already (sd_listen_fds(3)).
///
/// It is what the environment says; a process that nobody watches finds nothing there.
package struct Supervisor: Sendable {
  /// `sun_path` of unix(7): a path with its NUL, or a NUL and an abstract name.
  private let place: [UInt8]?
  /// How long it waits for a sign of life before it takes the process for dead; nil for ever.
  package let patience: Duration?
  private let passed: [String]

  /// - Parameter process: the number of this process, which what is meant for another does not bear.
  package init(
    _ environment: [String: String], process: Int32 = Environment.processIdentifier
  ) {
    place = Self.place(environment["NOTIFY_SOCKET"] ?? "")
    let isWatched = environment["WATCHDOG_PID"].map { Int32($0) == process } ?? true
    let microseconds = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
    patience = isWatched && microseconds > 0 ? .microseconds(microseconds) : nil
    let count = environment["LISTEN_FDS"].flatMap { Int($0) } ?? 0
    guard Int32(environment["LISTEN_PID"] ?? "") == process, (1...256).contains(count) else {
      passed = []
      return
    }
    let names = (environment["LISTEN_FDNAMES"] ?? "")
      .split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    passed = (0..<count).map { $0 < names.count ? names[$0] : "" }
  }

  /// Whether anybody wants to be told anything.
  package var listens: Bool { place != nil }

  private static func place(_ name: String) -> [UInt8]? {
    let bytes = Array(name.utf8)
    guard bytes.count > 1, bytes.count < 108, !bytes.contains(0) else { return nil }
    switch bytes[0] {
    case UInt8(ascii: "/"): return bytes + [0]
    case UInt8(ascii: "@"): return [0] + bytes.dropFirst()
    default: return nil
    }
  }

  /// Tells it lines such as `READY=1`, all in one datagram, without waiting. False when it has to be
  /// told again, because it has no room at the moment.
  package func tell(_ lines: [String]) -> Bool {
    guard let place else { return true }
    let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let number = socket(AF_UNIX, kind | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard number >= 0 else { return false }
    let descriptor = Descriptor(owning: number)
    var form = sockaddr_un()
    form.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &form.sun_path) { unsafe $0.copyBytes(from: place) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + place.count)
    let text = Array(lines.joined(separator: "\n").utf8)
    let sent = unsafe withUnsafePointer(to: &form) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe sendto(descriptor.number, text, text.count, 0, $0, length)
      }
    }
    // Whoever is not there, or does not want it, is not told later either.
    return sent >= 0 || ![EAGAIN, ENOBUFS, ENOMEM, EINTR].contains(errno)
  }

  /// The listening sockets that this process was started with, in their order. Throws for one that
  /// is no TCP socket or does not listen. To be called once, before children are started.
  package func listeners() throws(SystemError) -> [PassedListener] {
    var listeners: [PassedListener] = []
    for (index, name) in passed.enumerated() {
      listeners.append(try PassedListener(number: Int32(3 + index), name: name))
    }
    return listeners
  }
}

/// A listening socket that this process was started with (socket activation). It listens before the
/// process runs and after it has ended; who connects in between waits.
package struct PassedListener: Sendable {
  /// What its giver calls it; empty without a name.
  package let name: String
  package let address: SocketAddress
  private let number: Int32

  fileprivate init(number: Int32, name: String) throws(SystemError) {
    self.number = number
    self.name = name
    let call = "socket \(number), passed by LISTEN_FDS, is no TCP socket that listens"
    // The number stays open, for it is this process's as long as it lives.
    let listener = Socket(
      descriptor: try Descriptor(call, fcntl(number, F_DUPFD_CLOEXEC, Int32(3))))
    do throws(SystemError) {
      guard try listener.option(SOL_SOCKET, SO_ACCEPTCONN) == 1 else {
        throw SystemError(call, code: EINVAL)
      }
      address = try listener.localAddress()
    } catch {
      throw SystemError(call, code: error.code)
    }
    let flags = fcntl(number, F_GETFL)
    if flags < 0 || fcntl(number, F_SETFL, flags | O_NONBLOCK) != 0
      || fcntl(number, F_SETFD, FD_CLOEXEC) != 0
    {
      throw SystemError(call)
    }
  }

  /// The socket under a number of its own: each worker of a server has one, and whichever is first
  /// takes a connection off the queue that they share. Unlike with SO_REUSEPORT all loops wake for a
  /// new connection; in return none is lost in the queue of one that ends.
  package func socket() throws(SystemError) -> Socket {
    Socket(descriptor: try Descriptor("dup", fcntl(number, F_DUPFD_CLOEXEC, Int32(3))))
  }
}
