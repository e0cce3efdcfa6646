-- From version 2 to version 3. A program of version 2 knows none of this and goes on working beside
-- it.

update colophon.schema_version set version = 3;
