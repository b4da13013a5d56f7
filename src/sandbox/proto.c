// SPDX-License-Identifier: Apache-2.0
#include "sandbox/proto.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"

bool init_send(int sock, struct init_msg *m, const int *fds, size_t nfds)
{
    return fd_send(sock, m, INIT_MSG_HEAD + m->len, fds, nfds, 0) >= 0;
}

int init_recv(int sock, struct init_msg *m, int *fds, size_t *nfds, int flags)
{
    const size_t room = nfds ? *nfds : 0;
    ssize_t n = fd_recv(sock, m, sizeof *m - 1, fds, nfds, flags);

    // The other end closed without reading all that was sent to it. That is told once, ahead of what it had
    // sent itself.
    if (n < 0 && errno == ECONNRESET) {
        if (nfds)
            *nfds = room;
        n = fd_recv(sock, m, sizeof *m - 1, fds, nfds, flags);
    }
    if (n < 0)
        return errno == ECONNRESET ? 0 : -1;
    if (n == 0)
        return 0;
    if ((size_t)n < INIT_MSG_HEAD || m->len != (size_t)n - INIT_MSG_HEAD || !m->type ||
        m->type >= INIT_TYPES) {
        for (size_t i = 0; nfds && i < *nfds; i++)
            close(fds[i]);
        errno = EBADMSG;
        return -1;
    }
    m->text[m->len] = '\0';
    return 1;
}

void init_msg_text(struct init_msg *m, const char *text)
{
    size_t n = strlen(text);

    if (n > INIT_TEXT_MAX - 1)
        n = INIT_TEXT_MAX - 1;
    memcpy(m->text, text, n);
    m->text[n] = '\0';
    m->len = (uint32_t)n;
}
