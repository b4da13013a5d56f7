// SPDX-License-Identifier: Apache-2.0
// What `bawn run` does with its options, for other entries that come by options in another way.
#ifndef BAWN_CLI_RUN_H
#define BAWN_CLI_RUN_H

#include "cli/live.h"
#include "cli/options.h"

// Runs the command and ends the process with its status. `form` says how lines of the control descriptor
// read; NULL: as those of --control-fd.
_Noreturn void run_command(const struct run_options *options, const struct live_form *form, void *form_ctx);

#endif
