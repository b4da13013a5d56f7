// SPDX-License-Identifier: Apache-2.0
// The supervisor owns the sandbox's user namespace, so in the sandbox's /proc it may see and open everything:
// the memory of bawn-init, descriptors of programs that made themselves unreadable. A caller may not, and
// what it asks for is opened here with our rights. So
//   its own process    all of /proc/PID but the namespace links, which nobody inside has a use for
//   other processes    the files that every user may read of any process (what ps and top show), read-only
//   pid 1              does not exist, as hidepid says
//   the rest           read with the rights that file modes give
// The process is recognised by its number inside. It cannot change hands meanwhile: the caller waits in this
// call, and an exec by another of its threads would kill the caller first, and with it the call.
#include "sandbox/notify_proc.h"

#include <limits.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sandbox/notify_walk.h"

#define PROC_ROOT_INO 1 // the kernel's include/linux/proc_ns.h

static bool is_proc(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

bool proc_is_root(int dir)
{
    struct stat st;

    return fstat(dir, &st) == 0 && st.st_ino == PROC_ROOT_INO && is_proc(dir);
}

int proc_self_text(const struct call *c, const char *name, char ret[PROC_TEXT_MAX])
{
    struct caller who;
    int e = call_caller(c, &who);

    if (e)
        return e;
    if (!strcmp(name, "self"))
        snprintf(ret, PROC_TEXT_MAX, "%d", who.tgid_inside);
    else
        snprintf(ret, PROC_TEXT_MAX, "%d/task/%d", who.tgid_inside, who.tid_inside);
    return 0;
}

// "/proc/7/fd/3" → 7 and "fd/3"; 0 when it is not below a process.
static pid_t split(const char *path, const char **ret_rest)
{
    char *end;
    long pid;

    if (strncmp(path, "/proc/", 6) != 0 || path[6] < '0' || path[6] > '9')
        return 0;
    pid = strtol(path + 6, &end, 10);
    if (pid <= 0 || pid > INT_MAX || (*end != '/' && *end != '\0'))
        return 0;
    *ret_rest = *end ? end + 1 : end;
    return (pid_t)pid;
}

// "task/9/stat" → "stat"
static const char *without_task(const char *rest)
{
    const char *p = rest;

    if (strncmp(p, "task/", 5) != 0)
        return rest;
    p += 5 + strspn(p + 5, "0123456789");
    return *p == '/' ? p + 1 : p;
}

bool proc_is_jump(const struct notify *n, int link)
{
    char path[PATH_MAX];
    const char *rest;

    return is_proc(link) && object_path(n, link, path) == 0 && split(path, &rest) > 0;
}

static bool is_own(const struct caller *who, pid_t pid)
{
    return pid == who->tgid_inside || pid == who->tid_inside;
}

static int dup_of(const struct caller *who, const char *number, int *ret_fd)
{
    AUTO_CLOSE int pidfd = pidfd_open(who->tgid, 0);
    char *end;
    long fd = strtol(number, &end, 10);

    if (*end || fd < 0 || fd > INT_MAX)
        return ENOENT;
    if (pidfd < 0)
        return EACCES;
    *ret_fd = pidfd_getfd(pidfd, (int)fd, 0);
    if (*ret_fd >= 0)
        return 0;
    return errno == EBADF ? ENOENT : EACCES;
}

static int open_host(const struct caller *who, const char *name, int *ret_fd)
{
    char path[PROC_TEXT_MAX];

    snprintf(path, sizeof path, "/proc/%d/%s", who->tgid, name);
    *ret_fd = open(path, O_PATH | O_CLOEXEC);
    return *ret_fd < 0 ? errno : 0;
}

int proc_jump(const struct call *c, int link, int *ret_fd, bool *ret_held)
{
    char path[PATH_MAX];
    const char *rest = "";
    struct caller who;
    pid_t pid;
    int e = object_path(c->n, link, path);

    if (!e)
        e = call_caller(c, &who);
    if (e)
        return e;
    pid = split(path, &rest);
    if (!is_own(&who, pid))
        return pid == 1 ? ENOENT : EACCES;
    rest = without_task(rest);
    *ret_held = false;
    if (!strncmp(rest, "fd/", 3)) {
        e = dup_of(&who, rest + 3, ret_fd);
        *ret_held = e == 0;
    } else if (!strcmp(rest, "cwd") || !strcmp(rest, "exe")) {
        e = open_host(&who, rest, ret_fd);
    } else if (!strcmp(rest, "root")) {
        *ret_fd = fcntl(c->n->root, F_DUPFD_CLOEXEC, 0);
        e = *ret_fd < 0 ? errno : 0;
    } else {
        return EACCES;
    }
    if (!e && !call_valid(c)) {
        close(*ret_fd);
        return ESRCH;
    }
    return e;
}

static bool is_public(const char *rest)
{
    static const char *const files[] = {"",        "task",      "stat",     "statm",    "status",
                                        "cmdline", "comm",      "cgroup",   "wchan",    "children",
                                        "limits",  "oom_score", "loginuid", "sessionid"};

    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (!strcmp(rest, files[i]))
            return true;
    return false;
}

int proc_may_open(const struct call *c, int obj, bool writes)
{
    char path[PATH_MAX];
    const char *rest;
    struct caller who;
    pid_t pid;
    int e = object_path(c->n, obj, path);

    if (e)
        return e;
    pid = split(path, &rest);
    if (!pid)
        return 0;
    e = call_caller(c, &who);
    if (e)
        return e;
    if (is_own(&who, pid))
        return 0;
    if (pid == 1)
        return ENOENT;
    return !writes && is_public(without_task(rest)) ? 0 : EACCES;
}

int terminal_path(const struct call *c, char ret[PROC_TEXT_MAX])
{
    char path[PROC_TEXT_MAX], text[1024], *p;
    int fd, number = 0;
    ssize_t n;

    snprintf(path, sizeof path, "/proc/%d/stat", c->tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return ENXIO;
    text[n] = '\0';
    // The name in parentheses may hold anything, also a parenthesis.
    p = strrchr(text, ')');
    if (!p || sscanf(p + 1, " %*c %*d %*d %*d %d", &number) != 1 || !number)
        return ENXIO;
    // proc(5): the minor number is in bits 31–20 and 7–0, the major in 15–8. 136–143 are UNIX98 terminals.
    if (((unsigned)number >> 8 & 0xff) < 136 || ((unsigned)number >> 8 & 0xff) > 143)
        return ENXIO;
    snprintf(ret, PROC_TEXT_MAX, "/dev/pts/%u",
             ((unsigned)number & 0xff) | ((unsigned)number >> 12 & 0xfff00));
    return 0;
}
