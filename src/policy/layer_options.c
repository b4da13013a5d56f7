// SPDX-License-Identifier: Apache-2.0
// The command line as a layer: every option becomes the small YAML tree that one would have written, and goes
// through the same reading as a file. Lists append; a scalar replaces.
#include "policy/layers.h"

#include <string.h>

#include "policy/read.h"

static struct yaml_node *node(struct arena *a, enum yaml_kind kind, const char *text)
{
    struct yaml_node *n = arena_alloc(a, sizeof *n);

    n->kind = kind;
    n->text = text ? arena_strdup(a, text) : NULL;
    return n;
}

static struct yaml_node *add(struct yaml_node *parent, struct yaml_node *child, char *key)
{
    child->key = key;
    yaml_append(parent, child);
    return child;
}

// The document in which the dotted key has this value.
static struct yaml_node *wrap(struct arena *a, const char *dotted, struct yaml_node *value)
{
    struct yaml_node *root = node(a, YAML_MAP, NULL), *at = root;

    for (;;) {
        size_t n = strcspn(dotted, ".");
        char *key = arena_strndup(a, dotted, n);

        if (!dotted[n]) {
            add(at, value, key);
            return root;
        }
        at = add(at, node(a, YAML_MAP, NULL), key);
        dotted += n + 1;
    }
}

static bool merge(struct arena *a, const struct policy_places *places, const char *option,
                  struct yaml_node *doc, struct value *root, struct err *err)
{
    struct read_source source = {.layer = LAYER_OPTION,
                                 .file = arena_strdup(a, option),
                                 .dir = places->workspace,
                                 .workspace = places->workspace,
                                 .home = places->home};
    struct value *tree = NULL;

    if (!read_tree(a, &source, doc, &tree, err) || !read_finish(a, &source, tree, err))
        return false;
    value_merge(root, tree);
    return true;
}

static bool merge_words(struct arena *a, const struct policy_places *places, const char *option,
                        const char *key, const struct strlist *words, struct value *root, struct err *err)
{
    struct yaml_node *list = node(a, YAML_LIST, NULL);

    if (!words->n)
        return true;
    for (size_t i = 0; i < words->n; i++)
        add(list, node(a, YAML_SCALAR, words->items[i]), NULL);
    return merge(a, places, option, wrap(a, key, list), root, err);
}

static bool merge_scalar(struct arena *a, const struct policy_places *places, const char *option,
                         const char *key, const char *text, struct value *root, struct err *err)
{
    return !text || merge(a, places, option, wrap(a, key, node(a, YAML_SCALAR, text)), root, err);
}

static void forget_lines(struct yaml_node *n)
{
    n->line = n->column = n->key_line = n->key_column = 0;
    for (struct yaml_node *c = n->first; c; c = c->next)
        forget_lines(c);
}

// KEY=VALUE with a dotted KEY; VALUE is YAML in one line, and nothing is an empty text.
static bool parse_set(struct arena *a, const char *option, const char *set, struct yaml_node **ret,
                      struct err *err)
{
    const char *eq = strchr(set, '=');
    struct yaml_node *value = NULL;
    char *key;

    if (!eq || eq == set)
        return err_set(err, ERR_INPUT, "%s: write KEY=VALUE, like limits.wall=30m", option);
    key = arena_strndup(a, set, (size_t)(eq - set));
    if (!yaml_parse(a, eq + 1, strlen(eq + 1), &value, err))
        return err_prefix(err, "%s: in the value", option);
    if (!value)
        value = node(a, YAML_SCALAR, "");
    forget_lines(value);
    *ret = wrap(a, key, value);
    return true;
}

static bool merge_sets(struct arena *a, const struct policy_places *places, const char *word,
                       const struct strlist *sets, struct value *root, struct err *err)
{
    for (size_t i = 0; i < sets->n; i++) {
        const char *option = arena_printf(a, "%s %.100s", word, sets->items[i]);
        struct yaml_node *doc = NULL;

        if (!parse_set(a, option, sets->items[i], &doc, err) || !merge(a, places, option, doc, root, err))
            return false;
    }
    return true;
}

bool options_profile(struct arena *a, const struct policy_places *places, const struct policy_options *o,
                     const char **ret, struct err *err)
{
    struct origin from = {.layer = LAYER_OPTION, .file = "options"};
    struct value *root = value_new(a, VALUE_MAP, &schema_root, NULL, &from);

    *ret = NULL;
    for (size_t i = 0; i < o->set.n; i++) {
        const struct strlist one = {.items = &o->set.items[i], .n = 1};

        if (!strncmp(o->set.items[i], "extends=", 8) && !merge_sets(a, places, "--set", &one, root, err))
            return false;
    }
    if (!merge_scalar(a, places, "--profile", "extends", o->profile, root, err))
        return false;
    *ret = value_text(root, "extends");
    return true;
}

// HOST[:PORT][,METHOD…]; an IPv6 address with a port stands in brackets.
static bool parse_allow(struct arena *a, const char *text, struct yaml_node *list, struct err *err)
{
    struct yaml_node *rule = add(list, node(a, YAML_MAP, NULL), NULL), *methods;
    size_t n = strcspn(text, ","), host = n;
    const char *end = text + n, *colon = memchr(text, ':', n), *port = NULL;

    if (text[0] == '[') {
        const char *close = memchr(text, ']', n);

        if (!close || (close + 1 != end && close[1] != ':'))
            return err_set(err, ERR_INPUT, "--allow %.100s: write [ADDRESS]:PORT", text);
        port = close + 1 == end ? NULL : close + 2;
        text++;
        host = (size_t)(close - text);
    } else if (colon && colon[1] != '/' && !memchr(colon + 1, ':', (size_t)(end - colon - 1))) {
        port = colon + 1;
        host = (size_t)(colon - text);
    }
    add(rule, node(a, YAML_SCALAR, arena_strndup(a, text, host)), arena_strdup(a, "host"));
    if (port) {
        struct yaml_node *ports = add(rule, node(a, YAML_LIST, NULL), arena_strdup(a, "ports"));

        add(ports, node(a, YAML_SCALAR, arena_strndup(a, port, (size_t)(end - port))), NULL);
    }
    if (!*end)
        return true;
    methods = add(rule, node(a, YAML_LIST, NULL), arena_strdup(a, "methods"));
    while (*end) {
        n = strcspn(end + 1, ",");
        add(methods, node(a, YAML_SCALAR, arena_strndup(a, end + 1, n)), NULL);
        end += 1 + n;
    }
    return true;
}

static bool merge_allow(struct arena *a, const struct policy_places *places, const struct policy_options *o,
                        struct value *root, struct err *err)
{
    struct yaml_node *list = node(a, YAML_LIST, NULL);
    const struct value *mode = value_at(root, "network.mode");

    if (!o->allow.n)
        return true;
    if (mode && mode->from.layer == LAYER_OPTION && strcmp(mode->text, "guarded") != 0)
        return err_set(err, ERR_INPUT, "--allow means network.mode guarded, but %s says %s; leave one out",
                       mode->from.file, mode->text);
    for (size_t i = 0; i < o->allow.n; i++)
        if (!parse_allow(a, o->allow.items[i], list, err))
            return false;
    return merge(a, places, "--allow", wrap(a, "network.allow+", list), root, err);
}

static bool merge_env(struct arena *a, const struct policy_places *places, const struct policy_options *o,
                      struct value *root, struct err *err)
{
    struct strlist pass = {0};
    bool ok = true;

    for (size_t i = 0; ok && i < o->env.n; i++) {
        const char *eq = strchr(o->env.items[i], '=');

        if (!eq) {
            strlist_add(&pass, o->env.items[i]);
            continue;
        }
        // Not through a dotted key: the name is the user's, and a dot in it is an error to be told of.
        struct yaml_node *map = node(a, YAML_MAP, NULL);

        add(map, node(a, YAML_SCALAR, eq + 1),
            arena_strndup(a, o->env.items[i], (size_t)(eq - o->env.items[i])));
        ok = merge(a, places, "--env", wrap(a, "env.set", map), root, err);
    }
    ok = ok && merge_words(a, places, "--env", "env.pass+", &pass, root, err);
    strlist_deinit(&pass);
    return ok;
}

bool options_merge(struct arena *a, const struct policy_places *places, const struct policy_options *o,
                   struct value *root, struct err *err)
{
    return merge_sets(a, places, "--set", &o->set, root, err) &&
           merge_words(a, places, "--read", "files.read+", &o->read, root, err) &&
           merge_words(a, places, "--write", "files.write+", &o->write, root, err) &&
           merge_words(a, places, "--deny", "files.deny+", &o->deny, root, err) &&
           merge_allow(a, places, o, root, err) && merge_env(a, places, o, root, err) &&
           merge_scalar(a, places, "--overlay", "overlay", o->overlay, root, err) &&
           merge_scalar(a, places, "--wall", "limits.wall", o->wall, root, err) &&
           merge_scalar(a, places, "--ask", "approval.mode", o->ask, root, err) &&
           merge_scalar(a, places, "--reviewer", "approval.reviewer", o->reviewer, root, err) &&
           merge_sets(a, places, "--control-fd", &o->live, root, err);
}
