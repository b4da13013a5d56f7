// SPDX-License-Identifier: Apache-2.0
// URL paths for rules. Where a rule names paths, the path that is judged must be the path that the server
// acts on; whatever servers are known to read differently is refused rather than guessed. See urlpath.c for
// the list.
#ifndef BAWN_GUARD_URLPATH_H
#define BAWN_GUARD_URLPATH_H

#include "base/buf.h"

// Checks a raw path (from "/" to before "?") and appends its normal form, which is also what must be sent:
// unreserved characters decoded, other percent-encodings kept with upper-case digits. False with *ret_why
// (static text) for an ambiguous path.
bool urlpath_normal(const char *raw, size_t n, struct buf *ret, const char **ret_why);
// Pattern as in policy: absolute; `*` within a segment, `**` as the last or a whole segment for any number of
// segments ("/pub/**" holds for all below /pub/, not for /pub). Matches the normal form; with fold, letter
// case is ignored (for rules that refuse).
bool urlpath_match(const char *pattern, const char *path, bool fold);
// Normal form of a pattern from a policy, owned; NULL with ERR_INPUT when it cannot match anything or is
// ambiguous itself.
char *urlpath_pattern(const char *text, struct err *err);

#endif
