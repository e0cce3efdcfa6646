-- From version 2 to version 3: compression. A program of version 2 knows none of this and goes on
-- working beside it.

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

update colophon.schema_version set version = 3;
