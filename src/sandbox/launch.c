// SPDX-License-Identifier: Apache-2.0
#include "sandbox/launch.h"

#include <errno.h>
#include <sys/wait.h>

#include "base/companion.h"
#include "base/fd.h"
#include "sandbox/birth.h"
#include "sandbox/proto.h"
#include "sandbox/sys.h"

static int open_init(struct err *err)
{
    AUTO_FREE char *path = companion_path("bawn-init", err);
    int fd = path ? open(path, O_PATH | O_CLOEXEC) : -1;

    if (path && fd < 0)
        err_sys(err, errno, "cannot open %s", path);
    // It must not lie on INIT_FD, where the socket goes.
    if (fd == INIT_FD) {
        fd = fcntl(INIT_FD, F_DUPFD_CLOEXEC, INIT_FD + 1);
        close(INIT_FD);
        if (fd < 0)
            err_sys(err, errno, "cannot keep bawn-init open");
    }
    return fd;
}

bool launch_init(struct launched *ret, struct err *err)
{
    int init = open_init(err);
    struct birth *b;
    long pid;

    if (init < 0)
        return false;
    b = aligned_alloc(_Alignof(struct birth), sizeof *b);
    if (!b)
        abort();
    b->init = init;
    pid = birth_begin(b);
    if (pid < 0) {
        free(b);
        err_set(err, ERR_UNSUPPORTED,
                "cannot make user namespaces (%s); `bawn doctor` says why and how to get them",
                strerror((int)-pid));
        if (err)
            err->sys = (int)-pid;
        return false;
    }
    *ret = (struct launched){(pid_t)pid, b->pidfd, b->ours, b};
    return true;
}

void launch_drop(struct launched *l)
{
    if (l->pid <= 0)
        return;
    close(l->sock);
    if (sys_pidfd_send_signal(l->pidfd, SIGKILL) < 0)
        kill(l->pid, SIGKILL);
    while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close(l->pidfd);
    free(l->scratch);
    *l = (struct launched){0};
}
