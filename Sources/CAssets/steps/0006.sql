-- From version 5 to version 6: the record of a write says which request did it.

-- Null where an earlier program wrote: nobody looks for its own there.
alter table colophon.idempotency_keys add column run bigint;

update colophon.schema_version set version = 6;
