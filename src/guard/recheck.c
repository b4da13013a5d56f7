// SPDX-License-Identifier: Apache-2.0
// After an update each flow is asked about as far as it has come: a request under way, and a connection that
// was upgraded by one, with its method and path; any other by host and port. The address that it was dialled
// to is vetted again. What relays bytes unseen cannot become one that is looked into, so where the new rules
// must see inside it ends. What waits for a reviewer goes on waiting, unless the rules now refuse it.
#include <stdio.h>

#include "guard/decide.h"
#include "guard/exchange.h"
#include "guard/guard.h"

static bool is_held(const struct flow *f)
{
    return f->decision && f->decision->guard;
}

static void ask_again(struct flow *f, struct net_question *q, struct net_answer *ret)
{
    struct net_answer *of_request;

    if (f->x && exchange_question(f->x, q, &of_request)) {
        q->watched = f->g->config.watched;
        net_rules_ask(f->g->rules, q, ret, NULL);
        if (ret->verdict == VERDICT_ALLOW)
            *of_request = *ret;
        return;
    }
    *q = (struct net_question){.stage = NET_STAGE_CONNECT, .watched = f->g->config.watched};
    q->host = f->host.kind == HOST_NONE && f->x ? exchange_host(f->x, &q->port) : &f->host;
    if (!q->port)
        q->port = f->port;
    if (q->host && q->host->kind != HOST_NONE)
        net_rules_ask(f->g->rules, q, ret, NULL);
}

static bool sees_enough(const struct flow *f, struct net_answer *a)
{
    bool blind = (f->tls == FLOW_PASSED && a->inspect) ||
                 (f->answer.protocol == PROTOCOL_TCP && a->protocol != PROTOCOL_TCP);

    if (!blind || a->verdict != VERDICT_ALLOW)
        return true;
    a->verdict = VERDICT_DENY;
    snprintf(a->reason, sizeof a->reason,
             "the new rules must see inside this connection, which began unseen");
    return false;
}

static bool address_permitted(const struct flow *f, const struct net_question *q, struct net_answer *a)
{
    struct net_answer of_address;

    if (!stream_is_open(&f->up) || !f->dial || f->dial->result != DIAL_OK || f->dial->active)
        return true;
    net_rules_vet(f->g->rules, q->host, &f->dial->address, q->port, &f->g->dialer.own, &of_address);
    if (of_address.verdict == VERDICT_ALLOW)
        return true;
    *a = of_address;
    return false;
}

static bool still_permitted(struct flow *f)
{
    struct net_question q = {0};
    struct net_answer a = {0};

    if (f->refused)
        return true; // what follows only tells of it
    ask_again(f, &q, &a);
    if (!q.host || q.host->kind == HOST_NONE)
        return true; // nothing decided yet
    if (a.verdict == VERDICT_ASK && (f->granted || is_held(f)))
        return true;
    if (a.verdict == VERDICT_ALLOW && sees_enough(f, &a) && address_permitted(f, &q, &a)) {
        f->answer = a;
        return true;
    }
    a.verdict = VERDICT_DENY;
    flow_record_outcome(f, "denied", q.host, q.port, &a);
    return false;
}

void flows_recheck(struct guard *g)
{
    struct flow *next;

    for (struct flow *f = g->flows.all; f; f = next) {
        next = f->next;
        if (!still_permitted(f))
            flow_abort(f);
    }
}
