#pragma once
#include <stddef.h>

enum colophon_asset {
  COLOPHON_SCHEMA,
  COLOPHON_STEPS,
  COLOPHON_OPENAPI,
  COLOPHON_POSTS,
  COLOPHON_SAMPLES,
  COLOPHON_DOCS,
};

/// The bytes of an embedded file and their number. An accessor, because Swift cannot import an
/// array whose size is known only after its definition.
const unsigned char *colophon_asset(enum colophon_asset asset, size_t *size);
