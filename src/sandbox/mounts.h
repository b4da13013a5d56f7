// SPDX-License-Identifier: Apache-2.0
// Applies a plan's mount operations inside the sandbox's mount namespace (in bawn-init, with capabilities in
// the sandbox's user namespace), and later covers single paths in the live tree.
#ifndef BAWN_SANDBOX_MOUNTS_H
#define BAWN_SANDBOX_MOUNTS_H

#include "sandbox/plan.h"

struct mounts {
    int root;      // the new root, O_PATH
    int mask_file; // detached mounts that masks are cloned from
    int mask_dir;
    uint64_t mask_dev; // file system that the masks lie on, to recognise one that is in place
};

// Builds the tree, makes it the root and lets go of the host's. After success nothing of the host is
// reachable but what the plan names. On failure the process is good for nothing but exit.
MUST_USE bool mounts_apply(const struct plan_view *plan, struct mounts *ret, struct err *err);
// Covers one path of the live tree; a cover that is in place already is left alone.
MUST_USE bool mounts_cover(const struct mounts *m, const char *path, bool mask, bool is_dir, struct err *err);

#endif
