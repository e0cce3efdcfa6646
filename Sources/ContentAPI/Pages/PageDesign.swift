import HTTP

/// What all pages of one kind share: their style, their script if they have any, and the policy by
/// which a browser runs and shows nothing else. A page is whole in itself: it fetches nothing but
/// answers of this server, stands in no frame, and tells nobody where its reader came from.
struct PageDesign: Sendable {
  private let style: String
  private let script: String?
  private let fields: ResponseFields

  /// - Parameters:
  ///   - script: runs at the end of the page, and may make requests to this server.
  ///   - sendsForms: whether a form of the page may be sent, to this server.
  init(style: String, script: String? = nil, sendsForms: Bool) {
    self.style = style
    self.script = script
    var policy = ["default-src 'none'", "style-src " + Self.source(of: style)]
    if let script { policy += ["script-src " + Self.source(of: script), "connect-src 'self'"] }
    policy += [
      "form-action " + (sendsForms ? "'self'" : "'none'"), "base-uri 'none'",
      "frame-ancestors 'none'",
    ]
    fields = [
      "Content-Security-Policy": FieldValue(policy.joined(separator: "; ")),
      "Referrer-Policy": "no-referrer",
    ]
  }

  /// Gives an answer the fields that every page of this kind has.
  func dress(_ fields: inout ResponseFields) {
    for field in self.fields { fields.set(field.name, field.value) }
  }

  /// The whole page.
  ///
  /// - Parameter head: what else stands in its head.
  func document(title: String, head: HTML = "", body: HTML) -> HTML {
    let script = script.map { HTML(markup: "<script>\($0)</script>\n") } ?? ""
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      \(head)<meta name="color-scheme" content="light dark">
      <title>\(title)</title>
      <style>\(HTML(markup: style))</style>
      </head>
      <body>
      \(body)\(script)</body>
      </html>

      """
  }

  /// What stands in the page is named by its digest (Content Security Policy Level 3 §2.3.1).
  private static func source(of text: String) -> String {
    "'sha256-" + BaseEncoding.base64URL.encode(SHA256.digest(of: text.utf8)) + "='"
  }
}
