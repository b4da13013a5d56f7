// SPDX-License-Identifier: Apache-2.0
// bawn policy import, and what the `srt` entry shares with it.
#ifndef BAWN_CLI_IMPORT_H
#define BAWN_CLI_IMPORT_H

#include "policy/import.h"

extern const struct import_eyes import_eyes; // this machine's files and this process's environment

// argv[0] is "import".
int import_main(int argc, char **argv);

#endif
