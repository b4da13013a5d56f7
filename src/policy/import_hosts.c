// SPDX-License-Identifier: Apache-2.0
// sandbox-runtime lets through whatever host an entry of allowedDomains matches, at the entry's port or at
// any; what of bawn's rules differs is put right here:
//
//   - Of bawn's rules only those with the most specific host count, so each host gets the ports of all
//     entries that cover it.
//   - "Any port" cannot be listened on: an entry without a port gets the usual ones and all that the settings
//     name anywhere. The ports of web servers are read as HTTP or TLS, others are relayed unseen.
//   - Allowed names may have private addresses there, and any that is itself allowed at that port.
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>

#include "policy/hosts.h"
#include "policy/import_parts.h"

#define PORTS_MAX 256

struct ports {
    bool any;
    uint16_t items[PORTS_MAX];
    size_t n;
};

struct entry {
    const struct import_item *item;
    const char *host; // as host_check gives it
    uint16_t port;    // 0: any
    bool address;
};

struct entries {
    struct entry *items;
    size_t n;
};

static const uint16_t usual[] = {22, 80, 443, 8080, 8443};
// Where a server speaks HTTP or TLS by custom. The gate reads what goes there.
static const uint16_t web[] = {80, 443, 3000, 4443, 5000, 8000, 8008, 8080, 8081, 8443, 8888, 9000, 9443};

static bool port_parse(const char *text, uint16_t *ret)
{
    unsigned long value = 0;

    if (!*text || strlen(text) > 5)
        return false;
    for (const char *p = text; *p; p++) {
        if (!isdigit((unsigned char)*p))
            return false;
        value = value * 10 + (unsigned long)(*p - '0');
    }
    *ret = (uint16_t)value;
    return value >= 1 && value <= 65535;
}

static bool is_address(const char *host)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

// As sandbox-runtime accepts them: a name with a dot, localhost, *.name.tld, an address, an IPv6 one in
// brackets.
static bool well_formed(const char *host, bool deny, bool bracketed)
{
    const char *name = !strncmp(host, "*.", 2) ? host + 2 : host;

    if (bracketed)
        return is_address(host) && strchr(host, ':');
    if (!strcmp(host, "localhost") || (deny && !strcmp(host, "*")))
        return true;
    return !strpbrk(name, "*:/") && strchr(name, '.') && name[0] != '.' && name[strlen(name) - 1] != '.' &&
           !strstr(name, "..");
}

static bool entry_parse(struct importer *m, const struct import_item *item, bool deny, struct entry *ret,
                        struct err *err)
{
    char *host = arena_strdup(m->arena, item->text), *colon = strrchr(host, ':'), *close = strchr(host, ']');
    bool bracketed = host[0] == '[' && close;
    struct err why = {0};

    *ret = (struct entry){.item = item};
    if (bracketed ? close[1] == ':' : colon && colon == strchr(host, ':')) {
        colon = bracketed ? close + 1 : colon;
        if (!port_parse(colon + 1, &ret->port))
            return import_error(item, err, "a port is a number from 1 to 65535");
        *colon = '\0';
    }
    if (bracketed) {
        if (close[1])
            return import_error(item, err, "after ] only a port can stand");
        *close = '\0';
        host++;
    }
    if (!well_formed(host, deny, bracketed))
        return import_error(item, err,
                            "is not a domain (example.org, *.example.org) or an address (an IPv6 one in "
                            "brackets), each with a :port or without");
    ret->host = host;
    if (!strcmp(host, "*"))
        return true;
    if (!host_check(m->arena, host, &ret->host, &why))
        return import_error(item, err, why.msg);
    ret->address = is_address(ret->host);
    return true;
}

static bool entries_parse(struct importer *m, const struct import_list *list, bool deny, struct entries *ret,
                          struct err *err)
{
    ret->items = arena_alloc(m->arena, (list->n + 1) * sizeof *ret->items);
    for (size_t i = 0; i < list->n; i++)
        if (!entry_parse(m, &list->items[i], deny, &ret->items[ret->n++], err))
            return false;
    return true;
}

// --- ports ---

static bool port_in(const uint16_t *list, size_t n, uint16_t port)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == port)
            return true;
    return false;
}

static void port_add(struct ports *p, uint16_t port)
{
    size_t at = 0;

    if (p->n == PORTS_MAX || port_in(p->items, p->n, port))
        return;
    while (at < p->n && p->items[at] < port)
        at++;
    memmove(p->items + at + 1, p->items + at, (p->n - at) * sizeof *p->items);
    p->items[at] = port;
    p->n++;
}

static void port_remove(struct ports *p, uint16_t port)
{
    size_t out = 0;

    for (size_t i = 0; i < p->n; i++)
        if (p->items[i] != port)
            p->items[out++] = p->items[i];
    p->n = out;
}

static struct ports all_ports(const struct entries *allow)
{
    struct ports p = {0};

    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        port_add(&p, usual[i]);
    for (size_t i = 0; i < allow->n; i++)
        if (allow->items[i].port)
            port_add(&p, allow->items[i].port);
    return p;
}

// Every port that some entry lets the host be reached at.
static struct ports host_ports(const struct entries *allow, const struct entries *deny, const char *host)
{
    struct ports p = {0}, all = all_ports(allow);

    for (size_t i = 0; i < allow->n; i++) {
        const struct entry *e = &allow->items[i];

        if (!host_covers(e->host, host))
            continue;
        for (size_t k = 0; !e->port && k < all.n; k++)
            port_add(&p, all.items[k]);
        if (e->port)
            port_add(&p, e->port);
    }
    for (size_t i = 0; i < deny->n; i++)
        if (!strcmp(deny->items[i].host, "*")) {
            if (!deny->items[i].port)
                p.n = 0;
            port_remove(&p, deny->items[i].port);
        }
    return p;
}

// --- rules ---

static void put_ports(struct importer *m, struct yaml_node *rule, const struct ports *p, int kind)
{
    struct yaml_node *list = import_put(rule, "ports", import_seq(m, NULL));

    for (size_t i = 0; i < p->n; i++)
        if (kind < 0 || port_in(web, ARRAY_LEN(web), p->items[i]) == (kind == 1)) {
            char text[8];

            snprintf(text, sizeof text, "%u", p->items[i]);
            import_put(list, NULL, import_text(m, text, true, NULL));
        }
}

static size_t count(const struct ports *p, bool as_web)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++)
        n += port_in(web, ARRAY_LEN(web), p->items[i]) == as_web;
    return n;
}

static void put_allow(struct importer *m, struct yaml_node *list, const char *host, const struct ports *p,
                      const struct import_item *item, bool pass)
{
    for (int as_web = 1; as_web >= 0; as_web--) {
        struct yaml_node *rule;

        if (!count(p, as_web))
            continue;
        rule = import_put(list, NULL, import_map(m));
        rule->line = item->at ? item->at->line : 0;
        rule->column = item->at ? item->at->column : 0;
        import_put(rule, "host", import_text(m, host, false, item));
        put_ports(m, rule, p, as_web);
        if (!as_web)
            import_put(rule, "protocol", import_text(m, "tcp", true, NULL));
        else if (pass)
            import_put(rule, "tls", import_text(m, "pass", true, NULL));
        else
            import_put(rule, "upgrade", import_text(m, "true", true, NULL));
    }
}

static bool passes(const struct entries *pass, const char *host)
{
    for (size_t i = 0; i < pass->n; i++)
        if (host_covers(pass->items[i].host, host))
            return true;
    return false;
}

static bool own_name(const char *host)
{
    size_t n = strlen(host);

    return !strcmp(host, "localhost") || (n > 10 && !strcmp(host + n - 10, ".localhost"));
}

static bool named(const struct entries *list, const char *host)
{
    for (size_t i = 0; i < list->n; i++)
        if (!strcmp(list->items[i].host, host))
            return true;
    return false;
}

static bool repeated(const struct entries *allow, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (!strcmp(allow->items[k].host, allow->items[i].host))
            return true;
    return false;
}

static void put_allowed(struct importer *m, struct yaml_node *list, const struct entries *allow,
                        const struct entries *deny, const struct entries *pass)
{
    for (size_t i = 0; i < allow->n; i++) {
        const struct entry *e = &allow->items[i];
        struct ports p = host_ports(allow, deny, e->host);

        if (own_name(e->host))
            import_note(m, "%s: %s is the run's own loopback; this machine's is not reached by that name",
                        import_where(m, e->item), e->host);
        else if (!repeated(allow, i))
            put_allow(m, list, e->host, &p, e->item, passes(pass, e->host));
    }
    // A host to pass through below a wider one that is not.
    for (size_t i = 0; i < pass->n; i++) {
        struct ports p = host_ports(allow, deny, pass->items[i].host);

        if (!repeated(pass, i) && !named(allow, pass->items[i].host))
            put_allow(m, list, pass->items[i].host, &p, pass->items[i].item, true);
    }
}

static struct yaml_node *put_deny(struct importer *m, struct yaml_node *list, const char *host,
                                  const struct ports *p, const struct import_item *item, const char *because)
{
    struct yaml_node *rule = import_put(list, NULL, import_map(m));

    rule->line = item->at ? item->at->line : 0;
    rule->column = item->at ? item->at->column : 0;
    import_put(rule, "host", import_text(m, host, false, item));
    if (p)
        put_ports(m, rule, p, -1);
    if (because)
        import_put(rule, "because", import_text(m, because, false, NULL));
    return rule;
}

static bool put_denied(struct importer *m, struct yaml_node *list, const struct entries *allow,
                       const struct entries *deny, struct err *err)
{
    for (size_t i = 0; i < deny->n; i++) {
        const struct entry *e = &deny->items[i];
        struct ports p = {.n = e->port != 0, .items = {e->port}};

        if (strcmp(e->host, "*") != 0)
            put_deny(m, list, e->host, e->port ? &p : NULL, e->item, e->item->because);
    }
    for (size_t i = 0; i < m->rules.deny_addresses.n; i++) {
        const struct import_item *item = &m->rules.deny_addresses.items[i];
        struct err why = {0};
        const char *range;

        if (!address_check(m->arena, item->text, &range, &why))
            return import_error(item, err, why.msg);
        put_deny(m, list, range, NULL, item, NULL);
        for (size_t k = 0; k < allow->n; k++)
            if (allow->items[k].address && host_covers(range, allow->items[k].host))
                import_note(m, "%s: %s lies in %s of network.deniedResolvedAddresses: it is refused here",
                            import_where(m, allow->items[k].item), allow->items[k].host, range);
    }
    return true;
}

// A name may lead to an address that is itself allowed, but only at that port.
static void put_addresses(struct importer *m, struct yaml_node *network, struct yaml_node *denied,
                          const struct entries *allow)
{
    static const char *const private[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10",
                                          "fc00::/7"};
    static const struct import_item item = {.key =
                                                "sandbox-runtime lets allowed names have private addresses"};
    struct yaml_node *list = import_seq(m, NULL);
    bool names = m->place->keep_network;

    for (size_t i = 0; i < allow->n; i++) {
        const struct entry *e = &allow->items[i];
        struct ports p = all_ports(allow), own = {0};

        names |= !e->address && !own_name(e->host);
        if (!e->address || repeated(allow, i))
            continue;
        import_put(list, NULL, import_text(m, e->host, false, e->item));
        own = host_ports(allow, &(struct entries){0}, e->host);
        for (size_t k = 0; k < own.n; k++)
            port_remove(&p, own.items[k]);
        if (p.n)
            put_deny(m, denied, e->host, &p, e->item, "only the ports that the settings name");
    }
    for (size_t i = 0; names && i < ARRAY_LEN(private); i++)
        import_put(list, NULL, import_text(m, private[i], false, &item));
    if (list->first)
        import_put(network, "addresses", list);
}

static void put_roots(struct importer *m, struct yaml_node *network)
{
    struct yaml_node *list = import_seq(m, NULL);

    for (size_t i = 0; i < m->rules.roots.n; i++) {
        const struct import_item *item = &m->rules.roots.items[i];

        if (m->place->eyes.kind(m->place->eyes.ctx, item->text) == IMPORT_FILE)
            import_put(list, NULL, import_text(m, item->text, false, item));
    }
    if (list->first)
        import_put(network, "ca", list);
}

// --- variables ---

// The field in which a service wants its token. Elsewhere sandbox-runtime would put it as well; here it stays
// a placeholder.
static const char *header_of(const char *variable)
{
    static const char *const known[][2] = {{"ANTHROPIC_API_KEY", "x-api-key"},
                                           {"CI_JOB_TOKEN", "JOB-TOKEN"},
                                           {"GEMINI_API_KEY", "x-goog-api-key"},
                                           {"GITLAB_TOKEN", "PRIVATE-TOKEN"},
                                           {"GOOGLE_API_KEY", "x-goog-api-key"}};

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (!strcmp(known[i][0], variable))
            return known[i][1];
    return "Authorization";
}

static bool put_secret(struct importer *m, struct yaml_node *secrets, size_t i, const struct entries *allow,
                       struct err *err)
{
    const struct import_item *item = &m->rules.masked.items[i];
    struct yaml_node *secret = import_put(secrets, item->text, import_map(m)), *hosts;
    struct entries own = {0};

    if (!entries_parse(m, &m->rules.masked_hosts[i], false, &own, err))
        return false;
    import_put(secret, "from", import_text(m, arena_printf(m->arena, "env:%s", item->text), false, item));
    hosts = import_put(secret, "hosts", import_seq(m, NULL));
    for (size_t k = 0; k < (own.n ? own.n : allow->n); k++) {
        const struct entry *e = own.n ? &own.items[k] : &allow->items[k];

        if (!own_name(e->host) && (own.n || !repeated(allow, k)))
            import_put(hosts, NULL, import_text(m, e->host, false, NULL));
    }
    import_put(secret, "header", import_text(m, header_of(item->text), false, NULL));
    if (m->rules.masked_cleartext)
        import_put(secret, "cleartext", import_text(m, "true", true, NULL));
    import_note(m, "%s: %s goes into the field %s of requests to its hosts, and nowhere else",
                import_where(m, item), item->text, header_of(item->text));
    return true;
}

// A variable that is masked and cannot be (no network to put it into) is not let in.
static bool put_variables(struct importer *m, struct yaml_node *policy, const struct entries *allow,
                          struct err *err)
{
    struct yaml_node *set = import_at(policy, "env.set"), *secrets = import_map(m);
    bool network = strcmp(import_at(policy, "network.mode")->text, "guarded") == 0 && allow->n;

    for (size_t i = 0; i < m->rules.hidden.n; i++)
        import_put(set, m->rules.hidden.items[i].text, import_text(m, "", false, &m->rules.hidden.items[i]));
    for (size_t i = 0; i < m->rules.masked.n; i++) {
        const struct import_item *item = &m->rules.masked.items[i];

        if (!m->place->for_keeps && !m->place->eyes.variable(m->place->eyes.ctx, item->text))
            continue; // nothing to protect
        if (!network)
            import_put(set, item->text, import_text(m, "", false, item));
        else if (!put_secret(m, secrets, i, allow, err))
            return false;
    }
    if (secrets->first)
        import_put(policy, "secrets", secrets);
    return true;
}

// sandbox-runtime takes these for a proxy to go through.
static void note_proxies(struct importer *m)
{
    static const char *const names[] = {"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"};

    for (size_t i = 0; i < ARRAY_LEN(names) && !m->place->for_keeps; i++)
        if (m->place->eyes.variable(m->place->eyes.ctx, names[i])) {
            import_note(m, "%s is set: the gate does not go through that proxy, it connects itself",
                        names[i]);
            return;
        }
}

bool import_network(struct importer *m, struct yaml_node *policy, struct err *err)
{
    struct yaml_node *network = import_put(policy, "network", import_map(m)), *list = import_seq(m, NULL),
                     *denied = import_seq(m, NULL);
    struct entries allow = {0}, deny = {0}, pass = {0};

    if (!entries_parse(m, &m->rules.allow_hosts, false, &allow, err) ||
        !entries_parse(m, &m->rules.deny_hosts, true, &deny, err) ||
        !entries_parse(m, &m->rules.pass_tls, false, &pass, err))
        return false;
    if (m->rules.network_shut)
        allow.n = 0;
    put_allowed(m, list, &allow, &deny, &pass);
    import_put(network, "mode",
               import_text(m, list->first || m->place->keep_network ? "guarded" : "off", true, NULL));
    if (!put_variables(m, policy, &allow, err))
        return false;
    if (!list->first && !m->place->keep_network)
        return true;
    import_put(network, "ask", import_text(m, "false", true, NULL));
    import_put(network, "proxy_env", import_text(m, "true", true, NULL));
    if (!put_denied(m, denied, &allow, &deny, err))
        return false;
    put_addresses(m, network, denied, &allow);
    note_proxies(m);
    put_roots(m, network);
    import_put(network, "allow", list);
    if (denied->first)
        import_put(network, "deny", denied);
    return true;
}
