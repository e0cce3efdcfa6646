-- Posts are rendered when they are written.

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

-- All that there are are written once more for it; what is found, told of and kept of them stays as
-- it is.
update colophon.posts set json_head = '';

update colophon.schema_version set version = 4;
