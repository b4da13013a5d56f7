// SPDX-License-Identifier: Apache-2.0
// --control-fd N: live policy, one JSON object a line with any of network, approval and limits.wall. A line
// that is bad keeps the old policy and says so; end of file changes nothing.
#ifndef BAWN_CLI_LIVE_H
#define BAWN_CLI_LIVE_H

#include "policy/load.h"
#include "session/places.h"
#include "session/session.h"

#define LIVE_LINE_MAX (1u << 20)

struct live {
    struct watch watch;
    struct buf line;
    bool skipping; // the rest of a line that was too long
    int fd;
    struct session *session;
    const struct places *places;
    struct policy_options *options; // lines that were taken stay in here as if given by --set
    void (*note)(void *ctx, const char *text);
    void *ctx;
    struct policy *policy; // the newest; NULL before the first line
};

MUST_USE bool live_start(struct live *l, struct loop *loop, struct err *err);
void live_stop(struct live *l); // takes a zeroed one

#endif
