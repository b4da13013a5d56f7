// SPDX-License-Identifier: Apache-2.0
// JSON by jansson. Strict: duplicate keys, trailing data, NUL and bad UTF-8 are errors.
#ifndef BAWN_BASE_JSON_H
#define BAWN_BASE_JSON_H

#include <stdio.h>

#include <jansson.h>

#include "base/err.h"

// Parsed value (caller's reference) or NULL with ERR_INPUT, message "line L column C: what".
json_t *json_parse(const char *text, size_t n, struct err *err);
// One line without newline, keys in the order of insertion; owned.
char *json_line(const json_t *value);
// A JSON string from arbitrary bytes: what is not UTF-8 becomes U+FFFD, so a hostile file name cannot break a
// record. New reference.
json_t *json_text(const char *bytes);
json_t *json_textn(const char *bytes, size_t n);

static inline void cleanup_json_(json_t **j)
{
    json_decref(*j);
}
#define AUTO_JSON __attribute__((cleanup(cleanup_json_)))

#endif
