extension Slug {
  /// An SQL expression: the first of `slug`, `slug-2`, `slug-3` … that no row of `table` has. Those
  /// who create things of one slug at the same time must queue for it first, so that each sees what
  /// the one before it took.
  static func firstFree(of slug: String, in table: String) -> String {
    """
    (
          -- A scalar subselect per candidate: tried one by one until one is free, never a join.
          select c.slug from (
            select case when n = 1 then \(slug)
              else rtrim(left(\(slug), 199 - length(n::text)), '-') || '-' || n end as slug
            from (select generate_series(1, 1000000) as n) s
          ) c
          where (select t.id from \(table) t where t.slug = c.slug) is null
          limit 1
        )
    """
  }
}
