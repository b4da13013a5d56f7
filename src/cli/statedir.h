// SPDX-License-Identifier: Apache-2.0
// Where runs are kept: $XDG_STATE_HOME/bawn, without it $HOME/.local/state/bawn.
#ifndef BAWN_CLI_STATEDIR_H
#define BAWN_CLI_STATEDIR_H

#include "base/err.h"

MUST_USE bool cli_state_dir(char **ret, struct err *err);
// The workspace whose latest run a verb takes by default: the current directory, links resolved.
MUST_USE bool cli_workspace(char **ret, struct err *err);

#endif
