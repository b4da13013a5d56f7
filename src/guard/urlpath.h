// SPDX-License-Identifier: Apache-2.0
// URL paths for rules. Where a rule names paths, the path that is judged must be the path that the server
// acts on; whatever servers are known to read differently is refused rather than guessed. See urlpath.c for
// the list.
#ifndef BAWN_GUARD_URLPATH_H
#define BAWN_GUARD_URLPATH_H

#include "base/buf.h"

// Checks a raw path (from "/" to before "?") and appends its normal form, which is what must be sent:
// unreserved characters decoded, other percent-encodings kept with upper-case digits. ret_decoded (or NULL)
// gets it wholly decoded, which is what rules match. False with *ret_why (static text) for an ambiguous path.
bool urlpath_normal(const char *raw, size_t n, struct buf *ret, struct buf *ret_decoded,
                    const char **ret_why);
// Pattern from urlpath_pattern, decoded path: `*` within a segment, `**` as a whole segment for any number of
// segments; at the end it stands for one or more ("/pub/**" holds for all below /pub/, not for /pub). With
// fold, letter case is ignored (for rules that refuse).
bool urlpath_match(const char *pattern, const char *path, bool fold);
// A pattern from a policy, checked and decoded, owned; NULL with ERR_INPUT when it is ambiguous itself and so
// could match nothing.
char *urlpath_pattern(const char *text, struct err *err);

#endif
