// SPDX-License-Identifier: Apache-2.0
// One entry is one numbered directory with the entry under its own name in it:
//   quarantine/0001/.vscode/tasks.json
//   quarantine/manifest.jsonl
// so names never clash and nothing has to be escaped. The manifest's line is written before the move: a
// crash leaves at most a line too many. What an entry holds is never opened; moveaway.c knows how to move
// it.
#include "sandbox/quarantine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "base/utf8.h"
#include "sandbox/githarmless.h"
#include "sandbox/gitplaces.h"
#include "sandbox/moveaway.h"
#include "sandbox/treewalk.h"

#define NUMBERS_MAX 10000000u

void quarantine_init(struct quarantine *q, const char *dir)
{
    *q = (struct quarantine){.dir = xstrdup(dir), .next = 1};
}

void quarantine_deinit(struct quarantine *q)
{
    for (size_t i = 0; i < q->n; i++) {
        free(q->items[i].path);
        free(q->items[i].moved);
    }
    free(q->items);
    free(q->dir);
    if (q->match)
        rulematch_deinit(q->match);
    free(q->match);
    *q = (struct quarantine){0};
}

static const struct rulematch *match_of(struct quarantine *q, const struct file_rules *rules)
{
    if (q->match && q->rules == rules)
        return q->match;
    if (q->match)
        rulematch_deinit(q->match);
    else
        q->match = xmalloc(sizeof *q->match);
    rulematch_init(q->match, rules);
    q->rules = rules;
    return q->match;
}

static int root_open(const char *root)
{
    return open(root, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

// --- the quarantine's own directory ---

// A directory of its own for one entry, opened; its path in *ret_path.
static int number_take(struct quarantine *q, char **ret_path, struct err *err)
{
    if (!mkdir_parents(AT_FDCWD, q->dir, 0700, err))
        return -1;
    for (; q->next < NUMBERS_MAX; q->next++) {
        AUTO_FREE char *path = xasprintf("%s/%04u", q->dir, q->next);
        int fd;

        if (mkdir(path, 0700) < 0 && errno == EEXIST)
            continue; // another process's (the janitor's)
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
            err_sys(err, errno, "cannot make %s", path);
        else
            *ret_path = TAKE_PTR(path);
        q->next++;
        return fd;
    }
    err_set(err, ERR_LIMIT, "%s is full", q->dir);
    return -1;
}

static void add_bytes(json_t *line, const char *key, const char *text)
{
    size_t n = strlen(text);

    json_object_set_new(line, key, json_text(text));
    if (utf8_valid_prefix(text, n) != n) { // the name itself, for who brings it back
        AUTO_BUF struct buf hex = {0};
        AUTO_FREE char *hex_key = xasprintf("%s_hex", key);

        buf_init(&hex, 2 * n + 1);
        for (size_t i = 0; i < n; i++)
            buf_addf(&hex, "%02x", (unsigned char)text[i]);
        json_object_set_new(line, hex_key, json_string(buf_cstr(&hex)));
    }
}

static bool manifest_add(const struct quarantine *q, const char *path, const char *moved,
                         const struct file_rule *rule, mode_t mode, struct err *err)
{
    AUTO_FREE char *file = xasprintf("%s/manifest.jsonl", q->dir), *text = NULL, *whole = NULL;
    AUTO_CLOSE int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    AUTO_JSON json_t *line = json_object();
    char when[CLOCK_TEXT_SIZE], octal[16];

    clock_text(clock_wall_ns(), when);
    snprintf(octal, sizeof octal, "%o", (unsigned)mode);
    json_object_set_new(line, "time", json_string(when));
    add_bytes(line, "path", path);
    add_bytes(line, "moved", moved);
    json_object_set_new(line, "rule", json_text(rule && rule->text ? rule->text : ""));
    json_object_set_new(line, "mode", json_string(octal));
    text = json_line(line);
    whole = xasprintf("%s\n", text);
    if (fd < 0)
        return err_sys(err, errno, "cannot open %s", file);
    return fd_write_all(fd, whole, strlen(whole), err) || err_prefix(err, "%s", file);
}

static void item_add(struct quarantine *q, const char *path, const char *moved, const struct file_rule *rule)
{
    if (q->n == q->alloc) {
        q->alloc = q->alloc ? q->alloc * 2 : 8;
        q->items = xrealloc(q->items, q->alloc * sizeof *q->items);
    }
    q->items[q->n++] = (struct quarantined){.path = xstrdup(path), .moved = xstrdup(moved), .rule = rule};
}

// --- one entry ---

static bool move_to(struct quarantine *q, int parent, const char *path, const struct file_rule *rule, int to,
                    const char *to_path, bool *ret_moved, struct err *err)
{
    AUTO_FREE char *moved = xasprintf("%s/%s", to_path, path_base(path)), *aside = NULL,
                   *dir = path_parent(path);
    enum moveaway_result result;
    struct stat st = {0};

    if (fstatat(parent, path_base(path), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        !manifest_add(q, path, moved, rule, st.st_mode, err))
        return false;
    if (!moveaway(parent, path_base(path), to, &result, &aside, &st, err))
        return false;
    if (result == MOVEAWAY_ASIDE) {
        free(moved);
        moved = xasprintf("%s/%s", dir, aside);
        if (!manifest_add(q, path, moved, rule, st.st_mode, err))
            return false;
    }
    *ret_moved = result != MOVEAWAY_GONE;
    if (*ret_moved)
        item_add(q, path, moved, rule);
    return true;
}

static bool take_entry(struct quarantine *q, int root_fd, const char *root, const char *path,
                       const struct file_rule *rule, bool *ret_moved, struct err *err)
{
    AUTO_FREE char *dir = path_parent(path), *to_path = NULL;
    AUTO_CLOSE int parent = -1, to = -1;
    bool moved = false, ok;
    struct stat st;

    if (!strcmp(path, root))
        return err_set(err, ERR_REFUSED, "cannot move %s away: it is a writable directory itself", path);
    parent = moveaway_open(root_fd, path_below(dir, root));
    if (parent < 0 || (fstatat(parent, path_base(path), &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)) {
        if (parent >= 0 || errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EXDEV) {
            *ret_moved = false;
            return true;
        }
        return err_sys(err, errno, "cannot move %s away: cannot open its directory", path);
    }
    to = number_take(q, &to_path, err);
    ok = to >= 0 && move_to(q, parent, path, rule, to, to_path, &moved, err);
    if (to_path && !moved)
        rmdir(to_path);
    if (ok)
        *ret_moved = moved;
    return ok ||
           err_prefix(err,
                      "cannot move %s into quarantine (move or remove it by hand: a program in the sandbox "
                      "made it, and %s protects this name)",
                      path, rule && rule->text ? rule->text : "the policy");
}

// Hooks that are no samples, one by one. A name that came meanwhile is told by the watch.
static bool take_hooks(struct quarantine *q, int root_fd, const char *root, const char *path,
                       const struct file_rule *rule, bool dry, bool *ret_moved, struct err *err)
{
    AUTO_STRLIST struct strlist names = {0};
    AUTO_CLOSEDIR DIR *d = NULL;
    AUTO_CLOSE int fd = tree_open(root_fd, path_below(path, root), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    struct dirent *e;

    *ret_moved = false;
    if (fd < 0) { // unreadable: no telling what is in it
        *ret_moved = dry;
        return dry || take_entry(q, root_fd, root, path, rule, ret_moved, err);
    }
    d = fdopendir(fd);
    if (!d)
        return err_sys(err, errno, "cannot list %s", path);
    (void)TAKE_FD(fd);
    while ((e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && !githarmless_hook_name(e->d_name))
            strlist_add(&names, e->d_name);
    for (size_t i = 0; !dry && i < names.n; i++) {
        AUTO_FREE char *hook = path_normal(path, names.items[i]);
        bool moved = false;

        if (!take_entry(q, root_fd, root, hook, rule, &moved, err))
            return false;
        *ret_moved = *ret_moved || moved;
    }
    *ret_moved = *ret_moved || (dry && names.n);
    return true;
}

static bool take(struct quarantine *q, const struct file_rules *rules, const char *path,
                 const struct file_rule *rule, bool dry, bool *ret_moved, struct err *err)
{
    const struct rulematch *m = match_of(q, rules);
    const char *root = rulematch_root(m, path);
    AUTO_CLOSE int root_fd = root ? root_open(root) : -1;

    if (root_fd < 0)
        return err_set(err, ERR_MISSING, "cannot move %s away: it is in no writable directory", path);
    if (rule && rule->hook && githarmless_is_hooks(root_fd, root, path))
        return take_hooks(q, root_fd, root, path, rule, dry, ret_moved, err);
    if (rule && rule->hook && githarmless_place(m, root_fd, root, path)) {
        *ret_moved = false;
        return true;
    }
    *ret_moved = dry;
    return dry || take_entry(q, root_fd, root, path, rule, ret_moved, err);
}

bool quarantine_take(struct quarantine *q, const struct file_rules *rules, const char *path,
                     const struct file_rule *rule, bool *ret_moved, struct err *err)
{
    bool moved = false;

    if (!take(q, rules, path, rule, false, &moved, err))
        return false;
    *ret_moved = moved;
    return true;
}

bool quarantine_keeps(struct quarantine *q, const struct file_rules *rules, const char *path,
                      const struct file_rule *rule)
{
    bool would_move = true;

    return take(q, rules, path, rule, true, &would_move, NULL) && !would_move;
}

// --- links ---

static bool link_restore(struct quarantine *q, const struct file_rules *rules, const struct cover_link *l,
                         struct err *err)
{
    const struct rulematch *m = match_of(q, rules);
    const char *root = rulematch_root(m, l->path);
    AUTO_FREE char *dir = path_parent(l->path);
    AUTO_CLOSE int root_fd = root ? root_open(root) : -1;
    AUTO_CLOSE int parent = root_fd < 0 ? -1 : moveaway_open(root_fd, path_below(dir, root));
    const char *name = path_base(l->path);
    char target[4096];
    ssize_t n;
    bool moved;

    if (parent < 0)
        return true; // its directory is gone: so is what it was for
    n = readlinkat(parent, name, target, sizeof target);
    if (n >= 0 && (size_t)n == strlen(l->target) && !memcmp(target, l->target, (size_t)n))
        return true;
    if (n >= 0 || errno != ENOENT) {
        if (l->rule->grant != GRANT_PROTECT)
            return true; // what the run made of a denied name is its own
        if (!take_entry(q, root_fd, root, l->path, l->rule, &moved, err))
            return false;
    }
    if (symlinkat(l->target, parent, name) < 0)
        return err_sys(err, errno, "cannot put the link %s to %s back", l->path, l->target);
    return true;
}

bool quarantine_restore_links(struct quarantine *q, const struct file_rules *rules,
                              const struct cover_list *before, struct err *err)
{
    bool ok = true;

    for (size_t i = 0; i < before->nlinks; i++)
        ok = link_restore(q, rules, &before->links[i], err) && ok;
    return ok;
}

// --- the sweep ---

struct sweep {
    struct quarantine *q;
    const struct file_rules *rules;
    const struct cover_list *before;
    const struct rulematch *match;
    struct gitplaces git;
    struct err *err;
    bool failed;
    mode_t *modes; // of directories on the way that had to be unlocked, by depth of nesting
    char **locked;
    size_t nlocked;
};

// True when it is not there any more.
static bool sweep_take(struct sweep *s, const char *path, const struct file_rule *rule)
{
    bool moved = false;

    if (rule->grant != GRANT_PROTECT || cover_list_find(s->before, path) || cover_list_link(s->before, path))
        return false;
    if (!quarantine_take(s->q, s->rules, path, rule, &moved, s->err))
        s->failed = true;
    return moved;
}

static bool sweep_enter(void *ctx, struct walk_dir *dir)
{
    const struct sweep *s = ctx;
    const struct cover *c = cover_list_find(s->before, dir->path);

    return !c || c->kind == COVER_PIN; // the sandbox could not write below the others
}

static bool sweep_entry(void *ctx, struct walk_dir *dir, const struct walk_entry *e)
{
    struct sweep *s = ctx;
    const struct file_rule *rule = rulematch_find(s->match, e->path, e->name);

    if (s->git.any) {
        dir->seen |= gitplaces_see(e->name);
        if (!rule && e->type != DT_DIR && gitplaces_is_dotgit(e->name))
            rule = gitplaces_rule(&s->git, e->path);
    }
    if (rule && sweep_take(s, e->path, rule))
        return false;
    return e->type == DT_DIR;
}

static void sweep_listed(void *ctx, struct walk_dir *dir)
{
    struct sweep *s = ctx;
    struct gitplace_list places = {0};
    AUTO_FREE char *config = path_normal(dir->path, "config"),
                   *commondir = path_normal(dir->path, "commondir");
    bool trusted;

    if (!s->git.any || !gitplaces_is_repository(path_base(dir->path), dir->seen))
        return;
    if (dir->seen & GIT_SEEN_COMMONDIR) // first, as it could lead away from the configuration that counts
        sweep_take(s, commondir, gitplaces_rule(&s->git, commondir));
    trusted = cover_list_find(s->before, config) || cover_list_find(s->before, commondir);
    gitplaces_find(&s->git, dir->path, &places);
    for (size_t i = 0; i < places.n; i++) {
        AUTO_FREE char *path = path_resolved_parent(places.items[i].path);
        struct stat st;

        // Places elsewhere count when the user's own configuration leads there. What a repository that the
        // run made points at may be the user's; its pointers themselves are taken.
        if (!trusted && !path_within(path, dir->path))
            continue;
        if (rulematch_root(s->match, path) && !strlist_has(&s->match->roots, path) && lstat(path, &st) == 0)
            sweep_take(s, path, gitplaces_rule(&s->git, path));
    }
    gitplace_list_deinit(&places);
}

static bool sweep_unreadable(void *ctx, int parent_fd, const char *path, const char *name, int sys)
{
    struct sweep *s = ctx;
    mode_t mode;

    if (sys == ENAMETOOLONG) {
        // Deeper than was searched at the start, so this run made it. Nothing in it is lost.
        for (size_t i = 0; i < s->rules->n; i++)
            if (s->rules->rules[i].grant == GRANT_PROTECT && sweep_take(s, path, &s->rules->rules[i]))
                break;
        return false;
    }
    if (!moveaway_unlock(parent_fd, name, &mode))
        return false; // another user's: the sandbox could not write in it either
    s->modes = xrealloc(s->modes, (s->nlocked + 1) * sizeof *s->modes);
    s->locked = xrealloc(s->locked, (s->nlocked + 1) * sizeof *s->locked);
    s->modes[s->nlocked] = mode;
    s->locked[s->nlocked++] = xstrdup(path);
    return true;
}

static void sweep_left(void *ctx, struct walk_dir *dir)
{
    struct sweep *s = ctx;

    if (!s->nlocked || strcmp(s->locked[s->nlocked - 1], dir->path) != 0)
        return;
    free(s->locked[--s->nlocked]);
    if (dir->fd >= 0 && fchmod(dir->fd, s->modes[s->nlocked]) < 0)
        s->failed = !err_sys(s->err, errno, "cannot give %s its mode back", dir->path);
}

static bool sweep_roots(struct sweep *s, struct err *err)
{
    static const struct walk_visitor visitor = {.enter = sweep_enter,
                                                .entry = sweep_entry,
                                                .listed = sweep_listed,
                                                .left = sweep_left,
                                                .unreadable = sweep_unreadable};
    bool ok = true;

    for (size_t i = 0; i < s->match->roots.n; i++) {
        const char *root = s->match->roots.items[i];
        struct treewalk w;
        bool done;

        treewalk_init(&w, &visitor, s);
        if (!treewalk_start(&w, root, "", 0, err) || !treewalk_step(&w, 0, &done, err))
            ok = err_prefix(err, "cannot search %s for protected names that appeared", root);
        treewalk_deinit(&w);
    }
    return ok && !s->failed;
}

bool quarantine_sweep(struct quarantine *q, const struct file_rules *rules, const struct cover_list *before,
                      struct err *err)
{
    struct err own = {0};
    struct sweep s = {.q = q, .rules = rules, .before = before, .err = err ? err : &own};
    bool ok;

    s.match = match_of(q, rules);
    gitplaces_init(&s.git, rules);
    ok = sweep_roots(&s, s.err);
    ok = quarantine_restore_links(q, rules, before, s.err) && ok;
    while (s.nlocked)
        free(s.locked[--s.nlocked]);
    free(s.locked);
    free(s.modes);
    gitplaces_deinit(&s.git);
    return ok;
}
