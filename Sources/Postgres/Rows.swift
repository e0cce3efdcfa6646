import CLibpq

/// The result of one statement, in libpq's memory until the last reference goes.
///
/// Rows and columns count from 0. Asking beyond them gives nil, like NULL does: what the server
/// sent never stops the program.
@safe package final class Rows: @unchecked Sendable {
  // Never changed after init, and libpq's accessors of a finished result only read it.
  private let result: OpaquePointer
  /// The number of rows.
  package let count: Int
  /// The number of columns.
  package let columns: Int

  /// Takes the result over.
  init(owning result: OpaquePointer) {
    unsafe self.result = unsafe result
    count = unsafe Int(PQntuples(result))
    columns = unsafe Int(PQnfields(result))
  }

  deinit { unsafe PQclear(result) }

  package var isEmpty: Bool { count == 0 }

  /// How many rows the statement inserted, updated, deleted or selected; 0 for other statements.
  package var affected: Int {
    guard let text = unsafe PQcmdTuples(result) else { return 0 }
    return unsafe Int(String(cString: text)) ?? 0
  }

  /// The command tag, such as `INSERT 0 1` or `COMMIT`.
  package var tag: String {
    guard let text = unsafe PQcmdStatus(result) else { return "" }
    return unsafe String(cString: text)
  }

  /// The name of a column.
  package func name(_ column: Int) -> String? {
    guard column >= 0, column < columns, let text = unsafe PQfname(result, Int32(column)) else {
      return nil
    }
    return unsafe String(cString: text)
  }

  /// Whether the value is NULL or not there.
  package func isNull(_ row: Int, _ column: Int) -> Bool {
    guard contains(row, column) else { return true }
    return unsafe PQgetisnull(result, Int32(row), Int32(column)) != 0
  }

  /// Calls `body` with the value as the server wrote it, without a copy; nil for NULL. Of a `bytea`
  /// this is the text form: use `bytes`.
  package func withBytes<Result, Failure: Error>(
    _ row: Int, _ column: Int, _ body: (Span<UInt8>) throws(Failure) -> Result
  ) throws(Failure) -> Result? {
    guard !isNull(row, column),
      let value = unsafe PQgetvalue(result, Int32(row), Int32(column))
    else { return nil }
    let length = unsafe Int(PQgetlength(result, Int32(row), Int32(column)))
    let buffer = unsafe UnsafeRawBufferPointer(start: value, count: length)
    let bytes = unsafe buffer.assumingMemoryBound(to: UInt8.self)
    return try withExtendedLifetime(self) { () throws(Failure) -> Result in
      unsafe try body(Span(_unsafeElements: bytes))
    }
  }

  /// The value as text; nil for NULL.
  package func text(_ row: Int, _ column: Int) -> String? {
    withBytes(row, column) { value in
      unsafe value.withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }
  }

  /// The bytes of a `bytea`, or of any other type's text; nil for NULL.
  package func bytes(_ row: Int, _ column: Int) -> [UInt8]? {
    guard contains(row, column) else { return nil }
    // The type of `bytea` has this number in every database.
    let isByteArray = unsafe PQftype(result, Int32(column)) == 17
    return withBytes(row, column) { value in
      if isByteArray, let decoded = Self.decodeHexadecimal(value) { return decoded }
      return unsafe value.withUnsafeBufferPointer { unsafe Array($0) }
    }
  }

  /// How many bytes the values of these columns have together, as the server wrote them.
  package func length(_ row: Int, _ columns: Range<Int>) -> Int {
    columns.reduce(0) { sum, column in
      guard contains(row, column) else { return sum }
      return unsafe sum + Int(PQgetlength(result, Int32(row), Int32(column)))
    }
  }

  /// The value as a whole number; nil for NULL and for what is none.
  package func integer(_ row: Int, _ column: Int) -> Int? {
    withBytes(row, column) { value in Self.parseInteger(value) } ?? nil
  }

  /// The value of a `boolean`; nil for NULL and for other types.
  package func boolean(_ row: Int, _ column: Int) -> Bool? {
    withBytes(row, column) { value -> Bool? in
      guard value.count == 1 else { return nil }
      switch value[0] {
      case UInt8(ascii: "t"): return true
      case UInt8(ascii: "f"): return false
      default: return nil
      }
    } ?? nil
  }

  private func contains(_ row: Int, _ column: Int) -> Bool {
    row >= 0 && row < count && column >= 0 && column < columns
  }

  private static func parseInteger(_ value: Span<UInt8>) -> Int? {
    var index = 0
    let isNegative = value.count > 0 && value[0] == UInt8(ascii: "-")
    if isNegative { index = 1 }
    guard index < value.count else { return nil }
    var number = 0
    while index < value.count {
      let digit = value[index]
      guard (48...57).contains(digit) else { return nil }
      // Gathered below zero, where the least Int has room too.
      let (product, overflow) = number.multipliedReportingOverflow(by: 10)
      let (difference, carry) = product.subtractingReportingOverflow(Int(digit) - 48)
      if overflow || carry { return nil }
      number = difference
      index += 1
    }
    if isNegative { return number }
    return number == .min ? nil : -number
  }

  /// The `hex` output format of bytea: `\x` and two digits for each byte.
  private static func decodeHexadecimal(_ value: Span<UInt8>) -> [UInt8]? {
    guard value.count >= 2, value.count % 2 == 0, value[0] == UInt8(ascii: "\\"),
      value[1] == UInt8(ascii: "x")
    else { return nil }
    var decoded: [UInt8] = []
    decoded.reserveCapacity(value.count / 2 - 1)
    var index = 2
    while index < value.count {
      guard let high = digit(value[index]), let low = digit(value[index + 1]) else { return nil }
      decoded.append(high << 4 | low)
      index += 2
    }
    return decoded
  }

  private static func digit(_ character: UInt8) -> UInt8? {
    switch character {
    case 48...57: character - 48
    case 97...102: character - 87
    default: nil
    }
  }
}
