// SPDX-License-Identifier: Apache-2.0 Moves one directory entry somewhere else, whatever it holds: a name
// made by a hostile program must go, now, and what it holds must not be lost. Never follows a link, never
// opens what is not a regular file or a directory.
#ifndef BAWN_SANDBOX_MOVEAWAY_H
#define BAWN_SANDBOX_MOVEAWAY_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

// Bounds of a copy across file systems; what is larger is renamed where it stands instead.
#define MOVEAWAY_BYTES_MAX (256u << 20)
#define MOVEAWAY_ENTRIES_MAX 10000
#define MOVEAWAY_DEPTH_MAX 64

enum moveaway_result {
    MOVEAWAY_GONE = 0, // there was nothing to move
    MOVEAWAY_MOVED,    // it is at to_fd/name now
    MOVEAWAY_ASIDE,    // it stands beside its old place, under the name in ret_aside
};

// Moves parent_fd/name to to_fd/name. Directories' modes that stand in the way are changed for the moment.
// ret_aside is set (owned) for MOVEAWAY_ASIDE only. *ret_st is the entry's.
MUST_USE bool moveaway(int parent_fd, const char *name, int to_fd, enum moveaway_result *ret,
                       char **ret_aside, struct stat *ret_st, struct err *err);
// Opens a directory beneath root_fd (O_PATH) like tree_open, but gives owner's rights back to directories
// on the way that lack them. -1 with errno.
int moveaway_open(int root_fd, const char *below);
// Owner's rights on an entry that is a directory of ours; the old mode in *ret_mode. False when it is not.
bool moveaway_unlock(int parent_fd, const char *name, mode_t *ret_mode);

#endif
