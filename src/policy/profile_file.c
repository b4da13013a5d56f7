// SPDX-License-Identifier: Apache-2.0
// Profiles that are files: agent:NAME is agent-NAME.yaml, looked for in the user's profiles directory and
// then among those that this build carries. Each stands on another one (extends), at the bottom on a table of
// profile.c. One of the user's that extends its own name stands on the built-in one of that name.
#include "policy/profile.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "policy/read.h"

#define DEPTH_MAX 8 // profiles on top of each other

struct profile_file {
    struct read_source source;
    struct buf text;
};

static bool read_own(struct arena *a, const struct policy_places *places, const char *file,
                     struct profile_file *ret, bool *ret_there, struct err *err)
{
    AUTO_FREE char *dir = path_normal(places->config_dir, "profiles"), *path = path_normal(dir, file);
    struct err one = {0};

    *ret_there = false;
    if (!file_read(AT_FDCWD, path, &ret->text, &one)) {
        if (one.kind == ERR_MISSING)
            return true;
        return err_set(err, one.kind, "the profile %s: %s", path, one.msg);
    }
    *ret_there = true;
    ret->source.file = arena_strdup(a, path);
    ret->source.dir = arena_strdup(a, dir);
    return true;
}

static const struct profile_text *built_in(const char *name)
{
    for (const struct profile_text *t = profile_texts; t->name; t++)
        if (!strcmp(t->name, name))
            return t;
    return NULL;
}

static bool no_such(const char *name, const struct policy_places *places, struct err *err)
{
    AUTO_BUF struct buf known = {0};

    buf_init(&known, 4096);
    for (const struct profile_text *t = profile_texts; t->name; t++)
        buf_addf(&known, "%s%s", known.len ? ", " : "", t->name);
    return err_set(err, ERR_UNSUPPORTED,
                   "there is no profile %s; use read-only, workspace, open, mcp, %s, or write "
                   "%s/profiles/agent-%s.yaml",
                   name, buf_cstr(&known),
                   places && places->config_dir ? places->config_dir : "~/.config/bawn", name + 6);
}

// `below`: not the user's own, which stands on this one.
static bool find(struct arena *a, const struct policy_places *places, const char *name, bool below,
                 struct profile_file *ret, bool *ret_own, struct err *err)
{
    AUTO_FREE char *file = xasprintf("agent-%s.yaml", name + 6);
    const struct profile_text *t = built_in(name);

    *ret_own = false;
    if (!below && places && places->config_dir && !read_own(a, places, file, ret, ret_own, err))
        return false;
    if (*ret_own)
        return true;
    if (!t)
        return no_such(name, places, err);
    buf_adds(&ret->text, t->text);
    ret->source.file = arena_printf(a, "profile %s", name);
    ret->source.dir = "/";
    return true;
}

static bool stack(struct arena *a, const struct policy_places *places, const char *name, bool below,
                  int depth, struct value **ret, struct err *err)
{
    struct profile_file f = {.source = {.layer = LAYER_BUILTIN,
                                        .workspace = places ? places->workspace : NULL,
                                        .home = places ? places->home : NULL}};
    struct value *top = NULL, *base;
    const char *extends;
    bool own, ok;

    if (depth > DEPTH_MAX)
        return err_set(err, ERR_INPUT, "more than %d profiles stand on each other; does one stand on itself?",
                       DEPTH_MAX);
    buf_init(&f.text, POLICY_FILE_MAX);
    ok = find(a, places, name, below, &f, &own, err) &&
         read_layer(a, &f.source, buf_cstr(&f.text), f.text.len, &top, err);
    buf_deinit(&f.text);
    if (!ok)
        return false;
    extends = value_text(top, "extends");
    if (!extends)
        extends = "workspace";
    ok = strncmp(extends, "agent:", 6) != 0
             ? profile_make(a, places, extends, &base, err)
             : stack(a, places, extends, own && !strcmp(extends, name), depth + 1, &base, err);
    if (!ok)
        return err_prefix(err, "%s: extends", f.source.file);
    value_merge(base, top);
    *ret = base;
    return true;
}

static void drop(struct value *map, const char *key)
{
    struct value *last = NULL;

    for (struct value **at = &map->first; *at;) {
        if (!strcmp((*at)->key, key)) {
            *at = (*at)->next;
            continue;
        }
        last = *at;
        at = &(*at)->next;
    }
    map->last = last;
}

bool profile_file_make(struct arena *a, const struct policy_places *places, const char *name,
                       struct value **ret, struct err *err)
{
    if (!stack(a, places, name, false, 1, ret, err))
        return false;
    drop(*ret, "extends"); // who chose the profile writes it
    return true;
}
