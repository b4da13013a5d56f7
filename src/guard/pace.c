// SPDX-License-Identifier: Apache-2.0
#include "guard/pace.h"

#include "base/clock.h"
#include "base/err.h"

#define PART 0.05 // of a second's worth: less is not worth a turn

void paces_init(struct paces *p, size_t n)
{
    paces_deinit(p);
    p->items = xcalloc(n, sizeof *p->items);
    p->n = n;
}

void paces_deinit(struct paces *p)
{
    free(p->items);
    *p = (struct paces){0};
}

size_t pace_room(struct paces *p, size_t i, uint64_t rate, size_t most, uint64_t *ret_wait)
{
    uint64_t now = clock_mono_ns();
    double full = (double)rate, least = full * PART > 1 ? full * PART : 1;
    struct pace *b;

    if (i >= p->n)
        return most; // of an entry that an update has taken away: what it let through is cut or judged anew
    b = &p->items[i];
    b->tokens = b->refilled ? b->tokens + (double)(now - b->refilled) * 1e-9 * full : full;
    b->refilled = now;
    if (b->tokens > full)
        b->tokens = full;
    if (b->tokens < least) {
        *ret_wait = (uint64_t)((least - b->tokens) / full * 1e9) + 1;
        return 0;
    }
    return b->tokens < (double)most ? (size_t)b->tokens : most;
}

void pace_spend(struct paces *p, size_t i, size_t n)
{
    if (i < p->n)
        p->items[i].tokens -= (double)n;
}
