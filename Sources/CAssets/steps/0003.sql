-- From version 2 to version 3: compression, newsletter sign-up with its mail, search, the feed of
-- changes, revisions and previews of posts, rate limits over several servers. A program of version
-- 2 knows none of this and goes on working beside it; what it writes is found and in the feed too.

-- Where this PostgreSQL was built with LZ4, long texts are compressed by it: several times faster
-- than its own method for a few bytes more, at every write and at every read.
do $$
begin
  alter table colophon.posts alter column body set compression lz4;
  alter table colophon.idempotency_keys alter column body set compression lz4;
exception when feature_not_supported then
  raise notice 'this PostgreSQL has no LZ4; texts are compressed by its own method';
end
$$;

-- Newsletter sign-up: subscribers, the digests of the links they get, and the outbox of their mail.


-- Subscribers ---------------------------------------------------------------------------------

-- One row for each address that has ever asked for the newsletter. `email` is the address as it was
-- first written, to which mail goes; `address` is what two spellings of it have in common, and the
-- constraint on it is what makes them one subscriber.
--
-- A row is pending until the link in a mail is confirmed, and unsubscribed after the other link is;
-- only a new confirmation leads back. Deleting the row is erasure: nothing else holds the address,
-- and what refers to the row goes with it.
create table colophon.subscriptions (
  id uuid primary key default colophon.uuidv7(),
  email text collate "C" not null,
  address text collate "C" not null,
  status text collate "C" not null default 'pending',
  source text,
  created_at timestamptz not null default colophon.this_second(),
  confirmed_at timestamptz,
  unsubscribed_at timestamptz,
  constraint subscriptions_email_form check (
    email ~ '^[^@[:cntrl:][:space:],;:<>()"]+@[^@[:cntrl:][:space:],;:<>()"]+$'),
  constraint subscriptions_email_size check (octet_length(email) <= 254),
  constraint subscriptions_address_size check (octet_length(address) between 3 and 254),
  constraint subscriptions_status check (status in ('pending', 'active', 'unsubscribed')),
  constraint subscriptions_active_is_confirmed check (
    status <> 'active' or confirmed_at is not null),
  constraint subscriptions_unsubscribed_has_date check (
    status <> 'unsubscribed' or unsubscribed_at is not null),
  constraint subscriptions_source_length check (length(source) between 1 and 100),

  -- Makes of any number of sign-ups at once, in whatever spelling, one subscriber.
  constraint subscriptions_address_unique unique (address)
);

-- The list of those of one status, newest first; that of all is a walk over the primary key.
create index subscriptions_by_status on colophon.subscriptions (status, id);

-- The links that mails carry, of each only a SHA-256 digest: nobody who reads this table can follow
-- one. A token serves one purpose until it expires. `used_at` marks a confirmation that is spent:
-- it is still answered, and does nothing any more.
create table colophon.subscription_tokens (
  digest bytea primary key,
  subscription_id uuid not null references colophon.subscriptions on delete cascade,
  purpose text collate "C" not null,
  created_at timestamptz not null default colophon.clock(),
  expires_at timestamptz not null,
  used_at timestamptz,
  constraint subscription_tokens_digest_size check (length(digest) = 32),
  constraint subscription_tokens_purpose check (purpose in ('confirm', 'unsubscribe'))
);

-- The links of one subscriber, when he confirms or is erased.
create index subscription_tokens_of_subscription
  on colophon.subscription_tokens (subscription_id);

-- The links that nobody can use any more.
create index subscription_tokens_by_expiry on colophon.subscription_tokens (expires_at);


-- The outbox ----------------------------------------------------------------------------------

-- The mail that a subscriber is to get, or got last: at most one row for each, which a sign-up
-- makes in its own transaction, or makes new when the last one is an hour old. That is how nobody
-- gets two mails within an hour, whoever asks and however many ask at once.
--
-- A mail is waiting (`next_attempt_at`), sent or dead. Whoever takes one that is due puts its next
-- attempt off in the same statement, and commits that before he hands it over: so no two take it
-- at once, and one who dies leaves it to others. The id stays through all attempts, for
-- `Message-ID`; a new mail has a new one. What stands in a mail is not here: neither an address nor
-- a link.
create table colophon.mails (
  id uuid not null default colophon.uuidv7(),
  subscription_id uuid primary key references colophon.subscriptions on delete cascade,
  kind text collate "C" not null default 'confirmation',
  ordered_at timestamptz not null default colophon.clock(),
  attempts integer not null default 0,
  next_attempt_at timestamptz default colophon.clock(),
  sent_at timestamptz,
  dead_at timestamptz,
  -- How the last attempt failed, in words of ours: no address, nothing of what sendmail wrote.
  failure text,
  constraint mails_id_unique unique (id),
  constraint mails_kind check (kind in ('confirmation')),
  constraint mails_attempts check (attempts >= 0),
  constraint mails_state check (num_nonnulls(next_attempt_at, sent_at, dead_at) = 1),
  constraint mails_failure_length check (length(failure) <= 300)
) with (fillfactor = 70);

-- What is due, the oldest first.
create index mails_waiting on colophon.mails (next_attempt_at)
  where next_attempt_at is not null;

-- The dead letters.
create index mails_dead on colophon.mails (dead_at) where dead_at is not null;


-- Search --------------------------------------------------------------------------------------

-- In which of PostgreSQL's configurations for text search the site is read: English unless the
-- profile names its language, and `simple`, which leaves words as they are, for a language that
-- PostgreSQL has none for.
create function colophon.search_language() returns text
  language sql stable parallel safe
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

-- A configuration by the name that stands in `search.language`.
create function colophon.search_configuration(language text) returns regconfig
  language sql stable parallel safe
  return ('pg_catalog.' || language)::regconfig;

-- What a post is found by. A match in the title weighs more than one among the tags, that more
-- than one in the excerpt, that more than one in the body: weights A to D, which lie so far apart
-- that no number of lesser ones makes up for a greater one.
--
-- A tag is found by its whole slug and by each of its parts.
create function colophon.search_tags(language text, tags text[]) returns tsvector
  language sql stable parallel safe
  return setweight(to_tsvector(colophon.search_configuration(language),
    array_to_string(tags, ' ') || ' ' || coalesce((
      select string_agg(replace(t.tag, '-', ' '), ' ') from unnest(tags) t(tag)
      where position('-' in t.tag) > 0), '')), 'B');

-- Title, excerpt and the first 256 KiB of the body; less of a body of which that makes more words
-- than PostgreSQL keeps for one document, which is a mebibyte. Some of that is left to the tags.
create function colophon.search_words(language text, title text, excerpt text, body text)
  returns tsvector
  language plpgsql stable parallel safe
as $$
declare
  configuration constant regconfig := colophon.search_configuration(language);
  words tsvector := setweight(to_tsvector(configuration, title), 'A')
    || setweight(to_tsvector(configuration, excerpt), 'C');
  opening constant tsvector := words;
  size integer := 262144;
  bytes bytea;
  rest integer;
begin
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

-- One row for each post, whatever its state; a list of what is found joins the post and asks that
-- whether it may be seen. It stands beside `posts` so that whoever reads a post need not read this.
--
-- `language` is the one that the row was made for, and in which it is asked: a change of the site's
-- language makes no row wrong, only old. The empty one stands for a post that has not been read
-- yet. The service brings old rows up to date, a few at a time (`search.catch_up`).
create table colophon.search (
  post_id uuid primary key references colophon.posts on delete cascade,
  language text collate "C" not null,
  tags tsvector not null,
  words tsvector not null
);

-- Finds posts by words, wherever they stand. New entries wait in a list that is read with every
-- search, so it is kept short.
create index search_by_word on colophon.search using gin ((tags || words))
  with (gin_pending_list_limit = 512);
-- Which languages there are, and which rows are old.
create index search_by_language on colophon.search (language);

-- Keeps `search` in step with the post in the post's own statement, whichever statement and program
-- that is, under the post's row lock. Whatever PostgreSQL has against a text, the post is stored:
-- then its row is an old one. It runs with the rights of the owner, as a program may be writing
-- that has not been given any on `search` yet.
create function colophon.index_post() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  language text := colophon.search_language();
  tags tsvector;
  words tsvector;
begin
  if tg_op = 'UPDATE' then
    if (old.title, old.excerpt, old.derived_excerpt, old.body)
      is not distinct from (new.title, new.excerpt, new.derived_excerpt, new.body)
    then
      update colophon.search s set tags = colophon.search_tags(s.language, new.tags)
      where s.post_id = new.id and s.language <> '';
      return null;
    end if;
  end if;
  begin
    tags := colophon.search_tags(language, new.tags);
    words := colophon.search_words(
      language, new.title, coalesce(new.excerpt, new.derived_excerpt), new.body);
  exception when others then
    raise log 'colophon: post % cannot be searched: %', new.id, sqlerrm;
    language := '';
    tags := '';
    words := '';
  end;
  insert into colophon.search as s (post_id, language, tags, words)
  values (new.id, language, tags, words)
  on conflict (post_id) do update
  set language = excluded.language, tags = excluded.tags, words = excluded.words;
  return null;
end
$$;

create trigger posts_are_found after insert on colophon.posts
  for each row execute function colophon.index_post();
create trigger posts_stay_found
  after update of title, excerpt, derived_excerpt, body, tags on colophon.posts
  for each row
  when ((old.title, old.tags, old.excerpt, old.derived_excerpt, old.body)
    is distinct from (new.title, new.tags, new.excerpt, new.derived_excerpt, new.body))
  execute function colophon.index_post();

do $$
begin
  alter table colophon.search alter column words set compression lz4;
exception when feature_not_supported then
  raise notice 'this PostgreSQL has no LZ4; search documents are compressed by its own method';
end
$$;

-- The posts that are there are found as soon as the service has read them, which it does at once
-- and beside its work.
insert into colophon.search (post_id, language, tags, words)
select p.id, '', '', '' from colophon.posts p;


-- What GET /v1/changes tells of; schema.sql says why it is so.

create table colophon.changes (
  era integer not null,
  xid xid8 not null,
  -- The empty type tells nothing; it keeps the place of a row that was taken back.
  type text collate "C" not null,
  slug text collate "C" not null,
  changed_at timestamptz not null,
  -- The date of a post that was still to come out when it was written: it moves once more then.
  due_at timestamptz,
  -- Whether it could be seen at some time. What could not is never told of.
  was_public boolean not null,
  constraint changes_pkey primary key (type, slug, era, xid),
  constraint changes_type check (type in ('post', 'project', 'tag', 'profile', 'newsletter', ''))
);

create index changes_in_order on colophon.changes (era, xid, type, slug);
create index changes_to_come on colophon.changes (due_at, slug) where due_at is not null;

create table colophon.feed_eras (
  era integer not null,
  mark uuid not null default gen_random_uuid(),
  place text collate "C" not null,
  -- The highest number of the era before.
  newest xid8 not null,
  constraint feed_eras_pkey primary key (era, mark)
);

create index feed_eras_by_place on colophon.feed_eras (place, era);

create function colophon.feed_place() returns text
  language sql stable
  return pg_relation_filepath('colophon.changes') || ' '
    || colophon.microseconds(pg_postmaster_start_time());

insert into colophon.feed_eras (era, place, newest) values (1, colophon.feed_place(), '2');

create function colophon.note_changes(
  moved_type text, moved_slugs text[], are_public boolean, comes_out_at timestamptz default null
) returns boolean language plpgsql as $$
declare
  this_era integer;
  moved_slug text;
  was_public boolean;
  row_before tid;
  was_due_at timestamptz;
  is_older boolean;
  waited boolean := false;
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

  foreach moved_slug in array moved_slugs loop
    was_public := are_public or exists (
      select from colophon.changes o
      where o.type = moved_type and o.slug = moved_slug and o.was_public);
    was_due_at := null;
    select o.ctid, o.due_at, (o.era, o.xid) < (this_era, pg_current_xact_id())
    into row_before, was_due_at, is_older
    from colophon.changes o
    where o.type = moved_type and o.slug = moved_slug
      and (o.era <> this_era or o.xid <> pg_current_xact_id())
    order by o.era desc, o.xid desc
    limit 1
    for update skip locked;
    -- One of a higher number stays in its place: cursors have perhaps seen it.
    if is_older then
      delete from colophon.changes c where c.ctid = row_before;
    elsif was_due_at is not null then
      update colophon.changes c set due_at = null where c.ctid = row_before;
    end if;

    insert into colophon.changes as c (era, xid, type, slug, changed_at, due_at, was_public)
    values (this_era, pg_current_xact_id(), moved_type, moved_slug, colophon.this_second(),
      comes_out_at, was_public)
    on conflict on constraint changes_pkey do update
    set due_at = excluded.due_at, was_public = c.was_public or excluded.was_public
    where (c.due_at, c.was_public) is distinct from (
      excluded.due_at, c.was_public or excluded.was_public);
    waited := waited or was_due_at is not null;
  end loop;
  return waited;
end
$$;

create function colophon.note_post() returns trigger language plpgsql as $$
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
begin
  if was_out and not stays then
    came_out := colophon.note_changes('post', array[old.slug], true);
  elsif tg_op <> 'INSERT' and not stays then
    -- What was to come out does not: its row goes, and another tells nothing in its place.
    delete from colophon.changes c
    where c.type = 'post' and c.slug = old.slug and not c.was_public
      and c.xid <= pg_current_xact_id();
    if found then perform colophon.note_changes('', '{""}', false); end if;
    update colophon.changes c set due_at = null
    where c.type = 'post' and c.slug = old.slug and c.due_at is not null;
  end if;
  if is_listed then
    waited := colophon.note_changes('post', array[new.slug],
      is_out or (was_out and stays), case when not is_out then new.published_at end);
    came_out := came_out or (waited and was_out and stays);
  end if;

  if was_out then before := old.tags; end if;
  if is_out then after := new.tags; end if;
  if was_out = is_out and not came_out and before = after then return null; end if;
  select array_agg(t.tag) into moved_tags
  from (
    select unnest(before) as tag union select unnest(after)
    except
    (select unnest(before) where not came_out intersect select unnest(after))
  ) t;
  if moved_tags is not null then perform colophon.note_changes('tag', moved_tags, true); end if;
  if was_out <> is_out or came_out then
    perform colophon.note_changes('profile', '{profile}', true);
  end if;
  return null;
end
$$;

create trigger posts_are_noted
  after insert or delete or update of
    slug, type, title, excerpt, derived_excerpt, body, status, featured, featured_order, tags,
    cover_image_url, cover_image_alt, canonical_url, meta_title, meta_description, word_count,
    published_at, created_at, updated_at, trashed_at, version
  on colophon.posts
  for each row execute function colophon.note_post();

create function colophon.note_tag() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' and (tg_op = 'DELETE' or old.slug <> new.slug) then
    perform colophon.note_changes('tag', array[old.slug], false);
  end if;
  if tg_op <> 'DELETE' and (tg_op = 'UPDATE' or new.name <> new.slug
    or new.description is not null)
  then
    perform colophon.note_changes('tag', array[new.slug], false);
  end if;
  return null;
end
$$;

create trigger tags_are_noted
  after insert or delete or update of slug, name, description on colophon.tags
  for each row execute function colophon.note_tag();

create function colophon.note_project() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' or (tg_op = 'UPDATE' and old.slug <> new.slug) then
    perform colophon.note_changes('project', array[old.slug], true);
  end if;
  if tg_op <> 'DELETE' then perform colophon.note_changes('project', array[new.slug], true); end if;
  if tg_op <> 'UPDATE' then perform colophon.note_changes('profile', '{profile}', true); end if;
  return null;
end
$$;

create trigger projects_are_noted
  after insert or delete or update on colophon.projects
  for each row execute function colophon.note_project();

create function colophon.note_only_one() returns trigger language plpgsql as $$
begin
  perform colophon.note_changes(tg_argv[0], array[tg_argv[0]], true);
  return null;
end
$$;

create trigger profile_is_noted
  after update on colophon.profile
  for each row execute function colophon.note_only_one('profile');

create trigger newsletter_is_noted
  after update on colophon.newsletter
  for each row execute function colophon.note_only_one('newsletter');

-- Cursors begin with this version, so of what is there only posts that are still to come out are
-- noted.
insert into colophon.changes (era, xid, type, slug, changed_at, due_at, was_public)
select 1, pg_current_xact_id(), 'post', p.slug, colophon.this_second(), p.published_at, false
from colophon.posts p
where p.status = 'published' and p.trashed_at is null and not p.counted
  and p.published_at > colophon.clock();


-- Revisions -----------------------------------------------------------------------------------

-- Who wrote the version of a post that stands in `posts`: the name of the key, as the transaction
-- says it in front of the write. Nobody is named where an earlier program or a person at the
-- database wrote.
alter table colophon.posts add column author text;
alter table colophon.posts
  alter column author set default nullif(current_setting('colophon.author', true), '');

-- What a post was before it was written again: one row for each version but the last, which stands
-- in `posts`. So a new post costs nothing here, a change writes down what is there already, and a
-- post of whatever age has its first revision from the start. Rows never change; the rules of
-- `posts` held for each of them.
create table colophon.revisions (
  post_id uuid not null references colophon.posts on delete cascade,
  version integer not null,
  title text not null,
  excerpt text,
  derived_excerpt text not null,
  body text not null,
  tags text[] collate "C" not null,
  author text,
  -- When this version was written, not when it was replaced.
  created_at timestamptz not null,
  -- Finds one revision, and walks from the newest to the oldest.
  primary key (post_id, version),
  constraint revisions_version check (version >= 1)
);

-- A trigger, so that no write can forget it, that of an earlier program neither. It runs under the
-- lock of the post, in the write's own statement.
create function colophon.keep_revision() returns trigger
  language plpgsql
  as $$
begin
  insert into colophon.revisions (
    post_id, version, title, excerpt, derived_excerpt, body, tags, author, created_at)
  values (
    old.id, old.version, old.title, old.excerpt, old.derived_excerpt, old.body, old.tags,
    old.author, old.updated_at);
  new.author := nullif(current_setting('colophon.author', true), '');
  return new;
end
$$;

create trigger posts_keep_revision before update of version on colophon.posts
  for each row when (new.version <> old.version)
  execute function colophon.keep_revision();

do $$
begin
  alter table colophon.revisions alter column body set compression lz4;
exception when feature_not_supported then
  raise notice 'this PostgreSQL has no LZ4; revisions are compressed by its own method';
end
$$;


-- Previews ------------------------------------------------------------------------------------

-- Links that show one post to whoever has them, published or not, until they expire. The token of a
-- link is in the link alone: here is its SHA-256 digest. Rows of a post are made under the post's
-- lock, which keeps their number small; those that have expired go with the next ones that are
-- made, of any post, and are never waited for.
create table colophon.previews (
  digest bytea primary key,
  post_id uuid not null references colophon.posts on delete cascade,
  expires_at timestamptz not null,
  constraint previews_digest_size check (length(digest) = 32)
);

-- The previews of one post, to keep them few, and when it is deleted for good.
create index previews_of_post on colophon.previews (post_id, expires_at);
-- What has expired.
create index previews_by_expiry on colophon.previews (expires_at);


-- Rate limits over several servers ------------------------------------------------------------

-- What servers on one database tell each other, several times a second: that they are there, and
-- what their clients have taken. No request reads or waits for any of this, and nothing else refers
-- to it.
--
-- Locks of a report, in this order and with nothing else in its transaction: the advisory lock
-- `colophon.rate_limits`, by servers that come or go; the bucket with key 0; the server's own row;
-- buckets by key. Whoever tidies up waits for no row.

-- The servers, each under a random number that it chose when it started. Logged, so that time does
-- not go back when the server of the database crashes: the row with the latest time is never
-- deleted, at most given the id 0, which is nobody's.
create table colophon.rate_limit_replicas (
  id bigint primary key,
  -- Nanoseconds of a clock that all servers bring forward and nobody sets.
  time bigint not null,
  -- What the database's own clock said then.
  wall timestamptz not null,
  -- No client has taken more behind the others' backs than it may.
  settled boolean not null,
  -- With whom it reckons, in one number.
  view bigint not null
) with (fillfactor = 50);

-- When the buckets of clients are full again, in the same nanoseconds. A client is a keyed hash:
-- addresses are kept nowhere. Rows of full buckets may be deleted at any time. Unlogged: nothing
-- of it gets into the log or to a standby, and after a crash it is empty; then the row with key 0,
-- whose `burst` is random, is another, and every server brings again what it knows.
create unlogged table colophon.rate_limit_buckets (
  key bigint primary key,
  burst bigint not null,
  sustained bigint not null
) with (fillfactor = 50);

-- The key of that hash, the same for all servers, made once.
create table colophon.rate_limit_secret (
  one boolean primary key default true,
  secret bytea not null default
    substring(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) for 16),
  constraint rate_limit_secret_one check (one),
  constraint rate_limit_secret_size check (length(secret) = 16)
);

insert into colophon.rate_limit_secret default values;

update colophon.schema_version set version = 3;
