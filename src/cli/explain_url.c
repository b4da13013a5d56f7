// SPDX-License-Identifier: Apache-2.0
// bawn explain url [METHOD] URL: the question that the guard asks, put to the same table (guard/rules.h),
// stage by stage as it would come up: the name, the connection, the request. Nothing is resolved and nothing
// is sent, so that the address behind a name is not judged here, a literal one is.
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/explain.h"
#include "guard/rules.h"
#include "session/session.h"

extern char **environ;

struct url {
    const char *text;
    char *method; // upper case is not forced: methods are compared as they are
    bool tls, upgrade;
    struct host host;
    uint16_t port;
    char *path; // without query
};

struct answered {
    struct net_answer a;
    const char *stage; // where it was decided: "name", "connection", "request"
    const char *tls;   // "inspected", "passed", "" without TLS
    bool refused_unasked;
};

static const struct scheme {
    const char *name;
    uint16_t port; // 0: has to be written
    bool tls, upgrade;
} schemes[] = {
    {"https", 443, true, false}, {"http", 80, false, false}, {"wss", 443, true, true},
    {"ws", 80, false, true},     {"tcp", 0, false, false},   {"ssh", 22, false, false},
};

static const struct scheme *take_scheme(const char **at, struct err *err)
{
    const char *end = strstr(*at, "://");
    size_t n = end ? (size_t)(end - *at) : 0;

    if (!end)
        return &schemes[0];
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (strlen(schemes[i].name) == n && !strncasecmp(*at, schemes[i].name, n)) {
            *at = end + 3;
            return &schemes[i];
        }
    err_set(err, ERR_INPUT, "explain url: the scheme \"%.*s\" is none of https, http, wss, ws, ssh, tcp",
            n < 40 ? (int)n : 40, *at);
    return NULL;
}

static bool take_method(const char *text, char **ret, struct err *err)
{
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("!#$%&'*+-.^_`|~", *p))
            return err_set(err, ERR_INPUT, "explain url: \"%.60s\" is no method", text);
    *ret = xstrdup(text);
    return *text || err_set(err, ERR_INPUT, "explain url: an empty method");
}

static bool read_url(char *const *argv, struct url *ret, struct err *err)
{
    const char *text = argv[0] && argv[1] ? argv[1] : argv[0], *at = text;
    const struct scheme *scheme;
    size_t n;

    if (!text || (argv[1] && argv[2]))
        return err_set(
            err, ERR_INPUT,
            "usage: bawn explain url [METHOD] URL, as in `bawn explain url POST https://example.org/x`");
    scheme = take_scheme(&at, err);
    if (!scheme || !take_method(argv[1] ? argv[0] : "GET", &ret->method, err))
        return false;
    n = strcspn(at, "/?#");
    if (!host_parse_authority(at, n, &ret->host, &ret->port, err))
        return err_prefix(err, "explain url");
    ret->text = text;
    ret->tls = scheme->tls;
    ret->upgrade = scheme->upgrade;
    ret->port = ret->port ? ret->port : scheme->port;
    if (!ret->port)
        return err_set(err, ERR_INPUT, "explain url: %s:// needs a port", scheme->name);
    at += n;
    ret->path = *at == '/' ? xstrndup(at, strcspn(at, "?#")) : xstrdup("/");
    return true;
}

// What policy would ask about is refused where it may not ask, or nobody is there to answer.
static void settle_ask(const struct policy *p, struct answered *x)
{
    const char *reviewer = p->approval.reviewer;

    if (x->a.verdict != VERDICT_ASK)
        return;
    if (p->approval.mode == APPROVAL_NEVER || (reviewer && !strcmp(reviewer, "none"))) {
        x->a.verdict = VERDICT_DENY;
        x->refused_unasked = true;
    }
}

static void ask(const struct policy *p, const struct net_rules *rules, const struct url *u,
                struct answered *ret)
{
    static const char *const names[] = {"name", "connection", "request"};
    struct net_answer vetted;

    *ret = (struct answered){.tls = ""};
    for (int stage = u->host.kind == HOST_NAME ? NET_STAGE_NAME : NET_STAGE_CONNECT;
         stage <= NET_STAGE_REQUEST; stage++) {
        const struct net_question q = {.stage = (enum net_stage)stage,
                                       .host = &u->host,
                                       .port = u->port,
                                       .method = u->method,
                                       .path = u->path,
                                       .upgrade = u->upgrade};

        ret->stage = names[stage];
        net_rules_ask(rules, &q, &ret->a, NULL);
        if (ret->a.verdict != VERDICT_ALLOW || ret->a.protocol == PROTOCOL_TCP)
            break;
    }
    if (u->tls && ret->a.protocol == PROTOCOL_HTTP && p->network.mode == NET_GUARDED)
        ret->tls = ret->a.inspect ? "inspected" : "passed";
    if (ret->a.verdict == VERDICT_ALLOW && u->host.kind == HOST_ADDRESS && p->network.mode == NET_GUARDED) {
        net_rules_vet(rules, &u->host, &u->host.address, u->port, NULL, &vetted);
        if (vetted.verdict != VERDICT_ALLOW)
            ret->a = vetted;
    }
    settle_ask(p, ret);
}

static char *reason_of(const struct answered *x)
{
    return xasprintf("%s%s", x->a.reason,
                     x->refused_unasked            ? "; nobody is asked (approval)"
                     : x->a.verdict == VERDICT_ASK ? "; asked about, and refused where nobody answers"
                                                   : "");
}

static void print_json(const struct url *u, const struct answered *x, const char *reason)
{
    AUTO_JSON json_t *o = json_object();
    AUTO_FREE char *line = NULL;

    json_object_set_new(o, "kind", json_string("url"));
    json_object_set_new(o, "subject", json_text(u->text));
    json_object_set_new(o, "method", json_text(u->method));
    json_object_set_new(o, "host", json_text(u->host.text));
    json_object_set_new(o, "port", json_integer(u->port));
    json_object_set_new(o, "path", json_text(u->path));
    json_object_set_new(o, "verdict", json_string(verdict_name(x->a.verdict)));
    json_object_set_new(o, "stage", json_string(x->stage));
    json_object_set_new(o, "rule", json_text(x->a.rule));
    json_object_set_new(o, "reason", json_text(reason));
    json_object_set_new(o, "remedy", json_text(x->a.verdict == VERDICT_ALLOW ? "" : x->a.allow_with));
    json_object_set_new(o, "inspected", json_boolean(!strcmp(x->tls, "inspected")));
    line = json_line(o);
    puts(line);
}

static void print_person(const struct url *u, const struct answered *x, const char *reason)
{
    AUTO_FREE char *line = xasprintf("%s: %s %s", verdict_name(x->a.verdict), u->method, u->text);

    explain_line(NULL, line);
    explain_line("rule", x->a.rule);
    explain_line("reason", reason);
    if (x->a.verdict != VERDICT_ALLOW)
        explain_line("to allow it:", x->a.allow_with);
    else if (!strcmp(x->tls, "inspected"))
        explain_line("tls", "looked into: a rule has to see requests");
    else if (!strcmp(x->tls, "passed"))
        explain_line("tls", "passed through: requests are not seen");
    if (x->a.verdict == VERDICT_ALLOW && x->a.max_upload) {
        AUTO_FREE char *most =
            xasprintf("%llu bytes of one request's body at most", (unsigned long long)x->a.max_upload);

        explain_line("upload", most);
    }
    if (x->a.verdict == VERDICT_ALLOW && x->a.upload_rate) {
        AUTO_FREE char *rate = xasprintf("%llu bytes a second of all connections by this rule at most",
                                         (unsigned long long)x->a.upload_rate);

        explain_line("upload", rate);
    }
}

bool explain_url(const struct run_options *o, const struct places *places, struct err *err)
{
    const struct preset_place where = {"", places->home, environ};
    struct preset_registries registries = {0};
    struct net_rules *rules = NULL;
    struct policy *p = NULL;
    struct url u = {0};
    struct answered x;
    AUTO_BUF struct buf notes = {0};
    bool ok;

    buf_init(&notes, 1 << 16);
    ok = read_url(o->argv + 1, &u, err) && places_load_policy(places, &o->policy, &p, &notes, err);
    if (ok)
        preset_registries_read(&where, &registries);
    ok = ok && net_rules_make(p, &registries, &rules, err);
    if (ok) {
        AUTO_FREE char *reason = NULL;

        ask(p, rules, &u, &x);
        reason = reason_of(&x);
        (o->json ? print_json : print_person)(&u, &x, reason);
    }
    net_rules_free(rules);
    preset_registries_deinit(&registries);
    policy_free(p);
    free(u.method);
    free(u.path);
    return ok;
}
