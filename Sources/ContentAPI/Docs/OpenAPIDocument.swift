/// openapi.yaml as it is looked things up in: its references followed, its operations in order.
package struct OpenAPIDocument: Sendable {
  package let root: YAML
  /// Every operation, path by path.
  package let operations: [Operation]
  /// The slugs of the types of problems, in their order.
  let problemSlugs: [String]

  /// - Parameter bytes: the file.
  package init(_ bytes: [UInt8]) throws(YAML.Malformed) {
    root = try YAML(bytes)
    operations = (root["paths"]?.members ?? []).flatMap { path in
      path.value.members.map { Operation(method: $0.name, path: path.name, value: $0.value) }
    }
    problemSlugs = (root["x-problem-types"]?.elements ?? []).compactMap { $0["slug"]?.text }
  }

  /// What a `$ref` leads to; the value itself without one, nil where it leads nowhere.
  package func resolve(_ value: YAML) -> YAML? {
    guard let reference = value["$ref"]?.text else { return value }
    return reference.split(separator: "/").dropFirst().reduce(root as YAML?) { $0?[String($1)] }
  }

  /// What stands under a name, its reference followed.
  func resolve(_ name: String, of value: YAML) -> YAML? { value[name].flatMap(resolve) }

  /// One method on one path.
  package struct Operation: Sendable {
    /// In lower case, as the document has it.
    package let method: String
    package let path: String
    package let value: YAML

    package var id: String { value["operationId"]?.text ?? "" }
    var summary: String { value["summary"]?.text ?? "" }
    var description: String { value["description"]?.text ?? "" }
    var tag: String { value["tags"]?.elements.first?.text ?? "" }

    /// Whether it answers without a key.
    var isPublic: Bool { value["security"]?.elements.contains { $0.members.isEmpty } ?? true }

    /// What a key must have, or may have to see more.
    package var scopes: [String] {
      (value["security"]?.elements ?? []).flatMap { $0["key"]?.elements.compactMap(\.text) ?? [] }
    }
  }

  /// Its parameters in their order, references followed.
  package func parameters(of operation: Operation) -> [YAML] {
    (operation.value["parameters"]?.elements ?? []).compactMap(resolve)
  }

  package func body(of operation: Operation) -> YAML? {
    resolve("requestBody", of: operation.value)
  }

  /// Its responses with their statuses, `default` at the end.
  package func responses(of operation: Operation) -> [(status: String, response: YAML)] {
    (operation.value["responses"]?.members ?? []).compactMap { member in
      resolve(member.value).map { (member.name, $0) }
    }
  }

  /// The example of one media type of a body: the only one, or the first of several.
  func example(of content: YAML) -> YAML? {
    if let example = content["example"] { return example }
    return content["examples"]?.members.first.flatMap { resolve($0.value)?["value"] }
  }

  /// Under which name responses have what components describe as a header.
  var headerNames: [String: String] {
    var names: [String: String] = [:]
    let shared = (root.at("components", "responses")?.members ?? []).map(\.value)
    let own = operations.flatMap { $0.value["responses"]?.members ?? [] }.map(\.value)
    for header in (shared + own).flatMap({ $0["headers"]?.members ?? [] }) {
      guard let component = header.value["$ref"]?.text?.split(separator: "/").last else { continue }
      names[String(component)] = header.name
    }
    return names
  }

  /// The first example of each type of problem, by its URI.
  var problemExamples: [String: YAML] {
    var examples: [String: YAML] = [:]
    for mapping in root.mappings {
      guard let type = mapping["type"]?.text, type.hasPrefix("urn:colophon:problem:"),
        examples[type] == nil
      else { continue }
      examples[type] = mapping
    }
    return examples
  }
}
