import JSON
import Testing

@Suite struct MergePatches {
  private func merged(_ target: Document, _ patch: Document) throws -> JSONValue {
    MergePatch.apply(try patch.read(), to: try target.read())
  }

  /// The table of RFC 7396, appendix A.
  private static let appendix: [(target: Document, patch: Document, result: Document)] = [
    (#"{"a":"b"}"#, #"{"a":"c"}"#, #"{"a":"c"}"#),
    (#"{"a":"b"}"#, #"{"b":"c"}"#, #"{"a":"b","b":"c"}"#),
    (#"{"a":"b"}"#, #"{"a":null}"#, #"{}"#),
    (#"{"a":"b","b":"c"}"#, #"{"a":null}"#, #"{"b":"c"}"#),
    (#"{"a":["b"]}"#, #"{"a":"c"}"#, #"{"a":"c"}"#),
    (#"{"a":"c"}"#, #"{"a":["b"]}"#, #"{"a":["b"]}"#),
    (#"{"a":{"b":"c"}}"#, #"{"a":{"b":"d","c":null}}"#, #"{"a":{"b":"d"}}"#),
    (#"{"a":[{"b":"c"}]}"#, #"{"a":[1]}"#, #"{"a":[1]}"#),
    (#"["a","b"]"#, #"["c","d"]"#, #"["c","d"]"#),
    (#"{"a":"b"}"#, #"["c"]"#, #"["c"]"#),
    (#"{"a":"foo"}"#, "null", "null"),
    (#"{"a":"foo"}"#, #""bar""#, #""bar""#),
    (#"{"e":null}"#, #"{"a":1}"#, #"{"e":null,"a":1}"#),
    (#"[1,2]"#, #"{"a":"b","c":null}"#, #"{"a":"b"}"#),
    (#"{}"#, #"{"a":{"bb":{"ccc":null}}}"#, #"{"a":{"bb":{}}}"#),
  ]

  @Test(arguments: MergePatches.appendix.indices)
  func `give what the RFC's own table says`(row: Int) throws {
    let (target, patch, result) = Self.appendix[row]
    #expect(try merged(target, patch) == result.read())
  }

  @Test func `give the example of the RFC's third section`() throws {
    let target: Document = """
      {"title":"Goodbye!","author":{"givenName":"John","familyName":"Doe"},
      "tags":["example","sample"],"content":"This will be unchanged"}
      """
    let patch: Document = """
      {"title":"Hello!","phoneNumber":"+01-123-456-7890","author":{"familyName":null},
      "tags":["example"]}
      """
    let result: Document = """
      {"title":"Hello!","author":{"givenName":"John"},"tags":["example"],
      "content":"This will be unchanged","phoneNumber":"+01-123-456-7890"}
      """
    #expect(try merged(target, patch) == result.read())
  }

  @Test func `tell names apart by their scalars`() throws {
    let result = try merged(#"{"\u00e9":1,"e\u0301":2}"#, #"{"e\u0301":null,"\u00c9":3}"#)
    #expect(try result == Document(#"{"\u00e9":1,"\u00c9":3}"#).read())
  }

  @Test func `are what the RFC's pseudo-code does, for any two values`() {
    var random = Seeded(state: 7396)
    for _ in 0..<4000 {
      let target = value(4, &random)
      let patch = value(4, &random)
      let merged = MergePatch.apply(patch, to: target)
      #expect(merged == transcription(of: patch, target))
      #expect(MergePatch.apply(patch, to: merged) == merged, "a second time changes nothing")
      #expect(
        MergePatch.apply(.object([]), to: .object(target.objectValue ?? [])).objectValue
          == target.objectValue ?? [], "an empty patch changes nothing")
    }
  }

  @Test func `turn any value into any other that holds no null`() {
    var random = Seeded(state: 1)
    for _ in 0..<4000 {
      let from = value(4, &random)
      let to = value(4, nulls: false, &random)
      let result = MergePatch.apply(difference(from, to), to: from)
      #expect(sorted(result) == sorted(to))
    }
  }

  @Test func `take a moment for as many members as fit into a request`() throws {
    let names = (0..<100_000).map { "\"n\($0)\":" }
    let target = Document("{" + names.map { $0 + "1" }.joined(separator: ",") + "}")
    let patch = Document("{" + names.reversed().map { $0 + "null" }.joined(separator: ",") + "}")
    // Were it quadratic, these ten thousand million comparisons would not end in the suite's time.
    #expect(try merged(target, patch) == .object([]))
    #expect(try merged("{}", patch) == .object([]))
  }

  /// RFC 7396 section 2, line by line.
  private func transcription(of patch: JSONValue, _ target: JSONValue?) -> JSONValue {
    guard case .object(let changes) = patch else { return patch }
    var target = target
    if target?.objectValue == nil { target = .object([]) }
    var members = target?.objectValue ?? []
    for change in changes {
      let place = members.firstIndex {
        $0.name.unicodeScalars.elementsEqual(change.name.unicodeScalars)
      }
      if change.value.isNull {
        if let place { members.remove(at: place) }
      } else if let place {
        members[place] = member(change.name, transcription(of: change.value, members[place].value))
      } else {
        members.append(member(change.name, transcription(of: change.value, nil)))
      }
    }
    return .object(members)
  }

  /// A patch that leads from one value to another.
  private func difference(_ from: JSONValue, _ to: JSONValue) -> JSONValue {
    guard let old = from.objectValue, let new = to.objectValue else { return to }
    let gone = old.filter { to[$0.name] == nil }.map { member($0.name, .null) }
    return .object(
      gone
        + new.compactMap { changed in
          guard let earlier = from[changed.name] else { return changed }
          // An object replaces a list or a text as a whole.
          return earlier == changed.value
            ? nil : member(changed.name, difference(earlier, changed.value))
        })
  }

  /// The value with its members in the order of their names.
  private func sorted(_ value: JSONValue) -> JSONValue {
    guard let members = value.objectValue else { return value }
    return .object(
      members.map { member($0.name, sorted($0.value)) }.sorted { $0.name < $1.name })
  }

  private func value(
    _ depth: Int, nulls: Bool = true, _ random: inout Seeded
  ) -> JSONValue {
    switch Int.random(in: 0..<(depth > 0 ? 10 : 5), using: &random) {
    case 0: return nulls ? .null : .bool(false)
    case 1: return .bool(true)
    case 2: return .number("\(Int.random(in: 0..<3, using: &random))")
    case 3, 4: return .string(["", "a", "b"].randomElement(using: &random) ?? "")
    case 5:
      let count = Int.random(in: 0..<3, using: &random)
      return .array((0..<count).map { _ in value(depth - 1, &random) })
    default:
      let names = ["a", "b", "c", "d", "e"].shuffled(using: &random)
      let count = Int.random(in: 0...names.count, using: &random)
      return .object(
        names.prefix(count).map { member($0, value(depth - 1, nulls: nulls, &random)) })
    }
  }
}
