// SPDX-License-Identifier: Apache-2.0
// Tables rather than YAML: every run without a policy file goes through here, and a table costs no parser.
#include "policy/profile.h"

#include <string.h>

struct line {
    const char *key;
    const char *words; // of a list; of a scalar its value
};

#define COMMON_ENV                                                                                           \
    {                                                                                                        \
        "env.pass", "LANG LC_* LANGUAGE TERM COLORTERM NO_COLOR TZ"                                          \
    }
#define COMMON_APPROVAL                                                                                      \
    {"approval.mode", "edge"},                                                                               \
    {                                                                                                        \
        "approval.timeout", "2m"                                                                             \
    }

static const struct line read_only[] = {{"files.read", "@system @toolchains ."},
                                        {"files.write", "@tmp @home"},
                                        {"files.deny", "@secrets"},
                                        {"files.protect", "@hooks"},
                                        {"network.mode", "off"},
                                        COMMON_ENV,
                                        COMMON_APPROVAL,
                                        {"overlay", "off"},
                                        {0}};
static const struct line workspace[] = {{"files.read", "@system @toolchains ."},
                                        {"files.write", ". @tmp @home"},
                                        {"files.deny", "@secrets"},
                                        {"files.protect", "@hooks"},
                                        {"network.mode", "off"},
                                        COMMON_ENV,
                                        COMMON_APPROVAL,
                                        {"overlay", "off"},
                                        {0}};
static const struct line computer[] = {{"files.read", "/"},
                                       {"files.write", ". @tmp @home"},
                                       {"files.deny", "@secrets"},
                                       {"files.protect", "@hooks"},
                                       {"network.mode", "off"},
                                       COMMON_ENV,
                                       COMMON_APPROVAL,
                                       {"overlay", "review"},
                                       {0}};
static const struct line everything[] = {{"files.read", "/"},
                                         {"files.write", "/ . @tmp"},
                                         {"files.deny", "@secrets"},
                                         {"files.protect", "@hooks"},
                                         {"network.mode", "open"},
                                         COMMON_ENV,
                                         COMMON_APPROVAL,
                                         {"overlay", "off"},
                                         {0}};
// A tool server works on what it is asked, not on the workspace; the client that started it ends its input.
static const struct line mcp[] = {{"files.read", "@system @program"},
                                  {"files.write", "@tmp @home"},
                                  {"files.deny", "@secrets"},
                                  {"files.protect", "@hooks"},
                                  {"network.mode", "off"},
                                  {"limits.after_input", "10s"},
                                  COMMON_ENV,
                                  COMMON_APPROVAL,
                                  {"overlay", "off"},
                                  {0}};

static const struct {
    const char *name;
    const struct line *lines;
} profiles[] = {{"read-only", read_only},
                {"workspace", workspace},
                {"computer", computer},
                {"open", everything},
                {"mcp", mcp}};

static void fill(struct arena *a, struct value *root, const struct line *l, const struct origin *from)
{
    const struct schema_key *k = &schema_root;
    struct value *map = root, *v;
    const char *name = l->key, *dot = strchr(name, '.');

    if (dot) {
        char *section = arena_strndup(a, name, (size_t)(dot - name));

        k = schema_child(k, section);
        map = value_ensure(a, root, k, section, VALUE_MAP, from);
        name = dot + 1;
    }
    k = schema_child(k, name);
    v = value_new(a, k->type == TYPE_LIST ? VALUE_LIST : VALUE_SCALAR, k, name, from);
    value_append(map, v);
    v->text = l->words;
    for (const char *w = l->words; v->kind == VALUE_LIST && *w;) {
        size_t n = strcspn(w, " ");
        struct value *e = value_new(a, VALUE_SCALAR, k, NULL, from);

        e->text = arena_strndup(a, w, n);
        value_append(v, e);
        w += n;
        w += strspn(w, " ");
    }
}

bool profile_make(struct arena *a, const struct policy_places *places, const char *name, struct value **ret,
                  struct err *err)
{
    struct origin from = {.layer = LAYER_BUILTIN, .file = arena_printf(a, "profile %s", name)};
    struct value *root = value_new(a, VALUE_MAP, &schema_root, NULL, &from);

    if (!strncmp(name, "agent:", 6))
        return profile_file_make(a, places, name, ret, err);
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++) {
        if (strcmp(profiles[i].name, name) != 0)
            continue;
        for (const struct line *l = profiles[i].lines; l->key; l++)
            fill(a, root, l, &from);
        *ret = root;
        return true;
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "the profile %s is not in this build; use read-only, workspace, computer, open or mcp",
                   name);
}
