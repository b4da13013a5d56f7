// SPDX-License-Identifier: Apache-2.0
// One line of --control-fd, read: what may change while the run lives, in the form of --set. No I/O.
#ifndef BAWN_CLI_LIVELINE_H
#define BAWN_CLI_LIVELINE_H

#include "base/strlist.h"

// A JSON object with any of network, approval and limits.wall. Appends KEY=VALUE texts to ret; on failure
// (ERR_INPUT) it may have got some of them.
MUST_USE bool live_line_parse(const char *line, size_t n, struct strlist *ret, struct err *err);

#endif
