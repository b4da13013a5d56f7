// SPDX-License-Identifier: Apache-2.0
// The small executables that belong to bawn (bawn-init, bawn-guard), found from whatever program runs the
// library.
#ifndef BAWN_BASE_COMPANION_H
#define BAWN_BASE_COMPANION_H

#include "base/err.h"

// An executable file of that name beside the running program (a build directory), in ../libexec/bawn from it
// (an installation, wherever it was moved), or where this build installs it (a program elsewhere that links
// libbawn). Owned; NULL with ERR_MISSING. Needs /proc.
char *companion_path(const char *name, struct err *err);

#endif
