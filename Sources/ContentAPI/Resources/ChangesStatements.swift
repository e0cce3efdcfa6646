import Postgres

// The parameters of both statements: $1 the limit; of the cursor, NULL without one, $2 the feed,
// $3 and $4 the newest horizon it knows, $5 the date in microseconds of the last post told that had
// come out by itself. What follows is the cursor's place in what it was being told.
extension Changes {
  static let statements = [everything, new]

  /// Every public resource: the profile, the newsletter, then the projects and tags by slug, the
  /// posts by date. $6 the stage of the last one told, 0 for none, $7 its slug, $8 and $9 date and
  /// id of a post.
  static let everything = Statement(
    "changes.everything",
    """
    with recursive \(horizons), target as materialized (
      select coalesce($3::integer, h.era) as era, coalesce($4::pg_snapshot, h.snapshot) as snapshot
      from horizon h
    ), tags as (
      -- From tag to tag along the index, until there are enough that everybody may see.
      select n.tag, \(isPublicTag("n.tag")) as is_public, 0 as shown
      from (
        select l.tag from colophon.listings l
        where $6::integer <= 4 and l.tag > case when $6::integer = 4 then $7::text else '' end
        order by l.tag limit 1
      ) n
      union all
      select n.tag, \(isPublicTag("n.tag")), t.shown + t.is_public::integer
      from tags t, lateral (
        select l.tag from colophon.listings l where l.tag > t.tag order by l.tag limit 1
      ) n
      where t.shown + t.is_public::integer <= $1::integer
    ), told as (
      select 1 as stage, row_number() over () as number, s.* from (
        select 'profile' as kind, 'profile' as name, p.updated_at as changed_at,
          array['1', '', \(noDate), \(noID)] as place
        from colophon.profile p where $6::integer < 1
      ) s
      union all
      select 2, row_number() over (), s.* from (
        select 'newsletter', 'newsletter', n.updated_at, array['2', '', \(noDate), \(noID)]
        from colophon.newsletter n where $6::integer < 2
      ) s
      union all
      select 3, row_number() over (), s.* from (
        select 'project', p.slug, p.updated_at, array['3', p.slug, \(noDate), \(noID)]
        from colophon.projects p
        where $6::integer <= 3 and p.slug > case when $6::integer = 3 then $7::text else '' end
        order by p.slug
        limit $1::integer + 1
      ) s
      union all
      select 4, row_number() over (), s.* from (
        select 'tag', t.tag, coalesce(
            (select c.changed_at from colophon.changes c where c.type = 'tag' and c.slug = t.tag
              order by c.era desc, c.xid desc limit 1),
            (select l.published_at from colophon.listings l
              where l.tag = t.tag and l.counted order by l.published_at desc limit 1),
            (select l.published_at from colophon.listings l
              where l.tag = t.tag and not l.counted order by l.published_at limit 1)),
          array['4', t.tag, \(noDate), \(noID)]
        from tags t where t.is_public
        order by t.tag
        limit $1::integer + 1
      ) s
      union all
      select 5, row_number() over (), s.* from (
        select 'post', p.slug, to_timestamp(\(Posts.modified)),
          array['5', '', colophon.microseconds(p.published_at)::text, p.id::text]
        from colophon.posts p
        where p.status = 'published' and p.trashed_at is null and \(Posts.visible)
          and (p.published_at, p.id) > (colophon.instant($8::bigint), $9::uuid)
        order by p.published_at, p.id
        limit $1::integer + 1
      ) s
    )
    \(page(isDue: "false"))
    """, roles: [.query])

  /// What has moved between two horizons, in the order of its transactions, and behind it the posts
  /// that have come out by themselves, each with its tags and the profile, which count it. $6 and
  /// $7 the slug of the last post that was told so, and which of these things; $8 whether the newer
  /// horizon is the one of the cursor, and not that of now; $9 and $10 the older one; $11 … $15 the
  /// last change told (era, transaction, type, slug, thing).
  static let new = Statement(
    "changes.new",
    """
    with \(horizons), target as materialized (
      select case when $8::boolean then $3::integer else h.era end as era,
        case when $8::boolean then $4::pg_snapshot else h.snapshot end as snapshot
      from horizon h
    ), told as (
      select 1 as stage, row_number() over () as number, s.* from (
        select e.kind, e.name, r.moved_at as changed_at,
          array[r.era::text, r.xid::text, r.type, r.slug, e.thing] as place
        from (
          select r.*, case when r.due_at <= colophon.clock() then greatest(r.changed_at, r.due_at)
            else r.changed_at end as moved_at
          from colophon.changes r
          where (r.era, r.xid, r.type, r.slug) >= ($11::integer, $12::xid8, $13::text, $14::text)
            and (r.era, r.xid) < (\(targetEra), pg_snapshot_xmax(\(targetSnapshot)))
            and (r.era > $9::integer or not pg_visible_in_snapshot(r.xid, $10::pg_snapshot))
            and (r.era < \(targetEra)
              or pg_visible_in_snapshot(r.xid, \(targetSnapshot)))
            -- What comes out by itself is told below, unless it was committed when its time had
            -- been told already.
            and (r.due_at is null or (r.due_at, r.slug) <= (colophon.instant($5::bigint), $6::text)
              or (r.was_public and r.due_at > colophon.clock()))
            -- Of several rows of one thing that are new, the last.
            and (
              select true from colophon.changes l
              where l.type = r.type and l.slug = r.slug and (l.era, l.xid) > (r.era, r.xid)
                and (l.era > $9::integer or not pg_visible_in_snapshot(l.xid, $10::pg_snapshot))
                and (l.era < \(targetEra)
                  or (l.era = \(targetEra)
                    and pg_visible_in_snapshot(l.xid, \(targetSnapshot))))
              limit 1) is null
            and \(mayBeTold)
          order by r.era, r.xid, r.type, r.slug
          -- The first may have been told already.
          limit $1::integer + 2
        ) r, lateral (
          \(things)
        ) e
        where (r.era, r.xid, r.type, r.slug, e.thing)
          > ($11::integer, $12::xid8, $13::text, $14::text, $15::text)
        order by r.era, r.xid, r.type, r.slug, e.thing
        limit $1::integer + 1
      ) s
      union all
      select 2, row_number() over (), s.* from (
        select e.kind, e.name, greatest(r.changed_at, r.due_at),
          array[colophon.microseconds(r.due_at)::text, r.slug, e.thing]
        from (
          select r.* from colophon.changes r
          where r.due_at is not null and r.due_at <= colophon.clock()
            and (r.due_at, r.slug) >= (colophon.instant($5::bigint), $6::text)
            and \(mayBeTold)
          order by r.due_at, r.slug
          limit $1::integer + 2
        ) r, lateral (
          \(things)
        ) e
        where (r.due_at, r.slug, e.thing) > (colophon.instant($5::bigint), $6::text, $7::text)
        order by r.due_at, r.slug, e.thing
        limit $1::integer + 1
      ) s
    )
    \(page(isDue: "u.stage = 2"))
    """, roles: [.query])

  /// By subselects: a target that was joined would hide that the index has the order.
  private static let targetEra = "(select t.era from target t)"
  private static let targetSnapshot = "(select t.snapshot from target t)"

  private static let noDate = "'\(FeedCursor.earliest[0])'"
  private static let noID = "'\(PostOrder.lowestID)'"

  /// Tells this feed from every other: that of another server, another database, other tables, and
  /// of a copy that went its own way.
  private static func feed(_ mark: String) -> String {
    """
    hashtextextended(concat_ws(' ', (select s.system_identifier from pg_control_system() s),
        (select d.oid from pg_database d where d.datname = current_database()),
        'colophon.changes'::regclass::oid, \(mark)), 0)
    """
  }

  /// Behind them, whether the cursor can be gone on with.
  private static let horizons = """
    \(FeedHorizon.now), standing as materialized (
      select case
        when $2::bigint is null or (
            exists (
              select from colophon.feed_eras e
              where e.era = $3::integer and \(feed("e.mark")) = $2::bigint)
            and pg_snapshot_xmax($4::pg_snapshot)::text::bigint - 1 <= coalesce((
                select e.newest from colophon.feed_eras e
                where e.era > $3::integer order by e.era limit 1
              ), n.xid)::text::bigint
            -- A clock that was set back takes posts away again that have been told of.
            and colophon.instant($5::bigint) <= colophon.clock())
          then 'holds'
        when pg_is_in_recovery() then 'behind'
        else 'expired' end as verdict
      from newest n
    )
    """

  /// What a row `r` of the feed tells of: itself, and when a post has come out by its date, the
  /// profile and the tags too.
  private static let things = """
    select '' collate "C" as thing, r.type as kind, r.slug as name
          union all
          select s.thing, s.kind, s.name
          from colophon.posts p, lateral (
            select 'profile', 'profile', 'profile'
            union all
            select 'tag:' || u.tag, 'tag', u.tag from unnest(p.tags) u(tag)
          ) s(thing, kind, name)
          where r.due_at is not null and p.slug = r.slug and \(Posts.visible)
    """

  private static func isPublicTag(_ tag: String) -> String {
    """
    ((select true from colophon.listings l where l.tag = \(tag) and l.counted limit 1) is not null
            or (select true from colophon.listings l
              where l.tag = \(tag) and not l.counted and l.published_at <= colophon.clock()
              limit 1) is not null)
    """
  }

  /// Whether what `r` names is public, or once was. A scalar subselect for each: of EXISTS the
  /// planner may make a hash of the whole table.
  private static let mayBeTold = """
    case r.type
              when 'post' then r.was_public or (
                select true from colophon.posts p
                where p.slug = r.slug and \(Posts.visible)) is not null
              when 'tag' then r.was_public or \(isPublicTag("r.slug")) or (
                select true from colophon.changes w
                where w.type = 'tag' and w.slug = r.slug and w.was_public limit 1) is not null
              when '' then false
              else true end
    """

  /// The page behind `told`, as `Page` reads it. Of things that it names more than once, the last
  /// place counts. It ends early where bodies come to four mebibytes.
  private static func page(isDue: String) -> String {
    """
    , numbered as (
      select t.*, row_number() over (order by t.stage, t.number) as rank,
        case when t.kind = 'post' then coalesce((
          select octet_length(p.body) from colophon.posts p where p.slug = t.name
        ), 0) else 0 end as size
      from told t, standing s
      where s.verdict = 'holds'
      order by t.stage, t.number
      limit $1::integer + 1
    ), measured as (
      select n.*, sum(n.size) over (order by n.rank) - n.size as before from numbered n
    ), page as (
      select m.*, row_number() over (partition by m.kind, m.name order by m.rank desc) as copy
      from measured m
      where m.rank <= $1::integer and m.before < 4194304
    ), shown as (
      select d.rank, json_build_object('type', d.kind,
        'change', case when d.resource is null then 'deleted' else 'upserted' end,
        'slug', d.name, 'changed_at', colophon.rfc3339(d.changed_at),
        'resource', d.resource) as json
      from (
        select g.rank, g.kind, g.name, g.changed_at, case g.kind
          when 'post' then (
            select (\(Posts.whole))::json from colophon.posts p where p.slug = g.name and \(Posts.visible))
          when 'tag' then (\(Tags.jsonIfPublic("g.name")))
          when 'project' then (
            select \(Projects.json) from colophon.projects p where p.slug = g.name)
          when 'profile' then (select \(Profile.json) from colophon.profile p)
          when 'newsletter' then (select \(Newsletter.json) from colophon.newsletter n)
          end as resource
        from page g
        where g.copy = 1
        offset 0  -- keeps the planner from rendering the JSON once for each mention
      ) d
    ), r as (
      select '[' || coalesce(string_agg(s.json::text, ',' order by s.rank), '') || ']' as json
      from shown s
    )
    select s.verdict, (
        select \(feed("e.mark")) from colophon.feed_eras e
        where e.era = t.era order by e.mark limit 1
      ) as feed, t.era, t.snapshot, r.json,
      (select count(*) from numbered) > (select count(*) from page) as has_more,
      left(encode(sha256(convert_to(r.json, 'UTF8')), 'hex'), 32) as hash,
      (select floor(extract(epoch from c.due_at - colophon.clock()))::bigint
        from colophon.changes c where c.due_at > colophon.clock() order by c.due_at limit 1
      ) as next_change_in,
      u.is_due, u.place[1], u.place[2], u.place[3], u.place[4], u.place[5],
      colophon.microseconds(d.due_at), d.slug
    from standing s
      cross join target t
      cross join r
      left join (
        select \(isDue) as is_due, u.place from page u order by u.rank desc limit 1
      ) u on true
      left join (
        select c.due_at, c.slug from colophon.changes c
        where c.due_at <= colophon.clock() order by c.due_at desc, c.slug desc limit 1
      ) d on true
    """
  }
}
