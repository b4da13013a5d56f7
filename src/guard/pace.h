// SPDX-License-Identifier: Apache-2.0
// upload_rate: how fast what one entry of allow lets through may leave. A bucket an entry, shared by all its
// connections; it holds what may be sent within a second. It goes below zero by the bytes that came together
// with a head.
#ifndef BAWN_GUARD_PACE_H
#define BAWN_GUARD_PACE_H

#include <stddef.h>
#include <stdint.h>

struct pace {
    double tokens;     // bytes that may be sent
    uint64_t refilled; // CLOCK_MONOTONIC ns; 0: never yet, and so full
};

struct paces {
    struct pace *items;
    size_t n;
};

void paces_init(struct paces *p, size_t n); // n full buckets, in place of those that were
void paces_deinit(struct paces *p);
// How many of `most` bytes may be sent now. 0: none for *ret_wait ns.
size_t pace_room(struct paces *p, size_t i, uint64_t rate, size_t most, uint64_t *ret_wait);
void pace_spend(struct paces *p, size_t i, size_t n);

#endif
