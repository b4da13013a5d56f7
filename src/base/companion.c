// SPDX-License-Identifier: Apache-2.0
#include "base/companion.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/path.h"

static char *try_dir(const char *dir, const char *name)
{
    char *path = path_normal(dir, name);

    if (access(path, X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

char *companion_path(const char *name, struct err *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    AUTO_FREE char *beside = NULL, *libexec = NULL;
    char *found;

    if (n < 0) {
        err_sys(err, errno, "cannot read /proc/self/exe, by which bawn finds its other programs");
        return NULL;
    }
    self[n] = '\0';
    beside = path_parent(self);
    libexec = path_normal(beside, "../libexec/bawn");
    found = try_dir(beside, name);
    if (!found)
        found = try_dir(libexec, name);
    if (!found)
        found = try_dir(BAWN_LIBEXECDIR, name);
    if (!found)
        err_set(err, ERR_MISSING,
                "cannot find %s in %s, %s or " BAWN_LIBEXECDIR
                ": the installation is incomplete; run make install",
                name, beside, libexec);
    return found;
}
