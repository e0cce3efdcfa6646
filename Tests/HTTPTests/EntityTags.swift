import HTTP
import Testing

@Suite struct EntityTags {
  private func tag(_ opaque: String, isWeak: Bool = false) -> EntityTag {
    EntityTag(opaque: opaque, isWeak: isWeak)!
  }

  @Test func `reads lists over several lines`() {
    #expect(EntityTagCondition(["\"a\""]) == .oneOf([tag("a")]))
    #expect(EntityTagCondition(["\"\""]) == .oneOf([tag("")]))
    #expect(
      EntityTagCondition(["\"a,b\" , W/\"c\",,\"\\\"", ", \"d\","])
        == .oneOf([tag("a,b"), tag("c", isWeak: true), tag("\\"), tag("d")]))
    #expect(EntityTagCondition(["*"]) == .any)
    #expect(EntityTagCondition([]) == .absent)
  }

  @Test(arguments: [
    "", ",", "a", "\"a", "a\"", "\"a\"\"b\"", "\"a\" \"b\"", "w/\"a\"", "W\"a\"", "W/a", "W/ \"a\"",
    "\"a b\"", "*, \"a\"", "\"a\", *", "**", "'a'", "\"a\";x", "\"\u{7f}\"", "\"a\", b",
  ])
  func `refuses what is no list of tags`(_ text: String) {
    #expect(EntityTagCondition([text]) == .invalid)
    #expect(EntityTagCondition(["\"x\"", text, "\"y\""]) == .invalid || ["", ","].contains(text))
  }

  @Test func `refuses the asterisk beside others`() {
    #expect(EntityTagCondition(["*", "*"]) == .invalid)
    #expect(EntityTagCondition(["\"a\"", "*"]) == .invalid)
  }

  @Test func `compares strongly and weakly`() {
    let (strong, weak) = (tag("1"), tag("1", isWeak: true))
    #expect(strong.stronglyMatches(tag("1")))
    #expect(!strong.stronglyMatches(weak))
    #expect(!weak.stronglyMatches(weak))
    #expect(!strong.stronglyMatches(tag("2")))
    #expect(strong.weaklyMatches(weak))
    #expect(weak.weaklyMatches(weak))
    #expect(!weak.weaklyMatches(tag("2")))
    #expect(!tag("K").weaklyMatches(tag("\u{212A}")))
  }

  @Test func `is written as it is read`() {
    for tag in [tag("12-ab"), tag("x", isWeak: true), tag("")] {
      #expect(EntityTagCondition([tag.text]) == .oneOf([tag]))
    }
    #expect(EntityTag(opaque: "a\"b") == nil)
    #expect(EntityTag(opaque: "a b") == nil)
    #expect(EntityTag(opaque: "a\nb") == nil)
  }
}
