// SPDX-License-Identifier: Apache-2.0
// Scalars and lists of texts go where their row of the schema says; rules and the like are bound by hand.
#include "policy/bind.h"

#include <string.h>

#include "policy/scalar.h"

struct binder {
    struct arena *arena;
    struct policy *policy;
};

const char *verdict_name(enum verdict v)
{
    return v == VERDICT_ALLOW ? "allow" : v == VERDICT_ASK ? "ask" : "deny";
}

static struct policy_list bind_list(struct arena *a, const struct value *v)
{
    struct policy_list list = {0};
    size_t n = value_count(v);

    if (!n)
        return list;
    list.items = arena_alloc(a, n * sizeof *list.items);
    for (const struct value *c = v->first; c; c = c->next) {
        struct policy_item *item = &list.items[list.n++];

        item->text = c->key ? arena_printf(a, "%s=%s", c->key, c->text) : arena_strdup(a, c->text);
        item->from = c->from;
    }
    return list;
}

// NULL-terminated like every strlist, but in the arena: never handed to strlist_deinit.
static struct strlist bind_words(struct arena *a, const struct value *v)
{
    struct strlist list = {0};
    size_t n = v && v->kind == VALUE_LIST ? value_count(v) : v != NULL;

    if (!n)
        return list;
    list.items = arena_alloc(a, (n + 1) * sizeof *list.items);
    list.alloc = n + 1;
    if (v->kind == VALUE_SCALAR)
        list.items[list.n++] = arena_strdup(a, v->text);
    for (const struct value *c = v->first; c; c = c->next)
        list.items[list.n++] = arena_strdup(a, c->text);
    return list;
}

static char *bind_text(struct arena *a, const struct value *map, const char *key)
{
    const char *text = value_text(map, key);

    return text ? arena_strdup(a, text) : NULL;
}

static bool bind_bool(const struct value *map, const char *key)
{
    const char *text = value_text(map, key);

    return text && !strcmp(text, "true");
}

static int bind_enum(const struct value *map, const char *key)
{
    const struct value *v = value_get(map, key);
    int i = 0;

    if (v)
        words_find(v->schema->values, v->text, &i);
    return i;
}

static uint64_t measure(const struct schema_key *k, const char *text)
{
    uint64_t n = 0;
    bool ok = k->type == TYPE_DURATION ? scalar_duration(text, &n, NULL)
              : k->type == TYPE_SIZE   ? scalar_size(text, &n, NULL)
                                       : scalar_count(text, &n, NULL);

    return ok ? n : 0;
}

static void bind_field(struct binder *b, const struct schema_key *k, const char *text, const struct value *v)
{
    void *field = (char *)b->policy + k->offset;
    int i = 0;

    switch (k->bind) {
    case BIND_ENUM:
        words_find(k->values, text, &i);
        *(int *)field = i; // every enum of the model is an int
        break;
    case BIND_BOOL:
        *(bool *)field = !strcmp(text, "true");
        break;
    case BIND_UINT:
        *(uint64_t *)field = measure(k, text);
        break;
    case BIND_NUMBER: {
        double d = 0;

        *(double *)field = scalar_number(text, &d, NULL) ? d : 0;
        break;
    }
    case BIND_TEXT:
        *(char **)field = arena_strdup(b->arena, text);
        break;
    case BIND_LIST:
        *(struct policy_list *)field = bind_list(b->arena, v);
        break;
    case BIND_NONE:
        break;
    }
}
_Static_assert(sizeof(enum net_mode) == sizeof(int) && sizeof(enum verdict) == sizeof(int),
               "enums bind as int");

static void bind_map(struct binder *b, const struct value *map)
{
    for (const struct value *v = map->first; v; v = v->next) {
        if (v->schema->bind)
            bind_field(b, v->schema, v->text, v);
        else if (v->schema->type == TYPE_MAP)
            bind_map(b, v);
    }
}

static struct net_rule *bind_rules(struct arena *a, const struct value *list, size_t *ret_n)
{
    size_t n = value_count(list);
    struct net_rule *rules = n ? arena_alloc(a, n * sizeof *rules) : NULL, *r = rules;

    for (const struct value *v = list ? list->first : NULL; v; v = v->next, r++) {
        const struct value *ports = value_get(v, "ports"), *upload = value_get(v, "max_upload"),
                           *rate = value_get(v, "upload_rate");

        r->host = bind_text(a, v, "host");
        r->preset = bind_text(a, v, "preset");
        r->methods = bind_list(a, value_get(v, "methods"));
        r->paths = bind_list(a, value_get(v, "paths"));
        r->protocol = (enum net_protocol)bind_enum(v, "protocol");
        r->tls = (enum tls_mode)bind_enum(v, "tls");
        r->upgrade = bind_bool(v, "upgrade");
        r->watch = bind_bool(v, "watch");
        r->max_upload = upload ? measure(upload->schema, upload->text) : 0;
        r->upload_rate = rate ? measure(rate->schema, rate->text) : 0;
        r->because = bind_text(a, v, "because");
        r->from = v->from;
        r->ports = ports ? arena_alloc(a, value_count(ports) * sizeof *r->ports) : NULL;
        for (const struct value *p = ports ? ports->first : NULL; p; p = p->next)
            r->nports += scalar_port(p->text, &r->ports[r->nports], NULL);
    }
    *ret_n = n;
    return rules;
}

static void bind_secrets(struct binder *b, const struct value *map)
{
    size_t n = value_count(map);
    struct secret *s = n ? arena_alloc(b->arena, n * sizeof *s) : NULL;

    b->policy->secrets = s;
    b->policy->nsecrets = n;
    for (const struct value *v = map ? map->first : NULL; v; v = v->next, s++) {
        s->name = arena_strdup(b->arena, v->key);
        s->from = bind_text(b->arena, v, "from");
        s->hosts = bind_list(b->arena, value_get(v, "hosts"));
        s->header = bind_text(b->arena, v, "header");
        s->query = bind_text(b->arena, v, "query");
        s->body = bind_text(b->arena, v, "body");
        s->cleartext = bind_bool(v, "cleartext");
        s->optional = bind_bool(v, "optional");
        s->only = bind_bool(v, "only");
        s->origin = v->from;
    }
}

static void bind_inside(struct binder *b, const struct value *list)
{
    size_t n = value_count(list);
    struct inside_file *f = n ? arena_alloc(b->arena, n * sizeof *f) : NULL;

    b->policy->files.inside = f;
    b->policy->files.ninside = n;
    for (const struct value *v = list ? list->first : NULL; v; v = v->next, f++) {
        const struct value *keep = value_get(v, "keep"), *fake = value_get(v, "fake");

        f->path = bind_text(b->arena, v, "path");
        f->text = bind_text(b->arena, v, "text");
        f->head = bind_text(b->arena, v, "head");
        f->absent = bind_text(b->arena, v, "absent");
        f->put = bind_text(b->arena, v, "put");
        f->members = keep || fake || f->put;
        f->from = v->from;
        if (keep)
            f->keep = bind_list(b->arena, keep);
        if (fake)
            f->fake = bind_list(b->arena, fake);
    }
}

static void bind_commands(struct binder *b, const struct value *list)
{
    size_t n = value_count(list);
    struct command_rule *r = n ? arena_alloc(b->arena, n * sizeof *r) : NULL;

    b->policy->commands = r;
    b->policy->ncommands = n;
    for (const struct value *v = list ? list->first : NULL; v; v = v->next, r++) {
        const struct value *match = value_get(v, "match");

        r->match = arena_alloc(b->arena, value_count(match) * sizeof *r->match);
        for (const struct value *m = match->first; m; m = m->next)
            r->match[r->nmatch++] = bind_words(b->arena, m);
        r->decision = (enum verdict)bind_enum(v, "decision");
        r->because = bind_text(b->arena, v, "because");
        r->like = bind_list(b->arena, value_get(v, "like"));
        r->unlike = bind_list(b->arena, value_get(v, "unlike"));
        r->from = v->from;
    }
}

// What holds where no layer says anything; only what differs from zero matters, but all go the same way.
static void bind_initial(struct binder *b)
{
    for (size_t i = 0; i < schema_nkeys; i++)
        if (schema_keys[i].initial && schema_keys[i].bind)
            bind_field(b, &schema_keys[i], schema_keys[i].initial, NULL);
}

struct policy *bind_policy(struct arena *arena, struct value *root, const char *file)
{
    struct policy *p = xcalloc(1, sizeof *p);
    struct binder b = {.arena = arena, .policy = p};
    const struct value *network = value_get(root, "network"), *reviewer = value_at(root, "approval.reviewer");

    bind_initial(&b);
    bind_map(&b, root);
    p->profile = bind_text(arena, root, "extends");
    p->network.allow = bind_rules(arena, value_get(network, "allow"), &p->network.nallow);
    p->network.deny = bind_rules(arena, value_get(network, "deny"), &p->network.ndeny);
    p->network.quiet = bind_rules(arena, value_get(network, "quiet"), &p->network.nquiet);
    bind_secrets(&b, value_get(root, "secrets"));
    bind_inside(&b, value_at(root, "files.inside"));
    bind_commands(&b, value_get(root, "commands"));
    if (reviewer && reviewer->kind == VALUE_SCALAR)
        p->approval.reviewer = arena_strdup(arena, reviewer->text);
    else if (reviewer)
        p->approval.command = bind_words(arena, value_get(reviewer, "command"));
    p->priv = xcalloc(1, sizeof *p->priv);
    p->priv->root = root;
    p->priv->file = file;
    p->priv->arena = *arena;
    *arena = (struct arena){0};
    return p;
}

void policy_free(struct policy *p)
{
    if (!p)
        return;
    if (p->priv)
        arena_deinit(&p->priv->arena);
    free(p->priv);
    free(p);
}
