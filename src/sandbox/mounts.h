// SPDX-License-Identifier: Apache-2.0
// Applies a plan's mount operations inside the sandbox's mount namespace (in bawn-init, with capabilities in
// the sandbox's user namespace), and later covers single paths in the live tree.
#ifndef BAWN_SANDBOX_MOUNTS_H
#define BAWN_SANDBOX_MOUNTS_H

#include "sandbox/netns.h"
#include "sandbox/plan.h"

#define MOUNTS_DEVICES 6

struct mounts {
    int old;       // the host's "/", until mounts_apply has let go of it
    int root;      // the new root, O_PATH
    int mask_file; // detached mounts that masks are cloned from
    int mask_dir;
    uint64_t mask_dev; // file system that the masks lie on, to recognise one that is in place
    int devices[MOUNTS_DEVICES], pts, proc; // made ahead, until they are attached
};

// What every tree needs, whatever the plan: to be called before the plan is there.
MUST_USE bool mounts_prepare(struct mounts *ret, struct err *err);
// Gives the second part of the plan, which lies on top of the first; called when that stands.
struct mounts_top {
    bool (*receive)(void *ctx, struct plan_view *ret, struct err *err);
    void *ctx;
};

// Builds the tree, makes it the root and lets go of the host's. After success nothing of the host is
// reachable but what the plan names, and the network namespace that was begun is entered: /sys shows that of
// who mounts it. On failure the process is good for nothing but exit.
MUST_USE bool mounts_apply(struct mounts *m, const struct plan_view *base, const struct mounts_top *top,
                           struct netns *net, struct err *err);
// Covers one path of the live tree; a cover that is in place already is left alone.
MUST_USE bool mounts_cover(const struct mounts *m, const char *path, bool mask, bool is_dir, struct err *err);

#endif
