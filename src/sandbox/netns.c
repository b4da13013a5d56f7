// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The maker is a child in our memory and with our descriptors, on a stack of its own. It
// unshares, so the namespace is the maker's alone; it brings the loopback up, gets a descriptor of the
// namespace from a socket made there (no /proc is needed), leaves it in our table, and ends. We wait for that
// end and enter by the descriptor. The maker sends no signal when it ends, so nobody else's waitpid(2) takes
// it, and dies with the pid namespace at the latest. It allocates nothing and shares our errno, which it
// changes only when it fails.
#include "sandbox/netns.h"

#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define STACK_SIZE 65536u

static bool make(struct netns *n)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int sock;

    if (unshare(CLONE_NEWNET) < 0)
        return err_sys(&n->err, errno, "cannot make a network namespace");
    sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sock < 0 || ioctl(sock, SIOCSIFFLAGS, &lo) < 0)
        return err_sys(&n->err, errno, "cannot bring up the loopback interface");
    n->fd = ioctl(sock, SIOCGSKNS);
    return n->fd >= 0 || err_sys(&n->err, errno, "cannot open the network namespace");
}

static int maker(void *arg)
{
    _exit(!make(arg));
}

bool netns_begin(struct netns *n, struct err *err)
{
    *n = (struct netns){.fd = -1, .stack = xmalloc(STACK_SIZE)};
    n->maker = clone(maker, n->stack + STACK_SIZE, CLONE_VM | CLONE_FILES, n);
    if (n->maker > 0)
        return true;
    free(n->stack);
    return err_sys(err, errno, "cannot start a process that makes the network namespace");
}

static void await_maker(struct netns *n)
{
    while (waitpid(n->maker, NULL, (int)__WCLONE) < 0 && errno == EINTR)
        ;
    n->maker = 0;
    free(n->stack);
}

bool netns_enter(struct netns *n, struct err *err)
{
    bool ok;

    if (!n->maker)
        return true;
    await_maker(n);
    if (n->fd < 0) {
        *err = n->err;
        return false;
    }
    ok = setns(n->fd, CLONE_NEWNET) == 0 || err_sys(err, errno, "cannot enter the network namespace");
    close(n->fd);
    return ok;
}

void netns_drop(struct netns *n)
{
    if (!n->maker)
        return;
    await_maker(n);
    if (n->fd >= 0)
        close(n->fd);
}
