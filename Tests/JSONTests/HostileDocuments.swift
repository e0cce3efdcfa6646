import JSON
import Testing

@Suite struct HostileDocuments {
  static let sample: Document = #"""
    {"title":"Caf\u00e9 é 日本 😀","n":[0,-1.5e+3,true,false,null,[],{}],"\ud83d\ude00":"a\\b\n",
     "tags":["x","y"] , "deep":{"a":{"b":[[{"c":1e-9}]]}}}
    """#

  private func nested(_ depth: Int, _ inner: String = "") -> Document {
    Document(
      String(repeating: "[", count: depth) + inner + String(repeating: "]", count: depth))
  }

  private func nestedObjects(_ depth: Int) -> Document {
    Document(
      String(repeating: #"{"a":"#, count: depth) + "1" + String(repeating: "}", count: depth))
  }

  @Test func `64 levels are read and 65 are refused`() throws {
    #expect(nested(64).fault() == nil)
    #expect(nested(64, "1").fault() == nil)
    #expect(nestedObjects(64).fault() == nil)
    #expect(nested(65).fault() == JSONError(offset: 64, reason: .tooDeep))
    #expect(nestedObjects(65).fault() == JSONError(offset: 64 * 5, reason: .tooDeep))
    #expect(nested(63, "{}").fault() == nil)
    #expect(nested(64, "{}").fault() == JSONError(offset: 64, reason: .tooDeep))
  }

  @Test func `levels side by side do not add up`() {
    let row = nested(63).bytes
    #expect(
      Document(Array("[".utf8) + row + Array(",".utf8) + row + Array("]".utf8)).fault() == nil)
  }

  @Test func `the outermost array or object has depth 1`() {
    #expect(Document("1").fault(maximumDepth: 0) == nil)
    #expect(Document("[]").fault(maximumDepth: 0) == JSONError(offset: 0, reason: .tooDeep))
    #expect(Document("[1]").fault(maximumDepth: 1) == nil)
    #expect(Document("[{}]").fault(maximumDepth: 1) == JSONError(offset: 1, reason: .tooDeep))
    #expect(Document("[]").fault(maximumDepth: .min) == JSONError(offset: 0, reason: .tooDeep))
  }

  @Test(arguments: [100_000, 200_000, 1_048_576])
  func `brackets without end do not reach the end of the stack`(_ count: Int) {
    let tooDeep = JSONError(offset: 64, reason: .tooDeep)
    #expect(Document([UInt8](repeating: UInt8(ascii: "["), count: count)).fault() == tooDeep)
    #expect(nested(count).fault() == tooDeep)
    #expect(
      nestedObjects(count / 5).fault() == JSONError(offset: 64 * 5, reason: .tooDeep))
  }

  // A reader that compared every name with every other would need many minutes here.
  @Test(.timeLimit(.minutes(1))) func `200,000 members are told apart in time`() throws {
    let members = (0..<200_000).map { "\"\($0)\":0" }
    let value = try Document("{\(members.joined(separator: ","))}").read()
    #expect(value.objectValue?.count == 200_000)
    let document = Document("{\(members.joined(separator: ",")),\"199999\":0}")
    let fault = document.fault()
    #expect(fault?.reason == .duplicateName)
    #expect(fault?.offset == document.bytes.count - 11)
  }

  @Test(.timeLimit(.minutes(1)))
  func `names that Unicode calls equivalent are told apart in time`() throws {
    // 14 places, each composed or decomposed: 16,384 names that are all one to String's ==.
    let names = (0..<16_384).map { number in
      (0..<14).map { number >> $0 & 1 == 0 ? "\u{E9}" : "e\u{301}" }.joined()
    }
    let members = names.map { "\"\($0)\":0" }.joined(separator: ",")
    #expect(try Document("{\(members)}").read().objectValue?.count == 16_384)
    #expect(Document("{\(members),\"\(names[9_999])\":0}").fault()?.reason == .duplicateName)
  }

  @Test func `a repeated name is found at any size of the object`() {
    for count in 1...40 {
      for repeated in 0..<count {
        let members = (0..<count).map { "\"name \($0)\":0" }.joined(separator: ",")
        let document = Document("{\(members),\"name \(repeated)\":0}")
        #expect(
          document.fault() == JSONError(offset: members.utf8.count + 2, reason: .duplicateName))
      }
    }
  }

  @Test func `1 MiB of anything is one value or one fault`() throws {
    let size = 1_048_576
    let plain = Document([0x22] + [UInt8](repeating: UInt8(ascii: "a"), count: size) + [0x22])
    #expect(try plain.read().stringValue?.utf8.count == size)
    let escapes = Document("\"" + String(repeating: #"\u0000"#, count: size / 6) + "\"")
    #expect(try escapes.read().stringValue?.utf8.count == size / 6)
    let digits = Document([UInt8](repeating: UInt8(ascii: "9"), count: size))
    #expect(try digits.read().integerValue == nil)
    let zeros = Document("[" + String(repeating: "0,", count: size / 2) + "0]")
    #expect(try zeros.read().arrayValue?.count == size / 2 + 1)
    let blanks = Document([UInt8](repeating: 0x20, count: size))
    #expect(blanks.fault() == JSONError(offset: size, reason: .empty))
  }

  @Test func `every prefix of a document ends too early`() {
    let document = Self.sample
    #expect(document.fault() == nil)
    for length in 1..<document.bytes.count {
      let prefix = Document(Array(document.bytes[..<length]))
      if String(validating: prefix.bytes, as: UTF8.self) != nil {
        #expect(prefix.fault() == JSONError(offset: length, reason: .unexpectedEnd))
      } else {
        let fault = prefix.fault()
        #expect(fault?.reason == .invalidUTF8)
        #expect((length - 3..<length).contains(fault?.offset ?? -1))
      }
    }
  }

  @Test func `every change of one byte gives a value or a place`() throws {
    var bytes = Self.sample.bytes
    for index in bytes.indices {
      let original = bytes[index]
      for byte in UInt8.min...UInt8.max {
        bytes[index] = byte
        try expectValueOrPlace(bytes)
      }
      bytes[index] = original
    }
  }

  @Test func `every byte taken out or doubled gives a value or a place`() throws {
    let bytes = Self.sample.bytes
    for index in bytes.indices {
      var shorter = bytes
      shorter.remove(at: index)
      try expectValueOrPlace(shorter)
      var longer = bytes
      longer.insert(bytes[index], at: index)
      try expectValueOrPlace(longer)
    }
  }

  @Test func `random pieces of JSON give a value or a place`() throws {
    let pieces = [
      "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "d83d", "\\ude00", "0", "1", "-", ".", "e",
      "+", "true", "fals", "null", " ", "\n", "é", "\"a\"", "\"a\":", "\"\\n\"", "\u{0}",
    ].map { Array($0.utf8) }
    var random = Seeded(state: 20)
    for _ in 0..<20_000 {
      let count = Int.random(in: 0...12, using: &random)
      let bytes = (0..<count).flatMap { _ in pieces.randomElement(using: &random) ?? [] }
      try expectValueOrPlace(bytes)
    }
  }

  /// What is accepted survives another trip; what is refused is refused at a place inside, or at
  /// the end when something is missing there.
  private func expectValueOrPlace(
    _ bytes: [UInt8], sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let document = Document(bytes)
    switch Result(catching: { () throws(JSONError) in try document.read() }) {
    case .success(let value):
      let again = try render(value).read()
      if again != value { Issue.record("\(document)", sourceLocation: sourceLocation) }
    case .failure(let error):
      if !(0...bytes.count).contains(error.offset) {
        Issue.record("\(error) in \(document)", sourceLocation: sourceLocation)
      }
      let ends = error.reason == .unexpectedEnd || error.reason == .empty
      if ends != (error.offset == bytes.count) {
        Issue.record("\(error) in \(document)", sourceLocation: sourceLocation)
      }
    }
  }
}
