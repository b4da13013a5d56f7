// SPDX-License-Identifier: Apache-2.0
// What one command line needs of the disk to run: the set @program. See program.c.
#ifndef BAWN_POLICY_PROGRAM_H
#define BAWN_POLICY_PROGRAM_H

#include "policy/model.h"

struct program_place {
    const char *workspace; // the command's directory: normal, links resolved
    const char *home;      // normal, links resolved; NULL when there is none
    const char *path_env;  // $PATH, or NULL
    char *const *environ;  // where npm and its like say where their caches are
    bool network;          // there is one inside: a launcher may fetch what is not there
};

struct program {
    struct strlist reads;      // absolute; to be read, with all that lies below
    struct strlist toolchains; // directories of interpreters, granted as @toolchains grants those of PATH
    struct strlist argv;       // what starts in place of a launcher; n == 0: the command as it was written
};

bool program_wanted(const struct policy *p); // @program is in files.read
// ERR_MISSING: a launcher's package was never fetched; ERR_REFUSED: a link leads out of where it should be.
// What is simply not found is no error here: to start it will be one.
MUST_USE bool program_find(const struct program_place *place, char *const *argv, struct program *ret,
                           struct err *err);
void program_deinit(struct program *p);

#endif
