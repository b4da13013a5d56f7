// SPDX-License-Identifier: Apache-2.0
// Makes, fills and removes the groups; where they may stand was found by cgroup_probe.c.
//
// Order in v2: everybody out of the parent (if it is our own group), controllers on, directory, limits, `in`.
// A group that a controller of v1 shares with another (joined mounts) or that v2 gives all of them is made
// once. Every control file is written with one write(2), which is how the kernel takes them; nothing is
// created by opening.
#include "sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define PREFIX "bawn-"
#define INNER "in"
#define CONTROL_FILE_MAX (1u << 20)
#define CPU_PERIOD_US 100000
#define CPU_QUOTA_MIN_US 1000 // the kernel's least
#define INIT_ITSELF 1         // bawn-init is a process of the group too
#define REMOVE_NS 1000000000u
#define RETRY_NS 2000000
#define STALE_S 60 // a run enters its group within milliseconds
#define EVACUATE_ROUNDS 50
#define NESTING_MAX 64 // of groups that the payload made; deeper ones stay and are reported

static bool control_write(const char *dir, const char *file, const char *text, struct err *err)
{
    AUTO_FREE char *path = xasprintf("%s/%s", dir, file);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return err_sys(err, errno, "cannot open %s", path);
    do
        n = write(fd, text, strlen(text));
    while (n < 0 && errno == EINTR);
    return n >= 0 ? true : err_sys(err, errno, "cannot write %s to %s", text, path);
}

static bool control_number(const char *dir, const char *file, uint64_t value, struct err *err)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, value);
    return control_write(dir, file, text, err);
}

static bool control_there(const char *dir, const char *file)
{
    AUTO_FREE char *path = xasprintf("%s/%s", dir, file);

    return access(path, W_OK) == 0;
}

// "" when it cannot be read; owned.
static char *control_read(const char *dir, const char *file)
{
    AUTO_FREE char *path = xasprintf("%s/%s", dir, file);
    AUTO_BUF struct buf b = {0};

    buf_init(&b, CONTROL_FILE_MAX);
    return file_read(AT_FDCWD, path, &b, NULL) ? buf_take(&b) : xstrdup("");
}

// The number behind `key` in a file of "key number" lines; 0 when there is none.
static uint64_t control_count(const char *dir, const char *file, const char *key)
{
    AUTO_FREE char *text = control_read(dir, file);
    size_t n = strlen(key);

    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL)
        if (!strncmp(line, key, n) && line[n] == ' ')
            return strtoull(line + n, NULL, 10);
    return 0;
}

static char *inner_of(const char *dir)
{
    return xasprintf("%s/%s", dir, INNER);
}

static bool distinct(const struct cgroup *g, int c)
{
    for (int i = 0; i < c; i++)
        if (g->dir[i] && g->dir[c] && !strcmp(g->dir[i], g->dir[c]))
            return false;
    return g->dir[c] != NULL;
}

// --- making ---

// Moves everybody in parent into CGROUP_OUTER below it. New ones may come by fork meanwhile, so it goes
// round; those that cannot be moved (kernel threads, the dying) end the attempt when nothing else is left.
static bool evacuate(const char *parent, struct err *err)
{
    AUTO_FREE char *outer = xasprintf("%s/%s", parent, CGROUP_OUTER);
    struct err last = {0};

    if (mkdir(outer, 0755) < 0 && errno != EEXIST)
        return err_sys(err, errno, "cannot make the control group %s", outer);
    for (int round = 0; round < EVACUATE_ROUNDS; round++) {
        AUTO_FREE char *procs = control_read(parent, "cgroup.procs");
        char *save = NULL;

        if (!*procs)
            return true;
        err_clear(&last);
        for (char *pid = strtok_r(procs, "\n", &save); pid; pid = strtok_r(NULL, "\n", &save))
            if (!control_write(outer, "cgroup.procs", pid, &last) && last.sys == ESRCH)
                err_clear(&last);
    }
    return err_set(
        err, ERR_SYSTEM,
        "cannot empty the control group %s, which has to be before it can limit a group below it: %s", parent,
        last.kind ? last.msg : "new processes keep coming");
}

static bool has_controller(const char *parent, const char *name)
{
    AUTO_FREE char *on = control_read(parent, "cgroup.subtree_control");
    char *save = NULL;

    for (char *word = strtok_r(on, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
        if (!strcmp(word, name))
            return true;
    return false;
}

static bool v2_enable(const char *parent, const char *name, struct err *err)
{
    AUTO_FREE char *plus = xasprintf("+%s", name);
    AUTO_FREE char *type = NULL;

    if (has_controller(parent, name))
        return true;
    // The very root has no type and may keep its processes.
    type = control_read(parent, "cgroup.type");
    if (*type && !evacuate(parent, err))
        return false;
    return control_write(parent, "cgroup.subtree_control", plus, err);
}

static bool arm_memory(const struct cgroup *g, const char *dir, uint64_t bytes, struct err *err)
{
    if (g->version[CGROUP_MEMORY] == 2)
        return control_number(dir, "memory.max", bytes, err) &&
               (!control_there(dir, "memory.swap.max") || control_write(dir, "memory.swap.max", "0", err)) &&
               control_write(dir, "memory.oom.group", "1", err);
    if (!control_number(dir, "memory.limit_in_bytes", bytes, err))
        return false;
    // Memory and swap together, so that swap gives nothing more. Without that account: no swapping for this
    // group.
    if (control_there(dir, "memory.memsw.limit_in_bytes"))
        return control_number(dir, "memory.memsw.limit_in_bytes", bytes, err);
    return control_write(dir, "memory.swappiness", "0", err);
}

static bool arm_cpu(const struct cgroup *g, const char *dir, double cpus, struct err *err)
{
    double want = cpus * CPU_PERIOD_US;
    uint64_t quota = want < CPU_QUOTA_MIN_US ? CPU_QUOTA_MIN_US : (uint64_t)want;
    AUTO_FREE char *both = xasprintf("%" PRIu64 " %d", quota, CPU_PERIOD_US);
    struct err e = {0};

    if (g->version[CGROUP_CPU] == 2)
        return control_write(dir, "cpu.max", both, err);
    if (!control_number(dir, "cpu.cfs_period_us", CPU_PERIOD_US, err))
        return false;
    // v1 refuses a quota above that of a group further up, which then holds by itself.
    if (control_number(dir, "cpu.cfs_quota_us", quota, &e) || e.sys == EINVAL)
        return true;
    return err_sys(err, e.sys, "cannot write %" PRIu64 " to %s/cpu.cfs_quota_us", quota, dir);
}

static bool arm(const struct cgroup *g, enum cgroup_controller c, const struct limits *l, struct err *err)
{
    switch (c) {
    case CGROUP_MEMORY:
        return arm_memory(g, g->dir[c], l->memory, err);
    case CGROUP_PIDS:
        return control_number(g->dir[c], "pids.max", l->processes + INIT_ITSELF, err);
    default:
        return arm_cpu(g, g->dir[c], l->cpu, err);
    }
}

static bool is_set(const struct limits *l, enum cgroup_controller c)
{
    return c == CGROUP_MEMORY ? l->memory > 0 : c == CGROUP_PIDS ? l->processes > 0 : l->cpu > 0;
}

static bool make_dir(const char *dir, struct err *err)
{
    AUTO_FREE char *inner = inner_of(dir);

    if (mkdir(dir, 0755) < 0)
        return err_sys(err, errno, "cannot make the control group %s", dir);
    if (mkdir(inner, 0755) < 0) {
        int sys = errno;

        rmdir(dir);
        return err_sys(err, sys, "cannot make the control group %s", inner);
    }
    return true;
}

// One controller's group; what an earlier controller made in the same place is used with it.
static bool make_one(const struct cgroup_support *s, const struct limits *l, const char *run_id,
                     enum cgroup_controller c, struct cgroup *g, struct err *err)
{
    const char *name = cgroup_controller_name(c);

    if (!s->version[c])
        return err_set(err, ERR_UNSUPPORTED, "%s", s->why_not[c]);
    if (s->version[c] == 2 && !v2_enable(s->parent[c], name, err))
        return err_prefix(err, "enabling the %s controller", name);
    g->version[c] = s->version[c];
    g->dir[c] = xasprintf("%s/" PREFIX "%s", s->parent[c], run_id);
    if (distinct(g, (int)c) && !make_dir(g->dir[c], err)) {
        free(TAKE_PTR(g->dir[c]));
        return false;
    }
    return arm(g, c, l, err);
}

// Gives up one controller's group, its directory too unless an earlier controller uses it.
static void drop_one(struct cgroup *g, enum cgroup_controller c)
{
    if (g->dir[c] && distinct(g, (int)c)) {
        AUTO_FREE char *inner = inner_of(g->dir[c]);

        rmdir(inner);
        rmdir(g->dir[c]);
    }
    free(TAKE_PTR(g->dir[c]));
    g->version[c] = 0;
}

static int v1_oom_watch(const char *dir)
{
    AUTO_FREE char *path = xasprintf("%s/memory.oom_control", dir);
    AUTO_CLOSE int control = open(path, O_RDONLY | O_CLOEXEC);
    AUTO_CLOSE int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    char line[32];

    if (control < 0 || event < 0)
        return -1;
    snprintf(line, sizeof line, "%d %d", event, control);
    return control_write(dir, "cgroup.event_control", line, NULL) ? TAKE_FD(event) : -1;
}

static int v2_oom_watch(const char *dir)
{
    AUTO_FREE char *path = xasprintf("%s/memory.events", dir);
    AUTO_CLOSE int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    return fd >= 0 && inotify_add_watch(fd, path, IN_MODIFY) >= 0 ? TAKE_FD(fd) : -1;
}

bool cgroup_make(const struct cgroup_support *s, const struct limits *l, const char *run_id,
                 const bool need[CGROUP_CONTROLLERS], struct cgroup *ret, struct err *err)
{
    struct cgroup g = {.oom_fd = -1};

    for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
        enum cgroup_controller c = (enum cgroup_controller)i;
        struct err why = {0};

        if (!is_set(l, c) || (!need[c] && !s->version[c]) || make_one(s, l, run_id, c, &g, &why))
            continue;
        drop_one(&g, c);
        if (!need[c])
            continue;
        cgroup_remove(&g);
        return err_set(err, why.kind, "cannot arm limits.%s: %s",
                       c == CGROUP_PIDS ? "processes" : cgroup_controller_name(c), why.msg);
    }
    if (g.dir[CGROUP_MEMORY])
        g.oom_fd = g.version[CGROUP_MEMORY] == 2 ? v2_oom_watch(g.dir[CGROUP_MEMORY])
                                                 : v1_oom_watch(g.dir[CGROUP_MEMORY]);
    *ret = g;
    return true;
}

bool cgroup_enter(const struct cgroup *g, pid_t pid, struct err *err)
{
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        AUTO_FREE char *inner = g->dir[c] ? inner_of(g->dir[c]) : NULL;

        if (distinct(g, c) && !control_number(inner, "cgroup.procs", (uint64_t)pid, err))
            return err_prefix(err, "putting process %ld under its limits", (long)pid);
    }
    return true;
}

static bool open_inner(const char *dir, const char *file, int flags, int *ret_fd, struct err *err)
{
    AUTO_FREE char *path = xasprintf("%s/" INNER "%s%s", dir, *file ? "/" : "", file);
    int fd = open(path, flags | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, errno, "cannot open %s", path);
    *ret_fd = fd;
    return true;
}

bool cgroup_open_tasks(const struct cgroup *g, int ret_fds[CGROUP_CONTROLLERS], struct err *err)
{
    int fds[CGROUP_CONTROLLERS] = {-1, -1, -1};
    size_t n = 0;

    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        if (g->version[c] != 1 || !distinct(g, c))
            continue;
        if (!open_inner(g->dir[c], "tasks", O_WRONLY, &fds[n], err)) {
            while (n > 0)
                close(fds[--n]);
            return false;
        }
        n++;
    }
    memcpy(ret_fds, fds, sizeof fds);
    return true;
}

bool cgroup_open_inner(const struct cgroup *g, int *ret_fd, struct err *err)
{
    // All of v2 is one directory.
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        if (g->version[c] == 2)
            return open_inner(g->dir[c], "", O_RDONLY | O_DIRECTORY, ret_fd, err);
    *ret_fd = -1;
    return true;
}

// --- asking ---

// v1, and the pids controller before 6.11, count at the group of the process, later ones at the group with
// the limit.
static uint64_t count_both(const char *dir, const char *file, const char *key)
{
    AUTO_FREE char *inner = inner_of(dir);

    return control_count(dir, file, key) + control_count(inner, file, key);
}

bool cgroup_oom_killed(const struct cgroup *g)
{
    const char *dir = g->dir[CGROUP_MEMORY];

    if (!dir)
        return false;
    if (g->version[CGROUP_MEMORY] == 2)
        return control_count(dir, "memory.events", "oom_kill") > 0;
    // The eventfd fires before the kill is counted; until it is, under_oom stands.
    return control_count(dir, "memory.oom_control", "under_oom") > 0 ||
           count_both(dir, "memory.oom_control", "oom_kill") > 0;
}

bool cgroup_pids_hit(const struct cgroup *g)
{
    return g->dir[CGROUP_PIDS] && count_both(g->dir[CGROUP_PIDS], "pids.events", "max") > 0;
}

uint64_t cgroup_memory_peak(const struct cgroup *g)
{
    const char *dir = g->dir[CGROUP_MEMORY];
    AUTO_FREE char *text = NULL;

    if (!dir)
        return 0;
    text = control_read(dir, g->version[CGROUP_MEMORY] == 2 ? "memory.peak" : "memory.max_usage_in_bytes");
    return strtoull(text, NULL, 10);
}

// --- removing ---

static bool lists(const char *dir, pid_t pid)
{
    AUTO_FREE char *procs = control_read(dir, "cgroup.procs");
    char *save = NULL;

    for (char *p = strtok_r(procs, "\n", &save); p; p = strtok_r(NULL, "\n", &save))
        if (strtol(p, NULL, 10) == pid)
            return true;
    return false;
}

// The number could belong to another process by the time of the signal, so: take hold of it, see that it is
// still listed, then kill what is held.
static void kill_listed(const char *dir, pid_t pid)
{
    AUTO_CLOSE int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (fd >= 0 && lists(dir, pid))
        syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
}

static void kill_all(const char *dir)
{
    AUTO_FREE char *procs = NULL;
    char *save = NULL;

    if (control_there(dir, "cgroup.kill") && control_write(dir, "cgroup.kill", "1", NULL))
        return;
    procs = control_read(dir, "cgroup.procs");
    for (char *p = strtok_r(procs, "\n", &save); p; p = strtok_r(NULL, "\n", &save))
        kill_listed(dir, (pid_t)strtol(p, NULL, 10));
}

// Removes a group with those below it: with `nested` the payload can make some, and names them as it likes.
static bool remove_tree(const char *dir, int depth)
{
    AUTO_CLOSEDIR DIR *d = NULL;
    struct dirent *e;

    if (rmdir(dir) == 0 || errno == ENOENT)
        return true;
    d = depth < NESTING_MAX ? opendir(dir) : NULL;
    while (d && (e = readdir(d))) {
        AUTO_FREE char *below = NULL;

        if (e->d_type != DT_DIR || !strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        below = xasprintf("%s/%s", dir, e->d_name);
        remove_tree(below, depth + 1);
    }
    kill_all(dir);
    return rmdir(dir) == 0 || errno == ENOENT;
}

static bool remove_until(const char *dir, uint64_t until)
{
    while (!remove_tree(dir, 0)) {
        if (clock_mono_ns() >= until)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
    }
    return true;
}

bool cgroup_remove(struct cgroup *g)
{
    uint64_t until = clock_mono_ns() + REMOVE_NS;
    bool ok = true;

    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        if (distinct(g, c))
            ok &= remove_until(g->dir[c], until);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        free(g->dir[c]);
    if (g->oom_fd >= 0)
        close(g->oom_fd);
    *g = (struct cgroup){.oom_fd = -1};
    return ok;
}

bool cgroup_remove_run(const struct cgroup_support *s, const char *run_id)
{
    struct cgroup g = {.oom_fd = -1};

    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        if (s->parent[c])
            g.dir[c] = xasprintf("%s/" PREFIX "%s", s->parent[c], run_id);
    return cgroup_remove(&g);
}

static bool is_stale(int parent, const char *name, time_t now)
{
    struct stat st;

    return !strncmp(name, PREFIX, strlen(PREFIX)) && strcmp(name, CGROUP_OUTER) &&
           fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
           st.st_uid == geteuid() && now - st.st_mtime > STALE_S;
}

size_t cgroup_sweep(const struct cgroup_support *s)
{
    time_t now = time(NULL);
    size_t n = 0;

    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        AUTO_CLOSEDIR DIR *d = s->parent[c] ? opendir(s->parent[c]) : NULL;
        struct dirent *e;

        while (d && (e = readdir(d))) {
            AUTO_FREE char *inner = inner_of(e->d_name);

            if (!is_stale(dirfd(d), e->d_name, now))
                continue;
            // The kernel refuses both while anybody is inside; a live run's `in` keeps its parent.
            unlinkat(dirfd(d), inner, AT_REMOVEDIR);
            n += unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) == 0;
        }
    }
    return n;
}
