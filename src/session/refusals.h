// SPDX-License-Identifier: Apache-2.0
// What was refused during a run, each subject once, for the list at its end.
#ifndef BAWN_SESSION_REFUSALS_H
#define BAWN_SESSION_REFUSALS_H

#include <stdint.h>

#include "base/buf.h"

#define REFUSALS_MAX 256 // kept; the rest is counted

struct refusal {
    const char *kind; // read, write, network, create, limit
    const char *subject;
    const char *rule;   // which rule says so
    const char *remedy; // what would allow it, "" when nothing would
    const char *moved;  // where it is now, "" when it was not moved
    uint64_t times;
};

struct refusals {
    struct refusal items[REFUSALS_MAX];
    size_t n;
    uint64_t more; // not kept
};

// The entry, and whether it is new; NULL when the list is full. The texts are copied; rule, remedy and moved
// may be NULL.
const struct refusal *refusals_add(struct refusals *r, const struct refusal *texts, bool *ret_new);
void refusals_deinit(struct refusals *r);
// The list for a terminal: at most `most` entries, control characters made visible.
void refusals_print(const struct refusals *r, size_t most, struct buf *out);

#endif
