// SPDX-License-Identifier: Apache-2.0
// Settings as anybody may have written them. What is translated must read as a policy, and nothing of it may
// open what the settings shut: no network where no domain is allowed.
#include "fuzz.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "policy/import.h"
#include "policy/load.h"
#include "policy/read.h"

static const struct read_source source = {.layer = LAYER_FILE,
                                          .file = "settings.json",
                                          .dir = "/home/u/w",
                                          .workspace = "/home/u/w",
                                          .home = "/home/u"};

// A machine on which the length of a path says whether it is there.
static enum import_kind kind(void *ctx, const char *path)
{
    (void)ctx;
    return (enum import_kind)(strlen(path) % 3);
}

static char *real(void *ctx, const char *path)
{
    (void)ctx;
    return strlen(path) % 5 ? path_normal("/", path) : NULL;
}

static bool list(void *ctx, const char *dir, struct strlist *ret, struct err *err)
{
    (void)ctx;
    (void)err;
    if (path_depth(dir) < 4) {
        strlist_add(ret, "home");
        strlist_add(ret, "u");
        strlist_add(ret, "w");
    }
    return true;
}

static bool variable(void *ctx, const char *name)
{
    (void)ctx;
    return strlen(name) % 2;
}

static bool lets_out(const struct yaml_node *policy)
{
    for (const struct yaml_node *c = policy->first; c; c = c->next)
        for (const struct yaml_node *k = c->first; k && !strcmp(c->key, "network"); k = k->next)
            if (!strcmp(k->key, "mode"))
                return strcmp(k->text, "off") != 0;
    return false;
}

static bool allows(const struct yaml_node *settings)
{
    for (const struct yaml_node *c = settings->first; c; c = c->next)
        for (const struct yaml_node *k = c->first; k; k = k->next)
            if (!k->key || !strcmp(k->key, "allow") || !strcmp(k->key, "network") ||
                (!strcmp(k->key, "allowedDomains") && k->first))
                return true;
    return false;
}

static void check(struct arena *arena, const struct yaml_node *settings, const struct imported *made)
{
    AUTO_BUF struct buf text = {0};
    struct yaml_node *again = NULL;
    struct value *direct = NULL, *shown = NULL;
    bool ok;

    if (lets_out(made->policy) && !allows(settings))
        abort();
    buf_init(&text, 64u << 20);
    import_write(made, "settings.json", &text);
    // A text that the policy cannot hold is an error of either way, and of both.
    ok = read_tree(arena, &source, made->policy, &direct, NULL);
    if (!yaml_parse(arena, text.ptr, text.len, &again, NULL)
            ? ok
            : ok != read_tree(arena, &source, again, &shown, NULL))
        abort();
    if (ok && !value_equal(direct, shown))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ARENA struct arena arena = {0};
    struct import_place place = {.workspace = "/home/u/w",
                                 .home = "/home/u",
                                 .file = "/home/u/.claude/settings.json",
                                 .eyes = {NULL, kind, real, list, variable}};
    struct yaml_node *settings = NULL;
    enum import_source from;
    struct imported made;

    if (size > POLICY_FILE_MAX || !import_read(&arena, (const char *)data, size, &settings, &from, NULL))
        return 0;
    for (int keeps = 0; keeps < 2; keeps++) {
        place.for_keeps = keeps;
        if (!(from == IMPORT_SRT ? import_srt : import_claude)(&arena, settings, &place, &made, NULL))
            continue;
        check(&arena, settings, &made);
        imported_deinit(&made);
    }
    return 0;
}
