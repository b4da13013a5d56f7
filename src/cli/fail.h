// SPDX-License-Identifier: Apache-2.0
// How a verb says that bawn could not do its part: one line on stderr and exit status 125.
#ifndef BAWN_CLI_FAIL_H
#define BAWN_CLI_FAIL_H

#include "base/err.h"
#include "cli/cli.h"

#define CLI_FAILED 125

int cli_fail(const struct err *err);
int cli_bad_usage(const struct verb *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
// What getopt_long refused ('?' or ':'), in words. Call with opterr = 0 and a ":" in front of the short
// options.
int cli_bad_option(const struct verb *v, int got, char **argv);
int cli_help(const struct verb *v); // prints synopsis and help; 0
// Flushes stdout: 0, or 125 when it could not be written (a full disk, a closed pipe).
int cli_done(int status);

#endif
