// SPDX-License-Identifier: Apache-2.0
// Three searches fill the list: plain paths are looked up; each writable root is walked once, with the rules
// asked for every name and git's places looked up for every repository; and where deny globs reach into trees
// that are only read, these are walked too. A fourth, rare one looks for other names of covered files that
// have several (hard links).
//
// Why not by mount alone: a link's name cannot be covered (a mount goes to what the link leads to), so the
// target is covered and the link noted. A link whose target holds a whole tree that the policy grants is not
// followed: a planted
// `.env -> /usr` would otherwise take /usr away.
#include "sandbox/covers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "sandbox/coverlist.h"
#include "sandbox/treewatch_find.h"

#define LINK_HOPS_MAX 16
#define COVER_PATH_MAX 3800 // bytes; leaves room below PATH_MAX for what is put in front when mounting
#define HARD_LINKS_MAX 1024 // covered files with other names that are searched for
#define HOOK_FILES_MAX 256  // files of one hook directory that are looked at for other names

struct hard_link {
    dev_t dev;
    ino_t ino;
    const struct file_rule *rule;
    char *path;
};

struct finder {
    const struct file_rules *rules;
    struct rulematch *match;
    struct gitplaces *git;
    struct treewatch *watch;
    struct cover_list *list;
    const char *root; // the tree being walked
    bool reading;     // it is only read: deny rules only
    bool all;         // rules can cover something at any depth of it: no pruning
    struct hard_link *hard;
    size_t nhard;
};

// --- one thing found ---

static bool is_root(const struct finder *f, const char *path)
{
    return strlist_has(&f->match->roots, path);
}

static bool holds_granted(const struct finder *f, const char *dir)
{
    for (size_t i = 0; i < f->rules->n; i++)
        if (f->rules->rules[i].grant <= GRANT_WRITE && path_within(f->rules->rules[i].path, dir))
            return true;
    for (size_t i = 0; i < f->match->roots.n; i++)
        if (path_within(f->match->roots.items[i], dir))
            return true;
    return false;
}

static void hard_add(struct finder *f, const char *path, const struct stat *st, const struct file_rule *rule)
{
    if (!S_ISREG(st->st_mode) || st->st_nlink < 2)
        return;
    if (f->nhard == HARD_LINKS_MAX) {
        strlist_addf(&f->list->notes,
                     "more than %d covered files have other names (hard links): not all of these are "
                     "covered",
                     HARD_LINKS_MAX);
        return;
    }
    f->hard = xrealloc(f->hard, (f->nhard + 1) * sizeof *f->hard);
    f->hard[f->nhard++] =
        (struct hard_link){.dev = st->st_dev, .ino = st->st_ino, .rule = rule, .path = xstrdup(path)};
}

// Something that is no link. A protected path matters only where the sandbox could write.
static void cover_found(struct finder *f, const char *path, const struct stat *st,
                        const struct file_rule *rule)
{
    enum cover_kind kind = rule->grant == GRANT_DENY ? COVER_MASK : COVER_READONLY;

    if (kind == COVER_READONLY && !f->match->whole && !rulematch_root(f->match, path))
        return;
    cover_list_add(f->list, kind, S_ISDIR(st->st_mode), path, rule);
    hard_add(f, path, st, rule);
}

// One link in a writable root. Whatever stands under its name later, or under the name that it leads to, is
// covered by the same rule.
static void link_note(struct finder *f, const char *path, const char *target, const struct file_rule *rule)
{
    if (!rulematch_root(f->match, path))
        return;
    cover_list_add_link(f->list, path, target, rule);
    rulematch_add_path(f->match, path, rule);
    strlist_addf(
        &f->list->notes,
        "%s is a link: what it leads to is covered, the link itself can be replaced inside and is put back "
        "after the run (%s)",
        path, rule->text ? rule->text : rule->path);
}

// Follows links one by one, as each of them could be replaced. NULL when there is no end; owned.
static char *links_follow(struct finder *f, const char *path, const struct file_rule *rule)
{
    AUTO_FREE char *at = xstrdup(path);
    struct stat st;

    for (int hops = 0; lstat(at, &st) == 0 && S_ISLNK(st.st_mode); hops++) {
        AUTO_FREE char *dir = path_parent(at), *next = NULL;
        char target[PATH_MAX];
        ssize_t n = readlink(at, target, sizeof target - 1);

        if (n <= 0 || hops == LINK_HOPS_MAX)
            return NULL;
        target[n] = '\0';
        link_note(f, at, target, rule);
        next = path_normal(dir, target);
        free(at);
        at = path_resolved_parent(next);
    }
    return TAKE_PTR(at);
}

// By name, as what a link in the policy leads to is.
static bool is_refused(const struct finder *f, const char *path)
{
    for (size_t i = 0; i < f->rules->n; i++)
        if (f->rules->rules[i].grant >= GRANT_PROTECT && !strcmp(f->rules->rules[i].path, path))
            return true;
    return false;
}

static void link_found(struct finder *f, const char *path, const struct file_rule *rule)
{
    AUTO_FREE char *end = links_follow(f, path, rule);
    struct stat st;

    if (!end)
        return;
    if (holds_granted(f, end) && !is_refused(f, end)) {
        strlist_addf(&f->list->notes, "%s leads to %s, which the policy grants as a whole: not covered", path,
                     end);
        return;
    }
    if (rulematch_root(f->match, end))
        rulematch_add_path(f->match, end, rule);
    if (lstat(end, &st) == 0)
        cover_found(f, end, &st, rule);
}

// No system call takes so long a path, so no mount can stand there, but a program that goes step by step can:
// the part above is masked.
static void too_long(struct finder *f, const char *path, const struct file_rule *rule)
{
    size_t n = COVER_PATH_MAX;
    AUTO_FREE char *top = NULL;

    while (path[n] != '/')
        n--;
    top = xstrndup(path, n);
    if (rulematch_root(f->match, top) && !is_root(f, top))
        cover_list_add(f->list, COVER_MASK, true, top, rule);
    strlist_addf(&f->list->notes, "%.200s… holds covered names too deep to be covered one by one: masked",
                 top);
}

static void path_found(struct finder *f, const char *path, const struct file_rule *rule)
{
    struct stat st;

    if (strlen(path) > COVER_PATH_MAX) {
        too_long(f, path, rule);
        return;
    }
    if (lstat(path, &st) < 0)
        return;
    if (S_ISLNK(st.st_mode))
        link_found(f, path, rule);
    else
        cover_found(f, path, &st, rule);
}

// --- plain paths ---

// A protected directory above a writable root makes the whole root read-only: protect beats write at any
// depth.
static void protect_roots_below(struct finder *f, const char *dir, const struct file_rule *rule)
{
    for (size_t i = 0; i < f->match->roots.n; i++)
        if (path_within(f->match->roots.items[i], dir))
            path_found(f, f->match->roots.items[i], rule);
}

static void find_plain(struct finder *f)
{
    for (size_t i = 0; i < f->match->n; i++) {
        const struct rule_pattern *p = &f->match->items[i];

        if (p->tail[0] || p->absent)
            continue;
        if (p->rule->grant == GRANT_PROTECT)
            protect_roots_below(f, p->prefix, p->rule);
        path_found(f, p->prefix, p->rule);
    }
}

// --- git ---

// A configuration that names a whole root (core.hooksPath=.) must not make all of it read-only.
static bool holds_root(const struct finder *f, const char *dir)
{
    for (size_t i = 0; i < f->match->roots.n; i++)
        if (path_within(f->match->roots.items[i], dir))
            return true;
    return f->rules->workspace && path_within(f->rules->workspace, dir);
}

// With `pointed`, a link leads there: the walk may not know it for a repository, so its fixed names become
// rules.
static void find_git(struct finder *f, const char *gitdir, uint32_t tag, bool pointed)
{
    struct gitplace_list places = {0};
    AUTO_FREE char *real = path_resolved(gitdir);

    gitplaces_find(f->git, gitdir, &places);
    for (size_t i = 0; i < places.n; i++) {
        const struct file_rule *rule = gitplaces_rule(f->git, places.items[i].path);
        const char *below = path_below(places.items[i].path, gitdir);
        // Most lie in the git directory itself, so its links are resolved once for all of them.
        AUTO_FREE char *path = below && *below && !strchr(below, '/')
                                   ? path_normal(real, below)
                                   : path_resolved_parent(places.items[i].path);

        if (!rulematch_root(f->match, path))
            continue;
        if (!places.items[i].fixed && holds_root(f, path)) {
            strlist_addf(&f->list->notes,
                         "the git configuration of %s takes code from %s, which is a whole writable "
                         "directory: not protected",
                         gitdir, path);
            continue;
        }
        path_found(f, path, rule);
        if (!places.items[i].fixed || pointed)
            rulematch_add_path(f->match, path, rule);
    }
    if (!is_root(f, gitdir) && rulematch_root(f->match, gitdir))
        cover_list_add(f->list, COVER_PIN, true, gitdir, NULL);
    if (f->watch && tag)
        treewatch_mark_repository(f->watch, tag);
    gitplace_list_deinit(&places);
}

// A `.git` that is a file (worktree, submodule) or a link: protected itself; a link's target is a repository
// whether or not it looks like one to us.
static void find_dotgit(struct finder *f, const struct walk_entry *e)
{
    const struct file_rule *rule = gitplaces_rule(f->git, e->path);
    AUTO_FREE char *end = NULL;

    if (e->type != DT_LNK) {
        path_found(f, e->path, rule);
        return;
    }
    end = links_follow(f, e->path, rule);
    if (end && rulematch_root(f->match, end))
        find_git(f, end, 0, true);
}

// What the user's own git configuration names: it holds for every repository.
static void find_global(struct finder *f)
{
    for (size_t i = 0; i < f->git->global.n; i++) {
        AUTO_FREE char *path = path_resolved_parent(f->git->global.items[i]);

        if (!rulematch_root(f->match, path) || holds_root(f, path))
            continue;
        path_found(f, path, f->git->any);
        rulematch_add_path(f->match, path, f->git->any);
    }
}

// --- walks ---

static bool is_yards_own(const char *path)
{
    static const char *const own[] = {"/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp"};

    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (!strcmp(path, own[i]))
            return true;
    return false;
}

static bool on_enter(void *ctx, struct walk_dir *dir)
{
    struct finder *f = ctx;

    if (strcmp(dir->path, f->root) && (is_yards_own(dir->path) || (f->reading && is_root(f, dir->path))))
        return false;
    if (!f->all && !rulematch_below(f->match, dir->path, f->reading ? GRANT_DENY : GRANT_PROTECT))
        return false;
    if (f->watch && !f->reading)
        treewatch_enter(f->watch, dir);
    return true;
}

static bool on_entry(void *ctx, struct walk_dir *dir, const struct walk_entry *e)
{
    struct finder *f = ctx;
    const struct file_rule *rule = rulematch_find(f->match, e->path, e->name);
    bool git = f->git->any && !f->reading;

    if (git) {
        dir->seen |= gitplaces_see(e->name);
        if (e->type != DT_DIR && gitplaces_is_dotgit(e->name))
            find_dotgit(f, e);
    }
    if (!rule || (f->reading && rule->grant != GRANT_DENY))
        return e->type == DT_DIR;
    path_found(f, e->path, rule);
    return e->type == DT_DIR && rule->grant != GRANT_DENY;
}

static void on_listed(void *ctx, struct walk_dir *dir)
{
    struct finder *f = ctx;

    if (f->git->any && !f->reading && gitplaces_is_repository(path_base(dir->path), dir->seen))
        find_git(f, dir->path, dir->tag, false);
}

// What a walk cannot look into is masked when the sandbox could. It runs as this user: a directory of ours
// that we may not read, it can chmod and read; and one too deep for us it reaches step by step.
static bool on_unreadable(void *ctx, int parent_fd, const char *path, const char *name, int sys)
{
    struct finder *f = ctx;
    const struct file_rule *rule = NULL;
    struct stat st;

    for (size_t i = 0; i < f->match->n && !rule; i++)
        if (f->match->items[i].tail[0] || path_within(f->match->items[i].prefix, path))
            rule = f->match->items[i].rule;
    if (f->reading || !rule || fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    if (strlen(path) > COVER_PATH_MAX) {
        too_long(f, path, rule);
    } else if (sys == ENAMETOOLONG || (st.st_uid == geteuid() && !is_root(f, path))) {
        cover_list_add(f->list, COVER_MASK, true, path, rule);
        strlist_addf(&f->list->notes, "%s %s, so what rules cover in it cannot be found: masked as a whole",
                     path, sys == ENAMETOOLONG ? "lies too deep" : "cannot be read");
    } else if (f->watch) {
        treewatch_blind(f->watch, path);
    }
    return false;
}

static const struct walk_visitor finding = {
    .enter = on_enter, .entry = on_entry, .listed = on_listed, .unreadable = on_unreadable};

static bool walk_tree(struct finder *f, const char *root, bool reading, const struct walk_visitor *visitor,
                      struct err *err)
{
    struct treewalk w;
    bool done, ok;

    f->root = root;
    f->reading = reading;
    f->all = !reading && f->git->any;
    treewalk_init(&w, visitor, f);
    w.entries_max = COVERS_ENTRIES_MAX;
    ok = treewalk_start(&w, root, "", 0, err) && treewalk_step(&w, 0, &done, err);
    treewalk_deinit(&w);
    if (ok && f->list->n > COVERS_MAX)
        ok = err_set(err, ERR_LIMIT, "more than %d paths in %s match deny and protect rules", COVERS_MAX,
                     root);
    if (!ok && err && err->kind == ERR_LIMIT)
        return err_prefix(
            err,
            "cannot search %s for what deny and protect rules cover (name a narrower directory in "
            "files.%s, or use an overlay)",
            root, reading ? "deny" : "write");
    return ok || err_prefix(err, "cannot search %s for what deny and protect rules cover", root);
}

static bool find_in_roots(struct finder *f, const struct walk_visitor *visitor, struct err *err)
{
    for (size_t i = 0; i < f->match->roots.n; i++)
        if (!walk_tree(f, f->match->roots.items[i], false, visitor, err))
            return false;
    return true;
}

// --- deny globs in trees that are only read ---

// The part of `tree`, which the sandbox can read, that the glob's prefix leaves.
static void visible_part(const struct finder *f, const char *tree, const char *prefix, struct strlist *ret)
{
    const char *part = path_within(tree, prefix) ? tree : path_within(prefix, tree) ? prefix : NULL;

    if (part && !rulematch_root(f->match, part) && !is_yards_own(part))
        strlist_add(ret, part);
}

static void visible_parts(const struct finder *f, const char *prefix, struct strlist *ret)
{
    if (f->rules->root_readable)
        visible_part(f, "/", prefix, ret);
    if (f->rules->home_readable && f->rules->home)
        visible_part(f, f->rules->home, prefix, ret);
    for (size_t i = 0; i < f->match->trees.n; i++)
        visible_part(f, f->match->trees.items[i], prefix, ret);
}

static bool find_in_read_trees(struct finder *f, struct err *err)
{
    AUTO_STRLIST struct strlist parts = {0};
    const char *outer = NULL;

    for (size_t i = 0; i < f->match->n; i++) {
        const struct rule_pattern *p = &f->match->items[i];

        if (p->tail[0] && p->rule->grant == GRANT_DENY && !rulematch_root(f->match, p->prefix))
            visible_parts(f, p->prefix, &parts);
    }
    strlist_sort(&parts);
    for (size_t i = 0; i < parts.n; i++) {
        const char *part = parts.items[i];
        const struct file_rule *rule;

        if (outer && path_within(part, outer))
            continue;
        outer = part;
        rule = rulematch_find(f->match, part, path_base(part));
        if (rule && rule->grant == GRANT_DENY)
            path_found(f, part, rule);
        else if (!walk_tree(f, part, true, &finding, err))
            return false;
    }
    return true;
}

// --- other names of covered files ---

// Someone who writes to another name of a hook changes the hook.
static void look_at_hook_files(struct finder *f, const char *dir, const struct file_rule *rule)
{
    AUTO_CLOSEDIR DIR *d = opendir(dir);
    struct dirent *e;
    struct stat st;

    for (int n = 0; d && n < HOOK_FILES_MAX && (e = readdir(d)); n++) {
        if ((e->d_type != DT_REG && e->d_type != DT_UNKNOWN) ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (st.st_nlink > 1) {
            AUTO_FREE char *path = path_normal(dir, e->d_name);

            hard_add(f, path, &st, rule);
        }
    }
}

static bool on_entry_hard(void *ctx, struct walk_dir *dir, const struct walk_entry *e)
{
    struct finder *f = ctx;
    struct stat st;

    for (size_t i = 0; e->type == DT_REG && i < f->nhard; i++) {
        const struct hard_link *h = &f->hard[i];

        if (h->ino != e->ino || !strcmp(h->path, e->path) ||
            fstatat(dir->fd, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != h->ino ||
            st.st_dev != h->dev)
            continue;
        cover_list_add(f->list, h->rule->grant == GRANT_DENY ? COVER_MASK : COVER_READONLY, false, e->path,
                       h->rule);
        strlist_addf(&f->list->notes, "%s is the same file as %s: covered as well", e->path, h->path);
    }
    return e->type == DT_DIR;
}

static bool on_enter_any(void *ctx, struct walk_dir *dir)
{
    const struct finder *f = ctx;

    return !strcmp(dir->path, f->root) || !is_yards_own(dir->path);
}

static bool find_hard_links(struct finder *f, struct err *err)
{
    static const struct walk_visitor visitor = {.enter = on_enter_any, .entry = on_entry_hard};

    for (size_t i = 0, n = f->list->n; i < n; i++) {
        const struct cover c = f->list->items[i];

        if (c.kind == COVER_READONLY && c.is_dir && c.rule->hook)
            look_at_hook_files(f, c.path, c.rule);
    }
    return !f->nhard || find_in_roots(f, &visitor, err);
}

// Up to where the ancestors of what is covered are pinned. Where the whole machine can be written, no
// directory above is left out, but for those that hold much: to pin them would part what lies on either side.
static void pin_roots(const struct finder *f, struct strlist *ret)
{
    for (size_t i = 0; i < f->match->roots.n; i++)
        strlist_add(ret, f->match->roots.items[i]);
    if (f->match->whole && f->rules->home)
        strlist_add(ret, f->rules->home);
    if (f->match->whole)
        strlist_add(ret, "/");
}

static bool find_all(struct finder *f, struct err *err)
{
    find_plain(f);
    find_global(f);
    return find_in_roots(f, &finding, err) && find_in_read_trees(f, err) && find_hard_links(f, err);
}

bool covers_find(const struct file_rules *rules, struct treewatch *watch, struct cover_list *ret,
                 struct err *err)
{
    struct cover_list list = {0};
    struct rulematch match = {0};
    struct gitplaces git = {0};
    struct finder f = {.rules = rules, .watch = watch, .list = &list};
    AUTO_STRLIST struct strlist pins = {0};
    bool ok;

    if (!watch) {
        rulematch_init(&match, rules);
        gitplaces_init(&git, rules);
    }
    f.match = watch ? treewatch_match(watch) : &match;
    f.git = watch ? treewatch_git(watch) : &git;
    ok = find_all(&f, err);
    if (ok) {
        pin_roots(&f, &pins);
        cover_list_finish(&list, &pins);
        *ret = list;
    } else {
        cover_list_deinit(&list);
    }
    for (size_t i = 0; i < f.nhard; i++)
        free(f.hard[i].path);
    free(f.hard);
    rulematch_deinit(&match);
    gitplaces_deinit(&git);
    return ok;
}
