// SPDX-License-Identifier: Apache-2.0
#include "cli/live.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "cli/liveline.h"

static bool read_keys(void *ctx, const char *line, size_t n, struct policy_options *with, struct err *err)
{
    (void)ctx;
    return live_line_parse(line, n, &with->live, err);
}

static void keys_taken(void *ctx, bool yes)
{
    (void)ctx;
    (void)yes;
}

static const struct live_form partial_policy = {read_keys, keys_taken,
                                                "--control-fd: the line is not taken, the old policy stays"};

static bool take_line(struct live *l, const char *line, size_t n, struct err *err)
{
    AUTO_BUF struct buf notes = {0};
    struct policy_options with = *l->options;
    struct policy *p = NULL;
    bool ok;

    buf_init(&notes, 1 << 20);
    with.live = (struct strlist){0};
    for (size_t i = 0; i < l->options->live.n; i++)
        strlist_add(&with.live, l->options->live.items[i]);
    ok = l->form->read(l->form_ctx, line, n, &with, err);
    if (ok) {
        ok = places_load_policy(l->places, &with, &p, &notes, err) && session_update(l->session, p, err);
        l->form->taken(l->form_ctx, ok);
    }
    if (!ok) {
        strlist_deinit(&with.live);
        policy_free(p);
        return false;
    }
    strlist_deinit(&l->options->live);
    *l->options = with;
    policy_free(l->policy);
    l->policy = p;
    return true;
}

static void take_lines(struct live *l)
{
    char *end;

    while (l->line.len && (end = memchr(l->line.ptr, '\n', l->line.len))) {
        struct err err = {0};
        size_t n = (size_t)(end - l->line.ptr);

        if (n && !take_line(l, l->line.ptr, n, &err)) {
            err_prefix(&err, "%s", l->form->refused);
            l->note(l->ctx, err.msg);
        }
        buf_consume(&l->line, n + 1);
    }
}

// What came fills the room for a line: all of it up to the next newline is passed over, and what follows
// counts again.
static void too_long(struct live *l)
{
    if (!l->skipping)
        l->note(l->ctx, "--control-fd: a line is longer than 1 MiB and is not taken, the old policy stays");
    l->skipping = true;
    l->line.len = 0;
}

static void take_bytes(struct live *l, const char *bytes, size_t n)
{
    const char *end = l->skipping ? memchr(bytes, '\n', n) : NULL;

    if (l->skipping && !end)
        return;
    if (end) {
        l->skipping = false;
        n -= (size_t)(end + 1 - bytes);
        bytes = end + 1;
    }
    if (!buf_add(&l->line, bytes, n)) {
        too_long(l);
        take_bytes(l, bytes, n);
    } else {
        take_lines(l);
    }
}

static void on_readable(struct watch *w, uint32_t events)
{
    struct live *l = w->ctx;
    char bytes[4096];
    ssize_t n = read(l->fd, bytes, sizeof bytes);

    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        take_bytes(l, bytes, (size_t)n);
        return;
    }
    watch_del(&l->watch);
    if (l->line.len) // a last line without its newline is one too
        take_bytes(l, "\n", 1);
}

bool live_start(struct live *l, struct loop *loop, struct err *err)
{
    buf_init(&l->line, LIVE_LINE_MAX);
    if (!l->form)
        l->form = &partial_policy;
    if (!watch_add(loop, &l->watch, l->fd, EPOLLIN, on_readable, l, err))
        return err_prefix(err, "--control-fd %d (a pipe or socket is wanted)", l->fd);
    return true;
}

void live_stop(struct live *l)
{
    watch_del(&l->watch);
    buf_deinit(&l->line);
    policy_free(l->policy);
    l->policy = NULL;
}
