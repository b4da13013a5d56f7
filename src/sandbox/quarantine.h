// SPDX-License-Identifier: Apache-2.0
// Moves protected names that appeared during a run out of the writable roots, into the run's state, so that
// none of them is there after the run without an approval, and nothing is lost either. Acts on paths that the
// sandbox controls: walks with openat2 beneath the pinned root, without following links, and moves the entry
// itself.
#ifndef BAWN_SANDBOX_QUARANTINE_H
#define BAWN_SANDBOX_QUARANTINE_H

#include "policy/files.h"
#include "sandbox/covers.h"

struct rulematch;

struct quarantined {
    char *path;  // where it was
    char *moved; // where it is now: below the quarantine's directory, or beside `path` when it was too large
                 // to be copied to another file system
    const struct file_rule *rule;
};

struct quarantine {
    char *dir; // made when first needed, mode 0700
    struct quarantined *items;
    size_t n, alloc;
    unsigned next;                  // number of the next entry
    struct rulematch *match;        // of the rules it was last used with
    const struct file_rules *rules; // these
};

void quarantine_init(struct quarantine *q, const char *dir);
void quarantine_deinit(struct quarantine *q);
// Moves one entry; *ret_moved is false when it is gone already, or may stay. Across file systems it copies
// (regular files, directories, links) and removes. A repository that the run itself made keeps its
// .git/config and sample hooks when they hold nothing that runs code (see githarmless.h); of a hooks
// directory that holds others, these are taken one by one: n grows by more than one then. What was taken is
// listed in manifest.jsonl in the quarantine's directory: path, moved, rule, mode; `mv moved path` brings
// it back.
MUST_USE bool quarantine_take(struct quarantine *q, const struct file_rules *rules, const char *path,
                              const struct file_rule *rule, bool *ret_moved, struct err *err);
// True when quarantine_take would leave it where it is: no need to ask anybody.
bool quarantine_keeps(struct quarantine *q, const struct file_rules *rules, const char *path,
                      const struct file_rule *rule);
// After the last process inside is dead: walks the writable roots and takes every protected name that is not
// in `before`, and puts back the links in `before` that are gone. Used at the end of a run whose watch lost
// events, and by the janitor of a killed supervisor. Goes on after a failure and returns the first.
MUST_USE bool quarantine_sweep(struct quarantine *q, const struct file_rules *rules,
                               const struct cover_list *before, struct err *err);
// Only the links: for the end of every run that had some.
MUST_USE bool quarantine_restore_links(struct quarantine *q, const struct file_rules *rules,
                                       const struct cover_list *before, struct err *err);

#endif
