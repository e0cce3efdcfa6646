import EventLoop
import Fuzzing
import Testing

/// What `.ci/fuzz` begins with: bytes that each parser takes, and some that it does not.
@Suite struct FuzzCorpora {
  private static let folder = "Tests/Fuzzing/corpora"

  private static func corpus(_ target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
    let folder = folder + "/" + target.rawValue
    return try Files.names(in: Repository.root + "/" + folder).sorted().map {
      ($0, try Repository.bytes(folder + "/" + $0))
    }
  }

  @Test func `are there for each parser, and small`() throws {
    #expect(
      Set(Files.names(in: Repository.root + "/" + Self.folder))
        == Set(FuzzTarget.allCases.map(\.rawValue)))
    for target in FuzzTarget.allCases {
      let corpus = try Self.corpus(target)
      #expect(corpus.count >= 5, "\(target)")
      #expect(corpus.map(\.bytes.count).reduce(0, +) < 8192, "\(target)")
    }
  }

  @Test(arguments: FuzzTarget.allCases)
  func `break nothing, as they are and changed`(_ target: FuzzTarget) throws {
    let corpus = try Self.corpus(target)
    for (name, bytes) in corpus { #expect(target.flaw(in: bytes) == nil, "\(name)") }
    var random = SeededRandom(seed: 23)
    for _ in 0..<1_500 {
      let seed = corpus[random.next(below: corpus.count)].bytes
      let bytes = random.mutate(seed, with: corpus.map(\.bytes))
      #expect(target.flaw(in: bytes) == nil, "\(bytes)")
    }
  }
}
