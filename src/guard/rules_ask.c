// SPDX-License-Identifier: Apache-2.0
// The order of a decision:
//   1. deny entries: the first that covers the question refuses. One with methods or paths covers requests
//      only, and makes TLS to its host be terminated, so that requests are seen.
//   2. allow entries whose host pattern matches; of these only those with the most specific pattern count.
//      Ports, methods and paths do not take part in that choice: a narrow entry restricts a wide one.
//   3. none: asked about when there is somebody to ask, else refused. (A literal address that is not global
//      is never asked about: naming it in the policy is the way.)
//   4. of those that count, one must admit the port, then (a request) the method and the path and, when it
//      asks for one, the upgrade. A listed host is never asked about: its owner has said what is allowed
//      there.
// The same question is put again at each stage with more known; a later stage can only refuse what an earlier
// one allowed, except that the stage "name" looks away from ports.
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "guard/rules_parts.h"
#include "guard/urlpath.h"

#define COUNTED_MAX                                                                                          \
    64u // entries of equal rank that are weighed; what only further ones would admit is refused

struct weighing {
    const struct net_rules *r;
    const struct net_question *q;
    struct net_answer *a;
    const struct net_entry *counted[COUNTED_MAX]; // the most specific, then fewer and fewer
    size_t n;
    bool deny_inside; // a deny entry has to see requests to this host and port
    const struct net_entry *deny_entry;
    struct buf send, decoded; // the path, once normalised
    const char *path;         // decoded, for matching; NULL until it is normalised
    const char *path_fault;   // why it could not be
};

static void say(char *ret, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void say(char *ret, size_t size, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(ret, size, fmt, ap);
    va_end(ap);
}

#define SAY(array, ...) say(array, sizeof(array), __VA_ARGS__)

static void refuse(struct net_answer *a, const struct net_entry *e)
{
    a->verdict = VERDICT_DENY;
    if (e)
        SAY(a->rule, "%s", e->text);
}

static void authority(const struct net_question *q, char ret[HOST_TEXT_SIZE + 10])
{
    host_authority_text(q->host, q->port == 80 || q->port == 443 ? 0 : q->port, ret);
}

static void normalise(struct weighing *w)
{
    const char *path = w->q->path ? w->q->path : "";

    if (w->path || w->path_fault)
        return;
    if (urlpath_normal(path, strlen(path), &w->send, &w->decoded, &w->path_fault))
        w->path = buf_cstr(&w->decoded);
}

static bool has_path(const struct weighing *w, const struct net_entry *e, bool deny)
{
    return !e->npaths || (w->path && net_entry_path(e, w->path, deny));
}

// Step 1.

static bool deny_applies(struct weighing *w, const struct net_entry *e)
{
    const struct net_question *q = w->q;

    if (!host_pattern_match(&e->pattern, q->host))
        return false;
    if (q->stage == NET_STAGE_NAME)
        return !e->rule->nports && !net_entry_sees_inside(e);
    if (!net_entry_port(e, q->port, true))
        return false;
    if (!net_entry_sees_inside(e))
        return true;
    w->deny_inside = true;
    w->deny_entry = e;
    if (q->stage != NET_STAGE_REQUEST || !net_entry_method(e, q->method, true))
        return false;
    if (e->npaths)
        normalise(w);
    // A path that could be read as the denied one is refused with it.
    return has_path(w, e, true) || w->path_fault;
}

static bool weigh_deny(struct weighing *w)
{
    for (size_t i = 0; i < w->r->deny.n; i++) {
        const struct net_entry *e = &w->r->deny.items[i];

        if (!deny_applies(w, e))
            continue;
        refuse(w->a, e);
        if (w->path_fault && e->npaths)
            SAY(w->a->reason, "the path has %s, and rules for this host name paths", w->path_fault);
        else if (e->rule->because)
            SAY(w->a->reason, "policy denies %s: %s", e->shown, e->rule->because);
        else
            SAY(w->a->reason, "policy denies %s", e->shown);
        return false;
    }
    return true;
}

// Steps 2 and 3.

static void count_entries(struct weighing *w)
{
    unsigned best = 0;

    for (size_t i = 0; i < w->r->allow.n; i++) {
        const struct net_entry *e = &w->r->allow.items[i];
        unsigned rank = host_pattern_rank(&e->pattern);

        if (!host_pattern_match(&e->pattern, w->q->host) || (w->n && rank < best))
            continue;
        if (!w->n || rank > best) {
            best = rank;
            w->n = 0;
        }
        if (w->n < COUNTED_MAX)
            w->counted[w->n++] = e;
    }
}

static bool weigh_unlisted(struct weighing *w)
{
    const struct host *h = w->q->host;
    char where[HOST_TEXT_SIZE + 10];
    enum address_class class;

    authority(w->q, where);
    if (h->kind == HOST_ADDRESS) {
        class = address_classify(&h->address);
        SAY(w->a->reason, "%s is an address that no rule names%s%s", h->text,
            class == ADDRESS_GLOBAL ? "" : ", of class ",
            class == ADDRESS_GLOBAL ? "" : address_class_name(class));
        w->a->verdict = w->r->ask && class == ADDRESS_GLOBAL ? VERDICT_ASK : VERDICT_DENY;
    } else {
        SAY(w->a->reason, "%s is on no list", h->text);
        w->a->verdict = w->r->ask ? VERDICT_ASK : VERDICT_DENY;
    }
    SAY(w->a->rule, "network.allow: no entry matches");
    SAY(w->a->allow_with, "--allow %s", where);
    return false;
}

// Step 4: each sieve keeps the entries that admit; *ret_last is one that did not.

typedef bool sieve_fn(const struct weighing *w, const struct net_entry *e);

static bool sieve(struct weighing *w, sieve_fn *admits)
{
    const struct net_entry *first = w->counted[0];
    size_t kept = 0;

    for (size_t i = 0; i < w->n; i++)
        if (admits(w, w->counted[i]))
            w->counted[kept++] = w->counted[i];
    w->n = kept;
    if (kept)
        return true;
    refuse(w->a, first);
    return false;
}

static bool admits_port(const struct weighing *w, const struct net_entry *e)
{
    return w->q->stage == NET_STAGE_NAME || net_entry_port(e, w->q->port, false);
}

static bool admits_watch(const struct weighing *w, const struct net_entry *e)
{
    return !e->rule->watch || w->q->watched;
}

static bool is_http(const struct weighing *w, const struct net_entry *e)
{
    (void)w;
    return e->rule->protocol == PROTOCOL_HTTP;
}

static bool admits_method(const struct weighing *w, const struct net_entry *e)
{
    return net_entry_method(e, w->q->method, false);
}

static bool admits_path(const struct weighing *w, const struct net_entry *e)
{
    return has_path(w, e, false);
}

static bool admits_upgrade(const struct weighing *w, const struct net_entry *e)
{
    return !w->q->upgrade || e->rule->upgrade;
}

static bool weigh_port(struct weighing *w)
{
    const char *shown = w->counted[0]->shown;

    if (!sieve(w, admits_port)) {
        SAY(w->a->reason, "%s is allowed, but not port %u", w->q->host->text, w->q->port);
        SAY(w->a->allow_with, "--allow %s:%u", shown, w->q->port);
        return false;
    }
    if (!sieve(w, admits_watch)) {
        SAY(w->a->reason, "%s is allowed only while somebody watches the run", w->q->host->text);
        SAY(w->a->allow_with, "bawn watch");
        return false;
    }
    return true;
}

// Where entries for HTTP and for TCP meet on one port, only those for HTTP count: they see more.
static void weigh_protocol(struct weighing *w)
{
    bool http = false;

    for (size_t i = 0; i < w->n; i++)
        http |= is_http(w, w->counted[i]);
    if (http)
        sieve(w, is_http);
    w->a->protocol = http ? PROTOCOL_HTTP : PROTOCOL_TCP;
}

static bool has_secret(const struct weighing *w)
{
    for (size_t i = 0; i < w->r->nsecrets; i++)
        if (net_rules_secret(w->r, i, w->q->host))
            return true;
    return false;
}

static bool weigh_tls(struct weighing *w)
{
    bool inspect = false, pass = false, open = false, limited = false;

    for (size_t i = 0; i < w->n; i++) {
        inspect |= w->counted[i]->rule->tls == TLS_INSPECT;
        pass |= w->counted[i]->rule->tls == TLS_PASS;
        open |= !net_entry_sees_inside(w->counted[i]);
        limited |= w->counted[i]->rule->max_upload != 0; // of a request
    }
    pass &= !inspect;
    w->a->restricted = !open || w->deny_inside;
    w->a->inspect_ok = !pass;
    w->a->inspect = inspect || (!pass && (w->a->restricted || limited || has_secret(w)));
    if (w->deny_inside && (pass || w->a->protocol == PROTOCOL_TCP)) {
        refuse(w->a, w->deny_entry);
        SAY(w->a->reason,
            "a deny entry with methods or paths must see requests to %s, and %s lets none be seen",
            w->q->host->text, w->counted[0]->text);
        return false;
    }
    return true;
}

static bool weigh_path(struct weighing *w, const char *shown)
{
    AUTO_BUF struct buf b = {0};
    bool named = false;

    for (size_t i = 0; i < w->n; i++)
        named |= w->counted[i]->npaths > 0;
    if (named)
        normalise(w);
    if (sieve(w, admits_path))
        return true;
    buf_init(&b, 320);
    utf8_printable(&b, w->q->path, strnlen(w->q->path, 60));
    if (w->path_fault)
        SAY(w->a->reason, "the path has %s, and the rule names paths", w->path_fault);
    else
        SAY(w->a->reason, "%s %s is under none of the rule's paths", w->q->host->text, buf_cstr(&b));
    if (!w->path_fault)
        SAY(w->a->allow_with, "\"%s\" in `paths` of the entry for %s", buf_cstr(&b), shown);
    return false;
}

static bool weigh_request(struct weighing *w)
{
    const char *shown = w->counted[0]->shown;
    char port[8] = "";

    if (w->q->port != 80 && w->q->port != 443)
        snprintf(port, sizeof port, ":%u", w->q->port);
    if (!sieve(w, admits_method)) {
        SAY(w->a->reason, "%s is allowed, but not the method %s", w->q->host->text, w->q->method);
        SAY(w->a->allow_with, "--allow %s%s,%s", shown, port, w->q->method);
        return false;
    }
    if (!weigh_path(w, shown))
        return false;
    if (!sieve(w, admits_upgrade)) {
        SAY(w->a->reason, "%s is allowed, but not to change the protocol (WebSocket)", w->q->host->text);
        SAY(w->a->allow_with, "`upgrade: true` in the entry for %s", shown);
        return false;
    }
    return true;
}

// Entries of the same pattern add up, so the widest limit of those that admit it holds, and none when one has
// none.
static void weigh_uploads(struct weighing *w)
{
    bool limited = true, paced = true;

    for (size_t i = 0; i < w->n; i++) {
        const struct net_rule *rule = w->counted[i]->rule;

        limited &= rule->max_upload != 0;
        paced &= rule->upload_rate != 0;
        if (rule->max_upload > w->a->max_upload)
            w->a->max_upload = rule->max_upload;
        if (rule->upload_rate > w->a->upload_rate) {
            w->a->upload_rate = rule->upload_rate;
            w->a->paced_by = (size_t)(rule - w->r->first);
        }
    }
    if (!limited)
        w->a->max_upload = 0;
    if (!paced)
        w->a->upload_rate = 0;
}

static void allow(struct weighing *w)
{
    const struct net_entry *e = w->counted[0];

    w->a->verdict = VERDICT_ALLOW;
    SAY(w->a->rule, "%s", e->text);
    SAY(w->a->reason, "%s", e->rule->because ? e->rule->because : "allowed by policy");
    for (size_t i = 0; i < w->n; i++)
        w->a->upgrade |= w->counted[i]->rule->upgrade;
    weigh_uploads(w);
}

static bool weigh_mode(struct weighing *w)
{
    if (w->r->mode == NET_GUARDED)
        return true;
    if (w->r->mode == NET_OPEN) {
        w->a->verdict = VERDICT_ALLOW;
        w->a->inspect_ok = true;
        SAY(w->a->rule, "network.mode: open");
        SAY(w->a->reason, "nothing is refused");
        return false;
    }
    char where[HOST_TEXT_SIZE + 10];

    authority(w->q, where);
    SAY(w->a->rule, "network.mode: off");
    SAY(w->a->reason, "there is no network");
    SAY(w->a->allow_with, "--allow %s", where);
    return false;
}

static void weigh(struct weighing *w)
{
    if (w->q->host->kind == HOST_NONE) {
        SAY(w->a->rule, "network.allow: no entry matches");
        SAY(w->a->reason, "no host is named");
        return;
    }
    if (!weigh_mode(w) || !weigh_deny(w))
        return;
    count_entries(w);
    w->a->listed = w->n > 0;
    if (!w->n) {
        weigh_unlisted(w);
        return;
    }
    if (!weigh_port(w))
        return;
    weigh_protocol(w);
    if (!weigh_tls(w))
        return;
    if (w->q->stage == NET_STAGE_REQUEST && !weigh_request(w))
        return;
    allow(w);
}

void net_rules_ask(const struct net_rules *r, const struct net_question *q, struct net_answer *ret,
                   struct buf *ret_path)
{
    struct weighing w = {.r = r, .q = q, .a = ret};

    *ret = (struct net_answer){0};
    buf_init(&w.send, 16u << 10);
    buf_init(&w.decoded, 16u << 10);
    weigh(&w);
    if (ret_path && ret->verdict == VERDICT_ALLOW && q->stage == NET_STAGE_REQUEST) {
        const char *path = w.path ? buf_cstr(&w.send) : q->path;

        if (!buf_adds(ret_path, path)) {
            ret->verdict = VERDICT_DENY;
            SAY(ret->reason, "the path is longer than %zu bytes", ret_path->cap);
        }
    }
    buf_deinit(&w.send);
    buf_deinit(&w.decoded);
}

// Addresses.

static bool exact(const struct cidr *c)
{
    return c && c->bits == (c->base.v6 ? 128 : 32);
}

// The range by which policy permits this address although its class is refused: network.addresses, or an
// allow entry that names it and not merely everything around it.
static const struct cidr *permission(const struct net_rules *r, const struct host *host,
                                     const struct address *a)
{
    const struct cidr *best = cidr_set_find(&r->excepted, a);

    for (size_t i = 0; host->kind == HOST_ADDRESS && i < r->allow.n; i++) {
        const struct net_entry *e = &r->allow.items[i];

        if (e->pattern.kind == PATTERN_RANGE && cidr_contains(&e->pattern.range, a) &&
            cidr_names_refused(&e->pattern.range) && (!best || e->pattern.range.bits > best->bits))
            best = &e->pattern.range;
    }
    return best;
}

static bool denied_address(const struct net_rules *r, const struct address *a, uint16_t port,
                           struct net_answer *ret)
{
    for (size_t i = 0; i < r->deny.n; i++) {
        const struct net_entry *e = &r->deny.items[i];

        if (e->pattern.kind != PATTERN_RANGE || net_entry_sees_inside(e) ||
            !cidr_contains(&e->pattern.range, a) || !net_entry_port(e, port, true))
            continue;
        refuse(ret, e);
        SAY(ret->reason, "policy denies %s", e->shown);
        return true;
    }
    return false;
}

void net_rules_vet(const struct net_rules *r, const struct host *host, const struct address *given,
                   uint16_t port, const struct cidr_set *own, struct net_answer *ret)
{
    struct address a = *given;
    enum address_class class;
    const struct cidr *by;
    char text[ADDRESS_TEXT_SIZE];
    bool ours, never;

    *ret = (struct net_answer){0};
    address_unwrap(&a);
    class = address_classify(&a);
    address_text(given, text);
    if (denied_address(r, &a, port, ret))
        return;
    by = permission(r, host, &a);
    ours = own && class != ADDRESS_LOOPBACK && cidr_set_find(own, &a);
    never = class == ADDRESS_UNSPECIFIED || class == ADDRESS_MULTICAST;
    // The machine's own services and the cloud's credentials do not come along with a range.
    if (by && !never && (exact(by) || (!ours && class != ADDRESS_METADATA))) {
        ret->verdict = VERDICT_ALLOW;
        SAY(ret->rule, "network.addresses");
        SAY(ret->reason, "policy names this address");
        return;
    }
    if (class == ADDRESS_GLOBAL && !ours) {
        ret->verdict = VERDICT_ALLOW;
        SAY(ret->rule, "network.addresses: class global");
        SAY(ret->reason, "a global address");
        return;
    }
    SAY(ret->rule, "network.addresses: class %s", ours ? "own interface" : address_class_name(class));
    SAY(ret->reason, "%s is at %s, which is refused: %s", host->text, text,
        ours ? "an address of this machine" : address_class_name(class));
    if (!never) {
        address_text(&a, text);
        SAY(ret->allow_with, "--set 'network.addresses=[\"%s\"]'", text);
    }
}
