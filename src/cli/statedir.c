// SPDX-License-Identifier: Apache-2.0
#include "cli/statedir.h"

#include <errno.h>

bool cli_state_dir(char **ret, struct err *err)
{
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    // A relative path is not valid there (XDG Base Directory Specification) and is passed over.
    if (xdg && xdg[0] == '/')
        *ret = xasprintf("%s/bawn", xdg);
    else if (home && home[0] == '/')
        *ret = xasprintf("%s/.local/state/bawn", home);
    else
        return err_set(err, ERR_INPUT,
                       "cannot tell where runs are kept: set HOME or XDG_STATE_HOME to an absolute path");
    return true;
}

bool cli_workspace(char **ret, struct err *err)
{
    char *dir = realpath(".", NULL);

    if (!dir)
        return err_sys(err, errno, "cannot tell the current directory; name a run");
    *ret = dir;
    return true;
}
