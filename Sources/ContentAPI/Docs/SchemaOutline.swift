/// A schema in words: its type, its rules, and the members of what it describes.
struct SchemaOutline: Sendable {
  /// `string or null`, `array of PostSummary`.
  let type: String
  /// What a value must be besides, each in a few words.
  let rules: [String]
  /// The values that there are, if they are counted.
  let values: [String]
  let description: String?
  /// As JSON.
  let defaultValue: String?
  let isReadOnly: Bool

  /// A member at any depth: `data[].slug`.
  struct Member: Sendable {
    let name: String
    let isRequired: Bool
    let outline: SchemaOutline
  }
}

extension OpenAPIDocument {
  func outline(of schema: YAML) -> SchemaOutline {
    let own = resolve(schema) ?? schema
    let parts = alternatives(of: own)
    // A rule beside null, such as the length of an optional text, is that of its one other part.
    let bare = parts.count == 1 ? resolve(parts[0]) ?? own : own
    let listed = own["enum"] ?? bare["enum"] ?? bare["items"].flatMap(resolve)?["enum"]
    let values = listed?.elements.compactMap(\.text) ?? []
    return SchemaOutline(
      type: typeName(of: schema), rules: rules(of: own) + (parts.count == 1 ? rules(of: bare) : []),
      values: own["const"]?.text.map { [$0] } ?? values,
      description: own["description"]?.text ?? bare["description"]?.text,
      defaultValue: own["default"].map { ExampleText.json($0, isCompact: true) },
      isReadOnly: own["readOnly"]?.text == "true")
  }

  /// The members of an object, of what an array holds, or of the one object that a union has, each
  /// followed by those within it.
  func members(of schema: YAML, below prefix: String = "", depth: Int = 0) -> [SchemaOutline.Member]
  {
    guard depth < 8 else { return [] }
    let own = resolve(schema) ?? schema
    if let items = own["items"] {
      return members(of: items, below: prefix + "[]", depth: depth + 1)
    }
    let unions = alternatives(of: own).map { members(of: $0, below: prefix, depth: depth + 1) }
      .filter { !$0.isEmpty }
    if let first = unions.first {
      // Several objects with one set of names are one thing, told in full or in part.
      return unions.allSatisfy { $0.map(\.name) == first.map(\.name) } ? first : []
    }
    let required = requiredNames(of: own)
    return properties(of: own).flatMap { name, value in
      let path = prefix.isEmpty ? name : prefix + "." + name
      let member = SchemaOutline.Member(
        name: path, isRequired: required.contains(name), outline: outline(of: value))
      return [member] + members(of: value, below: path, depth: depth + 1)
    }
  }

  private func properties(of schema: YAML) -> [(name: String, value: YAML)] {
    let inherited = (schema["allOf"]?.elements ?? []).compactMap(resolve).flatMap(properties)
    return inherited + (schema["properties"]?.members ?? [])
  }

  private func requiredNames(of schema: YAML) -> Set<String> {
    let inherited = (schema["allOf"]?.elements ?? []).compactMap(resolve).map(requiredNames)
    return inherited.reduce(Set(schema["required"]?.elements.compactMap(\.text) ?? [])) {
      $0.union($1)
    }
  }

  /// The parts of a union, null left out.
  private func alternatives(of schema: YAML) -> [YAML] {
    (schema["oneOf"] ?? schema["anyOf"])?.elements.filter { $0["type"]?.text != "null" } ?? []
  }

  private func typeName(of schema: YAML) -> String {
    let name = schema["$ref"]?.text?.split(separator: "/").last.map(String.init)
    let own = resolve(schema) ?? schema
    if let union = (own["oneOf"] ?? own["anyOf"])?.elements {
      var names: [String] = []
      for name in union.map(typeName) where !names.contains(name) { names.append(name) }
      return Self.disjunction(names)
    }
    if own["allOf"] != nil || own["properties"] != nil { return name ?? "object" }
    let types = own["type"].map { $0.text.map { [$0] } ?? $0.elements.compactMap(\.text) }
    return Self.disjunction(
      (types ?? ["string"]).map { type in
        if type == "array", let items = own["items"] { return "array of " + typeName(of: items) }
        guard type == "string", let format = own["format"]?.text else { return type }
        return format
      })
  }

  private static func disjunction(_ names: [String]) -> String {
    guard names.count > 1, let last = names.last else { return names.first ?? "" }
    return names.dropLast().joined(separator: ", ") + " or " + last
  }

  private func rules(of schema: YAML) -> [String] {
    var rules: [String] = []
    if let range = Self.range(schema["minimum"], schema["maximum"], nil) { rules.append(range) }
    if let range = Self.range(schema["minLength"], schema["maxLength"], "character") {
      rules.append(range)
    }
    if let range = Self.range(schema["minItems"], schema["maxItems"], "element") {
      rules.append(range)
    }
    if schema["uniqueItems"]?.text == "true" { rules.append("no two alike") }
    return rules
  }

  private static func range(_ least: YAML?, _ most: YAML?, _ unit: String?) -> String? {
    let range: String
    switch (least?.text, most?.text) {
    case (let least?, let most?): range = "\(grouped(least)) to \(grouped(most))"
    case (let least?, nil): range = "at least \(grouped(least))"
    case (nil, let most?): range = "at most \(grouped(most))"
    case (nil, nil): return nil
    }
    guard let unit else { return range }
    return range + " " + unit + ((most ?? least)?.text == "1" ? "" : "s")
  }

  /// 524,288 rather than 524288.
  private static func grouped(_ number: String) -> String {
    guard number.count > 4, number.allSatisfy(\.isNumber) else { return number }
    var grouped = ""
    for (place, digit) in number.enumerated() {
      if place > 0, (number.count - place) % 3 == 0 { grouped += "," }
      grouped.append(digit)
    }
    return grouped
  }
}
