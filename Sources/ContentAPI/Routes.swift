import HTTP

extension ContentAPI {
  /// The map of the API. openapi.yaml says the same for people, and a test compares the two.
  package static let routes = makeRoutes()

  /// The routes once more, for a loop of its own: requests count references to them, and two cores
  /// would take turns at that.
  static func makeRoutes() -> [Route] {
    Route.numbered([
      Route(.get, "/v1/posts", parameters: Posts.listParameters, cost: .list) {
        try await $0.posts.list($1)
      },
      Route(.post, "/v1/posts", access: .scope(.postsWrite), reads: [.json, .markdown]) {
        try await $0.posts.create($1)
      },
      Route(
        .get, "/v1/posts/{slug}", parameters: ["fields", "preview"], alternatives: [.markdown]
      ) { try await $0.posts.show($1) },
      Route(
        .put, "/v1/posts/{slug}", access: .scope(.postsWrite), reads: [.json, .markdown]
      ) { try await $0.posts.replace($1) },
      Route(
        .patch, "/v1/posts/{slug}", access: .scope(.postsWrite), reads: [.mergePatch, .json]
      ) { try await $0.posts.patch($1) },
      Route(
        .delete, "/v1/posts/{slug}", parameters: ["permanently"], access: .scope(.postsWrite),
        writes: nil
      ) { try await $0.posts.delete($1) },
      Route(.post, "/v1/posts/{slug}/restore", access: .scope(.postsWrite)) {
        try await $0.posts.restore($1)
      },
      Route(.get, "/v1/posts/{slug}/related", parameters: ["limit"], cost: .list) {
        try await $0.posts.related($1)
      },
      Route(.get, "/v1/posts/{slug}/adjacent") { try await $0.posts.adjacent($1) },
      Route(.get, "/v1/archive", cost: .list) { try await $0.posts.archive($1) },
      Route(
        .get, "/v1/posts/{slug}/revisions", parameters: ["limit", "cursor"],
        access: .scope(.postsReadDrafts), cost: .list
      ) { try await $0.posts.listRevisions($1) },
      Route(.get, "/v1/posts/{slug}/revisions/{version}", access: .scope(.postsReadDrafts)) {
        try await $0.posts.showRevision($1)
      },
      Route(.post, "/v1/posts/{slug}/revisions/{version}/restore", access: .scope(.postsWrite)) {
        try await $0.posts.restoreRevision($1)
      },
      Route(
        .post, "/v1/posts/{slug}/previews", access: .scope(.postsWrite), keepsAnswers: false
      ) { try await $0.posts.makePreview($1) },
      Route(.get, "/v1/tags", parameters: ["sort", "limit", "cursor"], cost: .list) {
        try await $0.tags.list($1)
      },
      Route(.get, "/v1/tags/{slug}") { try await $0.tags.show($1) },
      Route(.put, "/v1/tags/{slug}", access: .scope(.postsWrite), reads: [.json]) {
        try await $0.tags.edit($1)
      },
      Route(.patch, "/v1/tags/{slug}", access: .scope(.postsWrite), reads: [.mergePatch, .json]) {
        try await $0.tags.edit($1)
      },
      Route(.delete, "/v1/tags/{slug}", access: .scope(.postsWrite), writes: nil) {
        try await $0.tags.delete($1)
      },

      Route(
        .get, "/v1/projects", parameters: ["featured", "tag", "limit", "cursor"], cost: .list
      ) {
        try await $0.projects.list($1)
      },
      Route(.post, "/v1/projects", access: .scope(.projectsWrite), reads: [.json]) {
        try await $0.projects.create($1)
      },
      Route(.get, "/v1/projects/{slug}") { try await $0.projects.show($1) },
      Route(.put, "/v1/projects/{slug}", access: .scope(.projectsWrite), reads: [.json]) {
        try await $0.projects.edit($1)
      },
      Route(
        .patch, "/v1/projects/{slug}", access: .scope(.projectsWrite), reads: [.mergePatch, .json]
      ) { try await $0.projects.edit($1) },
      Route(.delete, "/v1/projects/{slug}", access: .scope(.projectsWrite), writes: nil) {
        try await $0.projects.delete($1)
      },

      Route(.get, "/v1/profile") { try await $0.profile.show($1) },
      Route(.put, "/v1/profile", access: .scope(.profileWrite), reads: [.json]) {
        try await $0.profile.edit($1)
      },
      Route(.patch, "/v1/profile", access: .scope(.profileWrite), reads: [.mergePatch, .json]) {
        try await $0.profile.edit($1)
      },
      Route(.get, "/v1/newsletter") { try await $0.newsletter.show($1) },
      Route(.put, "/v1/newsletter", access: .scope(.profileWrite), reads: [.json]) {
        try await $0.newsletter.edit($1)
      },
      Route(
        .get, "/v1/newsletter/subscriptions", parameters: ["status", "limit", "cursor", "count"],
        access: .scope(.subscribersRead), alternatives: [.csv], cost: .list
      ) { try await $0.subscriptions.list($1) },
      Route(.post, "/v1/newsletter/subscriptions", reads: [.json, .form], writes: nil) {
        try await $0.subscriptions.signUp($1)
      },
      Route(
        .delete, "/v1/newsletter/subscriptions/{id}", access: .scope(.subscribersWrite), writes: nil
      ) { try await $0.subscriptions.erase($1) },
      Route(.get, "/newsletter/thanks", writes: .html) { _, _ in Subscriptions.thanks },
      Route(.get, "/newsletter/confirm", parameters: ["token"], writes: .html) {
        try await $0.subscriptions.showConfirmation($1)
      },
      Route(
        .post, "/newsletter/confirm", parameters: ["token"], reads: [.form, .multipart],
        readsNothing: true, writes: nil
      ) { try await $0.subscriptions.confirm($1) },
      Route(.get, "/newsletter/unsubscribe", parameters: ["token"], writes: .html) {
        try await $0.subscriptions.showUnsubscription($1)
      },
      Route(
        .post, "/newsletter/unsubscribe", parameters: ["token"], reads: [.form, .multipart],
        readsNothing: true, writes: nil, cost: .free
      ) { try await $0.subscriptions.unsubscribe($1) },

      Route(
        .get, "/v1/changes", parameters: ["since", "limit"], cost: .list, toleratesAge: false
      ) { try await $0.changes.list($1) },
      Route(
        .get, "/feed.json", parameters: ["tag"], writes: .jsonFeed, alternatives: [.json],
        cost: .list
      ) { try await $0.feeds.showJSON($1) },
      Route(
        .get, "/atom.xml", parameters: ["tag"], writes: .atom, alternatives: [.xml, .textXML],
        cost: .list
      ) { try await $0.feeds.showAtom($1) },
      Route(
        .get, "/rss.xml", parameters: ["tag"], writes: .rss, alternatives: [.xml, .textXML],
        cost: .list
      ) { try await $0.feeds.showRSS($1) },
      Route(
        .get, "/sitemap.xml", parameters: ["tag", "page"], writes: .xml, alternatives: [.textXML],
        cost: .list
      ) { try await Sitemap.show($1, $0.feeds) },
      Route(.get, "/v1/idempotency/{key}", access: .principal) { try await $0.outcomes.show($1) },
      Route(.get, "/openapi.yaml", writes: .yaml) { _, call in Contract.show(call) },
      Route(.get, "/docs", writes: .html) { _, call in DocsPage.show(call) },
    ])
  }
}
