#include "CAssets.h"

static const unsigned char schema[] = {
#embed "../../schema.sql"
};

// One array, each step followed by a zero byte; the first one makes version 2.
static const unsigned char steps[] = {
#embed "steps/0002.sql" suffix(, 0, )
#embed "steps/0003.sql" suffix(, 0, )
#embed "steps/0004.sql" suffix(, 0, )
#embed "steps/0005.sql" suffix(, 0, )
#embed "steps/0006.sql" suffix(, 0, )
};

static const unsigned char openapi[] = {
#embed "../../openapi.yaml"
};

// One array, each post followed by a zero byte, which no text contains.
static const unsigned char posts[] = {
#embed "posts/01-a-retry-is-a-second-request.md" suffix(, 0, )
#embed "posts/02-a-note-to-my-older-self.md" suffix(, 0, )
#embed "posts/03-what-a-rate-limit-is-for.md" suffix(, 0, )
#embed "posts/04-a-servers-last-minute.md" suffix(, 0, )
#embed "posts/05-the-mean-never-waited.md" suffix(, 0, )
#embed "posts/06-page-four-hundred.md" suffix(, 0, )
#embed "posts/07-three-words-for-a-full-disk.md" suffix(, 0, )
#embed "posts/08-a-conversation-about-bytes.md" suffix(, 0, )
#embed "posts/09-an-index-is-a-sorted-copy.md" suffix(, 0, )
#embed "posts/10-things-that-cannot-be-copied.md" suffix(, 0, )
#embed "posts/11-commit-messages-are-letters.md" suffix(, 0, )
#embed "posts/12-the-hour-that-happens-twice.md" suffix(, 0, )
#embed "posts/13-every-timeout-is-a-decision.md" suffix(, 0, )
#embed "posts/14-backoff-needs-a-die.md" suffix(, 0, )
#embed "posts/15-a-queue-does-not-make-it-faster.md" suffix(, 0, )
#embed "posts/16-reading-a-plan-from-the-inside.md" suffix(, 0, )
#embed "posts/17-how-long-is-this-name.md" suffix(, 0, )
#embed "posts/18-the-friday-before-midsummer.md" suffix(, 0, )
#embed "posts/19-changing-a-table-while-people-use-it.md" suffix(, 0, )
#embed "posts/20-a-makefile-at-the-door.md" suffix(, 0, )
#embed "posts/21-curl-lines-i-keep.md" suffix(, 0, )
#embed "posts/22-a-test-that-cannot-fail.md" suffix(, 0, )
#embed "posts/23-one-line-per-event.md" suffix(, 0, )
#embed "posts/24-constraints-are-documentation-that-runs.md" suffix(, 0, )
#embed "posts/25-explain-it-to-the-night-shift.md" suffix(, 0, )
#embed "posts/26-errors-as-a-closed-list.md" suffix(, 0, )
#embed "posts/27-the-word-probably.md" suffix(, 0, )
#embed "posts/28-small-tools-with-handles.md" suffix(, 0, )
#embed "posts/29-an-error-message-has-one-reader.md" suffix(, 0, )
#embed "posts/30-software-that-gets-finished.md" suffix(, 0, )
};

// The writer, the newsletter, then projects, each followed by a zero byte.
static const unsigned char samples[] = {
#embed "samples/1-profile.json" suffix(, 0, )
#embed "samples/2-newsletter.json" suffix(, 0, )
#embed "samples/3-project-timetable.json" suffix(, 0, )
#embed "samples/4-project-tide-gauge.json" suffix(, 0, )
#embed "samples/5-project-deck-plan.json" suffix(, 0, )
};

// The style and the script of the documentation page, each followed by a zero byte.
static const unsigned char docs[] = {
#embed "docs/docs.css" suffix(, 0, )
#embed "docs/docs.js" suffix(, 0, )
};

const unsigned char *colophon_asset(enum colophon_asset asset, size_t *size) {
  switch (asset) {
  case COLOPHON_SCHEMA: *size = sizeof schema; return schema;
  case COLOPHON_STEPS: *size = sizeof steps; return steps;
  case COLOPHON_OPENAPI: *size = sizeof openapi; return openapi;
  case COLOPHON_POSTS: *size = sizeof posts; return posts;
  case COLOPHON_SAMPLES: *size = sizeof samples; return samples;
  case COLOPHON_DOCS: *size = sizeof docs; return docs;
  }
  return *size = 0, NULL;
}
