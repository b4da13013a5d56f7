// SPDX-License-Identifier: Apache-2.0
#include "guard/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"

// Sealed, so that what was checked cannot change; gone from memory when the guard has read it.
static bool make_document(const json_t *config, int *ret_fd, struct err *err)
{
    AUTO_FREE char *text = json_line(config);
    AUTO_CLOSE int fd = memfd_create("guard", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    bool ok;

    if (fd < 0)
        return err_sys(err, errno, "cannot make a memory file for the guard");
    ok = fd_write_all(fd, text, strlen(text), err);
    explicit_bzero(text, strlen(text));
    if (!ok)
        return false;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        return err_sys(err, errno, "cannot seal the guard's configuration");
    *ret_fd = TAKE_FD(fd);
    return true;
}

static bool send_message(struct guard_control *c, struct guard_header head, const void *payload, size_t n,
                         const int *fds, size_t nfds, struct err *err)
{
    char bytes[256];

    memcpy(bytes, &head, sizeof head);
    if (n)
        memcpy(bytes + sizeof head, payload, n);
    if (fd_send(c->fd, bytes, sizeof head + n, fds, nfds, 0) < 0)
        return err_sys(err, errno, "cannot speak to the network guard");
    return true;
}

static bool send_document(struct guard_control *c, enum guard_message type, const json_t *config,
                          struct err *err)
{
    AUTO_CLOSE int fd = -1;

    return make_document(config, &fd, err) &&
           send_message(c, (struct guard_header){.type = type}, NULL, 0, &fd, 1, err);
}

// Only async-signal-safe calls: the caller may be any program.
static _Noreturn void run_guard(const char *path, int sock, char *const envp[])
{
    char *const argv[] = {(char[]){"bawn-guard"}, NULL};
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (sock == GUARD_CONTROL_FD ? fcntl(sock, F_SETFD, 0) == 0 : dup2(sock, GUARD_CONTROL_FD) >= 0)
        execve(path, argv, envp);
    _exit(127);
}

bool guard_spawn(const char *path, const json_t *config, struct guard_control *ret, struct err *err)
{
    const char *roots = getenv("SSL_CERT_FILE");
    AUTO_FREE char *roots_env = roots ? xasprintf("SSL_CERT_FILE=%s", roots) : NULL;
    char *envp[] = {roots_env, NULL};
    struct guard_control c;
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(err, errno, "cannot make the guard's control socket");
    c = (struct guard_control){.pid = fork(), .fd = pair[0]};
    if (c.pid == 0)
        run_guard(path, pair[1], envp);
    close(pair[1]);
    if (c.pid < 0) {
        close(pair[0]);
        return err_sys(err, errno, "cannot start the network guard");
    }
    if (!send_document(&c, GUARD_CONFIG, config, err)) {
        guard_stop(&c);
        return err_prefix(err, "%s", path);
    }
    *ret = c;
    return true;
}

static bool gone(struct err *err)
{
    return err_set(err, ERR_PROTOCOL,
                   "the network guard is gone; nothing inside reaches the network any more");
}

static ssize_t receive(struct guard_control *c, struct buf *b, struct guard_header *ret, int flags)
{
    ssize_t n;

    buf_init(b, GUARD_PACKET_MAX);
    n = fd_recv(c->fd, buf_reserve(b, GUARD_PACKET_MAX), GUARD_PACKET_MAX, NULL, NULL, flags);
    if (n < 0)
        return n;
    b->len = (size_t)n;
    if (b->len < sizeof *ret)
        return 0;
    memcpy(ret, b->ptr, sizeof *ret);
    buf_consume(b, sizeof *ret);
    return n;
}

bool guard_wait_ready(struct guard_control *c, struct buf *ret_ca, struct err *err)
{
    AUTO_BUF struct buf b = {0};
    struct guard_header head;

    if (receive(c, &b, &head, 0) <= 0)
        return err_set(err, ERR_PROTOCOL, "the network guard did not start (is bawn-guard beside bawn?)");
    if (head.type == GUARD_FAILED)
        return err_set(err, ERR_PROTOCOL, "network guard: %s", buf_cstr(&b));
    if (head.type != GUARD_READY)
        return err_set(err, ERR_PROTOCOL, "the network guard sent message %u instead of READY", head.type);
    return buf_add(ret_ca, b.ptr, b.len) || err_set(err, ERR_LIMIT, "the run's certificate is too long");
}

bool guard_send_listeners(struct guard_control *c, const struct guard_listener *l, const int *fds, size_t n,
                          struct err *err)
{
    return send_message(c, (struct guard_header){.type = GUARD_LISTENERS}, l, n * sizeof *l, fds, n, err);
}

bool guard_update(struct guard_control *c, const json_t *config, struct err *err)
{
    return send_document(c, GUARD_UPDATE, config, err);
}

bool guard_answer(struct guard_control *c, uint32_t id, enum verdict verdict, struct err *err)
{
    struct guard_answer a = {.verdict = verdict};

    return send_message(c, (struct guard_header){GUARD_ANSWER, id}, &a, sizeof a, NULL, 0, err);
}

static void take_records(const char *p, const struct guard_handler *h)
{
    while (*p) {
        size_t n = strcspn(p, "\n");
        AUTO_JSON json_t *event = json_parse(p, n, NULL);

        if (event && h->record)
            h->record(h->ctx, event);
        p += n + (p[n] == '\n');
    }
}

// Without a wait: a guard that does not hear of it goes on by itself, and one that is gone is noticed by the
// next read.
static void send_seen(const struct guard_control *c, uint32_t id)
{
    struct guard_header head = {GUARD_SEEN, id};

    if (fd_send(c->fd, &head, sizeof head, NULL, 0, MSG_DONTWAIT) < 0)
        return;
}

static bool handle(const struct guard_control *c, const struct guard_handler *h,
                   const struct guard_header *head, struct buf *b, struct err *err)
{
    AUTO_JSON json_t *question = NULL;

    switch (head->type) {
    case GUARD_RECORD:
        take_records(buf_cstr(b), h);
        if (head->id)
            send_seen(c, head->id);
        return true;
    case GUARD_UPDATED:
        if (h->updated)
            h->updated(h->ctx, buf_cstr(b));
        return true;
    case GUARD_DECIDE:
        question = json_parse(buf_cstr(b), b->len, NULL);
        if (question && h->decide)
            h->decide(h->ctx, head->id, question);
        return true;
    case GUARD_FAILED:
        return err_set(err, ERR_PROTOCOL, "network guard: %s", buf_cstr(b));
    default:
        return err_set(err, ERR_PROTOCOL, "the network guard sent message %u, which is unknown", head->type);
    }
}

bool guard_receive(struct guard_control *c, const struct guard_handler *h, struct err *err)
{
    for (;;) {
        AUTO_BUF struct buf b = {0};
        struct guard_header head;
        ssize_t n = receive(c, &b, &head, MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0) {
            c->gone = true;
            return gone(err);
        }
        if (!handle(c, h, &head, &b, err))
            return false;
    }
}

void guard_dismiss(struct guard_control *c)
{
    shutdown(c->fd, SHUT_WR); // end of file: it leaves by itself
}

void guard_finish(struct guard_control *c, const struct guard_handler *h)
{
    uint64_t end = clock_mono_ns() + GUARD_LEAVE_MS * UINT64_C(1000000), now;
    struct pollfd p = {.fd = c->fd, .events = POLLIN};

    while ((now = clock_mono_ns()) < end && poll(&p, 1, (int)((end - now) / 1000000) + 1) != 0)
        if ((p.revents & (POLLIN | POLLHUP)) && !guard_receive(c, h, NULL))
            return;
}

void guard_stop(struct guard_control *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    if (c->pid > 0 && !c->gone)
        kill(c->pid, SIGKILL);
    while (c->pid > 0 && waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    c->pid = 0;
}
