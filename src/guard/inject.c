// SPDX-License-Identifier: Apache-2.0
// The named place only. A placeholder anywhere else travels as it is: a program that was talked into posting
// its credential as a comment posts a placeholder. For header fields the place is the field (and for
// Authorization, also inside "Basic" credentials, as git, npm and pip send them); for queries the parameter;
// for bodies the field of that name in a form, a JSON object or a multipart form, told by Content-Type and by
// the bytes right before the placeholder, which the value of another field cannot imitate: quotes inside JSON
// strings are escaped, "&" and "=" inside form values encoded, boundaries chosen not to occur.
#include "guard/inject.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "guard/base64.h"
#include "guard/hostpattern.h"

#define SCHEME_MAX 8u   // "Bearer " and its like
#define HOSTS_KEPT 256u // hosts whose set is remembered

struct known_host {
    char host[HOST_TEXT_SIZE];
    struct secret_set *set;
    bool only;
};

struct secrets {
    const struct guard_config *config;
    struct host_pattern **patterns;      // of each secret, as many as it has hosts
    struct known_host hosts[HOSTS_KEPT]; // by hash; the last one that came stays
    struct secret_set **sets;            // distinct ones
    size_t nsets;
};

bool secrets_new(const struct guard_config *c, struct secrets **ret, struct err *err)
{
    struct secrets *s = xcalloc(1, sizeof *s);

    s->config = c;
    s->patterns = xcalloc(c->nsecrets, sizeof(struct host_pattern *));
    for (size_t i = 0; i < c->nsecrets; i++) {
        const struct policy_list *hosts = &c->secrets[i].rule->hosts;

        s->patterns[i] = xcalloc(hosts->n, sizeof(struct host_pattern));
        for (size_t k = 0; k < hosts->n; k++)
            if (!host_pattern_parse(hosts->items[k].text, &s->patterns[i][k], err)) {
                secrets_free(s);
                return err_prefix(err, "secrets.%s.hosts", c->secrets[i].rule->name);
            }
    }
    *ret = s;
    return true;
}

static void set_free(struct secret_set *set)
{
    needles_free(set->placed);
    needles_free(set->scrub);
    free(set->items);
    free(set);
}

void secrets_free(struct secrets *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->nsets; i++)
        set_free(s->sets[i]);
    for (size_t i = 0; i < s->config->nsecrets; i++)
        free(s->patterns[i]);
    free(s->patterns);
    free(s->sets);
    free(s);
}

void secrets_rebind(struct secrets *s, const struct guard_config *c)
{
    s->config = c;
}

static bool goes_to(const struct secrets *s, size_t i, const struct host *host)
{
    for (size_t k = 0; k < s->config->secrets[i].rule->hosts.n; k++)
        if (host_pattern_match(&s->patterns[i][k], host))
            return true;
    return false;
}

static struct secret_set *make_set(struct secrets *s, const bool *member)
{
    struct secret_set *set = xcalloc(1, sizeof *set);

    set->items = xcalloc(s->config->nsecrets, sizeof(struct guard_secret *));
    set->placed = needles_new();
    set->scrub = needles_new();
    for (size_t i = 0; i < s->config->nsecrets; i++) {
        const struct guard_secret *g = &s->config->secrets[i];

        if (!member[i])
            continue;
        set->items[set->n++] = g;
        set->in_body |= g->rule->body != NULL;
        needles_add_placed(set->placed, g->rule->name, g->placeholder, g->value);
        if (!needles_add_secret(set->scrub, g->rule->name, g->value, g->placeholder))
            needles_add_placed(set->scrub, g->rule->name, g->value, g->placeholder);
    }
    s->sets = xrealloc(s->sets, (s->nsets + 1) * sizeof(struct secret_set *));
    s->sets[s->nsets++] = set;
    return set;
}

static bool same_members(const struct secrets *s, const struct secret_set *set, const bool *member)
{
    size_t n = 0;

    for (size_t i = 0; i < s->config->nsecrets; i++)
        if (member[i] && (n == set->n || set->items[n++] != &s->config->secrets[i]))
            return false;
    return n == set->n;
}

// Hosts are without end under a wildcard, the ways in which secrets combine are few: sets are shared.
static struct secret_set *find_set(struct secrets *s, const struct host *host, bool *ret_only)
{
    AUTO_FREE bool *member = xcalloc(s->config->nsecrets, sizeof *member);
    bool any = false;

    *ret_only = false;
    for (size_t i = 0; i < s->config->nsecrets; i++) {
        bool here = goes_to(s, i, host);

        any |= member[i] = here && s->config->secrets[i].value;
        *ret_only |= here && s->config->secrets[i].rule->only;
    }
    if (!any)
        return NULL;
    for (size_t i = 0; i < s->nsets; i++)
        if (same_members(s, s->sets[i], member))
            return s->sets[i];
    return make_set(s, member);
}

const struct secret_set *secrets_for(struct secrets *s, const struct host *host, bool *ret_only)
{
    struct known_host *slot;
    uint32_t h = 2166136261u;

    *ret_only = false;
    if (!s->config->nsecrets)
        return NULL;
    for (const char *p = host->text; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619u;
    slot = &s->hosts[h % HOSTS_KEPT];
    if (strcmp(slot->host, host->text) != 0) {
        slot->set = find_set(s, host, &slot->only);
        snprintf(slot->host, sizeof slot->host, "%s", host->text);
    }
    *ret_only = slot->only;
    return slot->set;
}

// ---- replacing within a text

static const struct guard_secret *secret_of(const struct secret_set *set, const struct needle *hit)
{
    for (size_t i = 0; i < set->n; i++)
        if (strcmp(set->items[i]->rule->name, hit->name) == 0)
            return set->items[i];
    return NULL;
}

typedef bool place_fn(const struct guard_secret *g, const char *name, size_t n);

static bool place_header(const struct guard_secret *g, const char *name, size_t n)
{
    const char *h = g->rule->header;

    return h && strlen(h) == n && strncasecmp(h, name, n) == 0;
}

static bool place_query(const struct guard_secret *g, const char *name, size_t n)
{
    const char *q = g->rule->query;

    return q && strlen(q) == n && strncmp(q, name, n) == 0;
}

// Appends text with the placeholders of those secrets replaced whose place is `name`. *ret_needs_tls: the
// first one replaced that must not go in cleartext.
static bool replace(const struct secret_set *set, place_fn *place, const char *name, size_t nname,
                    const char *text, size_t n, struct buf *out, const char **ret_needs_tls)
{
    const struct needle *hit;
    bool any = false;
    size_t at;

    while ((hit = needles_find(set->placed, text, n, &at))) {
        const struct guard_secret *g = secret_of(set, hit);
        bool here = g && place(g, name, nname);

        buf_add(out, text, at);
        buf_add(out, here ? hit->other : hit->bytes, hit->len);
        text += at + hit->len;
        n -= at + hit->len;
        any |= here;
        if (here && !g->rule->cleartext && !*ret_needs_tls)
            *ret_needs_tls = g->rule->name;
    }
    buf_add(out, text, n);
    return any;
}

// "Basic " and base64 of "user:password".
static bool replace_basic(const struct secret_set *set, const char *name, const char *value, struct buf *out,
                          const char **ret_needs_tls)
{
    AUTO_BUF struct buf plain = {.cap = 65536}, changed = {.cap = 65536};
    const char *p = value + 6;

    while (*p == ' ')
        p++;
    if (!base64_decode(p, strlen(p), &plain) ||
        !replace(set, place_header, name, strlen(name), plain.ptr ? plain.ptr : "", plain.len, &changed,
                 ret_needs_tls))
        return false;
    buf_adds(out, "Basic ");
    base64_encode(changed.ptr, changed.len, out);
    explicit_bzero(changed.ptr, changed.len);
    return true;
}

static bool replace_field(const struct secret_set *set, const char *name, const char *value, struct buf *out,
                          const char **ret_needs_tls)
{
    out->len = 0;
    if (strncasecmp(value, "basic ", 6) == 0 && replace_basic(set, name, value, out, ret_needs_tls))
        return true;
    out->len = 0;
    return replace(set, place_header, name, strlen(name), value, strlen(value), out, ret_needs_tls);
}

const char *inject_field(const struct secret_set *set, const char *name, const char *value, struct buf *out)
{
    const char *needs_tls = NULL;

    return replace_field(set, name, value, out, &needs_tls) && !out->full ? buf_cstr(out) : value;
}

static bool replace_query(const struct secret_set *set, const char *query, struct buf *out,
                          const char **ret_needs_tls)
{
    bool any = false;

    out->len = 0;
    while (*query) {
        size_t n = strcspn(query, "&");
        const char *eq = memchr(query, '=', n);
        size_t nname = eq ? (size_t)(eq - query) : n;

        any |= replace(set, place_query, query, nname, query, n, out, ret_needs_tls);
        query += n;
        if (*query)
            buf_addc(out, *query++);
    }
    return any;
}

const char *inject_query(const struct secret_set *set, const char *query, struct buf *out)
{
    const char *needs_tls = NULL;

    return replace_query(set, query, out, &needs_tls) && !out->full ? buf_cstr(out) : query;
}

const char *inject_needs_tls(const struct secret_set *set, const char *name, const char *value)
{
    AUTO_BUF struct buf out = {.cap = 131072};
    const char *needs_tls = NULL;

    replace_field(set, name, value, &out, &needs_tls);
    return needs_tls;
}

const char *inject_query_needs_tls(const struct secret_set *set, const char *query)
{
    AUTO_BUF struct buf out = {.cap = 131072};
    const char *needs_tls = NULL;

    replace_query(set, query, &out, &needs_tls);
    return needs_tls;
}

// ---- credentials of somebody else's
//
// A program that may reach a host can send there what it can read, under an account that is not the user's.
// Where a secret says `only`, the places in which servers look for a credential hold one of policy's or
// nothing. Cookies of a content delivery network, which clients of some hosts cannot do without, name nobody.

static bool is_one_of(const char *name, size_t n, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(list[i]) == n && strncasecmp(list[i], name, n) == 0)
            return true;
    return false;
}

static bool names_nobody(const char *cookies)
{
    while (*(cookies += strspn(cookies, "; "))) {
        if (strncasecmp(cookies, "__cf", 4) != 0 && strncasecmp(cookies, "_cf", 3) != 0 &&
            strncasecmp(cookies, "cf_", 3) != 0)
            return false;
        cookies += strcspn(cookies, ";");
    }
    return true;
}

static bool holds_credential(const char *name, const char *value)
{
    static const char *const fields[] = {"authorization",  "proxy-authorization", "x-api-key",
                                         "api-key",        "x-goog-api-key",      "x-auth-token",
                                         "x-access-token", "openai-api-key",      "anthropic-api-key"};

    if (strcasecmp(name, "cookie") == 0)
        return !names_nobody(value);
    if (strcasecmp(name, "sec-websocket-protocol") == 0)
        return strcasestr(value, "key") || strcasestr(value, "bearer") || strcasestr(value, "token");
    return *value && is_one_of(name, strlen(name), fields, ARRAY_LEN(fields));
}

// Ours is alone there but for the scheme's name: a server that takes the last of two would take another.
static bool is_ours(const struct secret_set *set, const char *name, const char *value)
{
    AUTO_BUF struct buf out = {.cap = 131072};
    const char *needs_tls = NULL;
    const struct needle *hit;
    size_t at;

    if (!set || !replace_field(set, name, value, &out, &needs_tls))
        return false;
    hit = needles_find(set->placed, value, strlen(value), &at);
    return !hit || strlen(value) - hit->len <= SCHEME_MAX; // no hit: within Basic
}

bool inject_foreign(const struct secret_set *set, const char *name, const char *value)
{
    return holds_credential(name, value) && !is_ours(set, name, value);
}

bool inject_foreign_query(const struct secret_set *set, const char *query)
{
    static const char *const names[] = {"key",   "api_key", "apikey", "api-key",  "access_token",
                                        "token", "auth",    "bearer", "x-api-key"};

    while (*query) {
        AUTO_BUF struct buf out = {.cap = 131072};
        const char *needs_tls = NULL;
        size_t n = strcspn(query, "&"), nname = strcspn(query, "=&");
        AUTO_FREE char *one = xstrndup(query, n);

        if (is_one_of(query, nname, names, ARRAY_LEN(names)) &&
            !(set && replace_query(set, one, &out, &needs_tls)))
            return true;
        query += n + (query[n] == '&');
    }
    return false;
}

// ---- bodies

static bool type_is(const char *content_type, const char *name)
{
    size_t n = strlen(name);

    return strncasecmp(content_type, name, n) == 0 && strchr("; \t", content_type[n]);
}

static bool is_json(const char *content_type)
{
    size_t n = strcspn(content_type, "; \t");

    return type_is(content_type, "application/json") ||
           (n > 5 && strncasecmp(content_type + n - 5, "+json", 5) == 0);
}

static bool read_boundary(const char *content_type, char *ret, size_t max)
{
    const char *p = strcasestr(content_type, "boundary=");
    size_t n;

    if (!p)
        return false;
    p += 9;
    if (*p == '"') {
        p++;
        n = strcspn(p, "\"");
    } else {
        n = strcspn(p, "; \t");
    }
    if (!n || n >= max)
        return false;
    snprintf(ret, max, "%.*s", (int)n, p);
    return true;
}

void inject_body_kind(struct body_places *b, const struct secret_set *set, bool tls, const char *content_type)
{
    *b = (struct body_places){.set = set, .tls = tls};
    if (!set || !set->in_body || !content_type)
        return;
    if (type_is(content_type, "application/x-www-form-urlencoded"))
        b->kind = BODY_FORM;
    else if (is_json(content_type))
        b->kind = BODY_JSON;
    else if (type_is(content_type, "multipart/form-data") &&
             read_boundary(content_type, b->boundary, sizeof b->boundary))
        b->kind = BODY_MULTIPART;
}

// Cuts `text` off the end of what is before; false when it does not end so.
static bool cut(const char *before, size_t *n, const char *text)
{
    size_t len = strlen(text);

    if (*n < len || memcmp(before + *n - len, text, len) != 0)
        return false;
    *n -= len;
    return true;
}

static void cut_space(const char *before, size_t *n)
{
    while (*n && memchr(" \t\r\n", before[*n - 1], 4))
        --*n;
}

// …"field" : "
static bool after_json(const char *field, const char *before, size_t n)
{
    if (!cut(before, &n, "\""))
        return false;
    cut_space(before, &n);
    if (!cut(before, &n, ":"))
        return false;
    cut_space(before, &n);
    if (!cut(before, &n, "\"") || !cut(before, &n, field) || !cut(before, &n, "\""))
        return false;
    cut_space(before, &n);
    return n && (before[n - 1] == '{' || before[n - 1] == ',');
}

static bool after_form(const char *field, const char *before, size_t n)
{
    return cut(before, &n, "=") && cut(before, &n, field) && (!n || before[n - 1] == '&');
}

static bool after_multipart(const struct body_places *b, const char *field, const char *before, size_t n)
{
    return cut(before, &n, "\"\r\n\r\n") && cut(before, &n, field) &&
           cut(before, &n, "\r\nContent-Disposition: form-data; name=\"") && cut(before, &n, b->boundary) &&
           cut(before, &n, "--") && (!n || cut(before, &n, "\r\n"));
}

static bool after_field(const struct body_places *b, const char *field, const char *before, size_t n)
{
    switch (b->kind) {
    case BODY_FORM:
        return after_form(field, before, n);
    case BODY_JSON:
        return after_json(field, before, n);
    case BODY_MULTIPART:
        return after_multipart(b, field, before, n);
    case BODY_OTHER:
        break;
    }
    return false;
}

enum inject_place inject_in_place(const struct body_places *b, const struct needle *hit, const char *before,
                                  size_t n)
{
    const struct guard_secret *g = secret_of(b->set, hit);

    if (!g || !g->rule->body || !after_field(b, g->rule->body, before, n))
        return INJECT_ELSEWHERE;
    return b->tls || g->rule->cleartext ? INJECT_HERE : INJECT_NEEDS_TLS;
}
