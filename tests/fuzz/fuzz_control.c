// SPDX-License-Identifier: Apache-2.0
// What steers a run while it lives, each way it can come in; the first byte chooses:
//
//   L  lines of --control-fd: only network, approval and limits.wall may change, and the guard that gets the
//      document of such a policy decides as the policy itself does;
//   D  a document of the guard's configuration: what is taken is written and read back as the same;
//   S  packets from the supervisor, read by the guard;
//   G  packets from the guard, read by the supervisor: whatever they say, a record is one line of JSON.
//
// Packets are cut at 0xff, which no JSON has: type, id, payload. In S the payload of CONFIG and UPDATE is the
// document, and the id of any other message is also the number of descriptors that come with it; a packet of
// type 0 is sent without a header.
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/liveline.h"
#include "guard/config.h"
#include "guard/control.h"
#include "guard/decide.h"
#include "guard/guard.h"
#include "guard/listen.h"
#include "guard/rules.h"
#include "guard/supervise.h"
#include "policy/bind.h"
#include "policy/check.h"
#include "policy/layers.h"
#include "policy/profile.h"
#include "session/netrecord.h"

#define PACKETS_MAX 64

// ---- documents

static char *write_document(const struct guard_config *c)
{
    struct guard_extras x = {.secrets = c->secrets,
                             .nsecrets = c->nsecrets,
                             .known = &c->known,
                             .ca = &c->ca,
                             .registries = &c->registries,
                             .reviewer = c->reviewer,
                             .watched = c->watched,
                             .hold_names = c->hold_names,
                             .ask_timeout_ms = c->ask_timeout_ms};
    AUTO_JSON json_t *doc = NULL;

    return guard_config_write(&c->policy, &x, &doc, NULL) ? json_line(doc) : NULL;
}

static void read_document(const char *text, size_t n)
{
    AUTO_FREE char *written = NULL, *again = NULL;
    struct guard_config c, second;

    if (!guard_config_read(text, n, &c, NULL))
        return;
    written = write_document(&c); // NULL: a secret that cannot be put in
    if (written) {
        must(guard_config_read(written, strlen(written), &second, NULL), "what is written can be read");
        again = write_document(&second);
        must(again && !strcmp(written, again), "what was read back is the same");
        guard_config_deinit(&second);
    }
    guard_config_deinit(&c);
}

// ---- lines of --control-fd

static const struct policy_places places = {.workspace = "/home/u/w", .home = "/home/u"};

static struct value *merged(struct arena *a, const struct strlist *set)
{
    struct policy_options options = {.live = *set};
    struct value *root = NULL;

    if (!profile_make(a, NULL, "workspace", &root, NULL))
        abort();
    return options_merge(a, &places, &options, root, NULL) && check_merged(root, NULL) &&
                   check_features(root, NULL)
               ? root
               : NULL;
}

// All of `a` but what may change is as in `b`.
static void same_outside(const struct value *a, const struct value *b, bool limits)
{
    for (const struct value *v = a->first; v; v = v->next) {
        const struct value *other = value_get(b, v->key);

        if (limits ? !strcmp(v->key, "wall") : !strcmp(v->key, "network") || !strcmp(v->key, "approval"))
            continue;
        if (!limits && !strcmp(v->key, "limits")) {
            if (other)
                same_outside(v, other, true);
            else
                must(v->first == v->last && (!v->first || !strcmp(v->first->key, "wall")),
                     "a new limit is wall");
            continue;
        }
        must(other && value_equal(v, other), "a line changes nothing but network, approval, limits.wall");
    }
}

static void ask(const struct net_rules *r, const struct net_rule *rule, struct net_answer *ret)
{
    struct net_question q = {.stage = NET_STAGE_REQUEST, .port = 443, .method = "POST", .path = "/a/b"};
    struct host host;

    *ret = (struct net_answer){0};
    if (!rule->host || !host_parse(rule->host, strlen(rule->host), &host, NULL))
        return;
    if (rule->nports)
        q.port = rule->ports[0];
    q.host = &host;
    net_rules_ask(r, &q, ret, NULL);
}

// The guard has the policy by a document; it must decide by it as `bawn explain url` does by the policy.
static void guard_decides_alike(const struct policy *p)
{
    static const struct guard_extras none;
    struct guard_config c;
    struct net_rules *here, *there;
    struct net_answer a, b;
    AUTO_JSON json_t *doc = NULL;
    AUTO_FREE char *text = NULL;

    if (p->network.mode != NET_GUARDED || p->nsecrets || !net_rules_make(p, NULL, &here, NULL))
        return;
    must(guard_config_write(p, &none, &doc, NULL), "a policy can be written for the guard");
    text = json_line(doc);
    must(guard_config_read(text, strlen(text), &c, NULL), "the guard reads what the supervisor writes");
    must(net_rules_make(&c.policy, &c.registries, &there, NULL), "rules that hold here hold there");
    for (size_t i = 0; i < p->network.nallow; i++) {
        ask(here, &p->network.allow[i], &a);
        ask(there, &p->network.allow[i], &b);
        must(a.verdict == b.verdict && !strcmp(a.rule, b.rule) && !strcmp(a.reason, b.reason) &&
                 a.inspect == b.inspect && a.upgrade == b.upgrade && a.protocol == b.protocol &&
                 a.max_upload == b.max_upload,
             "supervisor and guard decide alike");
    }
    net_rules_free(here);
    net_rules_free(there);
    guard_config_deinit(&c);
}

static void take_line(const char *line, size_t n, struct strlist *taken)
{
    AUTO_ARENA struct arena arena = {0}, before_arena = {0};
    AUTO_STRLIST struct strlist with = {0};
    struct value *root, *before;
    struct policy *p;
    struct err err = {0};

    for (size_t i = 0; i < taken->n; i++)
        strlist_add(&with, taken->items[i]);
    if (!live_line_parse(line, n, &with, &err)) {
        must(err.msg[0], "a line that is refused says why");
        return;
    }
    root = merged(&arena, &with);
    if (!root)
        return;
    before = merged(&before_arena, taken);
    must(before != NULL, "what was taken stays good");
    same_outside(root, before, false);
    same_outside(before, root, false);
    p = bind_policy(&arena, root, NULL);
    guard_decides_alike(p);
    policy_free(p);
    strlist_deinit(taken);
    *taken = with;
    with = (struct strlist){0};
}

static void take_lines(const char *text, size_t n)
{
    AUTO_STRLIST struct strlist taken = {0};

    for (size_t lines = 0; n && lines < 16; lines++) {
        const char *end = memchr(text, '\n', n);
        size_t len = end ? (size_t)(end - text) : n;

        take_line(text, len, &taken);
        len += end != NULL;
        text += len;
        n -= len;
    }
}

// ---- packets

struct piece {
    struct guard_header head;
    const char *payload;
    size_t n;
    bool bare; // without a header
};

static bool next_piece(const char **at, size_t *left, struct piece *ret)
{
    const char *end;
    size_t n;

    if (!*left)
        return false;
    end = memchr(*at, 0xff, *left);
    n = end ? (size_t)(end - *at) : *left;
    *ret = (struct piece){.payload = *at, .n = n, .bare = n < 2 || !**at};
    if (!ret->bare) {
        ret->head = (struct guard_header){(unsigned char)(*at)[0], (unsigned char)(*at)[1]};
        ret->payload += 2;
        ret->n -= 2;
    }
    n += end != NULL;
    *at += n;
    *left -= n;
    return true;
}

static void send_piece(int sock, const struct piece *p, bool empty, const int *fds, size_t nfds)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, GUARD_PACKET_MAX);
    if (!p->bare)
        buf_add(&b, &p->head, sizeof p->head);
    if (!empty)
        buf_add(&b, p->payload, p->n); // nothing when it is too long
    // A packet of no bytes is the end of file to who reads it.
    must(fd_send(sock, b.len ? b.ptr : "", b.len, fds, nfds, MSG_DONTWAIT) >= 0, "a packet can be sent");
}

static void pair_up(int pair[2])
{
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "a socket pair");
}

static void close_pair(const int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

static void on_record(void *ctx, const json_t *event)
{
    AUTO_JSONTEXT struct jsontext_object detail = {0};
    AUTO_FREE char *subject = netrecord_subject(event);
    AUTO_JSON json_t *parsed = NULL;
    AUTO_BUF struct buf line = {0};

    (void)ctx;
    buf_init(&line, 1 << 20);
    netrecord_detail(event, NULL, &detail);
    must(jsontext_object(&line, &detail), "a record has its bound");
    parsed = json_parse(line.ptr, line.len, NULL);
    must(subject && json_is_object(parsed) && !memchr(line.ptr, '\n', line.len),
         "a record is one line of JSON");
}

static void on_decide(void *ctx, uint32_t id, const json_t *question)
{
    (void)question;
    must(guard_answer(ctx, id, VERDICT_DENY, NULL), "a question can be answered");
}

static void on_updated(void *ctx, const char *error)
{
    (void)ctx;
    must(error != NULL, "an update's answer is a text");
}

static void from_guard(const char *data, size_t n)
{
    struct guard_control c = {0};
    struct guard_handler h = {on_record, on_decide, on_updated, &c};
    AUTO_BUF struct buf ca = {0};
    struct piece p;
    int pair[2];
    bool alive = true;

    pair_up(pair);
    c.fd = pair[0];
    buf_init(&ca, 16384);
    for (size_t i = 0; alive && i < PACKETS_MAX && next_piece(&data, &n, &p); i++) {
        struct err err = {0};
        char answer[64];

        send_piece(pair[1], &p, false, NULL, 0);
        alive = i == 0 && p.head.type == GUARD_READY ? guard_wait_ready(&c, &ca, &err)
                                                     : guard_receive(&c, &h, &err);
        must(alive || err.msg[0], "a guard that is given up is said why");
        while (recv(pair[1], answer, sizeof answer, MSG_DONTWAIT) >= 0)
            ;
    }
    close_pair(pair);
}

static int document_fd(const struct piece *p)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    must(fd >= 0 && fd_write_all(fd, p->payload, p->n, NULL), "a document");
    return fd;
}

static void send_to_guard(int sock, const struct piece *p)
{
    bool document = p->head.type == GUARD_CONFIG || p->head.type == GUARD_UPDATE;
    int fds[FD_PASS_MAX];
    size_t nfds = 0;

    if (document)
        fds[nfds++] = document_fd(p);
    else
        while (nfds < p->head.id && nfds < FD_PASS_MAX)
            fds[nfds++] = eventfd(0, EFD_CLOEXEC);
    send_piece(sock, p, document, fds, nfds);
    while (nfds)
        close(fds[--nfds]);
}

static void on_decided(struct decision *d, bool allowed, bool timed_out)
{
    bool *decided = d->ctx;

    (void)allowed;
    must(!*decided && !timed_out, "a question has one answer");
    *decided = true;
}

// As main.c starts it, without what it takes from files.
static bool start_guard(struct guard *g, struct err *err)
{
    bool ok = supervise_configure(g, err) && supervise_apply(g, err);

    flows_init(&g->flows);
    return ok;
}

static void end_guard(struct guard *g)
{
    flows_deinit(g);
    listeners_free(g);
    records_deinit(&g->records);
    net_rules_free(g->rules);
    secrets_free(g->secrets);
    needles_free(g->known);
    paces_deinit(&g->paces);
    guard_config_deinit(&g->config);
    guard_config_deinit(&g->first);
    loop_deinit(&g->loop);
}

static void from_supervisor(const char *data, size_t n)
{
    static struct guard g;
    struct decision held = {0};
    struct piece p;
    bool alive, decided = false;
    int pair[2];

    pair_up(pair);
    g = (struct guard){.control = pair[1]};
    must(loop_init(&g.loop, NULL), "a loop");
    records_init(&g.records, &g.loop, g.control);
    alive = next_piece(&data, &n, &p);
    if (alive) {
        send_to_guard(pair[0], &p);
        alive = start_guard(&g, NULL);
        must(!alive || g.configured, "a guard that goes on has a configuration");
    }
    if (alive)
        decide_ask(&g, &held, json_object(), on_decided, &decided);
    for (size_t i = 0; alive && i < PACKETS_MAX && next_piece(&data, &n, &p); i++) {
        struct err err = {0};
        char answer[4096];

        send_to_guard(pair[0], &p);
        alive = supervise_configure(&g, &err);
        must(alive || err.msg[0], "a message that ends the guard is said why");
        while (recv(pair[0], answer, sizeof answer, MSG_DONTWAIT) >= 0)
            ;
    }
    decide_cancel(&held);
    end_guard(&g);
    close_pair(pair);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data + 1;

    if (n < 2 || n > GUARD_PACKET_MAX / 2)
        return 0;
    switch (data[0]) {
    case 'L':
        take_lines(text, n - 1);
        break;
    case 'D':
        read_document(text, n - 1);
        break;
    case 'S':
        from_supervisor(text, n - 1);
        break;
    case 'G':
        from_guard(text, n - 1);
        break;
    default:
        return 0;
    }
    return 0;
}
