// SPDX-License-Identifier: Apache-2.0
#include "session/refusals.h"

#include <string.h>

#include "base/utf8.h"

#define NAME_SHOWN 500 // bytes of a name on the person's list

static const char *copy(const char *text)
{
    return xstrdup(text ? text : "");
}

static void drop(const char *copied)
{
    free((char *)(uintptr_t)copied);
}

const struct refusal *refusals_add(struct refusals *r, const struct refusal *texts, bool *ret_new)
{
    struct refusal *e;

    *ret_new = false;
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->items[i].kind, texts->kind) && !strcmp(r->items[i].subject, texts->subject)) {
            r->items[i].times++;
            return &r->items[i];
        }
    if (r->n == REFUSALS_MAX) {
        r->more++;
        return NULL;
    }
    e = &r->items[r->n++];
    *e = (struct refusal){copy(texts->kind),   copy(texts->subject), copy(texts->rule),
                          copy(texts->remedy), copy(texts->moved),   1};
    *ret_new = true;
    return e;
}

void refusals_deinit(struct refusals *r)
{
    for (size_t i = 0; i < r->n; i++) {
        drop(r->items[i].kind);
        drop(r->items[i].subject);
        drop(r->items[i].rule);
        drop(r->items[i].remedy);
        drop(r->items[i].moved);
    }
    *r = (struct refusals){0};
}

// A program inside chooses names, and how long they are: the whole one is on record.
static void add_name(struct buf *out, const char *name)
{
    size_t n = strlen(name), end = n;

    if (n > NAME_SHOWN)
        for (end = NAME_SHOWN; end > NAME_SHOWN - 4 && ((unsigned char)name[end] & 0xc0) == 0x80;)
            end--; // not within a character
    utf8_printable(out, name, end);
    if (end < n)
        buf_addf(out, "… (%zu bytes)", n);
}

void refusals_print(const struct refusals *r, size_t most, struct buf *out)
{
    size_t shown = r->n < most ? r->n : most;

    if (!r->n)
        return;
    buf_addf(out, "bawn: refused %llu:\n", (unsigned long long)(r->n + r->more));
    for (size_t i = 0; i < shown; i++) {
        const struct refusal *e = &r->items[i];

        buf_addf(out, "  %-8s ", e->kind);
        add_name(out, e->subject);
        if (e->times > 1)
            buf_addf(out, " (%llu times)", (unsigned long long)e->times);
        buf_adds(out, "\n           by ");
        utf8_printable(out, e->rule, strlen(e->rule));
        if (*e->moved) {
            buf_adds(out, "\n           it is now ");
            add_name(out, e->moved);
        }
        if (*e->remedy) {
            buf_adds(out, "\n           to allow it: ");
            add_name(out, e->remedy);
        }
        buf_addc(out, '\n');
    }
    if (shown < r->n + r->more)
        buf_addf(out, "  … and %llu more: bawn log\n", (unsigned long long)(r->n + r->more - shown));
}
