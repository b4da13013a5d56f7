// SPDX-License-Identifier: Apache-2.0
// The secrets of a policy at the start of a run: their values, which only the guard gets, and the
// placeholders that stand inside for them.
#ifndef BAWN_SESSION_CREDENTIALS_H
#define BAWN_SESSION_CREDENTIALS_H

#include "base/json.h"
#include "guard/config.h"

#define JSON_FILE_MAX (4u << 20) // bytes of a file that json: names, and of a copy (files.inside)

struct session_places;

struct credentials {
    struct guard_secret *items; // rule is the policy's, value and placeholder are owned
    size_t n;
};

// All of the policy's; one that is `optional` and not there has no value. ERR_INPUT when another is not
// there.
MUST_USE bool credentials_read(const struct policy *p, const struct session_places *places,
                               struct credentials *ret, struct err *err);
// NAME=PLACEHOLDER for those that programs look for in their environment; those of a JSON file stand in its
// copy.
void credentials_environment(const struct credentials *c, struct strlist *env);
void credentials_deinit(struct credentials *c); // wipes

// The member that a JSON pointer (RFC 6901) names, or NULL. Borrowed.
json_t *json_at(const json_t *root, const char *pointer);
// The next segment of a pointer ("/a/b"), unescaped and owned; *pointer goes on behind it. NULL at its end.
char *json_segment(const char **pointer);
// Of "json:PATH#POINTER": the path, owned, and where the pointer begins. NULL when it is none.
char *json_source(const char *from, const char **ret_pointer);

#endif
