/// One operation on the page: what it does, what it takes and answers, a line for a shell, and for
/// a public read a form that makes the request.
struct OperationArticle {
  private let operation: OpenAPIDocument.Operation
  private let document: OpenAPIDocument
  private let parameters: [YAML]
  private let body: YAML?

  init(_ operation: OpenAPIDocument.Operation, of document: OpenAPIDocument) {
    self.operation = operation
    self.document = document
    parameters = document.parameters(of: operation)
    body = document.body(of: operation)
  }

  var html: HTML {
    let words = [operation.id, operation.method, operation.path, operation.summary, operation.tag]
    return """
      <details class="op" data-find="\(words.joined(separator: " ").lowercased())">
      <summary><h3><span class="m \(operation.method)">\(operation.method.uppercased())</span> \
      <code class="path">\(path)</code> \
      <span class="title">\(operation.summary)</span></h3></summary>
      <div class="body" id="\(operation.id)">
      <div class="say">
      \(access)\(Prose.html(operation.description))\(twin)\(parameterList)\(requestBody)\(responses)\
      </div>
      <div class="show">
      <h4>Request</h4>
      <pre data-copy="curl" class="curl"><code>\(curl)</code></pre>
      \(trial)\(answers)</div>
      </div>
      </details>

      """
  }

  /// The path, with places at which it may be broken into lines.
  private var path: HTML {
    operation.path.split(separator: "/").map { "/<wbr>\(String($0))" }.joined()
  }

  /// Who may call it, unless the description says that already.
  private var access: HTML {
    if operation.description.contains("eeds a key") { return "" }
    let scopes = operation.scopes.map { "<code>\($0)</code>" as HTML }.joined(separator: ", ")
    let needs: HTML =
      switch (operation.isPublic, operation.scopes.isEmpty) {
      case (true, true): "Needs no key."
      case (true, false): "Needs no key; one with the scope \(scopes) shows more."
      case (false, true): "Needs a key, with any scope."
      case (false, false): "Needs a key with the scope \(scopes)."
      }
    return "<p class=\"access\">\(needs)</p>\n"
  }

  /// The HEAD of a GET.
  private var twin: HTML {
    guard operation.method == "get",
      let head = document.operations.first(where: {
        $0.path == operation.path && $0.method == "head"
      })
    else { return "" }
    return """
      <p id="\(head.id)"><span class="m head">HEAD</span> \(head.summary). \
      \(Prose.inline(Prose.paragraphs(head.description).joined(separator: " ")))</p>

      """
  }

  private var parameterList: HTML {
    guard !parameters.isEmpty else { return "" }
    let places = [("path", "In the path"), ("query", "In the query"), ("header", "In the header")]
    let lists = places.map { place, title -> HTML in
      let items = parameters.filter { $0["in"]?.text == place }.map { parameter in
        let outline = document.outline(of: parameter["schema"] ?? parameter)
        return item(
          name: parameter["name"]?.text ?? "",
          mark: parameter["required"]?.text == "true" ? .required : nil, outline,
          description: parameter["description"]?.text)
      }
      return items.isEmpty ? "" : "<h5>\(title)</h5>\n<ul class=\"rows\">\n\(items.joined())</ul>\n"
    }
    return "<h4>Parameters</h4>\n\(lists.joined())"
  }

  private var requestBody: HTML {
    guard let body else { return "" }
    var html: HTML = """
      <h4>Body</h4>
      \(Prose.html(body["description"]?.text ?? ""))
      """
    var seen: Set<String> = []
    for content in body["content"]?.members ?? [] {
      html += "<h5><code>\(content.name)</code></h5>\n"
      if let schema = content.value["schema"],
        seen.insert(schema["$ref"]?.text ?? content.name).inserted
      {
        html += members(of: schema, title: "Members", isAnswer: false)
      }
      if let example = document.example(of: content.value) {
        html += "<pre><code>\(Self.text(example, as: content.name))</code></pre>\n"
      }
    }
    return html
  }

  private func members(of schema: YAML, title: String, isAnswer: Bool) -> HTML {
    let rows = document.members(of: schema).map { member in
      // Bodies name what has to be there, answers what need not be.
      let mark: Mark = isAnswer ? .optional : .required
      return item(
        name: member.name, mark: member.isRequired == isAnswer ? nil : mark, member.outline,
        description: member.outline.description)
    }
    guard !rows.isEmpty else { return "" }
    let name = document.outline(of: schema).type
    return """
      <details class="members"><summary>\(title) <small>\(name)</small></summary>
      <ul class="rows">
      \(rows.joined())</ul></details>

      """
  }

  /// Whether something has to be there, where that is not a matter of course.
  private enum Mark: String { case required, optional }

  private func item(
    name: String, mark: Mark?, _ outline: SchemaOutline, description: String?
  ) -> HTML {
    let mark: HTML = mark.map { " <span class=\"r\">\($0.rawValue)</span>" } ?? ""
    var facts: [HTML] = outline.rules.map { "\($0)" }
    if !outline.values.isEmpty {
      facts.append(outline.values.map { "<code>\($0)</code>" }.joined(separator: ", "))
    }
    if let value = outline.defaultValue { facts.append("default <code>\(value)</code>") }
    if outline.isReadOnly { facts.append("read-only") }
    let rule: HTML =
      facts.isEmpty ? "" : "<p class=\"rule\">\(facts.joined(separator: " · "))</p>"
    return """
      <li><code class="n">\(name)</code> <span class="t">\(outline.type)</span>\(mark)\
      \(Prose.html(description ?? ""))\(rule)</li>

      """
  }

  private var responses: HTML {
    let rows = document.responses(of: operation).map { status, response -> HTML in
      let names = (response["headers"]?.members ?? []).map { header -> HTML in
        let component = header.value["$ref"]?.text?.split(separator: "/").last.map(String.init)
        return "<a href=\"#field-\(component ?? "")\">\(header.name)</a>"
      }
      // Of the fields of a problem, the section on problems says all.
      let isProblem = response.at("content", "application/problem+json") != nil
      let fields: HTML =
        names.isEmpty || isProblem
        ? "" : "<p class=\"rule\">\(names.joined(separator: ", "))</p>\n"
      let contents = (response["content"]?.members ?? []).map { content -> HTML in
        isProblem
          ? ""
          : content.value["schema"].map { members(of: $0, title: content.name, isAnswer: true) }
            ?? ""
      }
      return """
        <li><span class="status s\(String(status.prefix(1)))">\
        \(status == "default" ? "others" : status)</span> \
        \(described(response))\(fields)\(contents.joined())</li>

        """
    }
    return "<h4>Answers</h4>\n<ul class=\"rows answers\">\n\(rows.joined())</ul>\n"
  }

  /// A response's description, in which the types of problems lead to where they are explained.
  private func described(_ response: YAML) -> HTML {
    let text = response["description"]?.text ?? ""
    guard response.at("content", "application/problem+json") != nil else { return Prose.html(text) }
    let paragraphs = Prose.paragraphs(text).map { paragraph -> HTML in
      let words = paragraph.split(separator: " ").map { word -> HTML in
        let slug = String(word.prefix { $0.isLetter || $0 == "-" })
        guard document.problemSlugs.contains(slug) else { return "\(Prose.inline(String(word)))" }
        return "<a href=\"#problem-\(slug)\">\(slug)</a>\(String(word.dropFirst(slug.count)))"
      }
      return "<p>\(words.joined(separator: " "))</p>\n"
    }
    return paragraphs.joined()
  }

  /// The examples of what it answers when all goes well.
  private var answers: HTML {
    document.responses(of: operation).filter { $0.status.hasPrefix("2") }.flatMap {
      status, response in
      (response["content"]?.members ?? []).compactMap { content -> HTML? in
        guard let example = document.example(of: content.value) else { return nil }
        return """
          <h4>Answer <small>\(status), \(content.name)</small></h4>
          <pre><code>\(Self.text(example, as: content.name))</code></pre>

          """
      }
    }.joined()
  }

  private static func text(_ example: YAML, as mediaType: String) -> String {
    switch mediaType {
    case "application/x-www-form-urlencoded": ExampleText.form(example)
    default: example.text ?? ExampleText.json(example)
    }
  }

  /// The path with its variables filled in.
  private var examplePath: String {
    parameters.filter { $0["in"]?.text == "path" }.reduce(operation.path) { path, parameter in
      let value = parameter["example"].map(ExampleText.query) ?? ""
      let variable = "{" + (parameter["name"]?.text ?? "") + "}"
      guard let range = path.firstRange(of: variable) else { return path }
      return path[..<range.lowerBound] + Query.encoded(value) + path[range.upperBound...]
    }
  }

  private var curl: HTML {
    var lines: [String] = []
    let method = operation.method == "get" ? "" : " -X " + operation.method.uppercased()
    if !operation.isPublic { lines.append("-H \"Authorization: Bearer $KEY\"") }
    if let content = body?["content"]?.members.first {
      lines.append("-H 'Content-Type: \(content.name)'")
      if let example = document.example(of: content.value) {
        lines.append("--data " + ExampleText.shellWord(Self.text(example, as: content.name)))
      }
    }
    let rest = lines.map { " \\\n  " + $0 }.joined()
    return """
      curl\(method) '<span data-origin>https://api.example.com</span>\(examplePath)'\(rest)
      """
  }

  /// The form that makes the request. Without a script it does not show.
  private var trial: HTML {
    guard operation.method == "get", operation.isPublic else { return "" }
    let fields = parameters.filter { $0["name"]?.text != "X-Request-Id" }.map(input)
    return """
      <form class="try" hidden data-path="\(operation.path)">
      <details\(fields.count > 3 ? "" : " open")><summary>Parameters of the request</summary>
      \(fields.joined())</details>
      <button type="submit">Send the request</button>
      <div class="answer" role="status"></div>
      </form>

      """
  }

  private func input(_ parameter: YAML) -> HTML {
    let name = parameter["name"]?.text ?? ""
    let place = parameter["in"]?.text ?? ""
    let id = operation.id + "-" + name
    let outline = document.outline(of: parameter["schema"] ?? parameter)
    let example = parameter["example"].map(ExampleText.query) ?? ""
    let attributes: HTML = "id=\"\(id)\" name=\"\(name)\" data-in=\"\(place)\""
    let isList = outline.type.hasPrefix("array")
    let values = outline.type == "boolean" ? ["true", "false"] : outline.values
    let control: HTML
    if !values.isEmpty, !isList {
      let options = values.map { "<option>\($0)</option>" as HTML }.joined()
      control = "<select \(attributes)><option value=\"\"></option>\(options)</select>"
    } else if place == "path" {
      control = "<input \(attributes) value=\"\(example)\" required \(Self.plain)>"
    } else {
      control = "<input \(attributes) placeholder=\"\(example)\" \(Self.plain)>"
    }
    return "<p><label for=\"\(id)\">\(name)</label>\(control)</p>\n"
  }

  /// Names and tokens are no words of a language.
  private static let plain: HTML =
    "autocomplete=\"off\" autocapitalize=\"off\" spellcheck=\"false\""
}
