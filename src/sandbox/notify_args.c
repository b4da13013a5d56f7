// SPDX-License-Identifier: Apache-2.0
// What a caller asked for: its registers (which the kernel copied for us), and the strings they point to,
// which stay in the caller's memory and may change at any time. Everything is read once; whoever decides and
// whoever performs works on that one copy.
//
// A caller whose memory is closed to us (it runs a program that its user may not read) cannot be served:
// EACCES.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sandbox/notify_call.h"

#define PAGE 4096u      // the smallest page: a read never reaches past one that is there
#define FIRST_READ 256u // most paths are shorter

int call_bytes(const struct call *c, uint64_t addr, void *ret, size_t n)
{
    struct iovec here = {.iov_base = ret, .iov_len = n};
    struct iovec there = {.iov_base = (void *)(uintptr_t)addr, .iov_len = n};
    ssize_t r = process_vm_readv(c->tid, &here, 1, &there, 1, 0);

    if (r < 0)
        return errno == EFAULT ? EFAULT : EACCES;
    return (size_t)r == n ? 0 : EFAULT;
}

int call_string(const struct call *c, uint64_t addr, char *ret, size_t cap)
{
    size_t got = 0;

    while (got < cap) {
        size_t n = PAGE - (size_t)((addr + got) & (PAGE - 1));
        int e;

        if (!got && n > FIRST_READ)
            n = FIRST_READ;
        if (n > cap - got)
            n = cap - got;
        e = call_bytes(c, addr + got, ret + got, n);
        if (e)
            return e;
        if (memchr(ret + got, '\0', n))
            return 0;
        got += n;
    }
    return ENAMETOOLONG;
}

bool call_valid(const struct call *c)
{
    uint64_t id = c->id;

    return ioctl(c->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

// The second number of an NS line is the one in the sandbox's pid namespace; without one of its own the
// first.
static pid_t inner_pid(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    int outer = 0, inner = 0;

    if (!at)
        return 0;
    return sscanf(at + strlen(key), "%d %d", &outer, &inner) == 2 ? inner : outer;
}

int call_caller(const struct call *c, struct caller *ret)
{
    char path[64], text[2048];
    const char *mask, *tgid;
    unsigned umask = 0;
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/status", c->tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ESRCH;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return ESRCH;
    text[n] = '\0';
    // The name comes first and is the program's own choice, but it has no newline (proc(5): escaped).
    mask = strstr(text, "\nUmask:\t");
    tgid = strstr(text, "\nTgid:\t");
    if (!mask || !tgid || sscanf(mask, "\nUmask:\t%o", &umask) != 1)
        return ESRCH;
    *ret = (struct caller){.umask = (mode_t)umask,
                           .tgid = (pid_t)strtol(tgid + strlen("\nTgid:\t"), NULL, 10),
                           .tgid_inside = inner_pid(text, "\nNStgid:\t"),
                           .tid_inside = inner_pid(text, "\nNSpid:\t")};
    return call_valid(c) ? 0 : ESRCH;
}

// Which argument holds what; -1: none. `fixed` are flags that the call's name stands for.
struct shape {
    int nr;
    enum request_kind kind;
    int dir, path, dir2, path2, flags, mode, value;
    unsigned fixed;
};

#define NO (-1)
static const struct shape shapes[] = {
    {SYS_openat, REQUEST_OPEN, 0, 1, NO, NO, 2, 3, NO, 0},
#ifdef SYS_open
    {SYS_open, REQUEST_OPEN, NO, 0, NO, NO, 1, 2, NO, 0},
    {SYS_creat, REQUEST_OPEN, NO, 0, NO, NO, NO, 1, NO, O_CREAT | O_WRONLY | O_TRUNC},
    {SYS_mkdir, REQUEST_MKDIR, NO, 0, NO, NO, NO, 1, NO, 0},
    {SYS_mknod, REQUEST_MKNOD, NO, 0, NO, NO, NO, 1, 2, 0},
    {SYS_symlink, REQUEST_SYMLINK, NO, 0, NO, 1, NO, NO, NO, 0},
    {SYS_link, REQUEST_LINK, NO, 0, NO, 1, NO, NO, NO, 0},
    {SYS_rename, REQUEST_RENAME, NO, 0, NO, 1, NO, NO, NO, 0},
    {SYS_unlink, REQUEST_UNLINK, NO, 0, NO, NO, NO, NO, NO, 0},
    {SYS_rmdir, REQUEST_UNLINK, NO, 0, NO, NO, NO, NO, NO, AT_REMOVEDIR},
#endif
#ifdef SYS_renameat
    {SYS_renameat, REQUEST_RENAME, 0, 1, 2, 3, NO, NO, NO, 0},
#endif
    {SYS_openat2, REQUEST_OPENAT2, 0, 1, NO, NO, NO, NO, 2, 0},
    {SYS_truncate, REQUEST_TRUNCATE, NO, 0, NO, NO, NO, NO, 1, 0},
    {SYS_mkdirat, REQUEST_MKDIR, 0, 1, NO, NO, NO, 2, NO, 0},
    {SYS_mknodat, REQUEST_MKNOD, 0, 1, NO, NO, NO, 2, 3, 0},
    {SYS_symlinkat, REQUEST_SYMLINK, NO, 0, 1, 2, NO, NO, NO, 0},
    {SYS_linkat, REQUEST_LINK, 0, 1, 2, 3, 4, NO, NO, 0},
    {SYS_renameat2, REQUEST_RENAME, 0, 1, 2, 3, 4, NO, NO, 0},
    {SYS_unlinkat, REQUEST_UNLINK, 0, 1, NO, NO, 2, NO, NO, 0},
    {SYS_bind, REQUEST_BIND, NO, NO, NO, NO, NO, NO, NO, 0},
    {SYS_connect, REQUEST_CONNECT, NO, NO, NO, NO, NO, NO, NO, 0},
    {SYS_sendto, REQUEST_SENDTO, NO, NO, NO, NO, NO, NO, NO, 0},
};

// openat2 keeps flags and mode in memory; only what open(2) has too is understood (resolve goes to `value`).
static int read_how(const struct call *c, struct request *r)
{
    struct open_how how = {0};
    int e;

    if (c->args[3] != sizeof how)
        return EINVAL;
    e = call_bytes(c, c->args[2], &how, sizeof how);
    r->flags = (unsigned)how.flags;
    r->mode = (mode_t)how.mode;
    r->value = how.resolve;
    return e;
}

int request_read(const struct call *c, struct request *ret)
{
    const struct shape *s = NULL;
    int e = 0;

    ret->kind = REQUEST_OTHER;
    for (size_t i = 0; i < ARRAY_LEN(shapes) && !s; i++)
        if (shapes[i].nr == c->nr)
            s = &shapes[i];
    if (!s)
        return 0;
    ret->kind = s->kind;
    ret->dir[0] = s->dir < 0 ? AT_FDCWD : (int)c->args[s->dir];
    ret->dir[1] = s->dir2 < 0 ? AT_FDCWD : (int)c->args[s->dir2];
    ret->flags = s->fixed | (s->flags < 0 ? 0u : (unsigned)c->args[s->flags]);
    ret->mode = s->mode < 0 ? 0 : (mode_t)c->args[s->mode];
    ret->value = s->value < 0 ? 0 : c->args[s->value];
    if (s->path >= 0)
        e = call_string(c, c->args[s->path], ret->path[0], PATH_MAX);
    if (!e && s->path2 >= 0)
        e = call_string(c, c->args[s->path2], ret->path[1], PATH_MAX);
    if (!e && s->kind == REQUEST_OPENAT2)
        e = read_how(c, ret);
    return e;
}
