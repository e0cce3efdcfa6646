/// What `colophon check` has to say about one thing it looked at.
package struct Finding: Sendable, Equatable {
  /// How it stands.
  package enum Verdict: String, Sendable {
    case good = "ok"
    /// It works, but perhaps not as it was meant.
    case doubtful = "note"
    /// It fails, or will at the worst moment.
    case wrong = "wrong"
  }

  package let verdict: Verdict
  /// What was looked at, in a word or two.
  package let item: String
  /// What it is like; of what is not good, also how to mend it. One line.
  package let text: String

  package init(_ verdict: Verdict, _ item: String, _ text: String) {
    self.verdict = verdict
    self.item = item
    self.text = text
  }
}
