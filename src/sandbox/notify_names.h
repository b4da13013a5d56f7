// SPDX-License-Identifier: Apache-2.0
// What the file rules say about one name, which names the run made itself, and what has been reported
// (internal to notify). Everything here lasts for the run.
#ifndef BAWN_SANDBOX_NOTIFY_NAMES_H
#define BAWN_SANDBOX_NOTIFY_NAMES_H

#include <sys/stat.h>

#include "sandbox/rulematch.h"

struct call;

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
#define NAMES_CACHE 256    // directories
#define NAMES_CACHE_PATH 176

struct name_cache_entry {
    char dir[NAMES_CACHE_PATH];   // "" when free
    const struct file_rule *rule; // strict: the rule that covers the directory, or NULL
};

struct names {
    const struct file_rules *rules;
    struct rulematch match;         // strict only
    struct name_cache_entry *cache; // by hash of the directory
    uint8_t special[512];           // observe: a bit for each hash of a name that a rule ends in
    struct strlist wild;  // observe: last components of rules that have glob characters, with a slash
    struct identity *own; // strict: by object
    size_t nown, own_alloc;
    struct strlist own_paths; // observe: by name, as nobody looks at the object
    struct strlist own_repos; // observe: git directories that the run made
    struct strlist reported;  // "write /path"
};

void names_init(struct names *n, const struct file_rules *rules, bool strict);
void names_deinit(struct names *n);

// Observing: writing to the path (normal, links resolved). ret is set unless the answer is NAME_FREE.
enum name_class name_class(struct names *n, const char *path, struct file_verdict *ret);
// Strict: the strongest deny or protect rule that covers the path or a directory above it; NULL when none
// does.
const struct file_rule *name_rule(struct names *n, const char *path);
// A deny glob's last component could match the path's.
bool name_could_be_denied(const struct names *n, const char *path);

void names_own(struct names *n, const struct statx *what);
bool names_is_own(const struct names *n, const struct statx *what);
// Strict: only globs deny the path, and every name on it that matches one is the run's own. `what` is the
// object at the path itself, NULL for one that is about to be made; root is the sandbox's tree.
bool name_denied_but_own(struct names *n, int root, const char *path, const struct statx *what);

// Tell the handler, once per kind and subject.
void names_report(const struct call *c, const char *kind, const char *subject, const char *detail,
                  const struct file_verdict *file);
void names_report_rule(const struct call *c, enum file_access access, const char *path,
                       const struct file_rule *rule);
// Strict, after the mounts refused a change: when it was for want of a grant.
void names_report_ungranted(const struct call *c, const char *path);

#endif
