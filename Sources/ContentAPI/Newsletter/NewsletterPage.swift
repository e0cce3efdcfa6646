import HTTP

/// A page for people: what a link in a mail leads to, and what a plain form is answered with. It is
/// whole in itself and needs no script, and tells nobody where its reader came from.
///
/// The texts are English; `profile.site.language` has no say here.
struct NewsletterPage: Sendable {
  let title: String
  let paragraphs: [String]
  /// What the page's one button says; it posts to the page's own address. nil for a page without.
  var button: String?

  init(_ title: String, _ paragraphs: [String], button: String? = nil) {
    self.title = title
    self.paragraphs = paragraphs
    self.button = button
  }

  static let thanksPath = "/newsletter/thanks"

  func response(status: Int, _ fields: ResponseFields = [:]) -> Response {
    var fields = fields
    fields.set("Content-Type", "text/html; charset=utf-8")
    return Self.dressed(Response(status: status, fields: fields, body: Array(html.source.utf8)))
  }

  /// Adds the fields that every page has; an answer that was kept for a key has lost them.
  static func dressed(_ response: Response) -> Response {
    var response = response
    response.fields.set("Cache-Control", "no-store")
    design.dress(&response.fields)
    response.fields.set("X-Robots-Tag", "noindex")
    return response
  }

  private var html: HTML {
    let paragraphs = paragraphs.map { "<p>\($0)</p>\n" as HTML }.joined()
    let form: HTML =
      button.map {
        """
        <form method="post">
        <button type="submit">\($0)</button>
        </form>

        """
      } ?? ""
    return Self.design.document(
      title: title, head: "<meta name=\"robots\" content=\"noindex\">\n",
      body: """
        <main>
        <h1>\(title)</h1>
        \(paragraphs)\(form)</main>

        """)
  }

  private static let design = PageDesign(
    style: """
      :root{color-scheme:light dark;--ink:#1b1b1f;--paper:#fff;--line:#1d4ed8;--on:#fff}
      @media (prefers-color-scheme:dark){:root{--ink:#ececf1;--paper:#17171b;--line:#9db8ff;\
      --on:#10131c}}
      *{box-sizing:border-box}
      body{margin:0;background:var(--paper);color:var(--ink);\
      font:1.125rem/1.6 system-ui,sans-serif}
      main{max-width:34rem;margin:0 auto;padding:3rem 1.25rem}
      h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem}
      h1,p{overflow-wrap:anywhere}
      p{margin:0 0 1rem}
      button{font:inherit;font-weight:600;min-height:3rem;padding:.6rem 1.4rem;border:0;\
      border-radius:.5rem;background:var(--line);color:var(--on);cursor:pointer;max-width:100%}
      button:focus-visible{outline:3px solid var(--ink);outline-offset:3px}
      @media (max-width:30rem){main{padding-top:2rem}button{width:100%}}
      """, sendsForms: true)
}

// What the pages say.
extension NewsletterPage {
  static let thanks = NewsletterPage(
    "One more step",
    [
      """
      Look into your mail. If your address is not subscribed yet, a message with a link is on its \
      way. The newsletter comes only after you have opened that link and pressed the button there.
      """,
      "Nothing there? Look among the unwanted mail, or sign up again in an hour.",
    ])

  /// What a form gets that cannot be taken.
  init(_ problem: Problem) {
    let details =
      problem.faults.isEmpty
      ? [problem.detail] : problem.faults.map { Self.sentence($0.detail) }
    let advice =
      problem.kind.status >= 500
      ? "Try it again in a moment."
      : "Go back, correct it and send the form again. You are not signed up yet."
    self.init(
      problem.kind == .invalidContent ? "This could not be taken" : "This did not work",
      details + [advice])
  }

  private static func sentence(_ clause: String) -> String {
    let opening = clause.prefix(1).uppercased() + clause.dropFirst()
    return opening.hasSuffix(".") ? opening : opening + "."
  }

  static func invitation(_ newsletter: NewsletterName) -> NewsletterPage {
    NewsletterPage(
      "Subscribe to \(newsletter.text)?",
      [
        """
        Press the button, and from then on \(newsletter.text) is sent to the address that this \
        link was mailed to. You can unsubscribe at any time by the link in each mail.
        """
      ] + newsletter.rhythm + ["You did not ask for this? Close this page: nothing will be sent."],
      button: "Yes, subscribe me")
  }

  static func confirmed(_ newsletter: NewsletterName) -> NewsletterPage {
    NewsletterPage(
      "You are subscribed",
      ["Your address is confirmed: \(newsletter.text) will be sent to it."] + newsletter.rhythm
        + ["There is nothing more to do, and you can close this page."])
  }

  static func spent(_ newsletter: NewsletterName) -> NewsletterPage {
    NewsletterPage(
      "This link has been used",
      [
        """
        You confirmed earlier and have unsubscribed since, so nothing was changed: \
        \(newsletter.text) is not sent to you.
        """,
        "To get it again, sign up once more; a new message with a new link will come.",
      ])
  }

  static let expired = NewsletterPage(
    "This link no longer works",
    [
      "It is older than seven days, or not all of it has arrived here. Nothing was changed.",
      """
      Sign up once more, and a message with a new link will come. If you copied the link, copy all \
      of it.
      """,
    ])

  static func farewell(_ newsletter: NewsletterName) -> NewsletterPage {
    NewsletterPage(
      "Unsubscribe from \(newsletter.text)?",
      [
        "Press the button, and no more mail is sent to the address that this link was mailed to.",
        "You want to stay? Close this page: nothing is changed.",
      ], button: "Unsubscribe me")
  }

  static func unsubscribed(_ newsletter: NewsletterName) -> NewsletterPage {
    NewsletterPage(
      "You are unsubscribed",
      ["No more mail comes from \(newsletter.text). To get it again, sign up once more."])
  }

  static let expiredFarewell = NewsletterPage(
    "This link no longer works",
    [
      """
      It is older than a year, its subscription has been erased, or not all of it has arrived \
      here. Nothing was changed.
      """,
      """
      Take the link in the newest mail that you got. If you copied the link, copy all of it.
      """,
    ])
}

/// How the pages speak of the newsletter.
struct NewsletterName: Sendable {
  /// Its name in quotes; before it has one, what it is.
  let text: String
  /// A paragraph on how often it comes, in the writer's words, or none.
  let rhythm: [String]

  init(_ name: String?, frequency: String?) {
    text = name.flatMap { $0.isEmpty ? nil : "“\($0)”" } ?? "the newsletter"
    rhythm = frequency.map { ["How often: \($0)"] } ?? []
  }
}
