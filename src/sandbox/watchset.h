// SPDX-License-Identifier: Apache-2.0
// inotify watches on many directories, and where each of them is in the tree. A node knows its parent and its
// own name only, so a renamed directory takes everything below it along. Source: inotify(7).
#ifndef BAWN_SANDBOX_WATCHSET_H
#define BAWN_SANDBOX_WATCHSET_H

#include <stdint.h>
#include <sys/inotify.h>

#include "base/buf.h"

enum watch_node_flags {
    NODE_REPOSITORY = 1, // git would take it for a repository
    NODE_INSIDE = 2,     // it or a directory above it is a protected name that appeared
    NODE_COVERS = 4,     // holds names that are covered: removals are of interest too
};

struct watch_node {
    int wd;          // -1: no longer watched, kept while it has children
    uint32_t parent; // 0 for a root
    uint32_t chain;  // next in its hash bucket
    uint32_t kids;
    uint8_t flags, seen; // seen: enum gitplaces_seen
    char *name;          // of a root the whole path; NULL: slot is free
};

struct watchset {
    int fd;                   // inotify, non-blocking; -1 without
    struct watch_node *nodes; // by tag; slot 0 is not used
    uint32_t n, alloc, free_slot;
    uint32_t *buckets, nbuckets; // by watch descriptor
    uint32_t live;               // watches held
};

// False with errno when there is no inotify instance to be had.
bool watchset_init(struct watchset *s);
void watchset_deinit(struct watchset *s);
// Watches the open directory at `name` below parent (0: name is a whole path). Known already: moved to there.
// Returns the tag, or 0 with errno (ENOSPC: no watches left).
uint32_t watchset_add(struct watchset *s, int dir_fd, uint32_t parent, const char *name);
// Removals in this watched directory are told too from now on. False when it is not one.
bool watchset_add_removals(struct watchset *s, const char *path);
uint32_t watchset_by_wd(const struct watchset *s, int wd); // tag or 0
// The kernel dropped the watch (IN_IGNORED): its directory is gone.
void watchset_dropped(struct watchset *s, uint32_t tag);
// The node's path; false when it is not in the tree any more.
bool watchset_path(const struct watchset *s, uint32_t tag, struct buf *ret);

#endif
