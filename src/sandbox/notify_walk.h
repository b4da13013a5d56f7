// SPDX-License-Identifier: Apache-2.0
// From a path in a caller's words to descriptors of what it names in the sandbox's tree (internal to notify).
#ifndef BAWN_SANDBOX_NOTIFY_WALK_H
#define BAWN_SANDBOX_NOTIFY_WALK_H

#include <limits.h>

#include "sandbox/notify_call.h"

enum walk_last {
    WALK_FOLLOW,   // the object, through links
    WALK_NOFOLLOW, // the object; a link is one
    WALK_PARENT,   // only where it is: nobody looked at the last component
};

struct found {
    int obj;                 // O_PATH descriptor; -1: nothing there, or WALK_PARENT
    int parent;              // when obj is -1: the directory that it is or would be in, and its name there,
    char base[NAME_MAX + 2]; // with the slash that the caller put behind it
    bool held; // obj is a dup of one of the caller's own descriptors (/proc/self/fd/N), not O_PATH
};

int walk(const struct call *c, int dir, const char *path, enum walk_last last, struct found *ret);
void found_close(struct found *f);

// The path inside, which for the host's files is the host's path. ret has PATH_MAX bytes.
int object_path(const struct notify *n, int fd, char *ret);
// Path of base in the directory; a slash behind base is left out.
int entry_path(const struct notify *n, int parent, const char *base, char *ret);

static inline void cleanup_found_(struct found *f)
{
    found_close(f);
}
#define AUTO_FOUND __attribute__((cleanup(cleanup_found_)))
#define FOUND_NONE ((struct found){.obj = -1, .parent = -1})

#endif
