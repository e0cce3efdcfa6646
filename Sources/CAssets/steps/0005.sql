-- From version 4 to version 5: what a write does besides costs PostgreSQL less. The tables, what is
-- found and what the feed tells stay as they are.

-- What is being written is finished first and the next write waits, so that no trigger is halfway
-- through while the function that it calls gets other parameters. In the order of locks.
lock table colophon.posts, colophon.projects, colophon.tags, colophon.profile, colophon.newsletter
  in share row exclusive mode;


-- Search --------------------------------------------------------------------------------------

-- In which of PostgreSQL's configurations for text search the site is read: English unless the
-- profile names its language, and `simple`, which leaves words as they are, for a language that
-- PostgreSQL has none for.
--
-- This and `search_tags` are in plpgsql because that keeps their plans for the whole session. In
-- SQL they would be planned anew in each statement that calls them: what has a query inside cannot
-- be put in the place of the call.
create or replace function colophon.search_language() returns text
  language plpgsql stable parallel safe
as $$
begin
  return (
    select case when p.site ->> 'language' is null then 'english'
      else case lower(split_part(p.site ->> 'language', '-', 1))
        when 'ar' then 'arabic' when 'ca' then 'catalan' when 'da' then 'danish'
        when 'de' then 'german' when 'el' then 'greek' when 'en' then 'english'
        when 'es' then 'spanish' when 'eu' then 'basque' when 'fi' then 'finnish'
        when 'fr' then 'french' when 'ga' then 'irish' when 'hi' then 'hindi'
        when 'hu' then 'hungarian' when 'hy' then 'armenian' when 'id' then 'indonesian'
        when 'it' then 'italian' when 'lt' then 'lithuanian' when 'nb' then 'norwegian'
        when 'ne' then 'nepali' when 'nl' then 'dutch' when 'nn' then 'norwegian'
        when 'no' then 'norwegian' when 'pt' then 'portuguese' when 'ro' then 'romanian'
        when 'ru' then 'russian' when 'sr' then 'serbian' when 'sv' then 'swedish'
        when 'ta' then 'tamil' when 'tr' then 'turkish' when 'yi' then 'yiddish'
        else 'simple' end
      end
    from colophon.profile p
  );
end
$$;

-- What a post is found by. A match in the title weighs more than one among the tags, that more
-- than one in the excerpt, that more than one in the body: weights A to D, which lie so far apart
-- that no number of lesser ones makes up for a greater one.
--
-- A tag is found by its whole slug and by each of its parts.
create or replace function colophon.search_tags(language text, tags text[]) returns tsvector
  language plpgsql stable parallel safe
as $$
declare
  words text := array_to_string(tags, ' ');
begin
  if position('-' in words) > 0 then
    words := words || ' ' || (
      select string_agg(replace(t.tag, '-', ' '), ' ') from unnest(tags) t(tag)
      where position('-' in t.tag) > 0);
  end if;
  return setweight(to_tsvector(colophon.search_configuration(language), words), 'B');
end
$$;

-- Title, excerpt and the first 256 KiB of the body; less of a body of which that makes more words
-- than PostgreSQL keeps for one document, which is a mebibyte. Some of that is left to the tags.
create or replace function colophon.search_words(language text, title text, excerpt text, body text)
  returns tsvector
  language plpgsql stable parallel safe
as $$
declare
  configuration constant regconfig := colophon.search_configuration(language);
  opening constant tsvector := setweight(to_tsvector(configuration, title), 'A')
    || setweight(to_tsvector(configuration, excerpt), 'C');
  words tsvector;
  size integer := 262144;
  bytes bytea;
  rest integer;
begin
  -- A byte of text never makes more than ten here, so with most bodies nothing has to be tried.
  if octet_length(body) <= 16384 then
    return opening || to_tsvector(configuration, body);
  end if;
  while size >= 1024 loop
    begin
      if octet_length(body) <= size then
        words := opening || to_tsvector(configuration, body);
      else
        -- Cut in front of a character.
        bytes := coalesce(bytes, convert_to(body, 'UTF8'));
        rest := size;
        while get_byte(bytes, rest) & 192 = 128 loop rest := rest - 1; end loop;
        words := opening
          || to_tsvector(configuration, convert_from(substring(bytes from 1 for rest), 'UTF8'));
      end if;
      if pg_column_size(words) <= 900000 then
        return words;
      end if;
    exception when program_limit_exceeded then
      null;
    end;
    size := size / 2;
  end loop;
  return opening;
end
$$;


-- Changes -------------------------------------------------------------------------------------

drop function colophon.note_changes(text, text[], boolean, timestamptz);

-- Writes that things have moved, each given by its type and slug at the same place of two arrays,
-- which were or are seen by everybody, or come out at `comes_out_at`, or neither (false and null),
-- which takes nothing back. The same thing twice is one thing. Returns whether one of them was
-- waiting to come out before.
--
-- All things of a call go through each statement together: to start one costs more than what it
-- does for one thing.
create function colophon.note_changes(
  moved_types text[], moved_slugs text[], are_public boolean,
  comes_out_at timestamptz default null
) returns boolean language plpgsql as $$
declare
  this_era integer;
  this_xid constant xid8 := pg_current_xact_id();
  older tid[];
  newer tid[];
  waited boolean;
begin
  loop
    select e.era into this_era from colophon.feed_eras e
      where e.place = colophon.feed_place() order by e.era desc limit 1;
    exit when found;
    -- One statement looks and counts, so that nobody makes another era behind that of a
    -- transaction which has just been committed.
    insert into colophon.feed_eras (era, place, newest)
    select l.era + 1, colophon.feed_place(), coalesce((
        select c.xid from colophon.changes c where c.era = l.era order by c.xid desc limit 1
      ), '2')
    from (select max(e.era) as era from colophon.feed_eras e) l
    where not exists (
      select from colophon.feed_eras e where e.place = colophon.feed_place());
  end loop;

  select array_agg(o.place) filter (where o.is_older),
    array_agg(o.place) filter (where not o.is_older and o.due_at is not null),
    coalesce(bool_or(o.due_at is not null), false)
  into older, newer, waited
  from unnest(moved_types, moved_slugs) m(type, slug) cross join lateral (
    select c.ctid as place, c.due_at, (c.era, c.xid) < (this_era, this_xid) as is_older
    from colophon.changes c
    where c.type = m.type and c.slug = m.slug and (c.era <> this_era or c.xid <> this_xid)
    order by c.era desc, c.xid desc
    limit 1
    for update skip locked
  ) o;

  insert into colophon.changes as c (era, xid, type, slug, changed_at, due_at, was_public)
  select this_era, this_xid, m.type, m.slug, colophon.this_second(), comes_out_at,
    are_public or exists (
      select from colophon.changes o
      where o.type = m.type and o.slug = m.slug and o.was_public)
  from (select distinct t.type, t.slug from unnest(moved_types, moved_slugs) t(type, slug)) m
  on conflict on constraint changes_pkey do update
  set due_at = excluded.due_at, was_public = c.was_public or excluded.was_public
  where (c.due_at, c.was_public) is distinct from (
    excluded.due_at, c.was_public or excluded.was_public);

  -- Only now, as the statement above asks the older rows whether the thing was ever public. One of
  -- a higher number stays in its place: cursors have perhaps seen it.
  if older is not null then
    delete from colophon.changes c where c.ctid = any (older);
  end if;
  if newer is not null then
    update colophon.changes c set due_at = null where c.ctid = any (newer);
  end if;
  return waited;
end
$$;

-- A post moves when it is seen and was not, is not and was, or is seen and was written; one that
-- is to come out is noted for then. Of what is neither, drafts and what lies in the trash, nothing
-- is ever noted. The tags whose number of posts it changes and the profile, which counts them all,
-- move along; those of a post that comes out by itself the feed tells of at that time.
create or replace function colophon.note_post() returns trigger language plpgsql as $$
declare
  was_out boolean := tg_op <> 'INSERT' and (old.counted or (old.status = 'published'
    and old.trashed_at is null and old.published_at <= colophon.clock()));
  is_listed boolean := tg_op <> 'DELETE' and new.status = 'published' and new.trashed_at is null;
  is_out boolean := is_listed and (new.counted or new.published_at <= colophon.clock());
  stays boolean := tg_op = 'UPDATE' and is_listed and old.slug = new.slug;
  -- It has come out by itself, and perhaps nobody has been told yet.
  came_out boolean := false;
  waited boolean;
  before text[] := '{}';
  after text[] := '{}';
  moved_tags text[];
  -- What is told in one call at the end.
  types text[] := '{}';
  slugs text[] := '{}';
begin
  if was_out and not stays then
    came_out := colophon.note_changes('{post}', array[old.slug], true);
  elsif tg_op <> 'INSERT' and not stays then
    -- What was to come out does not: its row goes, and another tells nothing in its place.
    delete from colophon.changes c
    where c.type = 'post' and c.slug = old.slug and not c.was_public
      and c.xid <= pg_current_xact_id();
    if found then perform colophon.note_changes('{""}', '{""}', false); end if;
    update colophon.changes c set due_at = null
    where c.type = 'post' and c.slug = old.slug and c.due_at is not null;
  end if;
  if is_out and not was_out then
    -- Its tags and the profile move with it.
    types := '{post}';
    slugs := array[new.slug];
  elsif is_listed then
    waited := colophon.note_changes('{post}', array[new.slug],
      is_out or (was_out and stays), case when not is_out then new.published_at end);
    came_out := came_out or (waited and was_out and stays);
  end if;

  if was_out then before := old.tags; end if;
  if is_out then after := new.tags; end if;
  if was_out = is_out and not came_out and before = after then return null; end if;
  if tg_op = 'INSERT' then
    moved_tags := after;
  else
    moved_tags := array(
      select unnest(before) union select unnest(after)
      except
      (select unnest(before) where not came_out intersect select unnest(after)));
  end if;
  types := types || array_fill('tag'::text, array[cardinality(moved_tags)]);
  slugs := slugs || moved_tags;
  if was_out <> is_out or came_out then
    types := types || 'profile'::text;
    slugs := slugs || 'profile'::text;
  end if;
  perform colophon.note_changes(types, slugs, true);
  return null;
end
$$;

-- A tag moves by what is said of it; one that a post brings along says nothing yet. Whether it was
-- ever seen, its posts know.
create or replace function colophon.note_tag() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' and (tg_op = 'DELETE' or old.slug <> new.slug) then
    perform colophon.note_changes('{tag}', array[old.slug], false);
  end if;
  if tg_op <> 'DELETE' and (tg_op = 'UPDATE' or new.name <> new.slug
    or new.description is not null)
  then
    perform colophon.note_changes('{tag}', array[new.slug], false);
  end if;
  return null;
end
$$;

-- The profile counts the projects.
create or replace function colophon.note_project() returns trigger language plpgsql as $$
begin
  case tg_op
    when 'INSERT' then
      perform colophon.note_changes('{project,profile}', array[new.slug, 'profile'], true);
    when 'UPDATE' then
      perform colophon.note_changes('{project,project}', array[old.slug, new.slug], true);
    else
      perform colophon.note_changes('{project,profile}', array[old.slug, 'profile'], true);
  end case;
  return null;
end
$$;

-- What there is one of is named by its type.
create or replace function colophon.note_only_one() returns trigger language plpgsql as $$
begin
  perform colophon.note_changes(array[tg_argv[0]], array[tg_argv[0]], true);
  return null;
end
$$;

update colophon.schema_version set version = 5;
