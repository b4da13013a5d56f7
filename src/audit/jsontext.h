// SPDX-License-Identifier: Apache-2.0
// JSON written by hand, for the start of a run: a string or a member goes straight into a buffer, a tenth of
// what a tree of values costs. Whatever the bytes are, the result is one line of plain JSON that a strict
// reader takes:
//
//   - what is not well-formed UTF-8, and NUL (which many readers refuse even escaped), becomes U+FFFD;
//   - controls, C1 controls, bidirectional marks and line separators are escaped, so that even the raw log is
//   safe
//     on a terminal;
//   - a text longer than its limit is cut at a character and says how much is gone: "…[cut 123 bytes]".
#ifndef BAWN_AUDIT_JSONTEXT_H
#define BAWN_AUDIT_JSONTEXT_H

#include <stdint.h>

#include "base/buf.h"

// Appends "text" with its quotes; at most `limit` bytes of the text are used. False when out is full, which
// then has a part of it: drop the buffer or go back to the old length.
bool jsontext_string(struct buf *out, const char *text, size_t n, size_t limit);
// What is left of a text after it was written and read again: bad bytes replaced, long ones cut. Owned.
char *jsontext_kept(const char *text, size_t limit);

// The members of one object, in the order of the calls. Zeroed memory is an empty one. Keys are the program's
// own words. Past JSONTEXT_OBJECT_MAX bytes a member is left out and "cut":true says so at the end.
#define JSONTEXT_OBJECT_MAX 32768u
#define JSONTEXT_VALUE_MAX 8192u // bytes used of one text
#define JSONTEXT_LIST_MAX 1024u  // items used of one list

struct jsontext_object {
    struct buf members; // "a":1,"b":2 without braces
    bool cut;
};

void jsontext_text(struct jsontext_object *o, const char *key, const char *value); // NULL: null
void jsontext_textn(struct jsontext_object *o, const char *key, const char *value, size_t n);
void jsontext_number(struct jsontext_object *o, const char *key, int64_t value);
void jsontext_flag(struct jsontext_object *o, const char *key, bool value);
void jsontext_list(struct jsontext_object *o, const char *key, char *const *items); // NULL-terminated
// A value that is JSON already, one line, made by json_line or by this file.
void jsontext_raw(struct jsontext_object *o, const char *key, const char *json);
// Appends {…}; false when out is full.
bool jsontext_object(struct buf *out, const struct jsontext_object *o);
void jsontext_deinit(struct jsontext_object *o);

static inline void cleanup_jsontext_(struct jsontext_object *o)
{
    jsontext_deinit(o);
}
#define AUTO_JSONTEXT __attribute__((cleanup(cleanup_jsontext_)))

#endif
