// SPDX-License-Identifier: Apache-2.0
// One document, two ends in one file so that they stay in step: guard_config_write on the supervisor's side,
// guard_config_read in the guard. Strings of what was read are borrowed from the parsed document; arrays are
// owned. A document of the wrong shape is ERR_PROTOCOL: both ends are ours.
#include "guard/config.h"

#include <limits.h>
#include <string.h>

static void put(json_t *o, const char *key, json_t *owned)
{
    if (json_object_set_new(o, key, owned) < 0)
        die_oom();
}

static void put_text(json_t *o, const char *key, const char *text)
{
    if (text)
        put(o, key, json_text(text));
}

static json_t *items_to_json(const struct policy_list *l)
{
    json_t *a = json_array();

    for (size_t i = 0; i < l->n; i++)
        json_array_append_new(a, json_text(l->items[i].text));
    return a;
}

static json_t *strings_to_json(const struct strlist *l)
{
    json_t *a = json_array();

    for (size_t i = 0; l && i < l->n; i++)
        json_array_append_new(a, json_text(l->items[i]));
    return a;
}

static json_t *rule_to_json(const struct net_rule *r)
{
    json_t *o = json_object(), *ports = json_array();

    put_text(o, "host", r->host);
    put_text(o, "preset", r->preset);
    for (size_t i = 0; i < r->nports; i++)
        json_array_append_new(ports, json_integer(r->ports[i]));
    put(o, "ports", ports);
    put(o, "methods", items_to_json(&r->methods));
    put(o, "paths", items_to_json(&r->paths));
    put(o, "protocol", json_integer(r->protocol));
    put(o, "tls", json_integer(r->tls));
    put(o, "upgrade", json_boolean(r->upgrade));
    put(o, "watch", json_boolean(r->watch));
    put(o, "max_upload", json_integer((json_int_t)r->max_upload));
    put(o, "upload_rate", json_integer((json_int_t)r->upload_rate));
    put_text(o, "because", r->because);
    put(o, "layer", json_integer(r->from.layer));
    put_text(o, "file", r->from.file);
    put(o, "line", json_integer(r->from.line));
    put(o, "column", json_integer(r->from.column));
    return o;
}

static json_t *rules_to_json(const struct net_rule *rules, size_t n)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, rule_to_json(&rules[i]));
    return a;
}

// A value goes into header fields and URLs: control characters would write a second field.
static bool check_secret(const struct guard_secret *s, struct err *err)
{
    size_t n = strlen(s->value);

    if (!n || n > SECRET_VALUE_MAX)
        return err_set(err, ERR_INPUT, "secrets.%s: its value has %zu bytes; 1 to %d can be put in",
                       s->rule->name, n, SECRET_VALUE_MAX);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s->value[i] < 0x20 || (unsigned char)s->value[i] == 0x7f)
            return err_set(err, ERR_INPUT,
                           "secrets.%s: its value has a control character (a line break at its end?); "
                           "remove it where the secret is kept",
                           s->rule->name);
    if (strlen(s->placeholder) != n)
        return err_set(err, ERR_INPUT, "secrets.%s: placeholder and value differ in length", s->rule->name);
    return true;
}

static bool secret_to_json(const struct guard_secret *s, json_t **ret, struct err *err)
{
    json_t *o, *value;

    if (s->value && !check_secret(s, err))
        return false;
    value = s->value ? json_string(s->value) : NULL;
    if (s->value && !value)
        return err_set(err, ERR_INPUT, "secrets.%s: its value is not UTF-8 text", s->rule->name);
    o = json_object();
    if (value)
        put(o, "value", value);
    put_text(o, "name", s->rule->name);
    put_text(o, "placeholder", s->placeholder);
    put(o, "hosts", items_to_json(&s->rule->hosts));
    put_text(o, "header", s->rule->header);
    put_text(o, "query", s->rule->query);
    put_text(o, "body", s->rule->body);
    put(o, "cleartext", json_boolean(s->rule->cleartext));
    put(o, "only", json_boolean(s->rule->only));
    *ret = o;
    return true;
}

static json_t *registries_to_json(const struct preset_registries *r)
{
    json_t *a = json_array();

    for (size_t i = 0; r && i < r->n; i++) {
        json_t *o = json_object();

        put_text(o, "host", r->items[i].host);
        put(o, "port", json_integer(r->items[i].port));
        put_text(o, "source", r->items[i].source);
        json_array_append_new(a, o);
    }
    return a;
}

bool guard_config_write(const struct policy *p, const struct guard_extras *x, json_t **ret, struct err *err)
{
    AUTO_JSON json_t *doc = json_object();
    json_t *secrets = json_array();

    put(doc, "secrets", secrets);
    for (size_t i = 0; i < x->nsecrets; i++) {
        json_t *o = NULL;

        if (!x->secrets[i].value && !x->secrets[i].rule->only)
            continue;
        if (!secret_to_json(&x->secrets[i], &o, err))
            return false;
        json_array_append_new(secrets, o);
    }
    put(doc, "mode", json_integer(p->network.mode));
    put(doc, "allow", rules_to_json(p->network.allow, p->network.nallow));
    put(doc, "deny", rules_to_json(p->network.deny, p->network.ndeny));
    put(doc, "addresses", items_to_json(&p->network.addresses));
    put(doc, "ask", json_boolean(p->network.ask));
    put(doc, "scan", json_boolean(p->network.scan));
    put(doc, "known", strings_to_json(x->known));
    put(doc, "ca", strings_to_json(x->ca));
    put(doc, "registries", registries_to_json(x->registries));
    put(doc, "reviewer", json_boolean(x->reviewer));
    put(doc, "watched", json_boolean(x->watched));
    put(doc, "hold_names", json_boolean(x->hold_names));
    put(doc, "ask_timeout_ms", json_integer((json_int_t)x->ask_timeout_ms));
    *ret = TAKE_PTR(doc);
    return true;
}

// ---- reading
//
// Every member is read by its type; the first of the wrong one is remembered and refused at the end, so that
// no reader below has to look twice. A member that is missing is empty, zero or false.

struct reader {
    const char *wrong; // key, NULL while all is well
};

static void wrong(struct reader *r, const char *key)
{
    if (!r->wrong)
        r->wrong = key;
}

static char *text_in(struct reader *r, const json_t *value, const char *key)
{
    if (value && !json_is_string(value))
        wrong(r, key);
    // The model's strings are not const; nobody writes to them.
    return (char *)(uintptr_t)json_string_value(value);
}

static char *text_of(struct reader *r, const json_t *o, const char *key)
{
    return text_in(r, json_object_get(o, key), key);
}

static json_int_t number_in(struct reader *r, const json_t *value, const char *key, json_int_t max)
{
    json_int_t n = json_integer_value(value);

    if (value && (!json_is_integer(value) || n < 0 || n > max)) {
        wrong(r, key);
        return 0;
    }
    return n;
}

static json_int_t number_of(struct reader *r, const json_t *o, const char *key, json_int_t max)
{
    return number_in(r, json_object_get(o, key), key, max);
}

static bool flag_of(struct reader *r, const json_t *o, const char *key)
{
    const json_t *value = json_object_get(o, key);

    if (value && !json_is_boolean(value))
        wrong(r, key);
    return json_is_true(value);
}

static const json_t *list_of(struct reader *r, const json_t *o, const char *key)
{
    const json_t *value = json_object_get(o, key);

    if (value && !json_is_array(value))
        wrong(r, key);
    return value;
}

static void read_items(struct reader *r, const json_t *o, const char *key, struct policy_list *ret)
{
    const json_t *a = list_of(r, o, key);

    *ret = (struct policy_list){.n = json_array_size(a)};
    ret->items = xcalloc(ret->n, sizeof *ret->items);
    for (size_t i = 0; i < ret->n; i++)
        ret->items[i].text = text_in(r, json_array_get(a, i), key);
}

static void read_strings(struct reader *r, const json_t *o, const char *key, struct strlist *ret)
{
    const json_t *a = list_of(r, o, key);

    for (size_t i = 0; i < json_array_size(a); i++) {
        const char *s = text_in(r, json_array_get(a, i), key);

        if (s)
            strlist_add(ret, s);
    }
}

static void read_rule(struct reader *r, const json_t *o, struct net_rule *ret)
{
    const json_t *ports = list_of(r, o, "ports");

    *ret = (struct net_rule){.host = text_of(r, o, "host"),
                             .preset = text_of(r, o, "preset"),
                             .nports = json_array_size(ports),
                             .protocol = (enum net_protocol)number_of(r, o, "protocol", PROTOCOL_TCP),
                             .tls = (enum tls_mode)number_of(r, o, "tls", TLS_PASS),
                             .upgrade = flag_of(r, o, "upgrade"),
                             .watch = flag_of(r, o, "watch"),
                             .max_upload = (uint64_t)number_of(r, o, "max_upload", INT64_MAX),
                             .upload_rate = (uint64_t)number_of(r, o, "upload_rate", INT64_MAX),
                             .because = text_of(r, o, "because"),
                             .from = {.layer = (enum layer)number_of(r, o, "layer", LAYER_MANAGED),
                                      .file = text_of(r, o, "file"),
                                      .line = (int)number_of(r, o, "line", INT_MAX),
                                      .column = (int)number_of(r, o, "column", INT_MAX)}};
    ret->ports = xcalloc(ret->nports, sizeof *ret->ports);
    for (size_t i = 0; i < ret->nports; i++)
        ret->ports[i] = (uint16_t)number_in(r, json_array_get(ports, i), "ports", UINT16_MAX);
    read_items(r, o, "methods", &ret->methods);
    read_items(r, o, "paths", &ret->paths);
}

static void read_rules(struct reader *r, const json_t *doc, const char *key, struct net_rule **ret,
                       size_t *ret_n)
{
    const json_t *a = list_of(r, doc, key);

    *ret_n = json_array_size(a);
    *ret = xcalloc(*ret_n, sizeof **ret);
    for (size_t i = 0; i < *ret_n; i++) {
        read_rule(r, json_array_get(a, i), &(*ret)[i]);
        if (!(*ret)[i].host && !(*ret)[i].preset)
            wrong(r, key);
    }
}

static void read_secrets(struct reader *r, const json_t *doc, struct guard_config *c)
{
    const json_t *a = list_of(r, doc, "secrets");

    c->nsecrets = c->policy.nsecrets = json_array_size(a);
    c->secrets = xcalloc(c->nsecrets, sizeof *c->secrets);
    c->policy.secrets = xcalloc(c->nsecrets, sizeof *c->policy.secrets);
    for (size_t i = 0; i < c->nsecrets; i++) {
        const json_t *o = json_array_get(a, i);
        struct secret *s = &c->policy.secrets[i];
        struct guard_secret *g = &c->secrets[i];

        s->name = text_of(r, o, "name");
        s->header = text_of(r, o, "header");
        s->query = text_of(r, o, "query");
        s->body = text_of(r, o, "body");
        s->cleartext = flag_of(r, o, "cleartext");
        s->only = flag_of(r, o, "only");
        read_items(r, o, "hosts", &s->hosts);
        *g = (struct guard_secret){s, text_of(r, o, "value"), text_of(r, o, "placeholder")};
        if (s->name && s->only && !g->value)
            continue;
        if (!s->name || !g->value || !g->placeholder || strlen(g->value) != strlen(g->placeholder))
            wrong(r, "secrets");
    }
}

static void read_registries(struct reader *r, const json_t *doc, struct preset_registries *ret)
{
    const json_t *a = list_of(r, doc, "registries");

    ret->items = xcalloc(json_array_size(a), sizeof *ret->items);
    for (size_t i = 0; i < json_array_size(a); i++) {
        const json_t *o = json_array_get(a, i);
        const char *host = text_of(r, o, "host"), *source = text_of(r, o, "source");
        uint16_t port = (uint16_t)number_of(r, o, "port", UINT16_MAX);

        if (!host)
            wrong(r, "registries");
        else
            ret->items[ret->n++] =
                (struct preset_registry){xstrdup(host), port, xstrdup(source ? source : "")};
    }
}

static void read_document(struct reader *r, const json_t *doc, struct guard_config *c)
{
    // A run cannot come to have a network that is not guarded.
    c->policy.network.mode = number_of(r, doc, "mode", NET_OPEN) == NET_OFF ? NET_OFF : NET_GUARDED;
    c->policy.network.ask = flag_of(r, doc, "ask");
    c->policy.network.scan = flag_of(r, doc, "scan");
    read_items(r, doc, "addresses", &c->policy.network.addresses);
    read_strings(r, doc, "known", &c->known);
    read_strings(r, doc, "ca", &c->ca);
    read_registries(r, doc, &c->registries);
    c->reviewer = flag_of(r, doc, "reviewer");
    c->watched = flag_of(r, doc, "watched");
    c->hold_names = flag_of(r, doc, "hold_names");
    c->ask_timeout_ms = (uint64_t)number_of(r, doc, "ask_timeout_ms", INT_MAX);
    if (!c->ask_timeout_ms)
        c->ask_timeout_ms = 120000;
    read_rules(r, doc, "allow", &c->policy.network.allow, &c->policy.network.nallow);
    read_rules(r, doc, "deny", &c->policy.network.deny, &c->policy.network.ndeny);
    read_secrets(r, doc, c);
}

bool guard_config_read(const char *text, size_t n, struct guard_config *ret, struct err *err)
{
    struct guard_config c = {0};
    struct reader r = {0};

    c.doc = json_parse(text, n, err);
    if (!json_is_object(c.doc)) {
        json_decref(c.doc);
        err_set(err, ERR_PROTOCOL, "not an object");
        return err_prefix(err, "guard configuration");
    }
    read_document(&r, c.doc, &c);
    if (r.wrong) {
        guard_config_deinit(&c);
        return err_set(err, ERR_PROTOCOL,
                       "guard configuration: %s is incomplete, of the wrong type or out of range", r.wrong);
    }
    *ret = c;
    return true;
}

static void free_rules(struct net_rule *rules, size_t n)
{
    for (size_t i = 0; rules && i < n; i++) {
        free(rules[i].ports);
        free(rules[i].methods.items);
        free(rules[i].paths.items);
    }
    free(rules);
}

static void free_secrets(struct guard_config *c)
{
    if (c->borrows_secrets)
        return;
    for (size_t i = 0; c->secrets && i < c->nsecrets; i++) {
        if (c->secrets[i].value)
            explicit_bzero((char *)(uintptr_t)c->secrets[i].value, strlen(c->secrets[i].value));
        free(c->policy.secrets[i].hosts.items);
    }
    free(c->secrets);
    free(c->policy.secrets);
}

void guard_config_borrow_secrets(struct guard_config *c, const struct guard_config *from)
{
    free_secrets(c);
    c->borrows_secrets = true;
    c->secrets = from->secrets;
    c->nsecrets = from->nsecrets;
    c->policy.secrets = from->policy.secrets;
    c->policy.nsecrets = from->policy.nsecrets;
}

void guard_config_deinit(struct guard_config *c)
{
    free_secrets(c);
    free_rules(c->policy.network.allow, c->policy.network.nallow);
    free_rules(c->policy.network.deny, c->policy.network.ndeny);
    free(c->policy.network.addresses.items);
    strlist_deinit(&c->known);
    strlist_deinit(&c->ca);
    for (size_t i = 0; i < c->registries.n; i++) {
        free(c->registries.items[i].host);
        free(c->registries.items[i].source);
    }
    free(c->registries.items);
    json_decref(c->doc);
    *c = (struct guard_config){0};
}
