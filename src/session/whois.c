// SPDX-License-Identifier: Apache-2.0
// From a connection's ends to the socket's inode by sock_diag(7), in the sandbox's network namespace and
// through a socket made there; from the inode to a process by the descriptors below /proc of init's
// descendants (/proc/PID/task/TID/children, proc(5)). The process that was found last is looked at first:
// most connections come in rows. Answers are kept per client until the connection is closed, and KEEP_NS at
// most.
#include "session/whois.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"

#define KEPT 256u // clients remembered, by hash; the last one that came stays
#define KEEP_NS 5000000000ull
#define CLIENT_SIZE 64
#define FDS_MAX 65536u // descriptors of one process that are looked at

struct kept {
    char client[CLIENT_SIZE];
    uint64_t when;
    struct whois_answer answer;
};

struct whois {
    pid_t init;
    int diagnose;
    pid_t last;  // where the last one was found
    double left; // ns of looking that are left
    uint64_t refilled;
    struct kept kept[KEPT];
};

struct whois *whois_new(pid_t init, int diagnose)
{
    struct whois *w = xcalloc(1, sizeof *w);

    w->init = init;
    w->diagnose = diagnose;
    w->left = WHOIS_BURST_NS;
    w->refilled = clock_mono_ns();
    return w;
}

void whois_free(struct whois *w)
{
    if (!w)
        return;
    close(w->diagnose);
    free(w);
}

// --- what is kept ---

static size_t slot_of(const char *client)
{
    uint32_t h = 2166136261u; // FNV-1a

    for (; *client; client++)
        h = (h ^ (unsigned char)*client) * 16777619u;
    return h % KEPT;
}

bool whois_known(const struct whois *w, const char *client, struct whois_answer *ret)
{
    const struct kept *k = w ? &w->kept[slot_of(client)] : NULL;

    if (!k || strcmp(k->client, client) != 0 || clock_mono_ns() - k->when > KEEP_NS)
        return false;
    *ret = k->answer;
    return true;
}

void whois_forget(struct whois *w, const char *client)
{
    struct kept *k = w ? &w->kept[slot_of(client)] : NULL;

    if (k && strcmp(k->client, client) == 0)
        k->client[0] = '\0';
}

static void keep(struct whois *w, const char *client, const struct whois_answer *a)
{
    struct kept *k = &w->kept[slot_of(client)];

    if (strlen(client) >= CLIENT_SIZE)
        return;
    memcpy(k->client, client, strlen(client) + 1);
    k->when = clock_mono_ns();
    k->answer = *a;
}

static bool may_look(struct whois *w, uint64_t now)
{
    w->left += (double)(now - w->refilled) * WHOIS_SHARE;
    w->refilled = now;
    if (w->left > WHOIS_BURST_NS)
        w->left = WHOIS_BURST_NS;
    return w->left > 0;
}

// --- the socket ---

struct end {
    uint16_t port;
    unsigned char address[16]; // IPv4 in the first four bytes
    bool v6;
};

static bool parse_end(const char *text, struct end *ret)
{
    const char *colon = strrchr(text, ':');
    char address[INET6_ADDRSTRLEN + 2];
    size_t n = colon ? (size_t)(colon - text) : 0;
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;

    *ret = (struct end){.port = (uint16_t)port, .v6 = text[0] == '['};
    if (ret->v6 && n > 2) {
        text++;
        n -= 2;
    }
    if (!n || n >= sizeof address || !port || port > UINT16_MAX)
        return false;
    memcpy(address, text, n);
    address[n] = '\0';
    return inet_pton(ret->v6 ? AF_INET6 : AF_INET, address, ret->address) == 1;
}

// A socket of family AF_INET6 may have an IPv4 connection; its addresses are mapped ones then.
static bool same_source(const struct inet_diag_msg *d, const struct end *c)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    const unsigned char *source = (const unsigned char *)d->id.idiag_src;

    if (ntohs(d->id.idiag_sport) != c->port)
        return false;
    if (d->idiag_family == AF_INET)
        return !c->v6 && memcmp(source, c->address, 4) == 0;
    if (c->v6)
        return memcmp(source, c->address, 16) == 0;
    return memcmp(source, mapped, sizeof mapped) == 0 && memcmp(source + 12, c->address, 4) == 0;
}

// One connection by both its ends: a look into the kernel's hash table, where a dump would walk all of it
// (0.6 ms). An IPv4 connection is found by its addresses whatever the family of its socket is.
static bool ask_tcp(int sock, const struct end *client, const struct end *to)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 req;
    } m = {
        .head = {.nlmsg_len = sizeof m, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST},
        .req = {.sdiag_family = client->v6 ? AF_INET6 : AF_INET,
                .sdiag_protocol = IPPROTO_TCP,
                .idiag_states = ~0u,
                .id = {.idiag_sport = htons(client->port),
                       .idiag_dport = htons(to->port),
                       .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };

    memcpy(m.req.id.idiag_src, client->address, sizeof client->address);
    memcpy(m.req.id.idiag_dst, to->address, sizeof to->address);
    return send(sock, &m, sizeof m, MSG_DONTWAIT) == sizeof m;
}

// The other end of a UDP socket may be anything: all of one local port.
static bool ask_udp(int sock, int family, uint16_t port)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 req;
        struct nlattr attr;
        struct inet_diag_bc_op op[4];
    } m = {
        .head = {.nlmsg_len = sizeof m,
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .req = {.sdiag_family = (uint8_t)family, .sdiag_protocol = IPPROTO_UDP, .idiag_states = ~0u},
        .attr = {.nla_len = sizeof m.attr + sizeof m.op, .nla_type = INET_DIAG_REQ_BYTECODE},
        // source port ≥ port and ≤ port; "no" jumps past the end, which refuses (net/ipv4/inet_diag.c).
        .op = {{INET_DIAG_BC_S_GE, 8, 20}, {0, 0, port}, {INET_DIAG_BC_S_LE, 8, 12}, {0, 0, port}},
    };

    return send(sock, &m, sizeof m, MSG_DONTWAIT) == sizeof m;
}

// Takes all that has come. 0 when there is no such socket, or several, or nobody has it open any more.
static uint32_t read_inode(int sock, const struct end *client)
{
    union {
        struct nlmsghdr head;
        char bytes[16384];
    } m;
    uint32_t found = 0;
    bool several = false;
    ssize_t n;

    while ((n = recv(sock, &m, sizeof m, MSG_DONTWAIT)) > 0) {
        size_t left = (size_t)n;

        for (const struct nlmsghdr *h = &m.head; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
            const struct inet_diag_msg *d = NLMSG_DATA(h);

            if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_len < NLMSG_LENGTH(sizeof *d) ||
                !same_source(d, client) || !d->idiag_inode)
                continue;
            several |= found != 0 && found != d->idiag_inode;
            found = d->idiag_inode;
        }
    }
    return several ? 0 : found;
}

static uint32_t find_inode(const struct whois *w, const struct end *client, const struct end *to)
{
    uint32_t inode = 0;

    if (to)
        return to->v6 == client->v6 && ask_tcp(w->diagnose, client, to) ? read_inode(w->diagnose, client) : 0;
    if (!client->v6 && ask_udp(w->diagnose, AF_INET, client->port))
        inode = read_inode(w->diagnose, client);
    if (!inode && ask_udp(w->diagnose, AF_INET6, client->port))
        inode = read_inode(w->diagnose, client);
    return inode;
}

// --- the process ---

static bool has_socket(pid_t pid, uint32_t inode)
{
    AUTO_CLOSEDIR DIR *dir = NULL;
    char path[64], want[32], link[32];
    const struct dirent *e;
    size_t seen = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    snprintf(want, sizeof want, "socket:[%u]", inode);
    dir = opendir(path);
    while (dir && (e = readdir(dir)) && seen++ < FDS_MAX) {
        ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof link - 1);

        if (n > 0 && (link[n] = '\0', strcmp(link, want) == 0))
            return true;
    }
    return false;
}

struct pids {
    pid_t *items;
    size_t n;
};

static void add_children(pid_t pid, const char *task, struct pids *ret)
{
    AUTO_BUF struct buf text = {0};
    char path[320], *p, *end;

    snprintf(path, sizeof path, "/proc/%d/task/%s/children", pid, task);
    buf_init(&text, 1 << 16);
    if (!file_read(AT_FDCWD, path, &text, NULL))
        return;
    p = (char *)(uintptr_t)buf_cstr(&text);
    for (long child; ret->n < WHOIS_PROCESSES && (child = strtol(p, &end, 10), end != p); p = end)
        ret->items[ret->n++] = (pid_t)child;
}

// Breadth first: the list is what is still to be visited, too.
static pid_t find_process(struct whois *w, uint32_t inode)
{
    AUTO_FREE pid_t *items = NULL;
    struct pids pids;

    if (w->last && has_socket(w->last, inode))
        return w->last;
    items = xcalloc(WHOIS_PROCESSES, sizeof *items);
    pids = (struct pids){items, 1};
    items[0] = w->init;
    for (size_t i = 0; i < pids.n; i++) {
        AUTO_CLOSEDIR DIR *tasks = NULL;
        const struct dirent *e;
        char path[32];

        if (i && has_socket(items[i], inode))
            return w->last = items[i];
        snprintf(path, sizeof path, "/proc/%d/task", items[i]);
        tasks = opendir(path);
        while (tasks && (e = readdir(tasks)))
            if (e->d_name[0] != '.')
                add_children(items[i], e->d_name, &pids);
    }
    return 0;
}

static void read_program(struct whois_answer *a)
{
    char path[32];
    ssize_t n;

    snprintf(path, sizeof path, "/proc/%d/exe", a->pid);
    n = readlink(path, a->program, sizeof a->program - 1);
    a->program[n > 0 ? n : 0] = '\0';
}

bool whois_find(struct whois *w, const char *client, const char *to, struct whois_answer *ret)
{
    struct whois_answer a = {0};
    struct end ends[2];
    uint64_t start;
    uint32_t inode;

    if (!w)
        return false;
    if (whois_known(w, client, ret))
        return true;
    start = clock_mono_ns();
    if (!parse_end(client, &ends[0]) || (to && !parse_end(to, &ends[1])) || !may_look(w, start))
        return false;
    inode = find_inode(w, &ends[0], to ? &ends[1] : NULL);
    a.pid = inode ? find_process(w, inode) : 0;
    w->left -= (double)(clock_mono_ns() - start);
    if (!a.pid)
        return false;
    read_program(&a);
    keep(w, client, &a);
    *ret = a;
    return true;
}
