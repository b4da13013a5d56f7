// SPDX-License-Identifier: Apache-2.0
// File rules of a policy with sets, "~" and relative paths resolved against one machine and workspace. Both
// the sandbox's mount plan and `explain path` are made from this one list, so they cannot disagree.
#ifndef BAWN_POLICY_FILES_H
#define BAWN_POLICY_FILES_H

#include "base/arena.h"
#include "policy/model.h"

// In the order of strength: deny beats protect beats write beats read, at any depth.
enum file_grant { GRANT_READ = 0, GRANT_WRITE, GRANT_PROTECT, GRANT_DENY };
enum file_access { ACCESS_READ = 0, ACCESS_WRITE };

struct file_rule {
    enum file_grant grant;
    char *path;      // normal; for a glob an absolute pattern. Not resolved through links.
    bool glob;       // deny and protect only
    bool must_exist; // a missing path is an error (write) — not for members of sets
    bool hook;       // from @hooks: relative patterns like ".git/hooks" hold in every nested repository
    bool always;     // bawn's own rule (configuration, state, files of secrets): no policy can lift it
    char *text;      // as written in the policy: "@secrets", "~/.env"
    struct origin from;
};

struct file_place {
    const char *workspace; // normal, links resolved
    const char *home;      // normal, links resolved; NULL when there is none
    const char *config_dir, *state_dir;
    const char *path_env;          // $PATH, for @toolchains
    const struct program *program; // for @program; NULL: no one command, and the set is empty
};

struct file_rules {
    struct file_rule *rules; // strongest grant first, then by path
    size_t n;
    bool root_readable;     // "/" is in read
    bool home_readable;     // HOME (or an ancestor) is in read or write: it is the real one, no private home
    bool workspace_shown;   // the workspace can be read: programs find it where it is
    bool private_home;      // "@home" is in write and HOME is not readable
    bool private_tmp;       // "@tmp" is in write
    char *workspace, *home; // copies of the place's
    struct arena arena;     // every string of these rules
};

// Origins are the policy's, so the policy must outlive the rules.
MUST_USE bool file_rules_make(const struct policy *p, const struct file_place *place, struct file_rules *ret,
                              struct err *err);
void file_rules_deinit(struct file_rules *r);

struct file_verdict {
    enum verdict verdict;
    const struct file_rule *rule; // NULL when nothing grants it (then the default refuses)
    char rule_text[256];          // for people and records: "files.deny: @secrets (profile workspace)"
    char reason[256];
    char remedy[256]; // what would allow it; "" when nothing would
};

// `path` is normal with links resolved by the caller. Yard-owned places (/tmp, /run, /dev, /proc, /sys, the
// private home) are answered as what they are inside: a private place can be written, but the host's file at
// that path is not in it, so reading it is refused.
void file_rules_explain(const struct file_rules *r, const char *path, enum file_access access,
                        struct file_verdict *ret);
// Inside, the path lies in a private HOME or /var/tmp, where nothing of the host is shown: whatever else the
// rules say about it is about the host's.
bool file_rules_private(const struct file_rules *r, const char *path);

#endif
