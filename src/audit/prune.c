// SPDX-License-Identifier: Apache-2.0
#include "audit/prune.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "audit/rundir.h"
#include "base/clock.h"
#include "base/fd.h"

static const char *const records[] = {"audit.jsonl", "policy.yaml", "result.json", "transcript.jsonl"};

bool run_is_older(const char *id, uint64_t when)
{
    char text[CLOCK_TEXT_SIZE];
    size_t n = 0;

    clock_text(when, text);
    for (const char *p = text; *p; p++) // as ids are made
        if (*p != '-' && *p != ':')
            text[n++] = *p;
    return strncmp(id, text, n) < 0;
}

static bool is_record(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(records); i++)
        if (!strcmp(name, records[i]))
            return true;
    return !strcmp(name, ".") || !strcmp(name, "..");
}

static bool holds_more(int fd, bool *ret, struct err *err)
{
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSEDIR DIR *d = own < 0 ? NULL : fdopendir(own);
    struct dirent *e;

    if (!d)
        return err_sys(err, errno, "cannot list it");
    *ret = false;
    while ((e = readdir(d)))
        *ret = *ret || !is_record(e->d_name);
    return true;
}

bool run_remove(const char *state_dir, const char *id, enum prune_outcome *ret, struct err *err)
{
    AUTO_FREE char *path = xasprintf("%s/runs/%s", state_dir, id);
    AUTO_CLOSE int fd = -1;
    struct err why = {0};
    bool more = true;

    if (!run_open(state_dir, id, &fd, &why)) {
        *ret = PRUNE_REMOVED;
        return why.kind == ERR_MISSING || err_set(err, why.kind, "%s", why.msg);
    }
    if (run_lives(fd)) {
        *ret = PRUNE_LIVES;
        return true;
    }
    if (!holds_more(fd, &more, err))
        return err_prefix(err, "cannot remove the run %s", id);
    if (more) {
        *ret = PRUNE_HOLDS_MORE;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(records); i++)
        if (unlinkat(fd, records[i], 0) < 0 && errno != ENOENT)
            return err_sys(err, errno, "cannot remove %s/%s", path, records[i]);
    if (rmdir(path) < 0 && errno != ENOENT)
        return err_sys(err, errno, "cannot remove %s", path);
    *ret = PRUNE_REMOVED;
    return true;
}
