// SPDX-License-Identifier: Apache-2.0
// Walks a directory tree without following links and without a stat per entry, in slices: a walk can stop
// after any buffer of names and go on later, so a huge tree never holds up an event loop.
//
// Made for trees that somebody else is changing meanwhile. Each directory is opened from its parent's
// descriptor, so a component that is swapped for a link leads nowhere. Only the newest TREEWALK_OPEN levels
// hold a descriptor; the others are opened again from the root (RESOLVE_BENEATH, no links) when the walk
// comes back to them, and passed over when another directory stands there by then. Depth is bounded, a path's
// length is not: names are relative.
//
// Pseudo file systems (proc, sysfs, cgroups …) below the root are passed over.
#ifndef BAWN_SANDBOX_TREEWALK_H
#define BAWN_SANDBOX_TREEWALK_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define TREEWALK_OPEN 48
#define TREEWALK_DEPTH 2000

struct walk_dir {
    const char *path; // normal; valid during the call, NULL in `entry`
    int fd;           // open for reading
    dev_t dev;
    ino_t ino;
    uint32_t tag;        // the visitor's own, set in enter
    uint32_t parent_tag; // its parent's; for the start of a walk what treewalk_start was given
    unsigned seen;       // the visitor's own, zero at first: what was noticed while listing
};

struct walk_entry {
    const char *path, *name; // path ends in name
    ino_t ino;
    unsigned char type; // DT_*, never DT_UNKNOWN
};

struct walk_visitor {
    // A directory is open and not listed yet. False passes over it.
    bool (*enter)(void *ctx, struct walk_dir *dir);
    // True: go into it (asked for every entry, of use for directories only).
    bool (*entry)(void *ctx, struct walk_dir *dir, const struct walk_entry *entry);
    // All its entries were seen, none entered yet. May be NULL.
    void (*listed)(void *ctx, struct walk_dir *dir);
    // All that is below it has been walked; fd is -1 when it could not be opened again. May be NULL.
    void (*left)(void *ctx, struct walk_dir *dir);
    // It may not be opened (EACCES, EPERM) or lies too deep (ENAMETOOLONG). True: try once more. May be NULL.
    // parent_fd is -1 where a walk begins below a directory that may not be searched: no second try.
    bool (*unreadable)(void *ctx, int parent_fd, const char *path, const char *name, int sys);
};

struct treewalk {
    const struct walk_visitor *visitor;
    void *ctx;
    uint64_t entries;     // seen so far
    uint64_t entries_max; // 0: no limit; passing it is ERR_LIMIT
    // private
    int root_fd;
    size_t root_len;
    char *path, *names;
    size_t len, path_alloc;
    struct walk_frame *frames;
    size_t nframes, frames_alloc;
};

void treewalk_init(struct treewalk *w, const struct walk_visitor *visitor, void *ctx);
void treewalk_deinit(struct treewalk *w);
// Begins a walk at `root` or, when `below` is not "", at that path below it (no links on the way). Nothing to
// walk (gone, a link, not a directory) is no error: the first step is done then.
MUST_USE bool treewalk_start(struct treewalk *w, const char *root, const char *below, uint32_t parent_tag,
                             struct err *err);
// Goes on until the end or until the clock (CLOCK_MONOTONIC ns; 0: no limit) passes `until`.
MUST_USE bool treewalk_step(struct treewalk *w, uint64_t until, bool *ret_done, struct err *err);

// Opens `below` (relative, any length) beneath root_fd with these O_ flags: no links, no way up. -1 with
// errno.
int tree_open(int root_fd, const char *below, int flags);

#endif
