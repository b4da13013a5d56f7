// SPDX-License-Identifier: Apache-2.0
// Verbs of the command line: one file each, one const entry each.
#ifndef BAWN_CLI_CLI_H
#define BAWN_CLI_CLI_H

struct verb {
    const char *name;
    const char *synopsis;               // what follows the name
    const char *help;                   // one line
    int (*main)(int argc, char **argv); // argv[0] is the verb's name; returns the exit status
};

extern const struct verb verb_runs, verb_log, verb_doctor;

#endif
