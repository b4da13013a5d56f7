// SPDX-License-Identifier: Apache-2.0
// What the file rules say about one name, which names the run made itself, and what has been reported (internal to
// notify). Everything here lasts for the run.
#ifndef BAWN_SANDBOX_NOTIFY_NAMES_H
#define BAWN_SANDBOX_NOTIFY_NAMES_H

#include <sys/stat.h>

#include "policy/files.h"

struct call;
struct notify;

enum name_class {
    NAME_DENIED = 0,
    NAME_PROTECTED,
    NAME_UNGRANTED, // no rule grants it: the mounts refuse it
    NAME_FREE,
};

// A file system object, so that no later one under its name or number passes for it.
struct identity {
    uint64_t dev, ino, born; // born: ns since the epoch, 0 where the file system does not say
};

#define NAMES_OWN_MAX 4096 // objects or paths that the run made under names that rules deny
#define NAMES_CACHE 512
#define NAMES_CACHE_PATH 200

struct names {
    const struct file_rules *rules;
    struct identity *own; // strict: by object
    size_t nown, own_alloc;
    struct strlist own_paths; // observe: by name, as nobody else is there to look at the object
    struct strlist own_repos; // observe: git directories that the run made
    struct strlist reported;  // "write /path"
    struct {
        uint32_t access;              // plus one; 0: free slot
        char path[NAMES_CACHE_PATH];
    } *granted; // recent answers NAME_FREE, by hash of the path
};

void names_init(struct names *n, const struct file_rules *rules);
void names_deinit(struct names *n);

enum name_class name_class(struct names *n, const char *path, enum file_access access, struct file_verdict *ret);
// A deny glob's last component could match the path's.
bool name_could_be_denied(const struct names *n, const char *path);
// Renaming the directory could carry a name below it into or out of a rule: a deny rule by moving away, a protect rule
// by moving there. Says yes when in doubt.
bool name_move_changes(const struct names *n, const char *from, const char *to);

struct identity identity_of(const struct statx *what);
void names_own(struct names *n, const struct statx *what);
bool names_is_own(const struct names *n, const struct statx *what);
// The rules deny the path only by globs, and every name on it that matches one is the run's own. `what` is the object
// at the path itself, NULL for one that is about to be made; root is the sandbox's tree.
bool name_denied_but_own(const struct names *n, int root, const char *path, const struct statx *what);

// Tells the handler once per kind and subject.
void names_report(const struct call *c, const char *kind, const char *subject, const char *detail,
                  const struct file_verdict *file);

#endif
