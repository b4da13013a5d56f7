// SPDX-License-Identifier: Apache-2.0
// Sources: gitrepository-layout(5), git-config(1), and git's setup.c, which takes a directory for a
// repository when it has HEAD, and objects and refs (or a commondir file that leads to them); it does not
// look at types.
#include "sandbox/gitplaces.h"

#include <fcntl.h>
#include <string.h>

#include "base/path.h"
#include "sandbox/gitconfig.h"
#include "sandbox/rulematch.h"

#define INCLUDE_DEPTH 10 // as git
#define PLACES_MAX 512   // one repository's; a configuration that names more is not followed further
#define POINTER_MAX 8192 // bytes in .git, commondir and gitdir files

static const char *const fixed_names[] = {"hooks", "config", "config.worktree", "commondir", "gitdir"};

unsigned gitplaces_see(const char *name)
{
    static const struct {
        const char *name;
        unsigned bit;
    } names[] = {{"head", GIT_SEEN_HEAD},
                 {"objects", GIT_SEEN_OBJECTS},
                 {"refs", GIT_SEEN_REFS},
                 {"commondir", GIT_SEEN_COMMONDIR}};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (name_is(name, names[i].name))
            return names[i].bit;
    return 0;
}

bool gitplaces_is_dotgit(const char *name)
{
    return name[0] == '.' && name_is(name, ".git");
}

bool gitplaces_is_repository(const char *dir_name, unsigned seen)
{
    const unsigned own = GIT_SEEN_HEAD | GIT_SEEN_OBJECTS | GIT_SEEN_REFS;
    const unsigned linked = GIT_SEEN_HEAD | GIT_SEEN_COMMONDIR;

    return (seen & own) == own || (seen & linked) == linked || gitplaces_is_dotgit(dir_name);
}

bool gitplaces_is_fixed(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(fixed_names); i++)
        if (name_is(name, fixed_names[i]))
            return true;
    return false;
}

bool gitplaces_is_fixed_path(const char *below)
{
    return gitplaces_is_fixed(below) || name_is(below, "info/attributes");
}

static void place_add(struct gitplace_list *l, char *owned, bool fixed)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->items[i].path, owned)) {
            free(owned);
            return;
        }
    if (l->n == l->alloc) {
        l->alloc = l->alloc ? l->alloc * 2 : 16;
        l->items = xrealloc(l->items, l->alloc * sizeof *l->items);
    }
    l->items[l->n++] = (struct gitplace){.path = owned, .fixed = fixed};
}

void gitplace_list_deinit(struct gitplace_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i].path);
    free(l->items);
    *l = (struct gitplace_list){0};
}

// What one run through configuration files gathers.
struct gather {
    const struct gitplaces *g;
    struct strlist hooks; // core.hooksPath values as written: relative to each worktree
    struct strlist files; // absolute paths: included files and others that are read or run
    char *worktree;       // core.worktree as written, or NULL
    const char *file;     // the one being read
    int depth;
};

static char *expand(const char *home, const char *base, const char *value)
{
    if (value[0] == '~' && (value[1] == '/' || !value[1]))
        return path_normal(home ? home : "/", value[1] ? value + 2 : ".");
    return path_normal(base, value);
}

static void gather_file(struct gather *ga, const char *file);

static bool gather_entry(void *ctx, const struct gitconfig_entry *e)
{
    struct gather *ga = ctx;
    bool core = !strcmp(e->section, "core") && !e->subsection;
    bool include = !strcmp(e->section, "include") || !strcmp(e->section, "includeif");
    AUTO_FREE char *dir = path_parent(ga->file);

    if (!e->value || !*e->value || ga->files.n >= PLACES_MAX || ga->hooks.n >= PLACES_MAX)
        return true;
    if (core && !strcmp(e->key, "hookspath")) {
        strlist_add(&ga->hooks, e->value);
    } else if (core && !strcmp(e->key, "worktree")) {
        free(ga->worktree);
        ga->worktree = xstrdup(e->value);
    } else if (core && (!strcmp(e->key, "fsmonitor") || !strcmp(e->key, "attributesfile")) &&
               (*e->value == '/' || *e->value == '~')) {
        strlist_take(&ga->files, expand(ga->g->home, dir, e->value));
    } else if (include && !strcmp(e->key, "path")) {
        char *target = expand(ga->g->home, dir, e->value);
        bool known = strlist_has(&ga->files, target);

        strlist_take(&ga->files, target);
        if (!known && ga->depth < INCLUDE_DEPTH)
            gather_file(ga, target);
    }
    return true;
}

static void gather_file(struct gather *ga, const char *file)
{
    AUTO_BUF struct buf text = {0};
    const char *outer = ga->file;

    buf_init(&text, GITCONFIG_MAX);
    if (!regular_read(AT_FDCWD, file, true, &text, NULL))
        return;
    ga->file = file;
    ga->depth++;
    if (!gitconfig_parse(text.ptr, text.len, gather_entry, ga, NULL))
        (void)ga; // git stops at the same place; what came before counts
    ga->depth--;
    ga->file = outer;
}

static void gather_deinit(struct gather *ga)
{
    strlist_deinit(&ga->hooks);
    strlist_deinit(&ga->files);
    free(ga->worktree);
}

void gitplaces_init(struct gitplaces *g, const struct file_rules *rules)
{
    struct gather ga = {.g = g};

    *g = (struct gitplaces){.rules = rules, .home = rules->home ? xstrdup(rules->home) : NULL};
    for (size_t i = 0; i < rules->n; i++)
        if (rules->rules[i].hook && (!g->any || rules->rules[i].grant < g->any->grant))
            g->any = &rules->rules[i]; // protected rather than denied, where there are both
    if (!g->any)
        return;
    gather_file(&ga, "/etc/gitconfig");
    if (g->home) {
        AUTO_FREE char *plain = path_normal(g->home, ".gitconfig");
        AUTO_FREE char *xdg = path_normal(g->home, ".config/git/config");

        gather_file(&ga, plain);
        gather_file(&ga, xdg);
    }
    g->global_hooks = ga.hooks;
    g->global = ga.files;
    ga.hooks = ga.files = (struct strlist){0};
    gather_deinit(&ga);
}

void gitplaces_deinit(struct gitplaces *g)
{
    free(g->home);
    strlist_deinit(&g->global_hooks);
    strlist_deinit(&g->global);
    *g = (struct gitplaces){0};
}

// A one-line pointer file, without its line end; NULL when there is none.
static char *pointer_read(const char *dir, const char *name)
{
    AUTO_FREE char *path = path_normal(dir, name);
    AUTO_BUF struct buf text = {0};

    buf_init(&text, POINTER_MAX);
    if (!regular_read(AT_FDCWD, path, true, &text, NULL) || !text.len)
        return NULL;
    while (text.len && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
        text.len--;
    return memchr(text.ptr, '\0', text.len) ? NULL : buf_take(&text);
}

char *gitplaces_gitdir_of(const char *data, size_t n, const char *file)
{
    AUTO_FREE char *dir = path_parent(file), *target = NULL;

    if (n < 9 || memcmp(data, "gitdir: ", 8) != 0 || memchr(data, '\0', n))
        return NULL;
    while (n > 8 && (data[n - 1] == '\n' || data[n - 1] == '\r'))
        n--;
    target = xstrndup(data + 8, n - 8);
    return *target ? path_normal(dir, target) : NULL;
}

// The directory that hooks run in, and that a relative core.hooksPath starts from.
static char *worktree_of(const char *gitdir, const char *configured)
{
    AUTO_FREE char *back = pointer_read(gitdir, "gitdir"); // a linked worktree's way back to its .git file

    if (back) {
        AUTO_FREE char *file = path_normal(gitdir, back);

        return path_parent(file);
    }
    if (configured)
        return path_normal(gitdir, configured);
    return gitplaces_is_dotgit(path_base(gitdir)) ? path_parent(gitdir) : xstrdup(gitdir);
}

static void hooks_add(const struct gitplaces *g, const char *worktree, const struct strlist *hooks,
                      struct gitplace_list *ret)
{
    for (size_t i = 0; i < hooks->n; i++)
        place_add(ret, expand(g->home, worktree, hooks->items[i]), false);
}

void gitplaces_find(const struct gitplaces *g, const char *gitdir, struct gitplace_list *ret)
{
    struct gather ga = {.g = g};
    AUTO_FREE char *common = pointer_read(gitdir, "commondir");
    AUTO_FREE char *base = path_normal(gitdir, common ? common : ".");
    AUTO_FREE char *config = path_normal(base, "config"), *own = path_normal(gitdir, "config.worktree");
    AUTO_FREE char *worktree = NULL;

    for (size_t i = 0; i < ARRAY_LEN(fixed_names); i++)
        place_add(ret, path_normal(gitdir, fixed_names[i]), true);
    place_add(ret, path_normal(gitdir, "info/attributes"), true);
    if (common) { // the directory that it leads to may not look like a repository by itself
        place_add(ret, path_normal(base, "config"), true);
        place_add(ret, path_normal(base, "hooks"), true);
        place_add(ret, path_normal(base, "info/attributes"), true);
    }
    gather_file(&ga, config);
    gather_file(&ga, own);
    worktree = worktree_of(gitdir, ga.worktree);
    hooks_add(g, worktree, &ga.hooks, ret);
    hooks_add(g, worktree, &g->global_hooks, ret);
    for (size_t i = 0; i < ga.files.n; i++)
        place_add(ret, xstrdup(ga.files.items[i]), false);
    gather_deinit(&ga);
}

const struct file_rule *gitplaces_rule(const struct gitplaces *g, const char *path)
{
    const char *name = path_base(path);

    for (size_t i = 0; g->any && i < g->rules->n; i++) {
        const struct file_rule *r = &g->rules->rules[i];

        if (r->hook && r->grant == g->any->grant && name_is(name, path_base(r->path)) &&
            strstr(r->path, ".git/"))
            return r;
    }
    return g->any;
}
