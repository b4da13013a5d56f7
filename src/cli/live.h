// SPDX-License-Identifier: Apache-2.0
// --control-fd N: live policy, one JSON object a line with any of network, approval and limits.wall. A line
// that is bad keeps the old policy and says so; end of file changes nothing.
#ifndef BAWN_CLI_LIVE_H
#define BAWN_CLI_LIVE_H

#include "policy/load.h"
#include "session/places.h"
#include "session/session.h"

#define LIVE_LINE_MAX (1u << 20)

struct live_form {
    bool (*read)(void *ctx, const char *line, size_t n, struct policy_options *with, struct err *err);
    void (*taken)(void *ctx, bool yes); // after `read` said true
    const char *refused;                // what is said of a line that is not taken, in front of the reason
};

struct live {
    struct watch watch;
    struct buf line;
    bool skipping; // the rest of a line that was too long
    int fd;
    struct session *session;
    const struct places *places;
    struct policy_options *options; // lines that were taken stay in its `live`
    // What a line says, put into `with`, a copy of the options whose `live` is its own. NULL: the line is a
    // partial policy. What it allocates else must outlive the lines; `taken` tells whether it counts.
    const struct live_form *form;
    void *form_ctx;
    void (*note)(void *ctx, const char *text);
    void *ctx;
    struct policy *policy; // the newest; NULL before the first line
};

MUST_USE bool live_start(struct live *l, struct loop *loop, struct err *err);
void live_stop(struct live *l); // takes a zeroed one

#endif
