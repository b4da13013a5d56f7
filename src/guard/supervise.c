// SPDX-License-Identifier: Apache-2.0
#include "guard/supervise.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "guard/decide.h"
#include "guard/guard.h"
#include "guard/listen.h"
#include "guard/placeholder.h"
#include "guard/proto.h"

struct packet {
    struct guard_header head;
    char *payload; // terminated
    size_t n;
    int *fds; // those not taken are closed after the handler
    size_t nfds;
};

typedef bool handler_fn(struct guard *g, struct packet *p, struct err *err);

static bool send_message(int control, enum guard_message type, const char *text)
{
    AUTO_BUF struct buf b = {0};

    buf_init(&b, GUARD_PACKET_MAX);
    return buf_add(&b, &(struct guard_header){.type = type}, sizeof(struct guard_header)) &&
           buf_adds(&b, text) && fd_send(control, b.ptr, b.len, NULL, 0, 0) >= 0;
}

void supervise_failed(int control, const struct err *why)
{
    // Nobody is left to tell when this fails too.
    if (!send_message(control, GUARD_FAILED, why->msg))
        return;
}

// ---- what follows from a configuration

static struct needles *make_known(const struct guard_config *c)
{
    struct needles *set = needles_new();

    // Of a token whose beginning stands in its placeholder too, only the rest is secret.
    for (size_t i = 0; i < c->nsecrets; i++)
        if (c->secrets[i].value)
            needles_add_secret(set, c->secrets[i].rule->name, placeholder_secret(c->secrets[i].value), NULL);
    for (size_t i = 0; i < c->known.n; i++) {
        const char *eq = strchr(c->known.items[i], '=');
        AUTO_FREE char *name = eq ? xstrndup(c->known.items[i], (size_t)(eq - c->known.items[i])) : NULL;

        if (eq)
            needles_add_secret(set, name, placeholder_secret(eq + 1), NULL);
    }
    return set;
}

bool supervise_apply(struct guard *g, struct err *err)
{
    if (!net_rules_make(&g->config.policy, &g->config.registries, &g->rules, err) ||
        !secrets_new(&g->config, &g->secrets, err))
        return false;
    paces_init(&g->paces, g->config.policy.network.nallow);
    if (g->config.policy.network.scan)
        g->known = make_known(&g->config);
    g->dialer.rules = g->rules;
    return true;
}

// ---- messages

static bool read_document(int fd, struct buf *ret, struct err *err)
{
    for (;;) {
        char *p = buf_reserve(ret, 65536);
        ssize_t r;

        if (!p)
            return err_set(err, ERR_LIMIT, "configuration: longer than %u bytes", GUARD_CONFIG_MAX);
        r = pread(fd, p, 65536, (off_t)ret->len);
        if (r < 0)
            return err_sys(err, errno, "cannot read the configuration");
        if (r == 0)
            return true;
        ret->len += (size_t)r;
    }
}

static bool parse_document(const struct packet *p, struct guard_config *ret, struct err *err)
{
    struct buf text;
    bool ok;

    buf_init(&text, GUARD_CONFIG_MAX);
    ok = read_document(p->fds[0], &text, err) &&
         guard_config_read(text.len ? text.ptr : "", text.len, ret, err);
    if (text.ptr)
        explicit_bzero(text.ptr, text.len); // it holds secrets
    buf_deinit(&text);
    return ok;
}

static bool on_config(struct guard *g, struct packet *p, struct err *err)
{
    if (!parse_document(p, &g->config, err))
        return false;
    g->configured = true;
    return true;
}

// Rules change; secrets, roots and what is looked for stay as they were at the start.
static bool update(struct guard *g, struct guard_config *fresh, struct err *err)
{
    struct net_rules *rules;

    guard_config_borrow_secrets(fresh, g->first.doc ? &g->first : &g->config);
    if (!net_rules_make(&fresh->policy, &fresh->registries, &rules, err))
        return false;
    net_rules_free(g->rules);
    g->rules = rules;
    g->dialer.rules = rules;
    if (g->first.doc) {
        guard_config_deinit(&g->config);
    } else {
        g->first = g->config;
        secrets_rebind(g->secrets, &g->first);
    }
    g->config = *fresh;
    paces_init(&g->paces, g->config.policy.network.nallow);
    flows_recheck(g);
    return true;
}

static bool on_update(struct guard *g, struct packet *p, struct err *err)
{
    struct guard_config fresh;
    struct err why = {0};

    // A bad update is the sender's to hear of; the old rules stay.
    if (parse_document(p, &fresh, &why) && !update(g, &fresh, &why))
        guard_config_deinit(&fresh);
    return send_message(g->control, GUARD_UPDATED, why.msg) ||
           err_set(err, ERR_PROTOCOL, "the supervisor went away");
}

static bool on_listeners(struct guard *g, struct packet *p, struct err *err)
{
    struct guard_listener l;

    if (p->n != p->nfds * sizeof l)
        return err_set(err, ERR_PROTOCOL, "listeners: %zu bytes for %zu descriptors", p->n, p->nfds);
    for (size_t i = 0; i < p->nfds; i++) {
        memcpy(&l, p->payload + i * sizeof l, sizeof l);
        if (!listener_add(g, l.kind, TAKE_FD(p->fds[i]), err))
            return false;
    }
    return true;
}

static bool on_answer(struct guard *g, struct packet *p, struct err *err)
{
    struct guard_answer a;

    (void)err;
    memcpy(&a, p->payload, sizeof a);
    decide_answered(g, p->head.id, a.verdict == VERDICT_ALLOW ? VERDICT_ALLOW : VERDICT_DENY);
    return true;
}

// One that came too late to be waited for (record.c).
static bool on_seen(struct guard *g, struct packet *p, struct err *err)
{
    (void)g;
    (void)p;
    (void)err;
    return true;
}

static const struct entry {
    uint32_t type;
    bool configured; // permitted after (true) or before (false) the configuration
    size_t min_payload, max_payload;
    size_t min_fds, max_fds;
    handler_fn *fn;
} table[] = {
    {GUARD_CONFIG, false, 0, 0, 1, 1, on_config},
    {GUARD_LISTENERS, true, 4, 4 * FD_PASS_MAX, 1, FD_PASS_MAX, on_listeners},
    {GUARD_UPDATE, true, 0, 0, 1, 1, on_update},
    {GUARD_ANSWER, true, sizeof(struct guard_answer), sizeof(struct guard_answer), 0, 0, on_answer},
    {GUARD_SEEN, true, 0, 0, 0, 0, on_seen},
};

static bool dispatch(struct guard *g, struct packet *p, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct entry *e = &table[i];

        if (e->type != p->head.type)
            continue;
        if (e->configured != g->configured)
            return err_set(err, ERR_PROTOCOL, "message %u is not permitted now", p->head.type);
        if (p->n < e->min_payload || p->n > e->max_payload || p->nfds < e->min_fds || p->nfds > e->max_fds)
            return err_set(err, ERR_PROTOCOL, "message %u has the wrong shape", p->head.type);
        return e->fn(g, p, err);
    }
    return err_set(err, ERR_PROTOCOL, "message %u is unknown", p->head.type);
}

// One message. *ret_end: the supervisor is gone.
static bool receive(struct guard *g, int flags, bool *ret_end, struct err *err)
{
    char bytes[4096];
    int fds[FD_PASS_MAX];
    struct packet p = {.fds = fds, .nfds = FD_PASS_MAX};
    ssize_t n = fd_recv(g->control, bytes, sizeof bytes - 1, fds, &p.nfds, flags);
    bool ok;

    *ret_end = n == 0 || (n < 0 && errno == ECONNRESET);
    if (*ret_end || (n < 0 && errno == EAGAIN))
        return true;
    if (n < 0)
        return err_sys(err, errno, "cannot read the control socket");
    if ((size_t)n < sizeof p.head) {
        ok = err_set(err, ERR_PROTOCOL, "a message of %zd bytes", n);
    } else {
        bytes[n] = '\0';
        memcpy(&p.head, bytes, sizeof p.head);
        p.payload = bytes + sizeof p.head;
        p.n = (size_t)n - sizeof p.head;
        ok = dispatch(g, &p, err);
    }
    for (size_t i = 0; i < p.nfds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return ok;
}

static void on_control(struct watch *w, uint32_t events)
{
    struct guard *g = w->ctx;
    struct err err = {0};
    bool end = false;

    (void)events;
    if (!receive(g, MSG_DONTWAIT, &end, &err)) {
        supervise_failed(g->control, &err);
        end = true;
    }
    if (end)
        loop_quit(&g->loop);
}

bool supervise_configure(struct guard *g, struct err *err)
{
    bool end = false;

    if (!receive(g, 0, &end, err))
        return false;
    if (end || !g->configured)
        return err_set(err, ERR_PROTOCOL, "the supervisor went away before it sent a configuration");
    return true;
}

bool supervise_start(struct guard *g, struct err *err)
{
    AUTO_BUF struct buf pem = {0};

    buf_init(&pem, 16384);
    if (tls_authority(g->tls) && !ca_pem(tls_authority(g->tls), &pem, err))
        return false;
    if (!watch_add(&g->loop, &g->control_watch, g->control, EPOLLIN, on_control, g, err))
        return false;
    if (!send_message(g->control, GUARD_READY, buf_cstr(&pem)))
        return err_set(err, ERR_PROTOCOL, "the supervisor went away");
    return true;
}
