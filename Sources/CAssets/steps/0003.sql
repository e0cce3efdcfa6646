-- From version 2 to version 3: compression, newsletter sign-up with its mail, and the feed of
-- changes. A program of version 2 knows none of this and goes on working beside it; what it writes
-- is in the feed too.

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

update colophon.schema_version set version = 3;
