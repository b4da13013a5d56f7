// SPDX-License-Identifier: Apache-2.0
#include "sandbox/netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

bool nl_open(int *ret_sock, struct err *err)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), on = 1;

    if (fd < 0)
        return err_sys(err, errno, "cannot open a route netlink socket");
    // Without a copy of the request in each acknowledgement (netlink(7)).
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    *ret_sock = fd;
    return true;
}

void nl_begin(struct nl_batch *b, int sock)
{
    b->sock = sock;
    b->seq = 1;
    b->len = b->n = 0;
    b->open = NULL;
}

// Messages are of our own making and fixed in size: a batch that is too small is a defect, not an input.
static void *nl_room(struct nl_batch *b, size_t n)
{
    char *p = b->bytes + b->len;
    size_t whole = NLMSG_ALIGN(n);

    if (whole > sizeof b->bytes - b->len)
        abort();
    memset(p, 0, whole);
    b->len += whole;
    return p;
}

static void nl_close_message(struct nl_batch *b)
{
    if (b->open)
        b->open->nlmsg_len = (uint32_t)(b->bytes + b->len - (char *)b->open);
    b->open = NULL;
}

void nl_message(struct nl_batch *b, uint16_t type, uint16_t flags, const void *fixed, size_t n,
                const char *what)
{
    struct nlmsghdr *h;

    if (b->n == NL_BATCH_MESSAGES)
        abort();
    nl_close_message(b);
    h = nl_room(b, sizeof *h);
    h->nlmsg_type = type;
    h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    h->nlmsg_seq = b->seq++;
    memcpy(nl_room(b, n), fixed, n);
    b->what[b->n] = what;
    b->may_fail[b->n++] = false;
    b->open = h;
}

void nl_optional(struct nl_batch *b)
{
    b->may_fail[b->n - 1] = true;
}

void nl_attr(struct nl_batch *b, uint16_t type, const void *data, size_t n)
{
    struct rtattr *a = nl_room(b, RTA_LENGTH(n));

    a->rta_type = type;
    a->rta_len = (uint16_t)RTA_LENGTH(n);
    if (n)
        memcpy(RTA_DATA(a), data, n);
}

void nl_attr32(struct nl_batch *b, uint16_t type, uint32_t v)
{
    nl_attr(b, type, &v, sizeof v);
}

void nl_fixed(struct nl_batch *b, const void *data, size_t n)
{
    memcpy(nl_room(b, n), data, n);
}

struct rtattr *nl_nest(struct nl_batch *b, uint16_t type)
{
    struct rtattr *a = nl_room(b, RTA_LENGTH(0));

    a->rta_type = type | NLA_F_NESTED;
    return a;
}

void nl_nest_end(struct nl_batch *b, struct rtattr *nest)
{
    nest->rta_len = (uint16_t)(b->bytes + b->len - (char *)nest);
}

static bool nl_take_acks(const struct nl_batch *b, const char *data, size_t n, size_t *seen, struct err *err)
{
    const struct nlmsghdr *h;
    uint32_t left = (uint32_t)n;

    for (h = (const void *)data; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
        const struct nlmsgerr *e = NLMSG_DATA(h);
        size_t i = h->nlmsg_seq - 1;

        if (h->nlmsg_type != NLMSG_ERROR || i >= b->n)
            continue;
        ++*seen;
        if (e->error && !b->may_fail[i])
            return err_sys(err, -e->error, "cannot %s", b->what[i]);
    }
    return true;
}

bool nl_commit(struct nl_batch *b, struct err *err)
{
    _Alignas(NLMSG_ALIGNTO) char reply[8192];
    size_t seen = 0;

    nl_close_message(b);
    if (send(b->sock, b->bytes, b->len, 0) < 0)
        return err_sys(err, errno, "cannot %s", b->n ? b->what[0] : "talk to rtnetlink");
    while (seen < b->n) {
        ssize_t r = recv(b->sock, reply, sizeof reply, 0);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return err_sys(err, errno, "cannot read rtnetlink's answer");
        if (!nl_take_acks(b, reply, (size_t)r, &seen, err))
            return false;
    }
    return true;
}
