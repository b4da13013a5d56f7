// SPDX-License-Identifier: Apache-2.0
// The names that appeared and were told, so that each is told once a change and not a thousand times a
// second. Bounded: past APPEARANCES_MAX names the rest is left to the sweep.
#ifndef BAWN_SANDBOX_APPEARANCES_H
#define BAWN_SANDBOX_APPEARANCES_H

#include <stdint.h>

#include "policy/files.h"

#define APPEARANCES_MAX 4096
#define APPEARANCES_QUIET_NS 50000000 // a name is told again after this at the earliest

struct appearance {
    char *path;
    const struct file_rule *rule;
    uint64_t told; // CLOCK_MONOTONIC ns; 0: not yet
    bool due;      // something happened that was not told
    uint32_t chain;
};

struct appearances {
    struct appearance *items;
    uint32_t n;
    uint32_t buckets[1024]; // index plus one
    bool overflowed;
};

void appearances_deinit(struct appearances *a);
// Notes it as due. With `only_new`, one that is known stays as it is. False past the bound.
bool appearances_note(struct appearances *a, const char *path, const struct file_rule *rule, bool only_new);

#endif
