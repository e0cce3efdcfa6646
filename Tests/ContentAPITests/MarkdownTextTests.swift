import ContentAPI
import Testing

@Suite struct MarkdownPlainText {
  @Test(arguments: [
    ("# Title\n\nText", "Title\nText"), ("Title\n===\nText", "Title\nText"),
    ("## A `b` *c* ##\n", "A b c"), ("#hash tag", "#hash tag"), ("A\nB\n---\nC", "A B\nC"),
    ("a\n\n---\n\n* * *\nb", "a\nb"), ("one\ntwo  \nthree\\\nfour", "one two three four"),
    ("> quote\n> more\n\n- a\n- b\n  c\n1. d\n2) e", "quote more\na\nb c\nd\ne"),
    ("- [ ] open\n- [x] done", "open\ndone"), ("> - > deep", "deep"), ("- - - x", "x"),
    ("It was\n2024. Then\n1985", "It was 2024. Then 1985"),
    ("```swift\nlet a = 1\n```\nText", "Text"), ("~~~\n```\n~~~\nText", "Text"),
    ("    code\n\nText", "Text"), ("- a\n\n    still a", "a\nstill a"), ("```\nunclosed", ""),
    ("<div>\n<p class=\"a > b\">Hi <b>you</b></p><p>two</p>\n</div>", "Hi you two"),
    ("<!-- a\n\nb -->\nText <!-- c --> end", "Text end"), ("<!-- more --> Text", "Text"),
    ("<script>\nx()\n</script>\nText", "Text"), ("<style>a</style>\nText", "Text"),
    ("[a]: https://x.org \"t\"\n\nSee [the a][a], [a] and [b].", "See the a, a and [b]."),
    ("Note[^1].\n\n[^1]: The note.", "Note."),
    ("| a | b |\n|---|:-:|\n| c | d |", "a b\nc d"),
    ("a\r\nb\r\n\r\nc\rd", "a b\nc d"), ("", ""), ("\u{FEFF}", "\u{FEFF}"),
  ])
  func `has no marks of blocks`(source: String, text: String) {
    #expect(MarkdownText(source).plainText == text)
  }

  @Test(arguments: [
    ("*a* **b** ***c*** _d_ __e__ ~~f~~", "a b c d e f"), ("snake_case_name", "snake_case_name"),
    ("2 * 3 * 4", "2 * 3 * 4"), ("*args and **kwargs", "*args and **kwargs"), ("a*b*c", "abc"),
    ("~5 minutes, ~6", "~5 minutes, ~6"), ("**a *b* c**", "a b c"), ("*a", "*a"), ("a**", "a**"),
    ("**「強調」**です", "**「強調」**です"), ("\\*a\\* \\a", "*a* \\a"),
    ("`a *b*` ``c ` d`` `e", "a *b* c ` d `e"), ("`<b>` `[a](b)`", "<b> [a](b)"),
    ("[text](https://x.org \"title\") end", "text end"), ("[a *b* `c`](<u r l>)", "a b c"),
    ("[a](b(c)d)", "a"), ("[a](b c)", "[a](b c)"), ("[a] (b)", "[a] (b)"),
    ("a[0] = b[1]", "a[0] = b[1]"),
    ("![alt](x.png) text", "text"), ("[![badge](b.svg)](https://x.org) text", "text"),
    ("*![a](b)* c", "c"), ("![no image] here", "![no image] here"),
    ("[a [b](c) d](e)", "a b d"), ("<https://x.org/a_b_c>", "https://x.org/a_b_c"),
    ("<me@x.org>", "me@x.org"), ("a < b > c", "a < b > c"), ("a<br>b<br/>c", "a b c"),
    ("<span title='>'>x</span>", "x"), ("1 <2 <b", "1 <2 <b"), ("a <b <i>c</i>", "a <b c"),
    ("AT&amp;T &copy; &#65;&#x42; &nope; &", "AT&T © AB &nope; &"),
    ("&#0;&#xD800;", "\u{FFFD}\u{FFFD}"),
    ("a\u{1}b\tc", "a b c"), ("日本*語*", "日本語"), ("e\u{301}*x*", "e\u{301}x"),
    ("<?php echo ?>a<!DOCTYPE html>b", "ab"),
  ])
  func `has no marks of inlines`(source: String, text: String) {
    #expect(MarkdownText("x " + source).plainText.dropFirst(2) == text)
  }
}

@Suite struct MarkdownExcerpt {
  @Test func `is the opening paragraphs without headings, code and images`() {
    let source = "# Title\n\n![x](y)\n\nFirst *one*.\n\n```\ncode\n```\n\nThen [two](z)."
    #expect(MarkdownText(source).excerpt == "First one. Then two.")
    #expect(MarkdownText("# Only\n\n## Headings").excerpt == "Only Headings")
    #expect(MarkdownText("```\ncode\n```").excerpt == "")
  }

  @Test func `has at most 500 characters, the dots included, and ends with a word`() {
    let exact = String(repeating: "abcd ", count: 99) + "abcde"
    #expect(exact.unicodeScalars.count == 500)
    #expect(MarkdownText(exact).excerpt == exact)
    let long = MarkdownText(exact + "f").excerpt
    #expect(long == String(repeating: "abcd ", count: 98) + "abcd…")
    let paragraphs = MarkdownText(String(repeating: "word\n\n", count: 1000)).excerpt
    #expect(paragraphs.unicodeScalars.count == 500)
    #expect(paragraphs.hasSuffix("word…"))
  }

  @Test(arguments: [
    ("one two three", 13, "one two three"), ("one two three", 12, "one two…"),
    ("one two three", 8, "one two…"), ("one two three", 7, "one…"), ("one two three", 4, "one…"),
    ("one two three", 3, "on…"), ("one two three", 1, "…"), ("one two three", 0, ""),
    ("one two three", -1, ""), ("日本語です", 4, "日本語…"), ("a 日本語", 4, "a 日…"),
    ("👩‍👩‍👧‍👧👩‍👩‍👧‍👧", 9, "👩‍👩‍👧‍👧…"),
    ("👩‍👩‍👧‍👧", 6, "…"),
    ("e\u{301}e\u{301}e\u{301}", 4, "e\u{301}…"), ("", 5, ""), ("ab\r\ncd", 5, "ab…"),
    ("ab\r\ncd", 6, "ab\r\ncd"), ("\r\nab", 2, "…"), ("one e\u{301}t", 6, "one…"),
    ("one to\u{301}", 6, "one…"), ("é ü ö", 4, "é ü…"), ("a日b c", 3, "a日…"),
    ("a\u{A0}b c", 4, "a\u{A0}b…"),
  ])
  func `can be shortened to`(text: String, limit: Int, short: String) {
    #expect(MarkdownText.shorten(text, to: limit) == short)
    #expect(MarkdownText.shorten(text, to: limit).unicodeScalars.count <= max(0, limit))
  }
}

@Suite struct MarkdownWordCount {
  @Test(arguments: [
    ("", 0), ("one", 1), ("one two\nthree", 3), ("# One\n\n- two\n> three", 3),
    ("don't stop-gap", 2),
    ("a — b – c - d", 4), ("**one** [two](three) `five six`", 4), ("```\nlet a = 1\n```", 3),
    ("<b>one</b> <!-- two --> ![three](four)", 1), ("日本語", 3), ("ひらがな カタカナ", 8),
    ("Swift言語 2026年", 5), ("한국어 단어", 2), ("Привет, мир", 2), ("𝒜𝒷 𠀋é", 3), ("https://x.org/a/b", 1),
    ("[^1] one\n\n[^1]: two three", 3), ("    let b = 2\n", 3), ("🎉 !!", 0),
  ])
  func `of`(source: String, words: Int) {
    #expect(MarkdownText(source).wordCount == words)
  }
}

@Suite struct HostileMarkdown {
  @Test(arguments: [
    "[", "]", "*", "_", "`", "<", ">", "!", "~", "&", "\\", "(", "#", "-", "|", "=", " ", "\t",
    "\n", "\r",
    "![", "[](", "[a](", "[a](<", "[a](b \"", "[a](b '", "[a](b (", "[a][", "[^", "[a]: b\n", "<a ",
    "<a b=\"",
    "<a b='\"", "<!--", "<!-- ", "<?", "<!a", "<a@", "<a:", "</", "**a ", "*a* ", "a* *b ", "_a ",
    "~~a ",
    "` `` ", "`a``b```c", "- ", "- - * ", "> ", "> - ", "1. ", "* - ", "- [ ] ", "&#", "&amp;",
    "```\n", "~~~\n",
    "<pre\n", "<!--\n", "a\n\n", "a\n=\n", "|-|\n",
    "    a\n", "e\u{301}", "\u{301}", "日", "👩‍👩‍👧‍👧",
    "\u{200D}", "🇩🇪",
  ])
  func `of 128 KiB is read to its end`(unit: String) {
    // A quarter of what a body may have: nesting would end the stack and a quadratic search the
    // patience here too, and seventy of these take seconds of a build that is not optimised.
    let source = String(repeating: unit, count: 131_072 / unit.utf8.count)
    let text = MarkdownText("[a]: b\n[b]: c\n\nx \(source) x`\"'>)]*")
    #expect(text.excerpt.unicodeScalars.count <= MarkdownText.excerptLength)
  }

  @Test func `of backtick runs of every length is read to its end`() {
    var source = ""
    for length in 1...1000 { source += String(repeating: "`", count: length) + " " }
    #expect(MarkdownText(source).wordCount == 0)
  }

  @Test func `of marks before a line's end is read to its end`() {
    let marks = String(repeating: "- ", count: 131_072)
    #expect(MarkdownText(marks + "*" + marks).wordCount == 0)
    #expect(MarkdownText(marks + "x").plainText == "x")
    #expect(MarkdownText(marks).plainText == "")
  }

  @Test func `never traps, whatever the bytes`() {
    let seed = """
      # Title\n\nA *b* **c _d_** `e` [f](g "h") ![i](j) <k l="m">n</k> <https://o.p>\n
      > q\n- r\n  1. s\n\n```t\nu\n```\n\n[v]: w\n[^x]: y\n\n| z |\n|---|\n
      Setext\n===\n\n<!-- a -->\n&amp; \\* ~~b~~ 日本
      """
    let tokens = [
      "[", "](", ")", "*", "**", "_", "`", "``", "<", ">", "<!--", "-->", "\\", "\n", "\n\n", "![",
      "~~", "\"", "- ", "    ", "&", ";", "|", "```\n", "[^", "]:",
    ]
    .map { Array($0.utf8) }
    var random = SeededRandom(seed: 3)
    for _ in 0..<5_000 {
      let bytes = random.mutate(Array(seed.utf8), with: tokens)
      let text = MarkdownText(String(decoding: bytes, as: UTF8.self))
      #expect(text.excerpt.unicodeScalars.count <= MarkdownText.excerptLength)
    }
  }
}
