// SPDX-License-Identifier: Apache-2.0
// Reading and checking of single values. Each check says what is wrong and what is allowed there; a caller
// prefixes where. None touches the file system.
#ifndef BAWN_POLICY_SCALAR_H
#define BAWN_POLICY_SCALAR_H

#include "base/arena.h"
#include "policy/schema.h"

// "30m" → milliseconds; "none" → 0.
MUST_USE bool scalar_duration(const char *text, uint64_t *ret_ms, struct err *err);
MUST_USE bool scalar_size(const char *text, uint64_t *ret_bytes, struct err *err);
MUST_USE bool scalar_count(const char *text, uint64_t *ret, struct err *err);
MUST_USE bool scalar_number(const char *text, double *ret, struct err *err);
MUST_USE bool scalar_bool(const char *text, bool *ret, struct err *err);
MUST_USE bool scalar_port(const char *text, uint16_t *ret, struct err *err);

// Checks `text` as what `type` asks for (`values` for an enum) and returns the form to keep in *ret: from the
// arena, or text itself. `dir` is the directory of the file, for TYPE_BESIDE and TYPE_SOURCE; `home` may be
// NULL.
struct scalar_context {
    struct arena *arena;
    const char *dir, *home;
};
MUST_USE bool scalar_check(const struct scalar_context *c, enum schema_type type, const char *values,
                           const char *text, const char **ret, struct err *err);

#endif
