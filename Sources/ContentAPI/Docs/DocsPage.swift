import Assets
import HTTP

/// `GET /docs`: openapi.yaml as a page for people. It is made from the document once, when somebody
/// first asks for it, and is read without a script; with one, public reads can be tried on it.
enum DocsPage {
  static func show(_ call: RouteCall) -> Reply {
    var fields: ResponseFields = [:]
    design.dress(&fields)
    return .representation(
      Representation(
        body: bytes, mediaType: .html, tag: tag, isPublic: call.caller.isAnonymous, fields: fields))
  }

  private static let design = PageDesign(
    style: Assets.docs.style, script: Assets.docs.script, sendsForms: false)

  /// The document travels in the program, and a test reads it.
  private static let bytes: [UInt8] = {
    guard let document = try? OpenAPIDocument(Assets.openAPI) else { return [] }
    return Array(html(of: document).source.utf8)
  }()

  private static let tag = EntityTag(opaque: String(FNV1a.hash(bytes), radix: 16))!

  /// The whole page for a document.
  static func html(of document: OpenAPIDocument) -> HTML {
    let info = document.root["info"]
    let title = info?["title"]?.text ?? ""
    let groups = groups(of: document)
    let paragraphs = Prose.paragraphs(info?["description"]?.text ?? "")
    let lead = paragraphs.prefix { Prose.headed($0) == nil }
    return design.document(
      title: "\(title) API",
      body: """
        <a class="skip" href="#main">Skip to the content</a>
        <div class="page">
        <nav aria-label="Contents">
        <p class="name"><a href="#main">\(title) \
        <small>\(info?["version"]?.text ?? "")</small></a></p>
        <ul>
        \(groups.map(contents).joined())\(places)</ul>
        </nav>
        <main id="main" tabindex="-1">
        <header>
        <h1>\(title) API</h1>
        <p class="lead">\(info?["summary"]?.text ?? "")</p>
        \(lead.map { "<p>\(Prose.inline($0))</p>\n" as HTML }.joined())\
        <p>The document behind this page is <a href="/openapi.yaml">openapi.yaml</a>.</p>
        </header>
        <div class="tools" hidden>
        <label for="filter">Find an operation</label>
        <input id="filter" type="search" autocomplete="off" spellcheck="false" \
        placeholder="tags, PUT, preview…">
        <button type="button" id="all">Open all</button>
        <p id="found" role="status"></p>
        </div>
        \(groups.map { section($0, of: document) }.joined())\
        \(conventions(paragraphs.dropFirst(lead.count)))\(problems(of: document))\
        \(headers(of: document))</main>
        </div>

        """)
  }

  /// The operations of one tag. HEAD stands with its GET.
  private struct Group {
    let name: String
    let description: String
    var operations: [OpenAPIDocument.Operation] = []
  }

  private static func groups(of document: OpenAPIDocument) -> [Group] {
    var groups = (document.root["tags"]?.elements ?? []).map {
      Group(name: $0["name"]?.text ?? "", description: $0["description"]?.text ?? "")
    }
    for operation in document.operations where operation.method != "head" {
      if let place = groups.firstIndex(where: { $0.name == operation.tag }) {
        groups[place].operations.append(operation)
      }
    }
    return groups
  }

  private static func contents(_ group: Group) -> HTML {
    let operations = group.operations.map { operation -> HTML in
      """
      <li><a href="#\(operation.id)"><span class="m \(operation.method)">\
      \(operation.method.uppercased())</span> \(operation.summary)</a></li>

      """
    }
    return """
      <li><a href="#\(group.name)">\(capitalized(group.name))</a>
      <ul>
      \(operations.joined())</ul></li>

      """
  }

  private static let places: HTML = """
    <li><a href="#conventions">Conventions</a></li>
    <li><a href="#problems">Problems</a></li>
    <li><a href="#fields">Header fields</a></li>

    """

  private static func section(_ group: Group, of document: OpenAPIDocument) -> HTML {
    let operations = group.operations.map { OperationArticle($0, of: document).html }
    return """
      <section aria-labelledby="\(group.name)">
      <h2 id="\(group.name)">\(capitalized(group.name))</h2>
      \(Prose.html(group.description))\(operations.joined())</section>

      """
  }

  private static func conventions(_ paragraphs: some Sequence<String>) -> HTML {
    var html: HTML = "<section>\n<h2 id=\"conventions\">Conventions</h2>\n"
    for paragraph in paragraphs {
      if let (heading, rest) = Prose.headed(paragraph) {
        html += "<h3>\(heading)</h3>\n<p>\(Prose.inline(rest))</p>\n"
      } else {
        html += "<p>\(Prose.inline(paragraph))</p>\n"
      }
    }
    html += "</section>\n"
    return html
  }

  private static func problems(of document: OpenAPIDocument) -> HTML {
    let examples = document.problemExamples
    let problems = (document.root["x-problem-types"]?.elements ?? []).map { problem -> HTML in
      let slug = problem["slug"]?.text ?? ""
      let type = "urn:colophon:problem:" + slug
      let example = examples[type].map { example -> HTML in
        """
        <details><summary>Example</summary>
        <pre><code>\(ExampleText.json(example))</code></pre></details>

        """
      }
      return """
        <section class="problem" id="problem-\(slug)">
        <h3><span class="status">\(problem["status"]?.text ?? "")</span> \
        \(problem["title"]?.text ?? "")</h3>
        <p><code>\(type)</code></p>
        <p>\(Prose.inline(problem["when"]?.text ?? ""))</p>
        <p>\(Prose.inline(problem["remedy"]?.text ?? ""))</p>
        \(example ?? "")</section>

        """
    }
    return """
      <section>
      <h2 id="problems">Problems</h2>
      <p>Every refusal and every failure is one of these, as \
      <code>application/problem+json</code>.</p>
      \(problems.joined())</section>

      """
  }

  private static func headers(of document: OpenAPIDocument) -> HTML {
    let names = document.headerNames
    let headers = (document.root.at("components", "headers")?.members ?? []).map { header -> HTML in
      """
      <dt id="field-\(header.name)">\(names[header.name] ?? header.name)</dt>
      <dd>\(Prose.html(header.value["description"]?.text ?? ""))\
      <p><code>\(header.value["example"]?.text ?? "")</code></p></dd>

      """
    }
    return """
      <section>
      <h2 id="fields">Header fields</h2>
      <dl class="fields">
      \(headers.joined())</dl>
      </section>

      """
  }

  private static func capitalized(_ text: String) -> String {
    text.prefix(1).uppercased() + text.dropFirst()
  }
}
