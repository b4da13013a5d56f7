// SPDX-License-Identifier: Apache-2.0
#include "policy/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "policy/read.h"
#include "policy/trust.h"

// Reads a policy file. *ret_there is false when there is none; what is there and cannot be read is an error,
// for a policy that nobody could read must not become a run without it.
static bool slurp(const char *path, struct buf *ret, bool *ret_there, struct err *err)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    *ret_there = false;
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return true;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(err, errno, "cannot read the policy %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INPUT, "the policy %s is not a regular file", path);
    if (!fd_read_all(fd, ret, err))
        return err_prefix(err, "cannot read the policy %s", path);
    *ret_there = true;
    return true;
}

static bool read_file(struct arena *a, const struct policy_places *places, enum layer layer, const char *path,
                      struct buf *text, struct value **ret, struct err *err)
{
    AUTO_FREE char *dir = path_parent(path);
    struct read_source source = {.layer = layer,
                                 .file = arena_strdup(a, path),
                                 .dir = arena_strdup(a, dir),
                                 .workspace = places->workspace,
                                 .home = places->home};
    bool there;

    if (!slurp(path, text, &there, err))
        return false;
    return !there || read_layer(a, &source, text->len ? text->ptr : "", text->len, ret, err);
}

static bool read_workspace(struct arena *a, const struct policy_places *places, struct layers *l,
                           struct err *err)
{
    static const char *const names[] = {"bawn.yaml", "bawn.json"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_FREE char *path = path_normal(places->workspace, names[i]);
        struct value *tree = NULL;
        AUTO_BUF struct buf text = {0};

        buf_init(&text, POLICY_FILE_MAX);
        if (!read_file(a, places, LAYER_WORKSPACE, path, &text, &tree, err))
            return false;
        if (!tree)
            continue;
        if (l->workspace)
            return err_set(err, ERR_INPUT, "%s and %s are both there; keep one of them", l->workspace_file,
                           path);
        l->workspace = tree;
        l->workspace_file = arena_strdup(a, path);
        l->workspace_text = text;
        text = (struct buf){0};
        l->workspace_trusted =
            trust_has(places->state_dir, path, l->workspace_text.ptr ? l->workspace_text.ptr : "",
                      l->workspace_text.len);
    }
    return true;
}

static bool read_named(struct arena *a, const struct policy_places *places, const char *file,
                       struct layers *l, struct err *err)
{
    AUTO_FREE char *cwd = file[0] == '/' ? NULL : getcwd(NULL, 0), *path = path_normal(cwd ? cwd : "/", file);
    AUTO_BUF struct buf text = {0};

    buf_init(&text, POLICY_FILE_MAX);
    l->file_path = arena_strdup(a, path);
    if (!read_file(a, places, LAYER_FILE, path, &text, &l->file, err))
        return false;
    return l->file || err_set(err, ERR_MISSING, "the policy %s does not exist", path);
}

// A policy that was made and not written: it stands where that of -p would.
static bool read_made(struct arena *a, const struct policy_places *places, const struct policy_options *o,
                      struct layers *l, struct err *err)
{
    struct read_source source = {.layer = LAYER_FILE,
                                 .file = o->file ? arena_strdup(a, o->file) : "built in",
                                 .dir = places->workspace,
                                 .workspace = places->workspace,
                                 .home = places->home};

    l->file_path = o->file ? source.file : NULL;
    return read_tree(a, &source, o->tree, &l->file, err) && read_finish(a, &source, l->file, err);
}

static bool read_one(struct arena *a, const struct policy_places *places, enum layer layer, const char *path,
                     struct value **ret, struct err *err)
{
    AUTO_BUF struct buf text = {0};

    buf_init(&text, POLICY_FILE_MAX);
    return read_file(a, places, layer, path, &text, ret, err);
}

bool layers_read(struct arena *a, const struct policy_places *places, const struct policy_options *o,
                 struct layers *ret, struct err *err)
{
    struct layers l = {0};
    bool ok = true;

    if (o->tree) {
        ok = read_made(a, places, o, &l, err);
    } else if (o->file) {
        ok = read_named(a, places, o->file, &l, err);
    } else {
        if (places->config_dir) {
            AUTO_FREE char *path = path_normal(places->config_dir, "policy.yaml");

            ok = read_one(a, places, LAYER_USER, path, &l.user, err);
        }
        if (ok && places->workspace)
            ok = read_workspace(a, places, &l, err);
    }
    if (ok && places->managed_file)
        ok = read_one(a, places, LAYER_MANAGED, places->managed_file, &l.managed, err);
    if (ok)
        *ret = l;
    else
        layers_deinit(&l);
    return ok;
}

void layers_deinit(struct layers *l)
{
    buf_deinit(&l->workspace_text);
}
