// SPDX-License-Identifier: Apache-2.0
#include "audit/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "audit/record.h"
#include "base/clock.h"
#include "base/fd.h"

#define POLICY_FILE "policy.yaml"
#define RUNS_NAMED 4 // ids shown when a prefix is not unique

// YYYYMMDDTHHMMSS.UUUUUUZ-xxxx
static bool id_valid(const char *id)
{
    static const char shape[] = "ddddddddTdddddd.ddddddZ-xxxx";

    if (strlen(id) != sizeof shape - 1)
        return false;
    for (size_t i = 0; shape[i]; i++) {
        bool digit = id[i] >= '0' && id[i] <= '9';

        if (shape[i] == 'd'   ? !digit
            : shape[i] == 'x' ? !digit && (id[i] < 'a' || id[i] > 'f')
                              : id[i] != shape[i])
            return false;
    }
    return true;
}

static bool id_make(char ret[AUDIT_RUN_MAX], struct err *err)
{
    char text[CLOCK_TEXT_SIZE];
    uint16_t noise;
    size_t n = 0;

    if (getrandom(&noise, sizeof noise, 0) != (ssize_t)sizeof noise)
        return err_sys(err, errno, "cannot get random bytes for a run id");
    clock_text(clock_wall_ns(), text);
    for (const char *p = text; *p; p++)
        if (*p != '-' && *p != ':')
            ret[n++] = *p;
    snprintf(ret + n, AUDIT_RUN_MAX - n, "-%04x", noise);
    return true;
}

// A name that is taken is another start's: the next try has other digits.
static bool make_unique(const char *runs, char ret_id[AUDIT_RUN_MAX], char **ret_path, struct err *err)
{
    AUTO_FREE char *path = NULL;

    for (int tries = 0; tries < 1000; tries++) {
        if (!id_make(ret_id, err))
            return false;
        free(path);
        path = xasprintf("%s/%s", runs, ret_id);
        if (mkdir(path, 0700) == 0) {
            *ret_path = TAKE_PTR(path);
            return true;
        }
        if (errno == ENOENT) {
            if (!mkdir_parents(AT_FDCWD, runs, 0700, err))
                return err_prefix(err,
                                  "cannot keep a record of the run (XDG_STATE_HOME can name another place)");
        } else if (errno != EEXIST) {
            return err_sys(err, errno,
                           "cannot make the run's directory %s; point XDG_STATE_HOME at one that is writable",
                           path);
        }
    }
    return err_set(err, ERR_SYSTEM,
                   "cannot make the run's directory in %s: every name is taken or it is removed again "
                   "and again",
                   runs);
}

bool rundir_make(const char *state_dir, struct rundir *ret, struct err *err)
{
    AUTO_FREE char *runs = xasprintf("%s/runs", state_dir), *path = NULL;
    // A read lock, since a directory cannot be open for writing; testing for a write lock finds it.
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    char id[AUDIT_RUN_MAX];
    AUTO_CLOSE int fd = -1;

    if (!make_unique(runs, id, &path, err))
        return false;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0)
        return err_sys(err, errno, "cannot open and lock the run's directory %s", path);
    memcpy(ret->id, id, sizeof id);
    ret->path = TAKE_PTR(path);
    ret->fd = TAKE_FD(fd);
    ret->result = -1;
    return true;
}

void rundir_deinit(struct rundir *d)
{
    if (d->path && d->fd >= 0)
        close(d->fd);
    if (d->path && d->result >= 0)
        close(d->result);
    free(d->path);
    *d = (struct rundir){.fd = -1, .result = -1};
}

bool rundir_sub(const struct rundir *d, const char *name, struct err *err)
{
    if (mkdirat(d->fd, name, 0700) < 0 && errno != EEXIST)
        return err_sys(err, errno, "cannot make the directory %s/%s", d->path, name);
    return true;
}

bool rundir_write_policy(const struct rundir *d, const char *yaml, size_t n, struct err *err)
{
    // The directory is new and nobody else's, so there is nothing to replace.
    AUTO_CLOSE int fd =
        openat(d->fd, POLICY_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return err_sys(err, errno, "cannot create " POLICY_FILE " in %s", d->path);
    return fd_write_all(fd, yaml, n, err) || err_prefix(err, "cannot keep the policy in %s", d->path);
}

bool run_open(const char *state_dir, const char *id, int *ret_fd, struct err *err)
{
    AUTO_FREE char *path = NULL;
    int fd;

    if (!id_valid(id))
        return err_set(err, ERR_INPUT, "%.80s is not the id of a run; bawn runs lists them", id);
    path = xasprintf("%s/runs/%s", state_dir, id);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_MISSING, "there is no run %s; bawn runs lists those there are", id);
    if (fd < 0)
        return err_sys(err, errno, "cannot open the run's directory %s", path);
    *ret_fd = fd;
    return true;
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(*(char *const *)b, *(char *const *)a);
}

bool run_list(const char *state_dir, struct strlist *ret, struct err *err)
{
    AUTO_FREE char *runs = xasprintf("%s/runs", state_dir);
    AUTO_CLOSEDIR DIR *dir = opendir(runs);
    AUTO_STRLIST struct strlist found = {0};
    struct dirent *e;

    if (!dir && errno != ENOENT)
        return err_sys(err, errno, "cannot list the runs in %s", runs);
    errno = 0;
    while (dir && (e = readdir(dir)))
        if (id_valid(e->d_name))
            strlist_add(&found, e->d_name);
    if (errno)
        return err_sys(err, errno, "cannot list the runs in %s", runs);
    if (found.n > 1)
        qsort(found.items, found.n, sizeof *found.items, newest_first);
    *ret = found;
    found = (struct strlist){0};
    return true;
}

bool run_find(const char *state_dir, const char *prefix, char ret_id[AUDIT_RUN_MAX], struct err *err)
{
    AUTO_STRLIST struct strlist ids = {0};
    AUTO_BUF struct buf named = {0};
    const char *match = NULL;
    size_t n = 0;

    buf_init(&named, 512);
    if (!run_list(state_dir, &ids, err))
        return false;
    for (size_t i = 0; i < ids.n; i++) {
        if (strncmp(ids.items[i], prefix, strlen(prefix)) != 0)
            continue;
        match = ids.items[i];
        if (n++ < RUNS_NAMED)
            buf_addf(&named, "%s%s", n > 1 ? ", " : "", match);
    }
    if (n == 1) {
        snprintf(ret_id, AUDIT_RUN_MAX, "%s", match);
        return true;
    }
    if (n)
        return err_set(err, ERR_INPUT, "%zu runs start with \"%.80s\": %s%s; give more of the id", n, prefix,
                       buf_cstr(&named), n > RUNS_NAMED ? " …" : "");
    return err_set(err, ERR_MISSING, "no run starts with \"%.80s\"; bawn runs lists those there are", prefix);
}

bool run_find_latest(const char *state_dir, const char *workspace, char ret_id[AUDIT_RUN_MAX],
                     struct err *err)
{
    AUTO_STRLIST struct strlist ids = {0};
    AUTO_FREE char *kept = jsontext_kept(workspace, AUDIT_SUBJECT_MAX);

    if (!run_list(state_dir, &ids, err))
        return false;
    for (size_t i = 0; i < ids.n; i++) {
        struct run_result r;
        bool same;

        // One that cannot be read (being made, damaged, removed just now) is no reason to miss the others.
        if (!run_read(state_dir, ids.items[i], &r, NULL))
            continue;
        same = r.workspace && !strcmp(r.workspace, kept);
        run_result_deinit(&r);
        if (same) {
            snprintf(ret_id, AUDIT_RUN_MAX, "%s", ids.items[i]);
            return true;
        }
    }
    return err_set(err, ERR_MISSING,
                   "there is no run of the workspace %s yet; bawn runs lists those of others", workspace);
}
