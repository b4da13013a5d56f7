// SPDX-License-Identifier: Apache-2.0
// From struct policy to a table of entries. A preset becomes one entry for each of its hosts, all pointing to
// the one rule of the policy. What cannot be held is an error here, when the policy is read, and not a
// surprise at the first request: methods on a connection that is passed through, paths on plain TCP.
#include "guard/rules.h"

#include <stdio.h>
#include <string.h>

#include "guard/rules_parts.h"
#include "guard/urlpath.h"

#define PRESET_READS "GET, HEAD, OPTIONS"

static const uint16_t default_ports[] = {80, 443};

bool net_entry_port(const struct net_entry *e, uint16_t port, bool deny)
{
    if (e->port)
        return port == e->port;
    if (!e->rule->nports)
        return deny || port == default_ports[0] || port == default_ports[1];
    for (size_t i = 0; i < e->rule->nports; i++)
        if (e->rule->ports[i] == port)
            return true;
    return false;
}

// Methods have a case (RFC 9110 9.1), and frameworks that turn them into capitals all the same.
bool net_entry_method(const struct net_entry *e, const char *method, bool deny)
{
    const struct policy_list *methods = &e->rule->methods;

    if (e->reads_only)
        return !strcmp(method, "GET") || !strcmp(method, "HEAD") || !strcmp(method, "OPTIONS");
    for (size_t i = 0; i < methods->n; i++)
        if (deny ? !strcasecmp(methods->items[i].text, method) : !strcmp(methods->items[i].text, method))
            return true;
    return methods->n == 0;
}

bool net_entry_path(const struct net_entry *e, const char *decoded, bool deny)
{
    size_t n = strlen(decoded);
    // Many servers give the same page with a slash at its end and without.
    AUTO_FREE char *bare = deny && n > 1 && decoded[n - 1] == '/' ? xstrndup(decoded, n - 1) : NULL;

    for (size_t i = 0; i < e->npaths; i++)
        if (urlpath_match(e->paths[i], decoded, deny) || (bare && urlpath_match(e->paths[i], bare, deny)))
            return true;
    return e->npaths == 0;
}

bool net_entry_sees_inside(const struct net_entry *e)
{
    return e->reads_only || e->rule->methods.n || e->npaths;
}

static char *origin_text(const struct origin *o)
{
    if (!o->file)
        return xstrdup("built in");
    return o->line ? xasprintf("%s:%d", o->file, o->line) : xstrdup(o->file);
}

static struct net_entry *entry_add(struct net_entries *list, const struct net_rule *rule)
{
    if (list->n == list->alloc) {
        list->alloc = list->alloc ? list->alloc * 2 : 8;
        list->items = xrealloc(list->items, list->alloc * sizeof *list->items);
    }
    list->items[list->n] = (struct net_entry){.rule = rule};
    return &list->items[list->n++];
}

struct compiling {
    struct net_rules *r;
    const struct net_rule *rule;
    struct net_entries *list;
    const char *key; // "network.allow"
    char **paths;
    size_t npaths;
    struct err *err;
};

static const char *subject(const struct net_rule *rule)
{
    return rule->host ? rule->host : rule->preset ? rule->preset : "(neither)";
}

static bool bad(const struct compiling *c, const char *what)
{
    AUTO_FREE char *where = origin_text(&c->rule->from);

    return err_set(c->err, ERR_INPUT, "%s: %s: %s: %s", where, c->key, subject(c->rule), what);
}

static bool compile_paths(struct compiling *c)
{
    const struct policy_list *paths = &c->rule->paths;
    struct net_rules *r = c->r;

    if (!paths->n)
        return true;
    c->paths = xcalloc(paths->n + 1, sizeof *c->paths);
    r->paths = xrealloc(r->paths, (r->npaths + 1) * sizeof *r->paths);
    r->paths[r->npaths++] = c->paths;
    for (size_t i = 0; i < paths->n; i++) {
        c->paths[i] = urlpath_pattern(paths->items[i].text, c->err);
        if (!c->paths[i]) {
            err_prefix(c->err, "%s: %s", c->key, subject(c->rule));
            return false;
        }
        c->npaths++;
    }
    return true;
}

static bool compile_host(struct compiling *c, const char *pattern, const char *what, uint16_t port)
{
    AUTO_FREE char *where = origin_text(&c->rule->from);
    struct host_pattern parsed;
    struct net_entry *e;

    if (!host_pattern_parse(pattern, &parsed, c->err))
        return err_prefix(c->err, "%s: %s", where, c->key);
    e = entry_add(c->list, c->rule);
    e->pattern = parsed;
    e->shown = pattern;
    e->port = port;
    e->reads_only = c->rule->preset && !c->rule->methods.n;
    e->paths = c->paths;
    e->npaths = c->npaths;
    e->text = what ? xasprintf("%s: %s, %s (%s)", c->key, what, pattern, where)
                   : xasprintf("%s: %s (%s)", c->key, pattern, where);
    return true;
}

static bool compile_preset(struct compiling *c, const struct preset_registries *registries)
{
    AUTO_FREE char *what = xasprintf("preset %s", c->rule->preset);
    const struct preset_host *hosts;
    size_t n;

    hosts = preset_find(c->rule->preset, &n);
    if (!hosts)
        return bad(c, "there is no such preset; there are none, dependencies and documentation");
    for (size_t i = 0; i < n; i++)
        if (!compile_host(c, hosts[i].pattern, what, 0))
            return false;
    for (size_t i = 0; registries && !strcmp(c->rule->preset, "dependencies") && i < registries->n; i++) {
        AUTO_FREE char *from = xasprintf("%s (%s)", what, registries->items[i].source);

        if (!compile_host(c, registries->items[i].host, from, registries->items[i].port))
            return false;
    }
    return true;
}

// What the entry asks for must be possible at once.
static bool consistent(const struct compiling *c)
{
    const struct net_rule *rule = c->rule;
    bool inside = rule->methods.n || rule->paths.n || rule->preset;

    if (!rule->host == !rule->preset)
        return bad(c, "an entry has either host or preset");
    if (rule->protocol == PROTOCOL_TCP && inside)
        return bad(c, "protocol: tcp is relayed unseen, so it cannot have methods, paths or a preset");
    if (rule->protocol == PROTOCOL_TCP && (rule->tls == TLS_INSPECT || rule->upgrade))
        return bad(c, "protocol: tcp is relayed unseen; tls: inspect and upgrade are for protocol: http");
    if (rule->tls == TLS_PASS && inside)
        return bad(c, "methods and paths cannot be held where tls: pass; remove one of the two");
    if (rule->tls == TLS_PASS && rule->upgrade)
        return bad(c, "upgrade is not seen where tls: pass; remove one of the two");
    return true;
}

static bool compile_rules(struct net_rules *r, const struct net_rule *rules, size_t n, bool deny,
                          const struct preset_registries *registries, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct compiling c = {.r = r,
                              .rule = &rules[i],
                              .list = deny ? &r->deny : &r->allow,
                              .key = deny ? "network.deny" : "network.allow",
                              .err = err};

        if (deny ? !rules[i].host && bad(&c, "an entry names a host") : !consistent(&c))
            return false;
        if (!compile_paths(&c))
            return false;
        if (rules[i].preset ? !compile_preset(&c, registries) : !compile_host(&c, rules[i].host, NULL, 0))
            return false;
    }
    return true;
}

static bool compile_secrets(struct net_rules *r, const struct policy *p, struct err *err)
{
    r->secrets = xcalloc(p->nsecrets, sizeof *r->secrets);
    r->nsecrets = p->nsecrets;
    for (size_t i = 0; i < p->nsecrets; i++) {
        const struct policy_list *hosts = &p->secrets[i].hosts;

        r->secrets[i].items = xcalloc(hosts->n, sizeof *r->secrets[i].items);
        for (size_t j = 0; j < hosts->n; j++, r->secrets[i].n++)
            if (!host_pattern_parse(hosts->items[j].text, &r->secrets[i].items[j], err))
                return err_prefix(err, "secrets.%s.hosts", p->secrets[i].name);
    }
    return true;
}

static bool compile_addresses(struct net_rules *r, const struct policy_list *addresses, struct err *err)
{
    for (size_t i = 0; i < addresses->n; i++) {
        const char *text = addresses->items[i].text;
        struct cidr c;

        if (!cidr_parse(text, strlen(text), &c, err))
            return err_prefix(err, "network.addresses");
        cidr_set_add(&r->excepted, &c);
    }
    return true;
}

static void add_port(struct net_rules *r, uint16_t port)
{
    size_t at = 0;

    while (at < r->nports && r->ports[at] < port)
        at++;
    if (at < r->nports && r->ports[at] == port)
        return;
    r->ports = xrealloc(r->ports, (r->nports + 1) * sizeof *r->ports);
    memmove(r->ports + at + 1, r->ports + at, (r->nports - at) * sizeof *r->ports);
    r->ports[at] = port;
    r->nports++;
}

static void collect_ports(struct net_rules *r)
{
    add_port(r, default_ports[0]);
    add_port(r, default_ports[1]);
    for (size_t i = 0; i < r->allow.n; i++) {
        const struct net_entry *e = &r->allow.items[i];

        if (e->port)
            add_port(r, e->port);
        else
            for (size_t j = 0; j < e->rule->nports; j++)
                add_port(r, e->rule->ports[j]);
    }
}

size_t net_rules_ports(const struct net_rules *r, const uint16_t **ret)
{
    *ret = r->ports;
    return r->nports;
}

// Without anybody to ask, an unlisted host is refused outright.
static bool asks(const struct policy *p)
{
    return p->network.ask && p->approval.mode != APPROVAL_NEVER &&
           !(p->approval.reviewer && !strcmp(p->approval.reviewer, "none"));
}

bool net_rules_make(const struct policy *p, const struct preset_registries *registries,
                    struct net_rules **ret, struct err *err)
{
    struct net_rules *r = xcalloc(1, sizeof *r);

    r->mode = p->network.mode;
    r->first = p->network.allow;
    r->ask = asks(p);
    if (!compile_rules(r, p->network.allow, p->network.nallow, false, registries, err) ||
        !compile_rules(r, p->network.deny, p->network.ndeny, true, NULL, err) ||
        !compile_secrets(r, p, err) || !compile_addresses(r, &p->network.addresses, err)) {
        net_rules_free(r);
        return false;
    }
    collect_ports(r);
    *ret = r;
    return true;
}

static void entries_deinit(struct net_entries *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i].text);
    free(list->items);
}

void net_rules_free(struct net_rules *r)
{
    if (!r)
        return;
    entries_deinit(&r->allow);
    entries_deinit(&r->deny);
    for (size_t i = 0; i < r->npaths; i++) {
        for (char **path = r->paths[i]; *path; path++)
            free(*path);
        free(r->paths[i]);
    }
    free(r->paths);
    for (size_t i = 0; i < r->nsecrets; i++)
        free(r->secrets[i].items);
    free(r->secrets);
    cidr_set_deinit(&r->excepted);
    free(r->ports);
    free(r);
}

bool net_rules_secret(const struct net_rules *r, size_t secret, const struct host *host)
{
    if (secret >= r->nsecrets)
        return false;
    for (size_t i = 0; i < r->secrets[secret].n; i++)
        if (host_pattern_match(&r->secrets[secret].items[i], host))
            return true;
    return false;
}

// Risks that take the classes of addresses to see, for a reader of the policy; the others are the policy's
// own (policy/risks.c).

static void risk(struct buf *ret, const struct net_rule *rule, const char *what)
{
    AUTO_FREE char *where = origin_text(&rule->from);

    buf_addf(ret, "network.allow: %s (%s): %s\n", subject(rule), where, what);
}

static void address_risks(const struct net_rule *rule, struct buf *ret)
{
    struct host_pattern p = {0};
    struct cidr refused;

    if (!rule->host || !host_pattern_parse(rule->host, &p, NULL) || p.kind != PATTERN_RANGE)
        return;
    refused = p.range;
    if (cidr_names_refused(&refused))
        risk(ret, rule, "an address of this machine's own surroundings");
    else if (p.range.bits < (p.range.base.v6 ? 48 : 16))
        risk(ret, rule, "a wide range of addresses");
}

void net_rules_address_risks(const struct net_rules *r, struct buf *ret)
{
    const struct net_rule *last = NULL;

    for (size_t i = 0; i < r->allow.n; i++) { // a preset's entries have one rule
        if (r->allow.items[i].rule != last)
            address_risks(r->allow.items[i].rule, ret);
        last = r->allow.items[i].rule;
    }
}
