-- From version 1 to version 2: the other orders of lists, former slugs, projects, the writer's
-- profile and newsletter text, idempotency keys. A program of version 1 knows none of this and goes
-- on working beside it.

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

-- Where a post stood before it was renamed, so that old addresses can lead to it. A slug belongs to
-- one post at a time: when another post takes it, its row here goes.
create table colophon.former_slugs (
  slug text collate "C" primary key,
  post_id uuid not null references colophon.posts on delete cascade,
  renamed_at timestamptz not null default colophon.this_second()
);

-- The former slugs of one post, when it is deleted for good.
create index former_slugs_of_post on colophon.former_slugs (post_id);

alter table colophon.tags
  add column version integer not null default 1,
  add constraint tags_description_length check (length(description) <= 1000),
  add constraint tags_version check (version >= 1);

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

update colophon.schema_version set version = 2;
