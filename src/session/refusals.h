// SPDX-License-Identifier: Apache-2.0
// What was refused during a run, each subject once, for the list at its end.
#ifndef BAWN_SESSION_REFUSALS_H
#define BAWN_SESSION_REFUSALS_H

#include <stdint.h>

#include "base/buf.h"

#define REFUSALS_MAX 256 // kept; the rest is counted

struct refusal {
    char *kind; // read, write, network, quarantine, limit
    char *subject;
    char *rule;   // which rule says so
    char *remedy; // what would allow it, "" when nothing would
    uint64_t times;
};

struct refusals {
    struct refusal items[REFUSALS_MAX];
    size_t n;
    uint64_t more; // not kept
};

// The entry, and whether it is new; NULL when the list is full.
const struct refusal *refusals_add(struct refusals *r, const char *kind, const char *subject,
                                   const char *rule, const char *remedy, bool *ret_new);
void refusals_deinit(struct refusals *r);
// The list for a terminal: at most `most` entries, control characters made visible.
void refusals_print(const struct refusals *r, size_t most, struct buf *out);

#endif
