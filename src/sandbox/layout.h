// SPDX-License-Identifier: Apache-2.0
// From policy to plan: which mounts give the file system that the rules describe.
#ifndef BAWN_SANDBOX_LAYOUT_H
#define BAWN_SANDBOX_LAYOUT_H

#include "policy/files.h"
#include "sandbox/covers.h"
#include "sandbox/plan.h"

struct layout_file {
    const char *path;    // links resolved
    const char *content; // any bytes
    size_t size;
};

struct layout_wants {
    const struct strlist *let_in;    // of the sockets, those that policy lets in (network.sockets)
    const struct layout_file *files; // files of the yard's own, in place of the host's
    size_t nfiles;
    const struct file_rules *rules;
    const struct cover_list *covers;
    uid_t uid;
    bool own_net;
    uint64_t tmpfs_size;           // bytes for the private places; 0: the kernel's default
    const struct strlist *sockets; // host UNIX sockets that are in view and must not be: masked
    const struct strlist
        *more_read; // further host files to show (resolver configuration with an open network)
};

// Adds the operations to the plan. A note (one line each) for every read path that does not exist.
MUST_USE bool layout_make(const struct layout_wants *w, struct plan *plan, struct buf *notes,
                          struct err *err);
// Paths of this network namespace's UNIX sockets as the kernel lists them, sorted; at most 65536.
void layout_host_sockets(struct strlist *ret);

#endif
