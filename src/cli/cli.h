// SPDX-License-Identifier: Apache-2.0
// One file a verb; each exports one entry, main.c has the table.
#ifndef BAWN_CLI_CLI_H
#define BAWN_CLI_CLI_H

struct verb {
    const char *name;
    const char *synopsis;               // after "bawn NAME"
    const char *help;                   // one line, under 80 columns with the name in front
    int (*main)(int argc, char **argv); // argv[0] is the verb
};

extern const struct verb verb_run, verb_policy, verb_explain, verb_trust, verb_runs, verb_log, verb_doctor;

#endif
