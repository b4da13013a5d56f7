// SPDX-License-Identifier: Apache-2.0
// Watches the directories of the writable roots for names that deny and protect rules cover and that were not
// there at the start, and for covered names that the host replaced (their mount is lost then; kernel.md 2).
// This stops accidents and reports; it is not a wall: the window is stated in SECURITY.md, `files.strict`
// closes it.
//
// inotify on every directory, as many as the kernel lets us have; when instances or watches run out it falls
// back to walking the roots every TREEWATCH_POLL_MS and says so once.
#ifndef BAWN_SANDBOX_TREEWATCH_H
#define BAWN_SANDBOX_TREEWATCH_H

#include "loop/loop.h"
#include "policy/files.h"

#define TREEWATCH_POLL_MS 500

struct treewatch;
struct cover_list;

struct treewatch_handler {
    // A name that the rule covers and that no list had is there now; again when its content may have changed
    // since, and once more from treewatch_drain while it is still there. A directory is told as a whole, by
    // its own path. Whether it may stay is quarantine_keeps' or a person's to say (a `git init` inside makes
    // such names).
    void (*appeared)(void *ctx, const char *path, bool is_dir, const struct file_rule *rule);
    // The covered name was replaced on the host: cover it again. (One that was removed first and made anew
    // later may be the sandbox's own doing: that one is told as appeared.)
    void (*replaced)(void *ctx, const char *path);
    // Once, when watching fell back to polling or lost events: a sentence for the person.
    void (*degraded)(void *ctx, const char *why);
    void *ctx;
};

// Made before covers_find, which arms it. Borrows rules and loop.
MUST_USE bool treewatch_new(const struct file_rules *rules, struct loop *loop,
                            const struct treewatch_handler *handler, struct treewatch **ret, struct err *err);
// Tells which names are covered already (borrowed until the watch is freed); starts delivering events.
MUST_USE bool treewatch_start(struct treewatch *w, const struct cover_list *covered, struct err *err);
// Handles what is queued now, without waiting; after the last process inside is dead, every name that
// appeared has been reported when this returns.
void treewatch_drain(struct treewatch *w);
// After a drain: some names may have appeared unseen (a directory that cannot be read, too many names at
// once): quarantine_sweep is needed.
bool treewatch_incomplete(const struct treewatch *w);
// The inotify descriptor, -1 while polling. Its last close waits for a grace period of the kernel's (5–15
// ms): who is in a hurry leaves a duplicate with somebody who is not.
int treewatch_fd(const struct treewatch *w);
void treewatch_free(struct treewatch *w); // takes NULL

#endif
