// SPDX-License-Identifier: Apache-2.0
// Options that run, explain and policy show have in common (DESIGN 4.1), and those of run alone.
#ifndef BAWN_CLI_OPTIONS_H
#define BAWN_CLI_OPTIONS_H

#include "cli/cli.h"
#include "policy/load.h"

struct run_options {
    struct policy_options policy;
    const char *directory; // -C
    bool quiet, verbose;
    bool json, json_on_stdout;
    int json_fd;
    int control_fd;    // -1 without
    bool help;         // --help was asked for and has been printed
    bool brief;        // without the notes about the policy
    int failed;        // exit status when bawn could not do its part; 0: 125
    char *const *argv; // what is left: the command
};

// Takes options up to the first other argument or "--". Unknown ones are ERR_INPUT with the nearest known
// name; those of features that are not built are ERR_UNSUPPORTED. Strings are borrowed from argv. --help
// prints the verb's options and returns false without an error.
MUST_USE bool run_options_parse(int argc, char **argv, const struct verb *verb, struct run_options *ret,
                                struct err *err);
void run_options_deinit(struct run_options *o);

#endif
