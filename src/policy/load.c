// SPDX-License-Identifier: Apache-2.0
// One load, from the lowest layer up:
//
//   profile (the highest `extends` names it)
//   < user's file < workspace's file, merged when trusted, else narrowing        or: < the file of -p
//   < command line
//   > managed file, which narrows the whole
//
// and then: what several keys must say together, what this build has, risks. Nothing here looks at paths that
// the policy names; that is files.c.
#include "policy/load.h"

#include <string.h>

#include "policy/bind.h"
#include "policy/check.h"
#include "policy/layers.h"
#include "policy/narrow.h"
#include "policy/profile.h"
#include "policy/trust.h"

struct loader {
    struct arena *arena;
    const struct policy_places *places;
    const struct policy_options *options;
    struct layers layers;
    struct strlist unheard; // what an untrusted workspace file asked for in vain
    struct strlist capped;  // what the managed file took away
};

static void join(struct buf *notes, const struct strlist *words)
{
    for (size_t i = 0; i < words->n; i++)
        buf_addf(notes, "%s%s", i ? ", " : "", words->items[i]);
}

// The profile with the layer on top of it when the layer names one, so that both narrow.
static bool with_profile(struct loader *l, struct value *layer, struct value **ret, struct err *err)
{
    const struct value *extends = value_get(layer, "extends");
    AUTO_FREE char *where = extends ? origin_text(&extends->from) : NULL;

    *ret = layer;
    if (!extends)
        return true;
    if (!profile_make(l->arena, l->places, extends->text, ret, err))
        return err_prefix(err, "%s: extends", where);
    value_merge(*ret, layer);
    return true;
}

static bool narrow_by_layer(struct loader *l, struct value *root, struct value *layer, bool managed,
                            struct err *err)
{
    bool profile_dropped = false;
    const char *extends = value_text(layer, "extends");
    struct narrow_by by = {.arena = l->arena,
                           .workspace = l->places->workspace,
                           .home = l->places->home,
                           .trusted = managed,
                           .dropped = managed ? &l->capped : &l->unheard,
                           .profile_dropped = &profile_dropped};
    struct value *cap;

    if (!with_profile(l, layer, &cap, err))
        return false;
    narrow(&by, root, cap);
    if (profile_dropped)
        strlist_addf(&l->unheard, "extends %s", extends);
    return true;
}

static bool base_make(struct loader *l, struct value **ret, struct err *err)
{
    const struct layers *f = &l->layers;
    const struct value *named[] = {value_get(f->file, "extends"),
                                   f->workspace_trusted ? value_get(f->workspace, "extends") : NULL,
                                   value_get(f->user, "extends")};
    struct origin from = {.layer = LAYER_BUILTIN, .file = "built in"};
    AUTO_FREE char *where = NULL;
    const char *name = NULL;
    struct value *extends;

    if (!options_profile(l->arena, l->places, l->options, &name, err))
        return false;
    if (name) {
        from = (struct origin){.layer = LAYER_OPTION,
                               .file = l->options->profile ? "--profile" : "--set extends"};
    } else {
        name = "workspace";
        for (size_t i = 0; i < ARRAY_LEN(named); i++)
            if (named[i]) {
                name = named[i]->text;
                from = named[i]->from;
                break;
            }
    }
    where = origin_text(&from);
    if (!profile_make(l->arena, l->places, name, ret, err))
        return err_prefix(err, "%s: extends", where);
    extends = value_new(l->arena, VALUE_SCALAR, schema_child(&schema_root, "extends"), "extends", &from);
    extends->text = name;
    value_append(*ret, extends);
    return true;
}

static void merge_below(struct value *root, struct value *layer)
{
    struct value *extends = value_get(root, "extends"), keep = *extends;

    value_merge(root, layer);
    keep.next = extends->next;
    *extends = keep; // the highest was chosen before
}

static bool load(struct loader *l, struct value **ret, struct err *err)
{
    struct value *root;

    if (!layers_read(l->arena, l->places, l->options, &l->layers, err) || !base_make(l, &root, err))
        return false;
    if (l->layers.user)
        merge_below(root, l->layers.user);
    if (l->layers.workspace && l->layers.workspace_trusted)
        merge_below(root, l->layers.workspace);
    else if (l->layers.workspace && !narrow_by_layer(l, root, l->layers.workspace, false, err))
        return false;
    if (l->layers.file)
        merge_below(root, l->layers.file);
    if (!options_merge(l->arena, l->places, l->options, root, err))
        return false;
    if (l->layers.managed && !narrow_by_layer(l, root, l->layers.managed, true, err))
        return false;
    if (!check_merged(root, err))
        return false;
    *ret = root;
    return true;
}

static void write_notes(struct loader *l, const struct value *root, struct buf *notes)
{
    if (l->unheard.n) {
        buf_addf(notes,
                 "%s is not trusted, so it can only narrow; without effect: ", l->layers.workspace_file);
        join(notes, &l->unheard);
        buf_adds(notes, "; `bawn trust` shows it and asks\n");
    }
    if (l->capped.n) {
        buf_addf(notes, "capped by %s: ", l->places->managed_file);
        join(notes, &l->capped);
        buf_addc(notes, '\n');
    }
    check_risks(root, l->places->workspace, l->places->home, notes);
}

static void loader_deinit(struct loader *l)
{
    layers_deinit(&l->layers);
    strlist_deinit(&l->unheard);
    strlist_deinit(&l->capped);
}

bool policy_load(const struct policy_places *places, const struct policy_options *options,
                 struct policy **ret, struct buf *notes, struct err *err)
{
    static const struct policy_options none = {0};
    AUTO_ARENA struct arena arena = {0};
    struct loader l = {.arena = &arena, .places = places, .options = options ? options : &none};
    struct value *root = NULL;
    bool ok = load(&l, &root, err);

    if (ok && notes)
        write_notes(&l, root, notes);
    loader_deinit(&l);
    if (!ok || !check_features(root, err))
        return false;
    *ret = bind_policy(&arena, root, l.layers.file_path);
    return true;
}

bool policy_workspace_file(const struct policy_places *places, char **ret_path, struct buf *ret_text,
                           bool *ret_trusted, struct strlist *ret_loosens, struct err *err)
{
    static const struct policy_options none = {0};
    AUTO_ARENA struct arena arena = {0};
    struct policy_places untrusted = *places;
    struct loader l = {.arena = &arena, .places = &untrusted, .options = &none};
    struct value *root = NULL;
    bool ok;

    untrusted.state_dir = NULL; // read it as a stranger's
    ok = load(&l, &root, err);
    if (ok && !l.layers.workspace_file)
        ok = err_set(err, ERR_MISSING, "there is no bawn.yaml or bawn.json in %s: nothing to trust",
                     places->workspace);
    if (ok) {
        *ret_path = xstrdup(l.layers.workspace_file);
        *ret_text = l.layers.workspace_text;
        l.layers.workspace_text = (struct buf){0};
        *ret_trusted =
            trust_has(places->state_dir, *ret_path, ret_text->len ? ret_text->ptr : "", ret_text->len);
        for (size_t i = 0; i < l.unheard.n; i++)
            strlist_add(ret_loosens, l.unheard.items[i]);
    }
    loader_deinit(&l);
    return ok;
}
