// SPDX-License-Identifier: Apache-2.0
// Which part of the sandbox's tree an object lies in, by the mount it was reached through (internal to
// notify).
#ifndef BAWN_SANDBOX_NOTIFY_MOUNTS_H
#define BAWN_SANDBOX_NOTIFY_MOUNTS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum tree {
    TREE_OUTSIDE = 0, // no mount of the sandbox's namespace: never served by name
    TREE_HOST,        // files of the host, at the host's own path: the file rules hold
    TREE_YARD,        // file systems made for this sandbox: nothing of the host is in them
    TREE_PROC,        // /proc of the sandbox: what may be seen depends on who asks
};

struct mount_entry {
    uint64_t id;
    enum tree tree;
    char *at; // mount point
};

struct mount_table {
    struct mount_entry *items; // by id
    size_t n;
    uint64_t *host; // devices of the supervisor's own mounts, sorted
    size_t nhost;
    uint64_t read_at; // CLOCK_MONOTONIC ns
};

MUST_USE bool mount_table_read(struct mount_table *t, pid_t init_pid, struct err *err);
void mount_table_deinit(struct mount_table *t);
// Reads the table again when the mount is not in it (masks are added to a live sandbox), at most every few
// milliseconds, so that nobody inside can keep us busy with it.
enum tree mount_table_tree(struct mount_table *t, pid_t init_pid, uint64_t mount_id);
// The path of an object in this mount is one in the sandbox's tree: it lies below the mount point. When the
// host replaces a name that is a mount point the kernel detaches the mount, and paths in it begin at its own
// root.
bool mount_table_holds(struct mount_table *t, pid_t init_pid, uint64_t mount_id, const char *path);

#endif
