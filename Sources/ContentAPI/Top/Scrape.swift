/// What `/metrics` said at one moment, read back: only what Colophon itself writes.
package struct Scrape: Sendable {
  /// When it was read, in seconds of any clock that goes evenly.
  package let time: Double
  private var samples: [String: [Sample]] = [:]

  private struct Sample {
    let labels: [String: String]
    let value: Double
  }

  /// Reads the text format; nil when a line is none of it.
  package init?(_ text: String, time: Double) {
    self.time = time
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      guard let (name, labels, value) = Self.read(line) else { return nil }
      samples[name, default: []].append(Sample(labels: labels, value: value))
    }
  }

  /// The sum of the samples of a name that have these labels; nil without one.
  package func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
    let found = select(name, labels)
    return found.isEmpty ? nil : found.reduce(0) { $0 + $1.value }
  }

  /// The values that a label has, in the order in which they came.
  package func values(of label: String, in name: String) -> [String] {
    var seen: Set<String> = []
    return (samples[name] ?? []).compactMap { $0.labels[label] }.filter { seen.insert($0).inserted }
  }

  /// How many there are in a histogram up to the end of each bucket, the ends in seconds.
  func buckets(_ name: String, _ labels: [String: String] = [:]) -> [Double: Double] {
    var counts: [Double: Double] = [:]
    for sample in select(name + "_bucket", labels) {
      guard let text = sample.labels["le"], let end = Double(text == "+Inf" ? "inf" : text) else {
        continue
      }
      counts[end, default: 0] += sample.value
    }
    return counts
  }

  private func select(_ name: String, _ labels: [String: String]) -> [Sample] {
    (samples[name] ?? []).filter { sample in
      labels.allSatisfy { sample.labels[$0.key] == $0.value }
    }
  }

  private static func read(
    _ line: Substring
  ) -> (name: String, labels: [String: String], value: Double)? {
    var rest = line
    let name = rest.prefix { $0 != "{" && $0 != " " }
    rest = rest.dropFirst(name.count)
    var labels: [String: String] = [:]
    if rest.first == "{" {
      rest = rest.dropFirst()
      while rest.first != "}" {
        let label = rest.prefix { $0 != "=" }
        rest = rest.dropFirst(label.count)
        guard !label.isEmpty, rest.hasPrefix("=\"") else { return nil }
        rest = rest.dropFirst(2)
        var value = ""
        while let character = rest.popFirst(), character != "\"" {
          if character != "\\" {
            value.append(character)
          } else if let escaped = rest.popFirst() {
            value.append(escaped == "n" ? "\n" : escaped)
          }
        }
        labels[String(label)] = value
        if rest.first == "," { rest = rest.dropFirst() }
        if rest.isEmpty { return nil }
      }
      rest = rest.dropFirst()
    }
    guard !name.isEmpty, rest.first == " ", let value = Double(rest.dropFirst()) else { return nil }
    return (String(name), labels, value)
  }
}
