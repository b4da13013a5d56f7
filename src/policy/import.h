// SPDX-License-Identifier: Apache-2.0
// Settings of other sandboxes as a policy: Anthropic's sandbox-runtime (`srt`) and Claude Code.
//
// What comes out is the tree that reading a bawn.yaml would have given, so it goes through the same checks
// and merges; each node has the place in the settings that it was made of, for errors, `policy show` and
// refusals. Nothing here opens a file. What must be known of the machine (is that a directory? what is in
// it?) is asked of the caller, who lends his eyes.
//
// The rule for what has no equal: what would make the run weaker than its settings say is an error (in a
// policy for keeps it shuts the network, with a note); what makes it stricter, or has no effect on Linux
// there either, is a note. docs/srt.md is the table.
#ifndef BAWN_POLICY_IMPORT_H
#define BAWN_POLICY_IMPORT_H

#include "base/buf.h"
#include "base/strlist.h"
#include "base/yaml.h"

enum import_kind { IMPORT_NOTHING = 0, IMPORT_FILE, IMPORT_DIRECTORY };

struct import_eyes {
    void *ctx;
    enum import_kind (*kind)(void *ctx, const char *path); // links followed
    char *(*real)(void *ctx, const char *path);            // links resolved; owned; NULL: not there
    bool (*list)(void *ctx, const char *dir, struct strlist *ret, struct err *err); // names
    bool (*variable)(void *ctx, const char *name);                                  // is set and not empty
};

struct import_place {
    const char *workspace, *home; // normal, links resolved
    const char *file;             // the settings; absolute, or NULL
    bool for_keeps;    // the policy is read before it is used: what cannot be held shuts, with a note
    bool keep_network; // a network without hosts all the same: they come later (--control-fd)
    struct import_eyes eyes;
};

enum import_source { IMPORT_SRT = 0, IMPORT_CLAUDE };

struct imported {
    enum import_source source;
    struct yaml_node *policy;
    struct strlist notes; // a sentence each: what is stricter here, or has no equal
};

// Reads the settings and says whose they are by their keys. *ret_settings lives in the arena. Errors are
// ERR_INPUT and start with "LINE:COLUMN: ".
MUST_USE bool import_read(struct arena *arena, const char *text, size_t n, struct yaml_node **ret_settings,
                          enum import_source *ret_source, struct err *err);
// The translation; everything but the notes lives in the arena.
MUST_USE bool import_srt(struct arena *arena, const struct yaml_node *settings,
                         const struct import_place *place, struct imported *ret, struct err *err);
MUST_USE bool import_claude(struct arena *arena, const struct yaml_node *settings,
                            const struct import_place *place, struct imported *ret, struct err *err);
void imported_deinit(struct imported *m); // takes a zeroed struct too
// As a bawn.yaml, with a comment on every line that says where it came from, and the notes on top.
void import_write(const struct imported *m, const char *file, struct buf *ret);

#endif
