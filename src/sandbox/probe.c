// SPDX-License-Identifier: Apache-2.0
// Theory of operation: a row of the table names the namespaces and the try. The parent clones a child into
// those namespaces, which maps its ids, runs the try and leaves what it found in a page shared with the
// parent. A child that does not come back in time is killed; one that a filter killed says so by its signal.
// Of what failed, and of what confines us already (surroundings.h), the parent makes the sentence and the
// remedy.
#include "sandbox/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "sandbox/probe_tries.h"
#include "sandbox/surroundings.h"

#define TRY_SECONDS 10
#define STEP_CLONE "making the namespace"
#define STEP_MAP "mapping the user into it"

struct row {
    const char *name, *title, *keys;
    bool needed;
    unsigned long flags; // namespaces; 0: a plain child
    try_fn *run;
    const char *kernel; // where a kernel has it
    const char *sysctl; // the limit on its number, or NULL
};

#define USER CLONE_NEWUSER
#define CGROUP_ROW(controller, label, key)                                                                   \
    {                                                                                                        \
        "cgroup_" controller, "control group " label, key, false, 0, NULL, "", NULL                          \
    }

static const struct row rows[PROBE_FEATURES] = {
    [PROBE_USERNS] = {"user_namespaces", "user namespaces", "everything", true, USER, try_nothing,
                      "Linux 3.8 with CONFIG_USER_NS", "user.max_user_namespaces"},
    [PROBE_ID_MAPS] = {"id_maps", "mapping one's own ids", "everything", true, USER, try_nothing,
                       "Linux 3.8 with CONFIG_USER_NS", NULL},
    [PROBE_MOUNTNS] = {"mount_namespaces", "mount namespaces", "files", true, USER | CLONE_NEWNS, try_nothing,
                       "any with CONFIG_NAMESPACES", "user.max_mnt_namespaces"},
    [PROBE_PIDNS] = {"pid_namespaces", "pid namespaces", "everything", true, USER | CLONE_NEWPID, try_nothing,
                     "one with CONFIG_PID_NS", "user.max_pid_namespaces"},
    [PROBE_NETNS] = {"network_namespaces", "network namespaces", "network.mode: off, guarded", true,
                     USER | CLONE_NEWNET, try_nothing, "one with CONFIG_NET_NS", "user.max_net_namespaces"},
    [PROBE_IPCNS] = {"ipc_namespaces", "ipc namespaces", "everything", true, USER | CLONE_NEWIPC, try_nothing,
                     "one with CONFIG_IPC_NS", "user.max_ipc_namespaces"},
    [PROBE_UTSNS] = {"uts_namespaces", "uts namespaces", "everything", true, USER | CLONE_NEWUTS, try_nothing,
                     "one with CONFIG_UTS_NS", "user.max_uts_namespaces"},
    [PROBE_CGROUPNS] = {"cgroup_namespaces", "cgroup namespaces", "hides the names of the host's groups",
                        false, USER | CLONE_NEWCGROUP, try_nothing, "Linux 4.6 with CONFIG_CGROUPS",
                        "user.max_cgroup_namespaces"},
    [PROBE_MOUNT_API] = {"mount_api", "mount API with attributes", "files", true, USER | CLONE_NEWNS,
                         try_mount_api, "Linux 5.12 or newer", NULL},
    [PROBE_PROC] = {"proc", "a /proc of its own", "everything", true, USER | CLONE_NEWNS | CLONE_NEWPID,
                    try_proc, "Linux 5.8 or newer", NULL},
    [PROBE_NESTING_OFF] = {"nesting_off", "user namespaces off inside", "nested: false", true,
                           USER | CLONE_NEWNS, try_nesting_off, "Linux 4.9 or newer", NULL},
    [PROBE_SYSFS] = {"sysfs", "a /sys of its own", "network.mode: off, guarded", true,
                     USER | CLONE_NEWNS | CLONE_NEWNET, try_sysfs, "one with CONFIG_SYSFS", NULL},
    [PROBE_PTY] = {"pty", "terminals of its own", "everything", true, USER | CLONE_NEWNS, try_pty,
                   "Linux 4.13 with CONFIG_UNIX98_PTYS", NULL},
    [PROBE_SECCOMP] = {"seccomp", "seccomp filters", "everything", true, 0, try_seccomp,
                       "one with CONFIG_SECCOMP_FILTER", NULL},
    [PROBE_NOTIFY] = {"seccomp_notify", "seccomp user notification", "files.ask, files.strict", false, 0,
                      try_notify, "Linux 5.19 or newer", NULL},
    [PROBE_LANDLOCK] =
        {"landlock", "Landlock", "files (a second layer)", false, 0, try_landlock,
         "Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK and landlock in the boot parameter lsm=", NULL},
    [PROBE_PIDFD] = {"pidfd", "process descriptors", "everything", true, 0, try_pidfd, "Linux 5.3 or newer",
                     NULL},
    [PROBE_CLONE3] = {"clone3", "clone3", "nothing by itself", false, 0, try_clone3, "Linux 5.3 or newer",
                      NULL},
    [PROBE_OPENAT2] = {"openat2", "openat2", "files", true, 0, try_openat2, "Linux 5.6 or newer", NULL},
    [PROBE_CLOSE_RANGE] = {"close_range", "close_range", "everything", true, 0, try_close_range,
                           "Linux 5.9 or newer", NULL},
    [PROBE_KEYRING] = {"keyring", "a session keyring of its own", "everything", true, 0, try_keyring,
                       "any (one without keyrings will do too)", NULL},
    [PROBE_INOTIFY] = {"inotify", "watching directories",
                       "files.deny and files.protect of what appears later", false, 0, try_inotify,
                       "one with CONFIG_INOTIFY_USER", "fs.inotify.max_user_instances"},
    [PROBE_GATE] = {"gate", "the network gate", "network.mode: guarded", false,
                    USER | CLONE_NEWNS | CLONE_NEWNET, try_gate,
                    "one with CONFIG_VETH (load the module: modprobe veth)", "user.max_net_namespaces"},
    [PROBE_OVERLAY] = {"overlay", "overlays", "overlay", false, USER | CLONE_NEWNS, try_overlay,
                       "Linux 5.11 or newer with CONFIG_OVERLAY_FS (load the module: modprobe overlay)",
                       NULL},
    [PROBE_CGROUP_MEMORY] = CGROUP_ROW("memory", "memory", "limits.memory"),
    [PROBE_CGROUP_PIDS] = CGROUP_ROW("pids", "pids", "limits.processes of root (others: a resource limit)"),
    [PROBE_CGROUP_CPU] = CGROUP_ROW("cpu", "cpu", "limits.cpu in fractions (whole: by affinity)"),
};

const char *probe_state_name(enum probe_state s)
{
    return s == PROBE_WORKS ? "works" : s == PROBE_PARTLY ? "partly" : "missing";
}

static bool write_text(const char *path, const char *text)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

// As launch.c does it.
static bool map_ids(struct outcome *o, uid_t uid, gid_t gid)
{
    char uids[64], gids[64];

    snprintf(uids, sizeof uids, "%u %u 1", uid, uid);
    snprintf(gids, sizeof gids, "%u %u 1", gid, gid);
    return try_step(o,
                    write_text("/proc/self/setgroups", "deny") && write_text("/proc/self/uid_map", uids) &&
                        write_text("/proc/self/gid_map", gids),
                    STEP_MAP);
}

static void reap(pid_t pid, struct outcome *o)
{
    const struct timespec pause = {.tv_nsec = 200000};
    int status = 0;

    for (int i = 0; waitpid(pid, &status, WNOHANG) == 0; i++) {
        if (i > TRY_SECONDS * 5000)
            kill(pid, SIGKILL);
        nanosleep(&pause, NULL);
    }
    if (WIFSIGNALED(status) && !o->killed_by)
        o->killed_by = WTERMSIG(status);
}

static _Noreturn void be_tried(unsigned long flags, try_fn *run, struct outcome *o)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    // Without a stack argument it is a fork; all architectures that we build for take the flags first.
    long pid = flags ? syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0) : 0;

    if (pid == 0) {
        if (!flags || map_ids(o, uid, gid))
            run(o);
        o->done = true;
    } else if (try_step(o, pid > 0, STEP_CLONE)) {
        reap((pid_t)pid, o);
    }
    _exit(0);
}

// A plain child makes the one in the namespaces: a filter may kill whoever asks for them.
static void run_try(unsigned long flags, try_fn *run, struct outcome *o)
{
    pid_t pid;

    fflush(NULL); // or the child would write it a second time
    pid = fork();
    if (pid == 0)
        be_tried(flags, run, o);
    if (try_step(o, pid > 0, "fork"))
        reap(pid, o);
}

static struct outcome *shared_outcome(void)
{
    void *p = mmap(NULL, sizeof(struct outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        die_oom();
    return p;
}

static void describe_failure(const struct outcome *o, struct probe_result *r)
{
    if (o->killed_by)
        snprintf(r->found, sizeof r->found, "the try was ended by SIG%s", sigabbrev_np(o->killed_by));
    else if (!o->step)
        snprintf(r->found, sizeof r->found, "the try did not come to its end");
    else if (o->text[0])
        snprintf(r->found, sizeof r->found, "%s", o->text);
    else if (o->sys)
        snprintf(r->found, sizeof r->found, "%s: %s", o->step, strerror(o->sys));
    else
        snprintf(r->found, sizeof r->found, "%s", o->step);
}

static void describe_success(enum probe_feature f, const struct outcome *o, struct probe_result *r)
{
    if (f == PROBE_LANDLOCK)
        snprintf(r->found, sizeof r->found, "ABI %ld%s%s", o->number, o->partly ? "; it does not hold: " : "",
                 o->text);
    else if (f == PROBE_INOTIFY)
        snprintf(r->found, sizeof r->found, "%ld watches%s%s", o->number, o->partly ? "; " : "", o->text);
    else
        snprintf(r->found, sizeof r->found, "%s", o->text);
}

static void find_remedy(enum probe_feature f, const struct surroundings *s, const struct outcome *o,
                        struct probe_result *r)
{
    const struct row *row = &rows[f];
    bool mapping = o->step && !strcmp(o->step, STEP_MAP), clone = o->step && !strcmp(o->step, STEP_CLONE);
    enum obstacle why;

    if (o->killed_by == SIGSYS)
        why = OBSTACLE_FILTER;
    else if (f == PROBE_USERNS || mapping || (clone && o->sys != ENOSPC))
        why = surroundings_userns(s, o->sys, mapping);
    else
        why = surroundings_other(s, o->sys, f == PROBE_PROC || f == PROBE_SYSFS);
    snprintf(r->found + strlen(r->found), sizeof r->found - strlen(r->found), " (%s)", obstacle_name(why));
    surroundings_remedy(s, why, row->kernel, row->sysctl ? row->sysctl : "user.max_user_namespaces",
                        r->remedy, sizeof r->remedy);
}

static void judge(enum probe_feature f, const struct surroundings *s, const struct outcome *o,
                  struct probe_result *r)
{
    if (!o->done || o->step || o->killed_by) {
        r->state = PROBE_MISSING;
        describe_failure(o, r);
        find_remedy(f, s, o, r);
        return;
    }
    r->state = o->partly ? PROBE_PARTLY : PROBE_WORKS;
    describe_success(f, o, r);
    if (f == PROBE_INOTIFY && o->partly)
        snprintf(r->remedy, sizeof r->remedy, "as root: sysctl -w fs.inotify.max_user_watches=524288");
    else if (o->partly)
        snprintf(r->remedy, sizeof r->remedy, "a newer kernel (Landlock ABI 6: Linux 6.12)");
}

// The namespace itself is there when it was made, whatever the mapping says; the mapping has a row of its
// own.
static void forgive_mapping(enum probe_feature f, struct outcome *o)
{
    if (f == PROBE_USERNS && o->step && !strcmp(o->step, STEP_MAP))
        o->step = NULL;
}

static void try_one(enum probe_feature f, const char *scratch, const struct surroundings *s,
                    struct outcome *o, struct probe_report *ret)
{
    memset(o, 0, sizeof *o);
    snprintf(o->scratch, sizeof o->scratch, "%s", scratch);
    run_try(rows[f].flags, rows[f].run, o);
    forgive_mapping(f, o);
    judge(f, s, o, &ret->features[f]);
}

static void depend_on_userns(struct probe_result *r)
{
    r->state = PROBE_MISSING;
    snprintf(r->found, sizeof r->found, "rests on user namespaces and the mapping of ids");
    snprintf(r->remedy, sizeof r->remedy, "as for those");
}

// Directories for the overlay, on the file system where upper layers would lie.
static bool scratch_make(const char *where, char *ret, size_t size)
{
    static const char *const dirs[] = {"lower", "upper", "work"};
    int fd, file;

    snprintf(ret, size, "%s/bawn-probe-XXXXXX", where);
    if (!mkdtemp(ret)) {
        ret[0] = '\0';
        return false;
    }
    fd = open(ret, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        mkdirat(fd, dirs[i], 0700);
    file = openat(fd, "lower/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file >= 0)
        close(file);
    if (fd >= 0)
        close(fd);
    return true;
}

static void scratch_remove(const char *dir)
{
    // In this order; "work/work" is the overlay's own.
    static const char *const entries[] = {"lower/file", "lower", "upper/file", "upper", "work/work", "work"};
    AUTO_CLOSE int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        if (unlinkat(fd, entries[i], 0) < 0)
            unlinkat(fd, entries[i], AT_REMOVEDIR);
    rmdir(dir);
}

static void begin_report(struct probe_report *ret)
{
    struct utsname u;

    memset(ret, 0, sizeof *ret);
    if (uname(&u) == 0) {
        snprintf(ret->kernel, sizeof ret->kernel, "%s %s", u.sysname, u.release);
        snprintf(ret->arch, sizeof ret->arch, "%s", u.machine);
    }
    for (int f = 0; f < PROBE_FEATURES; f++)
        ret->features[f] = (struct probe_result){
            .name = rows[f].name, .title = rows[f].title, .keys = rows[f].keys, .needed = rows[f].needed};
}

void probe_all(const char *scratch, struct probe_report *ret)
{
    struct outcome *o = shared_outcome();
    struct surroundings s;
    char dir[256];
    bool made = scratch_make(scratch ? scratch : "/tmp", dir, sizeof dir);

    begin_report(ret);
    surroundings_look("", &s);
    ret->works = true;
    for (int i = 0; i < PROBE_FEATURES; i++) {
        enum probe_feature f = (enum probe_feature)i;
        const struct probe_result *map = &ret->features[PROBE_ID_MAPS];

        if (!rows[f].run)
            continue;
        if (f > PROBE_ID_MAPS && rows[f].flags && map->state == PROBE_MISSING)
            depend_on_userns(&ret->features[f]);
        else
            try_one(f, dir, &s, o, ret);
        if (rows[f].needed && ret->features[f].state == PROBE_MISSING)
            ret->works = false;
    }
    if (made)
        scratch_remove(dir);
    munmap(o, sizeof *o);
}

bool probe_can_sandbox(struct err *err)
{
    struct outcome *o = shared_outcome();
    struct surroundings s;
    struct probe_result r = {0};
    bool ok;

    run_try(USER | CLONE_NEWNS | CLONE_NEWPID, try_nothing, o);
    ok = o->done && !o->step && !o->killed_by;
    if (!ok) {
        surroundings_look("", &s);
        describe_failure(o, &r);
        find_remedy(PROBE_USERNS, &s, o, &r);
        // A remedy of several lines is one for doctor to print.
        err_set(err, ERR_UNSUPPORTED, "cannot make a sandbox: %s: %s", r.found,
                strchr(r.remedy, '\n') ? "`bawn doctor` prints what to do" : r.remedy);
    }
    munmap(o, sizeof *o);
    return ok;
}
