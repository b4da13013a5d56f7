// SPDX-License-Identifier: Apache-2.0
// From policy to plan: which mounts give the file system that the rules describe. In two parts: the base
// rests on the rules alone, so bawn-init can build it while what must be covered is still being searched for.
#ifndef BAWN_SANDBOX_LAYOUT_H
#define BAWN_SANDBOX_LAYOUT_H

#include "policy/files.h"
#include "sandbox/covers.h"
#include "sandbox/plan.h"

struct layout_file {
    const char *path;    // links resolved
    const char *content; // any bytes
    size_t size;
    bool own; // the policy's (files.inside): only its owner's to read, and to write in a private place
};

struct layout_kept { // a directory of the private home that the host keeps elsewhere
    const char *path, *source;
};

struct layout_wants {
    const struct file_rules *rules;
    uid_t uid;
    bool own_net;
    uint64_t tmpfs_size; // bytes for the private places; 0: the kernel's default
    const struct strlist
        *more_read; // further host files to show (resolver configuration with an open network)
};

struct layout_tops {
    const struct cover_list *covers;
    const struct strlist *sockets;   // host UNIX sockets that are in view and must not be: masked
    const struct strlist *let_in;    // of the sockets, those that policy lets in (network.sockets)
    const struct layout_file *files; // files of the yard's own, in place of the host's
    size_t nfiles;
    const struct layout_kept *kept;
    size_t nkept;
};

struct layout;

// What *w points to must outlive the layout.
struct layout *layout_new(const struct layout_wants *w);
void layout_free(struct layout *l); // takes NULL
// Adds the operations to the plan: first of all the base, with a note (one line each) for every read path
// that does not exist; then what lies on top of it. ERR_LIMIT when they are too many.
MUST_USE bool layout_base(struct layout *l, struct plan *plan, struct buf *notes, struct err *err);
MUST_USE bool layout_top(struct layout *l, const struct layout_tops *tops, struct plan *plan,
                         struct err *err);
// Paths of this network namespace's UNIX sockets as the kernel lists them, sorted; at most 65536.
void layout_host_sockets(struct strlist *ret);

#endif
