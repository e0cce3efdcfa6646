// swift-tools-version: 6.3
import PackageDescription

// One array for every Swift target, so that no target is checked less than another.
let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

func target(_ name: String, _ dependencies: Target.Dependency...) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ subject: String, _ dependencies: Target.Dependency...) -> Target {
  // Earlier schemas lie beside the tests that migrate them; they are read, not built.
  .testTarget(
    name: subject + "Tests", dependencies: dependencies,
    exclude: subject == "ContentAPI" ? ["schemas"] : [], swiftSettings: settings)
}

let package = Package(
  name: "colophon",
  products: [.executable(name: "colophon", targets: ["colophon"])],
  targets: [
    .systemLibrary(name: "CLinux"),
    .systemLibrary(name: "CLibpq"),
    .target(name: "CAssets", cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]),

    target("EventLoop", "CLinux"),
    target("HTTP", "EventLoop"),
    target("Postgres", "EventLoop", "CLibpq"),
    target("JSON"),
    target("RateLimits", "EventLoop"),
    target("Assets", "CAssets"),
    target("ContentAPI", "HTTP", "Postgres", "JSON", "RateLimits", "Assets", "EventLoop"),
    target("LocalPostgres", "EventLoop", "Postgres"),
    .executableTarget(
      name: "colophon",
      dependencies: [
        "EventLoop", "HTTP", "Postgres", "JSON", "RateLimits", "Assets", "ContentAPI",
        "LocalPostgres",
      ],
      swiftSettings: settings),

    .target(
      name: "Turns", dependencies: ["EventLoop"], path: "Tests/Turns", swiftSettings: settings),
    .target(
      name: "Fuzzing", dependencies: ["ContentAPI", "HTTP", "JSON", "EventLoop"],
      path: "Tests/Fuzzing", exclude: ["corpora"], swiftSettings: settings),
    tests("EventLoop", "EventLoop", "Turns"),
    tests("HTTP", "HTTP", "EventLoop", "Turns"),
    tests("Postgres", "Postgres", "LocalPostgres", "EventLoop", "Turns"),
    tests("JSON", "JSON"),
    tests("RateLimits", "RateLimits"),
    tests("Assets", "Assets"),
    tests(
      "ContentAPI", "ContentAPI", "HTTP", "Postgres", "JSON", "RateLimits", "Assets",
      "LocalPostgres", "EventLoop", "Turns", "Fuzzing"),
    tests("LocalPostgres", "LocalPostgres", "Postgres", "EventLoop", "Turns"),
    tests(
      "EndToEnd", "colophon", "EventLoop", "JSON", "LocalPostgres", "Postgres", "Assets", "Turns"),
  ],
  cLanguageStandard: .c2x
)
