import Testing

/// The text format of Prometheus, read strictly.
struct MetricsText {
  private let lines: [String]
  /// Values by name and labels, as they are written.
  private(set) var samples: [String: Double] = [:]
  private(set) var types: [String: String] = [:]

  init(_ text: String) throws {
    try #require(text.hasSuffix("\n"))
    lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
      .map(String.init)
  }

  /// That each family has its help and its type in front, once, that no sample is there twice, and
  /// that histograms are some.
  mutating func expectWellFormed() throws {
    var family = ""
    var helped = ""
    for line in lines {
      let words = line.split(separator: " ", maxSplits: 3).map(String.init)
      if line.hasPrefix("# HELP ") {
        helped = words[2]
        #expect(words.count == 4, "\(line)")
      } else if line.hasPrefix("# TYPE ") {
        family = words[2]
        #expect(family == helped && types[family] == nil, "\(line)")
        types[family] = words[3]
        let isCounter = words[3] == "counter"
        #expect(["counter", "gauge", "histogram"].contains(words[3]))
        #expect(isCounter == family.hasSuffix("_total"), "\(line)")
      } else {
        let end = try #require(line.lastIndex(of: " "))
        let key = String(line[..<end])
        let name = String(key.prefix { $0 != "{" })
        let value = try #require(Double(line[end...].dropFirst()), "\(line)")
        let isPart = ["_bucket", "_sum", "_count"].contains { name == family + $0 }
        #expect(types[family] == "histogram" ? isPart : name == family, "\(line)")
        #expect(samples.updateValue(value, forKey: key) == nil, "\(line) twice")
        #expect(value >= 0, "\(line)")
      }
    }
    for family in types where family.value == "histogram" { try expectHistogram(family.key) }
  }

  private func expectHistogram(_ name: String) throws {
    for (key, count) in samples where key.hasPrefix(name + "_count") {
      let labels = key.dropFirst(name.count + "_count".count).dropFirst().dropLast()
      let prefix = name + "_bucket{" + (labels.isEmpty ? "" : labels + ",") + "le=\""
      let buckets = lines.filter { $0.hasPrefix(prefix) }
      let values = try buckets.map { try #require(Double($0.split(separator: " ").last ?? "")) }
      #expect(values == values.sorted() && values.last == count, "\(key)")
      #expect(buckets.last?.hasPrefix(prefix + "+Inf\"}") == true, "\(key)")
      #expect(samples[name + "_sum" + key.dropFirst(name.count + "_count".count)] != nil)
    }
  }
}
