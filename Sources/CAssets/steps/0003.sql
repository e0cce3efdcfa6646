-- From version 2 to version 3: compression, newsletter sign-up with its mail, revisions and
-- previews of posts. A program of version 2 knows none of this and goes on working beside it.

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

update colophon.schema_version set version = 3;
