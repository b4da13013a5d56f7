// SPDX-License-Identifier: Apache-2.0
// What treewatch.c (events, timers, telling) and treewatch_scan.c (looking at trees) share.
#ifndef BAWN_SANDBOX_TREEWATCH_STATE_H
#define BAWN_SANDBOX_TREEWATCH_STATE_H

#include "sandbox/appearances.h"
#include "sandbox/covers.h"
#include "sandbox/treewatch.h"
#include "sandbox/treewatch_find.h"
#include "sandbox/watchset.h"

#define SCANS_MAX 1024 // waiting; more become one scan of everything
#define BLIND_MAX 256

struct known { // one per entry of the cover list: what stood there when it was last covered
    uint64_t ino, born, dev;
    bool gone; // the name was removed on the host; whatever comes there next is not what was covered
};

struct scan_request {
    uint32_t tag; // directory
    char *name;   // entry in it; NULL: the directory itself
};

struct treewatch {
    const struct file_rules *rules;
    struct loop *loop;
    struct treewatch_handler handler;
    struct rulematch match;
    struct gitplaces git;
    struct watchset set;
    bool polling, started;

    const struct cover_list *covered;
    struct known *known;

    struct watch events;
    struct timer work;
    uint64_t resume_at; // events are not looked at before: 0 when they are
    uint64_t last_batch;

    struct treewalk walk;
    bool walking;
    struct scan_request scans[SCANS_MAX];
    size_t nscans;
    bool full_wanted; // everything must be looked at
    bool full;        // the current walk is part of that
    size_t full_root; // roots walked so far
    uint64_t full_at; // not before
    uint64_t full_cost, full_started;
    uint64_t scan_at; // the next slice, not before

    struct appearances appeared;
    struct strlist blind;
    bool blind_overflowed, broken;
    uint64_t blind_at;

    const char *why; // to be told
    bool why_told;
};

// --- treewatch.c ---
void treewatch_work_at(struct treewatch *w, uint64_t when);
void treewatch_degrade(struct treewatch *w, const char *why);
void treewatch_fall_back(struct treewatch *w); // to polling
void treewatch_note(struct treewatch *w, const char *path, const struct file_rule *rule, bool only_new);
// The name is one of the covered ones: tells when it was replaced. False when it is to be treated as any
// other.
bool treewatch_known(struct treewatch *w, const char *path);

// --- treewatch_scan.c ---
extern const struct walk_visitor treewatch_scanning;
void treewatch_scan_later(struct treewatch *w, uint32_t tag, const char *name);
// Works on scans until the clock passes `until` (0: no limit). True when none is left.
bool treewatch_scan(struct treewatch *w, uint64_t until);
void treewatch_scan_forget(struct treewatch *w);

#endif
