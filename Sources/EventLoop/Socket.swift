import CLinux
import Glibc

/// A TCP socket that never blocks.
package struct Socket: ~Copyable, Sendable {
  package let descriptor: Descriptor

  package var number: Int32 { descriptor.number }

  /// Listens. With `sharingPort`, several sockets may listen on one address and the kernel deals new
  /// connections out between them (SO_REUSEPORT).
  package static func listen(
    on address: SocketAddress, sharingPort: Bool, backlog: Int32 = 4096
  ) throws(SystemError) -> Socket {
    let family = address.isIPv4 ? AF_INET : AF_INET6
    let socket = Socket(
      descriptor: try Descriptor("socket", Glibc.socket(family, Self.streamFlags, 0)))
    try socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
    if sharingPort { try socket.set(SOL_SOCKET, SO_REUSEPORT, 1) }
    if family == AF_INET6 { try socket.set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
    // Inherited by the connections. Without it the kernel takes megabytes for a peer that does not
    // read, and all connections of the machine share what it has for that (tcp_mem).
    try socket.set(Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, 65_536)
    let number = socket.number
    let bound = unsafe address.withSystemForm { unsafe bind(number, $0, $1) }
    if bound != 0 { throw SystemError("bind \(address)") }
    if Glibc.listen(number, backlog) != 0 { throw SystemError("listen \(address)") }
    return socket
  }

  /// Lets no connection begin any more at a listening socket; one whose handshake is under way still
  /// comes. Whoever is not let in tries again after a second, as TCP does, and is refused once the
  /// socket is closed. A connection that came between the last `accept` and `close` would be reset,
  /// with the request that its client may have sent by then.
  package borrowing func holdOff() { _ = colophon_drop_syn(number) }

  /// Begins to connect; the socket becomes writable when that has succeeded or failed.
  package static func connect(to address: SocketAddress) throws(SystemError) -> Socket {
    let family = address.isIPv4 ? AF_INET : AF_INET6
    let socket = Socket(
      descriptor: try Descriptor("socket", Glibc.socket(family, Self.streamFlags, 0)))
    try socket.set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    let number = socket.number
    let code = unsafe address.withSystemForm { unsafe Glibc.connect(number, $0, $1) }
    if code != 0, errno != EINPROGRESS { throw SystemError("connect \(address)") }
    return socket
  }

  private static var streamFlags: Int32 {
    Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
  }

  private borrowing func set(_ level: Int32, _ name: Int32, _ value: Int32) throws(SystemError) {
    var value = value
    let size = socklen_t(MemoryLayout<Int32>.size)
    if unsafe setsockopt(number, level, name, &value, size) != 0 {
      throw SystemError("setsockopt")
    }
  }

  /// What getsockopt(2) says of an option that is a number.
  borrowing func option(_ level: Int32, _ name: Int32) throws(SystemError) -> Int32 {
    var value: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    if unsafe getsockopt(number, level, name, &value, &size) != 0 {
      throw SystemError("getsockopt")
    }
    return value
  }

  /// Where the socket is bound; how a caller learns the port after asking for port 0.
  package borrowing func localAddress() throws(SystemError) -> SocketAddress {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let code = unsafe withUnsafeMutablePointer(to: &storage) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(number, $0, &length)
      }
    }
    if code != 0 { throw SystemError("getsockname") }
    guard let address = SocketAddress(storage) else {
      throw SystemError("getsockname", code: EAFNOSUPPORT)
    }
    return address
  }

  /// What came of taking a connection off the queue.
  package enum Accepted: ~Copyable {
    case connection(Socket, peer: SocketAddress)
    case none
    /// EMFILE, ENFILE, ENOBUFS or ENOMEM: nothing can be accepted until something is given back.
    case exhausted(errno: Int32)
  }

  /// Takes one waiting connection, with TCP_NODELAY set. A connection that died while it waited is
  /// passed over.
  package borrowing func accept() -> Accepted {
    while true {
      var storage = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
      let accepted = unsafe withUnsafeMutablePointer(to: &storage) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe accept4(number, $0, &length, flags)
        }
      }
      if accepted >= 0 {
        let socket = Socket(descriptor: Descriptor(owning: accepted))
        guard let peer = SocketAddress(storage) else { continue }
        try? socket.set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        return .connection(socket, peer: peer)
      }
      switch errno {
      case EAGAIN: return .none
      case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted(errno: errno)
      case EINTR, ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT: continue
      default: return .none
      }
    }
  }

  /// Tells the peer that nothing more will be sent; reading goes on.
  package borrowing func shutdownSending() { _ = shutdown(number, Int32(SHUT_WR)) }

  /// Reads what is there into the beginning of `buffer`.
  package borrowing func read(into buffer: inout [UInt8]) -> ReadOutcome {
    descriptor.read(into: &buffer)
  }

  /// Writes as much as the kernel's buffer takes.
  package borrowing func write(_ bytes: Span<UInt8>) -> WriteOutcome { descriptor.write(bytes) }
}
