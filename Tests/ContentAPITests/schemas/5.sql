-- Colophon's database.
--
-- This one file makes a new database, in one transaction, on PostgreSQL 15 or newer; `colophon
-- migrate` runs it when the schema is not there yet. A database of an earlier version gets here by
-- the numbered steps instead, and the two roads end in the same place: a change to this file
-- brings its step with it.
--
-- Four ideas carry the rest.
--
-- 1. A post is truth, a listing is an index. `posts` says what was written. `listings` repeats
--    just enough of it (tag, date, id) that any page of any list is a walk along one index,
--    whatever the size of the table. `counters` says how long each list is.
-- 2. Nothing publishes a scheduled post. It is public when its date has come, and a query sees
--    that by comparing the date with the clock: no timer that a restart could lose.
-- 3. What has come out stays out. The first write after a post has come due marks it `counted`
--    and adds it to the counters; until then every statement that reads a counter adds the few
--    that are due and not yet counted, by index, in the same snapshot as the page. So page and
--    total agree at any instant, also when the clock is set back.
-- 4. Locks are waited for in one order, so no mix of writes can deadlock: the post that is written,
--    then new tags by slug, then counters by tag, last of all and for the length of one round
--    trip. Posts that have come due are locked on the way only where that needs no waiting. A tag
--    that is renamed or deleted keeps to it: the posts that have it by id, projects by id, tags by
--    slug, counters by tag. What belongs to one post alone, as its row in `search`, is locked under
--    the post.
--
-- Names are written in full and function bodies are parsed when they are created, those in plpgsql
-- when they are first run, so nothing here depends on the search_path of whoever runs it.

create schema colophon;

comment on schema colophon is 'Posts, tags and keys of the Colophon content API';


-- What time it is -----------------------------------------------------------------------------

-- The only function that says what time it is. Every default and every statement asks it, so a
-- test that replaces it moves the whole database. It is one instant for the length of a statement,
-- and simple enough that the planner puts its body in its place.
create function colophon.clock() returns timestamptz
  language sql stable parallel safe
  return statement_timestamp();

-- The instant that the server itself writes down: whole seconds, as HTTP dates have no more.
create function colophon.this_second() returns timestamptz
  language sql stable parallel safe
  return date_trunc('second', colophon.clock());

-- RFC 3339 in UTC, with a fraction only where there is one: 2026-03-12T09:00:00Z. JSON's way of
-- writing a timestamp is already that but for the zone, and does not depend on DateStyle.
create function colophon.rfc3339(instant timestamptz) returns text
  language sql stable parallel safe
  return btrim(to_json(instant at time zone 'UTC')::text, '"') || 'Z';

-- Instants in cursors are whole microseconds since 1970, which is all that PostgreSQL keeps: a
-- cursor names a row exactly. Both ways are exact to the year 9999 (a product with an interval
-- would be rounded from 2255 on).
create function colophon.microseconds(instant timestamptz) returns bigint
  language sql stable parallel safe
  return (extract(epoch from instant) * 1000000)::bigint;

create function colophon.instant(microseconds bigint) returns timestamptz
  language sql stable parallel safe
  return to_timestamp((microseconds / 1000000)::double precision)
    + make_interval(secs => (microseconds % 1000000)::double precision / 1000000);

-- An id that grows with time, so that new rows land at the end of their indexes (RFC 9562,
-- version 7): 48 bits of milliseconds, the version, then what gen_random_uuid() made, whose
-- variant bits already stand where they belong.
create function colophon.uuidv7() returns uuid
  language sql volatile parallel safe
  return (
    lpad(to_hex(floor(extract(epoch from colophon.clock()) * 1000)::bigint), 12, '0')
    || '7'
    || substr(replace(gen_random_uuid()::text, '-', ''), 14)
  )::uuid;


-- Which program may serve this database -------------------------------------------------------

-- One row. `serve` runs when its own version lies between the two numbers: `version` is the
-- version of this layout, `oldest_binary` the oldest program that still works on it. So old and
-- new replicas live side by side during a deploy, and a rollback works for one release.
create table colophon.schema_version (
  one boolean primary key default true,
  version integer not null,
  oldest_binary integer not null,
  constraint schema_version_is_one_row check (one),
  constraint schema_version_range check (oldest_binary between 1 and version)
);

insert into colophon.schema_version (version, oldest_binary) values (5, 1);


-- Posts ---------------------------------------------------------------------------------------

-- One row for each post, in the trash or not.
--
-- `status` has two values here and three in answers. Stored is what the author decided: keep it
-- back (draft) or let it out at `published_at` (published). Whether that is scheduled or published
-- depends on the clock, so it is worked out at reading time and can never be stale.
--
-- `excerpt` is the author's own or null; `derived_excerpt` is taken from the body when that is
-- written. Answers show the first that is there.
--
-- A post in the trash keeps its slug and status, so that it can come back as it was; while it
-- lies there nobody else can take the slug.
--
-- `counted` is true while the post stands in the counters (idea 3). A post is public when it is
-- counted, or when it is published, not in the trash and due.
create table colophon.posts (
  id uuid primary key default colophon.uuidv7(),
  slug text collate "C" not null,
  type text collate "C" not null default 'post',
  title text not null,
  excerpt text,
  derived_excerpt text not null default '',
  body text not null,
  status text collate "C" not null default 'draft',
  featured boolean not null default false,
  featured_order integer,
  tags text[] collate "C" not null default '{}',
  cover_image_url text,
  cover_image_alt text,
  canonical_url text,
  meta_title text,
  meta_description text,
  word_count integer not null default 0,
  -- Whole minutes at 220 words a minute, rounded up, at least one.
  reading_time integer not null
    generated always as (greatest(1, word_count / 220 + (word_count % 220 > 0)::integer)) stored,
  published_at timestamptz,
  created_at timestamptz not null default colophon.this_second(),
  updated_at timestamptz not null default colophon.this_second(),
  trashed_at timestamptz,
  version integer not null default 1,
  counted boolean not null default false,

  -- The service refuses what breaks these rules before it asks; they stand here so that no other
  -- road into the table is wider.
  constraint posts_slug_form check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
  constraint posts_slug_length check (length(slug) <= 200),
  constraint posts_type_form check (type ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(type) <= 100),
  constraint posts_title_length check (length(title) between 1 and 300),
  constraint posts_excerpt_length check (length(excerpt) <= 1000),
  constraint posts_derived_excerpt_length check (length(derived_excerpt) <= 1000),
  constraint posts_body_size check (octet_length(body) <= 524288),
  constraint posts_status check (status in ('draft', 'published')),
  constraint posts_published_has_date check (status <> 'published' or published_at is not null),
  -- Four digits of year, which is what RFC 3339 can write; infinity is outside too.
  constraint posts_published_at_range check (
    published_at >= '0001-01-01T00:00:00Z' and published_at < '10000-01-01T00:00:00Z'),
  constraint posts_tags_count check (cardinality(tags) <= 32),
  constraint posts_tags_form check (
    array_to_string(tags, ',', '!') ~ '^([a-z0-9]+(-[a-z0-9]+)*(,[a-z0-9]+(-[a-z0-9]+)*)*)?$'
    and '' <> all (tags)),
  constraint posts_cover_image_url_length check (length(cover_image_url) <= 2048),
  constraint posts_cover_image_alt_needs_url check (
    cover_image_alt is null or cover_image_url is not null),
  constraint posts_canonical_url_length check (length(canonical_url) <= 2048),
  constraint posts_word_count check (word_count >= 0),
  constraint posts_version check (version >= 1),
  constraint posts_counted_is_public check (
    not counted or (status = 'published' and trashed_at is null)),

  -- Says that a slug is taken (409), and finds the one post of GET /v1/posts/{slug}.
  constraint posts_slug_unique unique (slug)
);

-- The orders in which a list of posts can be walked under filters that no counter knows, each with
-- the id that breaks ties. They hold what the public may see now or later.
create index posts_by_publication on colophon.posts (published_at, id)
  where status = 'published' and trashed_at is null;
create index posts_by_title on colophon.posts ((lower(title) collate "C"), id)
  where status = 'published' and trashed_at is null;
create index posts_by_update on colophon.posts (updated_at, id)
  where status = 'published' and trashed_at is null;
-- Posts without a place come behind the last place there is.
create index posts_by_featured_order
  on colophon.posts ((coalesce(featured_order::bigint, 2147483648)), id)
  where status = 'published' and trashed_at is null;

-- What a few posts have in common, to gather and count them: that they are featured, several tags
-- at once, that they are drafts.
create index posts_featured on colophon.posts (id)
  where featured and status = 'published' and trashed_at is null;
create index posts_by_tags on colophon.posts using gin (tags)
  where status = 'published' and trashed_at is null;
create index posts_in_draft on colophon.posts (id) where status = 'draft' and trashed_at is null;

-- What lies in the trash, for its list.
create index posts_in_trash on colophon.posts (trashed_at, id) where trashed_at is not null;


-- Former slugs --------------------------------------------------------------------------------

-- Where a post stood before it was renamed, so that old addresses can lead to it. A slug belongs to
-- one post at a time: when another post takes it, its row here goes.
create table colophon.former_slugs (
  slug text collate "C" primary key,
  post_id uuid not null references colophon.posts on delete cascade,
  renamed_at timestamptz not null default colophon.this_second()
);

-- The former slugs of one post, when it is deleted for good.
create index former_slugs_of_post on colophon.former_slugs (post_id);


-- Tags ----------------------------------------------------------------------------------------

-- A tag comes into being when a post first names it, with its slug for a name, and is given a
-- better name and a description later. How many posts it has stands in `counters`, so that
-- describing a tag and publishing under it never wait for each other.
--
-- Posts do not refer to these rows, for the same reason. A post that is given a tag at the moment in
-- which the tag is renamed or deleted keeps it without a row, and a reader then takes the slug for
-- the name, as if the row were new.
create table colophon.tags (
  slug text collate "C" primary key,
  name text not null,
  description text,
  version integer not null default 1,
  constraint tags_slug_form check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 200),
  constraint tags_name_length check (length(name) between 1 and 300),
  constraint tags_description_length check (length(description) <= 1000),
  constraint tags_version check (version >= 1)
);


-- Lists ---------------------------------------------------------------------------------------

-- One row for each list that a published or scheduled post stands in: one for each of its tags,
-- and one with an empty tag, which is the list of all posts. Drafts and posts in the trash stand
-- in none. `published_at` and `counted` are copies of the post's, made in the same transaction and
-- under the post's row lock, so that a page needs nothing but this table's index to know its
-- twenty ids.
create table colophon.listings (
  post_id uuid not null references colophon.posts on delete cascade,
  tag text collate "C" not null,
  published_at timestamptz not null,
  counted boolean not null,
  -- Finds the rows of one post when that post changes.
  primary key (post_id, tag)
);

-- GET /v1/posts, with and without `tag`: newest first, from any cursor in both directions, reads
-- exactly limit + 1 entries of (tag, true) and those of (tag, false) that are due. The second part
-- also gives the number of posts that are due but not yet counted, the next date on which a list
-- changes, and, under the empty tag, the posts that a write takes into the counters.
create index listings_in_order on colophon.listings (tag, counted, published_at, post_id);

-- How many posts each list holds, those that have come out and are counted. The empty tag counts
-- all posts.
--
-- A counter is kept in up to sixteen rows, its shards, and is their sum; a single row may be
-- negative. A writer adds to the shard of its own session: otherwise any two writes that publish
-- would wait for each other's commit to reach the disk, as all of them count under the empty tag.
create table colophon.counters (
  tag text collate "C" not null,
  shard smallint not null,
  posts bigint not null,
  -- The length of a list is a walk over at most sixteen neighbours.
  primary key (tag, shard),
  constraint counters_shard check (shard between 0 and 15)
) with (fillfactor = 50);


-- Projects ------------------------------------------------------------------------------------

-- What the writer has made, in the order of `position`; few, so that their lists are read whole.
create table colophon.projects (
  id uuid primary key default colophon.uuidv7(),
  slug text collate "C" not null,
  name text not null,
  description text,
  url text,
  repository_url text,
  tags text[] collate "C" not null default '{}',
  featured boolean not null default false,
  position integer not null,
  body text,
  created_at timestamptz not null default colophon.this_second(),
  updated_at timestamptz not null default colophon.this_second(),
  version integer not null default 1,
  constraint projects_slug_form check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) <= 200),
  constraint projects_name_length check (length(name) between 1 and 300),
  constraint projects_description_length check (length(description) <= 1000),
  constraint projects_url_length check (length(url) <= 2048),
  constraint projects_repository_url_length check (length(repository_url) <= 2048),
  constraint projects_tags_count check (cardinality(tags) <= 32),
  constraint projects_tags_form check (
    array_to_string(tags, ',', '!') ~ '^([a-z0-9]+(-[a-z0-9]+)*(,[a-z0-9]+(-[a-z0-9]+)*)*)?$'),
  constraint projects_position check (position >= 0),
  constraint projects_body_size check (octet_length(body) <= 524288),
  constraint projects_version check (version >= 1),

  -- Says that a slug is taken (409), and finds the one project of GET /v1/projects/{slug}.
  constraint projects_slug_unique unique (slug)
);


-- The writer ----------------------------------------------------------------------------------

-- One row, there from the start, so that reading it needs no special case. The lists and small
-- objects are JSON as the service rendered it: nothing ever asks for a part of them.
create table colophon.profile (
  one boolean primary key default true,
  name text not null default '',
  role text,
  location text,
  headline text,
  intro text,
  availability text,
  about text,
  skills text[] not null default '{}',
  stats json not null default '[]',
  links json not null default '[]',
  contact json not null default '{"heading":null,"description":null,"email":null}',
  site json not null
    default '{"title":null,"tagline":null,"description":null,"url":null,"language":null}',
  updated_at timestamptz not null default colophon.this_second(),
  version integer not null default 1,
  constraint profile_is_one_row check (one),
  constraint profile_version check (version >= 1)
);

insert into colophon.profile default values;

-- What the newsletter is, for the form that invites to it. One row, as the profile.
create table colophon.newsletter (
  one boolean primary key default true,
  name text not null default '',
  description text,
  frequency text,
  updated_at timestamptz not null default colophon.this_second(),
  version integer not null default 1,
  constraint newsletter_is_one_row check (one),
  constraint newsletter_version check (version >= 1)
);

insert into colophon.newsletter default values;


-- Keys ----------------------------------------------------------------------------------------

-- The keys that may write. `id` is the part of a key that anyone may see; of the rest only a
-- SHA-256 digest is here. `account` stays when a key is rotated, so that whatever belongs to the
-- caller goes on belonging to it. Revoked keys stay in the table: `key list` shows them.
create table colophon.api_keys (
  id text collate "C" primary key,
  account uuid not null default colophon.uuidv7(),
  name text not null,
  scopes text[] collate "C" not null,
  digest bytea not null,
  created_at timestamptz not null default colophon.this_second(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  constraint api_keys_id_form check (id ~ '^[A-Za-z0-9_-]{1,64}$'),
  constraint api_keys_name_length check (length(name) between 1 and 200),
  constraint api_keys_scopes_form check (
    array_to_string(scopes, ',', '!') ~ '^[a-z_]+:[a-z_]+(,[a-z_]+:[a-z_]+)*$'),
  constraint api_keys_digest_size check (length(digest) = 32)
) with (fillfactor = 70);

-- The keys of one account, when one of them is rotated.
create index api_keys_of_account on colophon.api_keys (account);


-- Idempotency keys ----------------------------------------------------------------------------

-- What became of each write, under the name that its client gave it, so that a second request of
-- the same name is answered and not done again. The row is inserted in front of the write, gets its
-- answer behind it, and is committed with it: a row without a status can be seen by nobody but its
-- own transaction, and a crash leaves none. While one transaction has a key, PostgreSQL lets
-- another that inserts it wait for the end.
--
-- `scope` is the account, or 'unkeyed' for a write without a key, whose row only tells this server
-- whether a COMMIT that was not answered was executed. A row that is here counts, whatever its age;
-- only the reaper looks at that. After a day it takes the answer out and leaves `expired`, so that
-- the write is still never done again.
create table colophon.idempotency_keys (
  scope text collate "C" not null,
  key text collate "C" not null,
  fingerprint_version smallint not null,
  -- SHA-256 of what makes two requests the same.
  fingerprint bytea not null,
  status smallint,
  headers text,
  body bytea,
  expired boolean not null default false,
  created_at timestamptz not null default colophon.clock(),
  constraint idempotency_keys_pkey primary key (scope, key),
  constraint idempotency_keys_key_length check (length(key) between 1 and 255),
  constraint idempotency_keys_answer check (
    status is null or expired or (headers is not null and body is not null))
);

-- What the reaper looks for. Each row is in one of them.
create index idempotency_keys_by_age on colophon.idempotency_keys (created_at)
  where not expired and scope <> 'unkeyed';
create index idempotency_keys_expired on colophon.idempotency_keys (created_at) where expired;
create index idempotency_keys_unkeyed on colophon.idempotency_keys (created_at)
  where scope = 'unkeyed';

-- Turning false into this fails on purpose. It stands between the claim of a key and the write,
-- which is skipped when the key has been answered before.
create domain colophon.open_claim as boolean
  constraint the_key_has_been_answered check (value);


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


-- Compression ---------------------------------------------------------------------------------

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


-- Search --------------------------------------------------------------------------------------

-- In which of PostgreSQL's configurations for text search the site is read: English unless the
-- profile names its language, and `simple`, which leaves words as they are, for a language that
-- PostgreSQL has none for.
--
-- This and `search_tags` are in plpgsql because that keeps their plans for the whole session. In
-- SQL they would be planned anew in each statement that calls them: what has a query inside cannot
-- be put in the place of the call.
create function colophon.search_language() returns text
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
create function colophon.search_words(language text, title text, excerpt text, body text)
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


-- Changes -------------------------------------------------------------------------------------

-- What GET /v1/changes tells: for each thing that everybody may see, or once could, the last time
-- that its public representation moved. State is not repeated here; the feed looks at the thing
-- itself when it is read. A row of what is gone is a tombstone and stays for ever.
--
-- Rows are written by triggers, not by the statements that write the things: no statement can
-- forget them, nor can an older program that runs beside this one during a deploy.
--
-- A reader asks for the transactions that it has not seen, which is not those of higher numbers:
-- numbers are given out when a transaction begins to write and seen when it commits, in another
-- order. So its cursor holds a snapshot (pg_snapshot: which numbers had committed), and it is told
-- the rows whose number that snapshot does not contain. Nothing is skipped, and nothing waits for
-- long transactions, of which a snapshot counts those of every database of the server. `xid` is
-- that of the whole transaction, also behind a savepoint.
--
-- No lock is ever waited for here, so the order of locks has no place for these rows: a
-- transaction inserts rows of its own number, and takes away one before it only where nobody else
-- does. So a post has one row, as whoever writes it has the post itself locked, but a tag, which
-- many transactions move at once by its number of posts, may have several.
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

-- Transactions in their order, and within one of them the things that it moved.
create index changes_in_order on colophon.changes (era, xid, type, slug);
-- Posts that come out by themselves, in their order.
create index changes_to_come on colophon.changes (due_at, slug) where due_at is not null;

-- Numbers of transactions mean something as long as one server runs on one set of files. After a
-- restart an era begins: the files may be older ones than before, from a backup, and give out the
-- same numbers again to other transactions. The row says where the era before ended, so a cursor
-- that claims to have seen more is known to come from a history that was lost, and the mark, which
-- is like no other, so is one from a copy of these files that went its own way.
--
-- The first transaction that writes in an era makes the row. Several may, of one era and with
-- marks of their own, since none waits for another.
create table colophon.feed_eras (
  era integer not null,
  mark uuid not null default gen_random_uuid(),
  place text collate "C" not null,
  -- The highest number of the era before.
  newest xid8 not null,
  constraint feed_eras_pkey primary key (era, mark)
);

create index feed_eras_by_place on colophon.feed_eras (place, era);

-- Which files these are, and since when the server runs on them.
create function colophon.feed_place() returns text
  language sql stable
  return pg_relation_filepath('colophon.changes') || ' '
    || colophon.microseconds(pg_postmaster_start_time());

insert into colophon.feed_eras (era, place, newest) values (1, colophon.feed_place(), '2');

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

-- Every column that an answer shows; `counted` alone shows in none.
create trigger posts_are_noted
  after insert or delete or update of
    slug, type, title, excerpt, derived_excerpt, body, status, featured, featured_order, tags,
    cover_image_url, cover_image_alt, canonical_url, meta_title, meta_description, word_count,
    published_at, created_at, updated_at, trashed_at, version
  on colophon.posts
  for each row execute function colophon.note_post();

-- A tag moves by what is said of it; one that a post brings along says nothing yet. Whether it was
-- ever seen, its posts know.
create function colophon.note_tag() returns trigger language plpgsql as $$
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

create trigger tags_are_noted
  after insert or delete or update of slug, name, description on colophon.tags
  for each row execute function colophon.note_tag();

-- The profile counts the projects.
create function colophon.note_project() returns trigger language plpgsql as $$
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

create trigger projects_are_noted
  after insert or delete or update on colophon.projects
  for each row execute function colophon.note_project();

-- What there is one of is named by its type.
create function colophon.note_only_one() returns trigger language plpgsql as $$
begin
  perform colophon.note_changes(array[tg_argv[0]], array[tg_argv[0]], true);
  return null;
end
$$;

create trigger profile_is_noted
  after update on colophon.profile
  for each row execute function colophon.note_only_one('profile');

create trigger newsletter_is_noted
  after update on colophon.newsletter
  for each row execute function colophon.note_only_one('newsletter');


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


-- Rendered posts ------------------------------------------------------------------------------

-- What a post is in JSON, but for its body, which stands between the two pieces, and its status,
-- which time changes. Reads put the pieces together: rendering is the greater part of what a read
-- costs, and posts are read more often than written. The hash is that of the whole as everybody sees
-- it once it is out, for its ETag.
alter table colophon.posts
  add column json_head text not null default '',
  add column json_tail text not null default '',
  add column json_hash text not null default '';

create function colophon.render_post() returns trigger language plpgsql as $$
begin
  new.json_head := left(json_build_object(
    'id', new.id, 'slug', new.slug, 'type', new.type, 'title', new.title,
    'excerpt', coalesce(new.excerpt, new.derived_excerpt))::text, -1);
  new.json_tail := ', ' || substr(json_build_object(
    'featured', new.featured, 'featured_order', new.featured_order, 'tags', new.tags,
    'cover_image', case when new.cover_image_url is not null
      then json_build_object('url', new.cover_image_url, 'alt', new.cover_image_alt) end,
    'canonical_url', new.canonical_url, 'meta_title', new.meta_title,
    'meta_description', new.meta_description,
    -- A generated column has no value yet.
    'reading_time', greatest(1, new.word_count / 220 + (new.word_count % 220 > 0)::integer),
    'word_count', new.word_count, 'published_at', colophon.rfc3339(new.published_at),
    'created_at', colophon.rfc3339(new.created_at), 'updated_at', colophon.rfc3339(new.updated_at),
    'version', new.version, 'trashed_at', colophon.rfc3339(new.trashed_at))::text, 2);
  new.json_hash := left(encode(sha256(convert_to(
    colophon.post_json(new.json_head, to_json(new.body)::text, 'published', new.json_tail),
    'UTF8')), 'hex'), 32);
  return new;
end $$;

create trigger posts_are_rendered before insert or update on colophon.posts
  for each row execute function colophon.render_post();

-- A post of these pieces; without a body when that is null.
create function colophon.post_json(head text, body text, status text, tail text) returns text
  language sql immutable parallel safe
  return head || coalesce(', "body" : ' || body, '') || ', "status" : "' || status || '"' || tail;
