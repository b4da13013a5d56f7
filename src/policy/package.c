// SPDX-License-Identifier: Apache-2.0
// The package of a file: the directories that what runs from it expects to read, and no others.
//
//   in a node_modules      the outermost node_modules: packages find each other there, by links too
//   in a virtual           its root (pyvenv.cfg), and the Python that it was made from
//   environment
//   else                   the nearest directory with a manifest, and each node_modules above it, where a
//                          repository of several packages keeps what they share
//   else                   the file alone
//
// HOME and what lies above it is nobody's package, nor is a directory that holds what is not tools (the list
// of @toolchains). The workspace is not either, though it has a manifest: of it only the manifest, its
// node_modules and the directory with the file are granted.
#include "policy/program_parts.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "policy/sets.h"

static const char *const manifests[] = {"package.json", "pyproject.toml", "setup.py"};

static bool exists(const char *dir, const char *name)
{
    AUTO_FREE char *path = path_normal(dir, name);

    return access(path, F_OK) == 0;
}

static void add(struct strlist *l, const char *path)
{
    if (!strlist_has(l, path))
        strlist_add(l, path);
}

static void add_below(struct strlist *l, const char *dir, const char *name)
{
    if (exists(dir, name))
        strlist_take(l, path_normal(dir, name));
}

// A directory that may hold a package: below HOME, or else at least two deep (/srv/x).
static bool may_be_root(const struct program_place *p, const char *dir)
{
    return !(p->home && path_within(p->home, dir)) && !holds_other_things(p->home, dir) &&
           path_depth(dir) >= 2;
}

// The nearest directory from `dir` upward with the file in it, owned; or NULL.
static char *upward(const struct program_place *p, const char *dir, const char *const *names, size_t n)
{
    AUTO_FREE char *at = xstrdup(dir);

    while (may_be_root(p, at)) {
        char *up;

        for (size_t i = 0; i < n; i++)
            if (exists(at, names[i]))
                return TAKE_PTR(at);
        up = path_parent(at);
        free(at);
        at = up;
    }
    return NULL;
}

static char *outermost_node_modules(const char *file)
{
    const char *at = strstr(file, "/node_modules/");

    return at ? xstrndup(file, (size_t)(at - file) + strlen("/node_modules")) : NULL;
}

static bool add_virtualenv(const struct program_place *p, const char *dir, struct program *ret)
{
    static const char *const mark[] = {"pyvenv.cfg"};
    AUTO_FREE char *root = upward(p, dir, mark, 1), *python = root ? path_normal(root, "bin/python") : NULL;
    char real[PATH_MAX];

    if (!root)
        return false;
    add(&ret->reads, root);
    if (realpath(python, real) && (!program_astray(p, python, real) || toolchain_known(p->home, real)))
        strlist_take(&ret->toolchains, path_parent(real));
    return true;
}

static void add_shared_modules(const struct program_place *p, const char *root, struct program *ret)
{
    AUTO_FREE char *at = path_parent(root);

    while (may_be_root(p, at)) {
        char *up = path_parent(at);

        add_below(&ret->reads, at, "node_modules");
        free(at);
        at = up;
    }
}

// Of a package that is the workspace, or has it within.
static void add_parts(const char *root, const char *file, struct program *ret)
{
    const char *below = path_below(file, root);
    AUTO_FREE char *first = xstrndup(below, strcspn(below, "/")), *part = path_normal(root, first);

    for (size_t i = 0; i < ARRAY_LEN(manifests); i++)
        add_below(&ret->reads, root, manifests[i]);
    add_below(&ret->reads, root, "node_modules");
    if (*first)
        add(&ret->reads, part);
}

void package_reads(const struct program_place *p, const char *file, struct program *ret)
{
    struct stat st;
    bool is_dir = stat(file, &st) == 0 && S_ISDIR(st.st_mode);
    AUTO_FREE char *dir = is_dir ? xstrdup(file) : path_parent(file), *modules = NULL, *root = NULL;

    if (is_system(file))
        return;
    modules = outermost_node_modules(file);
    if (modules) {
        add(&ret->reads, modules);
        return;
    }
    if (add_virtualenv(p, dir, ret))
        return;
    root = upward(p, dir, manifests, ARRAY_LEN(manifests));
    if (!root && !is_dir)
        add(&ret->reads, file);
    if (!root)
        return;
    if (path_within(p->workspace, root))
        add_parts(root, file, ret);
    else
        add(&ret->reads, root);
    add_shared_modules(p, root, ret);
}

// --- package.json ---

static json_t *read_manifest(const char *dir, struct err *err)
{
    AUTO_FREE char *path = path_normal(dir, "package.json");
    AUTO_BUF struct buf text = {0};
    json_t *o;

    buf_init(&text, PACKAGE_FILE_MAX);
    if (!file_read(AT_FDCWD, path, &text, err))
        return NULL;
    o = json_parse(text.len ? text.ptr : "", text.len, err);
    if (!o)
        err_prefix(err, "%s", path);
    return o;
}

static const char *without_scope(const char *name)
{
    const char *slash = name[0] == '@' ? strchr(name, '/') : NULL;

    return slash ? slash + 1 : name;
}

// Of several commands the one that npm takes: called like the package, or all the same file.
static const char *choose(json_t *bin, const char *package)
{
    const char *first = NULL, *key;
    json_t *file;
    bool same = true;

    json_object_foreach(bin, key, file)
    {
        if (!json_is_string(file))
            return NULL;
        if (!first)
            first = key;
        same = same && json_equal(file, json_object_get(bin, first));
    }
    if (first && !same)
        first = json_object_get(bin, without_scope(package)) ? without_scope(package) : NULL;
    return first;
}

bool package_command(const char *dir, char **ret_name, char **ret_file, struct err *err)
{
    AUTO_JSON json_t *manifest = read_manifest(dir, err);
    json_t *bin = json_object_get(manifest, "bin");
    const char *package = json_string_value(json_object_get(manifest, "name")), *name, *file;

    if (!manifest)
        return false;
    if (!package)
        package = path_base(dir);
    name = json_is_string(bin) ? without_scope(package) : choose(bin, package);
    file = json_string_value(json_is_string(bin) ? bin : json_object_get(bin, name ? name : ""));
    if (!name || !*name || strchr(name, '/') || !file)
        return err_set(err, ERR_MISSING,
                       "%s: package.json names no command by which it is started, or several", dir);
    *ret_name = xstrdup(name);
    *ret_file = path_normal(dir, file);
    return true;
}
