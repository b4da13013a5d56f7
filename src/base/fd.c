// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

bool fd_write_all(int fd, const void *data, size_t n, struct err *err)
{
    const char *p = data;

    while (n) {
        ssize_t r = write(fd, p, n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return err_sys(err, errno, "cannot write");
        p += r;
        n -= (size_t)r;
    }
    return true;
}

// Most files are small, and what a large buffer costs is its pages: the step grows with what came.
#define READ_FIRST 4095u // buf adds one for a terminator
#define READ_MOST 65535u

bool fd_read_all(int fd, struct buf *ret, struct err *err)
{
    for (;;) {
        size_t room = ret->cap - ret->len, step = ret->len > READ_FIRST ? ret->len : READ_FIRST,
               reserved = ret->alloc > ret->len ? ret->alloc - ret->len - 1 : 0;
        char *p;
        ssize_t r;

        if (!room) {
            char c;

            r = read(fd, &c, 1);
            if (r == 0)
                return true;
            return err_set(err, ERR_LIMIT, "larger than %zu bytes", ret->cap);
        }
        if (step > READ_MOST)
            step = READ_MOST;
        if (step < reserved)
            step = reserved;
        if (room > step)
            room = step;
        p = buf_reserve(ret, room);
        r = read(fd, p, room);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return err_sys(err, errno, "cannot read");
        if (r == 0)
            return true;
        ret->len += (size_t)r;
    }
}

bool file_read(int dirfd, const char *path, struct buf *ret, struct err *err)
{
    AUTO_CLOSE int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return err_set(err, ERR_MISSING, "%s: no such file", path);
        return err_sys(err, errno, "cannot open %s", path);
    }
    if (fstat(fd, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", path);
    if (S_ISDIR(st.st_mode))
        return err_set(err, ERR_INPUT, "%s is a directory, not a file", path);
    // At once, rather than by doubling; the size is only a hint, for the file may grow.
    if (S_ISREG(st.st_mode) && st.st_size > 0 && (size_t)st.st_size < ret->cap - ret->len)
        buf_reserve(ret, (size_t)st.st_size + 1);
    if (!fd_read_all(fd, ret, err))
        return err_prefix(err, "%s", path);
    return true;
}

bool file_replace(int dirfd, const char *path, const void *data, size_t n, mode_t mode, struct err *err)
{
    AUTO_FREE char *tmp = xasprintf("%s.new.%ld", path, (long)getpid());
    AUTO_CLOSE int fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd < 0)
        return err_sys(err, errno, "cannot create %s", tmp);
    if (!fd_write_all(fd, data, n, err)) {
        unlinkat(dirfd, tmp, 0);
        return err_prefix(err, "%s", tmp);
    }
    if (renameat(dirfd, tmp, dirfd, path) < 0) {
        int sys = errno;

        unlinkat(dirfd, tmp, 0);
        return err_sys(err, sys, "cannot rename %s to %s", tmp, path);
    }
    return true;
}

bool mkdir_parents(int dirfd, const char *path, mode_t mode, struct err *err)
{
    AUTO_FREE char *copy = NULL;

    if (mkdirat(dirfd, path, mode) == 0 || errno == EEXIST)
        return true;
    copy = xstrdup(path);
    for (char *p = copy + 1;; p++) {
        char c = *p;

        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdirat(dirfd, copy, mode) < 0 && errno != EEXIST)
            return err_sys(err, errno, "cannot create the directory %s", copy);
        *p = c;
        if (!c)
            return true;
    }
}

ssize_t fd_send(int sock, const void *data, size_t n, const int *fds, size_t nfds, int flags)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
    } control;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t r;

    if (nfds > FD_PASS_MAX) {
        errno = EINVAL;
        return -1;
    }
    if (nfds) {
        struct cmsghdr *c;

        memset(&control, 0, sizeof control);
        msg.msg_control = control.space;
        msg.msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * nfds);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * nfds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
    }
    do {
        r = sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
    } while (r < 0 && errno == EINTR);
    return r;
}

ssize_t fd_recv(int sock, void *data, size_t n, int *fds, size_t *nfds, int flags)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
    } control;
    struct iovec iov = {.iov_base = data, .iov_len = n};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.space,
                         .msg_controllen = sizeof control.space};
    size_t want = nfds ? *nfds : 0, got = 0;
    bool bad;
    ssize_t r;

    do {
        r = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
    } while (r < 0 && errno == EINTR);
    if (nfds)
        *nfds = 0;
    if (r < 0)
        return r;
    bad = msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        size_t count;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (got < want)
                fds[got++] = fd;
            else {
                close(fd);
                bad = true;
            }
        }
    }
    if (bad) {
        while (got)
            close(fds[--got]);
        errno = EBADMSG;
        return -1;
    }
    if (nfds)
        *nfds = got;
    return r;
}

bool fd_set_nonblock(int fd, bool on)
{
    int fl = fcntl(fd, F_GETFL);

    if (fl < 0)
        return false;
    return fcntl(fd, F_SETFL, on ? fl | O_NONBLOCK : fl & ~O_NONBLOCK) == 0;
}
