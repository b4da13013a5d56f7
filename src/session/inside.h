// SPDX-License-Identifier: Apache-2.0
// What the policy wants in place of the host's: files of the yard's own (files.inside), in which values of
// secrets are placeholders, and directories that are kept for the next run (files.state).
#ifndef BAWN_SESSION_INSIDE_H
#define BAWN_SESSION_INSIDE_H

#include "sandbox/layout.h"
#include "session/credentials.h"

struct inside {
    struct layout_file *files; // paths and contents are owned
    size_t nfiles;
    struct layout_kept *kept; // both paths are owned
    size_t nkept;
};

// A note, one line each, for a file that is there and cannot be shown.
MUST_USE bool inside_make(const struct policy *p, const struct session_places *places,
                          const struct credentials *c, struct inside *ret, struct buf *notes,
                          struct err *err);
void inside_deinit(struct inside *in);

struct inside_source {
    const char *path, *workspace;
    const char *text; // the host's file, or NULL when there is none
    size_t n;
    const struct credentials *credentials;
};

// The text of a copy. False without an error when there is nothing to show; ERR_INPUT when it should be JSON
// and is not.
MUST_USE bool inside_text(const struct inside_file *f, const struct inside_source *in, struct buf *ret,
                          struct err *err);

#endif
