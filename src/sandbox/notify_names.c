// SPDX-License-Identifier: Apache-2.0
// A run's own names. A deny glob like **/.env is about the host's files; a program that writes a .env of its own may
// read it again. Observing, that is told by name. Strictly, it is told by object (device, inode and time of birth), as
// the host may put its own file in that place; for a directory, everything below it is the run's own as far as this
// glob goes.
//
// Renaming directories. What a rule covers depends on the whole path, so moving a directory can take a name out of a
// deny rule, or bring a prepared tree under a protect rule (evil/ with hooks in it becomes .git/). For a glob
// PREFIX/**/TAIL nothing changes as long as both places are below PREFIX and no part of TAIL lies above the border:
// that is all renames but a few odd ones. For the others the caller gets EXDEV, which makes it copy, entry by entry,
// and each is decided for itself.
#include "sandbox/notify_names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "sandbox/notify_call.h"
#include "sandbox/sys.h"

void names_init(struct names *n, const struct file_rules *rules)
{
    *n = (struct names){.rules = rules};
    n->granted = xcalloc(NAMES_CACHE, sizeof *n->granted);
}

void names_deinit(struct names *n)
{
    free(n->own);
    free(n->granted);
    strlist_deinit(&n->own_paths);
    strlist_deinit(&n->own_repos);
    strlist_deinit(&n->reported);
    *n = (struct names){0};
}

static uint32_t hash(const char *s)
{
    uint32_t h = 2166136261u;

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h ^ h >> 15;
}

enum name_class name_class(struct names *n, const char *path, enum file_access access, struct file_verdict *ret)
{
    size_t slot = hash(path) % NAMES_CACHE;

    if (n->granted[slot].access == (uint32_t)access + 1 && !strcmp(n->granted[slot].path, path))
        return NAME_FREE;
    file_rules_explain(n->rules, path, access, ret);
    if (ret->verdict == VERDICT_ALLOW) {
        if (strlen(path) < NAMES_CACHE_PATH) {
            n->granted[slot].access = (uint32_t)access + 1;
            strcpy(n->granted[slot].path, path);
        }
        return NAME_FREE;
    }
    if (ret->rule && ret->rule->grant == GRANT_DENY)
        return NAME_DENIED;
    if (ret->rule && ret->rule->grant == GRANT_PROTECT)
        return NAME_PROTECTED;
    return NAME_UNGRANTED;
}

bool name_could_be_denied(const struct names *n, const char *path)
{
    const char *base = strrchr(path, '/');

    for (size_t i = 0; base && i < n->rules->n; i++) {
        const struct file_rule *r = &n->rules->rules[i];
        const char *last = strrchr(r->path, '/');

        if (r->grant == GRANT_DENY && r->glob && last && glob_match(last, base))
            return true;
    }
    return false;
}

// The last n components of a path; NULL when it has fewer.
static const char *last_components(const char *path, size_t n)
{
    const char *p = path + strlen(path);

    while (n) {
        if (p == path)
            return NULL;
        do
            p--;
        while (p > path && *p != '/');
        n--;
    }
    return p;
}

// The first n components of a pattern match the last n of the path.
static bool head_matches(const char *pattern, size_t n, const char *path)
{
    const char *end = pattern, *tail = last_components(path, n);
    AUTO_FREE char *head = NULL;

    for (size_t i = 0; i < n; i++)
        end += 1 + strcspn(end + 1, "/");
    head = xstrndup(pattern, (size_t)(end - pattern));
    return tail && glob_match(head, tail);
}

static bool straddles(const char *tail, const char *path)
{
    size_t depth = path_depth(tail);

    for (size_t n = 1; n < depth; n++)
        if (head_matches(tail, n, path))
            return true;
    return false;
}

static bool covers_below(const char *pattern, const char *path)
{
    return path_depth(pattern) > path_depth(path) && glob_may_match_below(pattern, path);
}

// `at` is the place whose border could cut the rule, `other` the other one.
static bool move_changes(const struct file_rule *r, const char *at, const char *other)
{
    const char *any = strstr(r->path, "/**/"), *tail;
    AUTO_FREE char *prefix = NULL;

    if (!r->glob)
        return path_within(r->path, at) && strcmp(r->path, at) != 0;
    if (!any)
        return covers_below(r->path, at);
    if (!glob_may_match_below(r->path, at))
        return false;
    tail = any + 3;
    if (strstr(tail, "/**/"))
        return true;
    prefix = xstrndup(r->path, (size_t)(any - r->path));
    return glob_is(prefix) || !path_within(at, *prefix ? prefix : "/") ||
           !path_within(other, *prefix ? prefix : "/") || straddles(tail, at);
}

bool name_move_changes(const struct names *n, const char *from, const char *to)
{
    for (size_t i = 0; i < n->rules->n; i++) {
        const struct file_rule *r = &n->rules->rules[i];

        if ((r->grant == GRANT_DENY && move_changes(r, from, to)) ||
            (r->grant == GRANT_PROTECT && move_changes(r, to, from)))
            return true;
    }
    return false;
}

struct identity identity_of(const struct statx *what)
{
    struct identity id = {.dev = (uint64_t)what->stx_dev_major << 32 | what->stx_dev_minor, .ino = what->stx_ino};

    if (what->stx_mask & STATX_BTIME)
        id.born = (uint64_t)what->stx_btime.tv_sec * 1000000000u + what->stx_btime.tv_nsec;
    return id;
}

void names_own(struct names *n, const struct statx *what)
{
    if (n->nown == NAMES_OWN_MAX || names_is_own(n, what))
        return;
    if (n->nown == n->own_alloc) {
        n->own_alloc = n->own_alloc ? n->own_alloc * 2 : 16;
        n->own = xrealloc(n->own, n->own_alloc * sizeof *n->own);
    }
    n->own[n->nown++] = identity_of(what);
}

bool names_is_own(const struct names *n, const struct statx *what)
{
    struct identity id = identity_of(what);

    for (size_t i = 0; i < n->nown; i++)
        if (n->own[i].dev == id.dev && n->own[i].ino == id.ino && n->own[i].born == id.born)
            return true;
    return false;
}

static bool own_at(const struct names *n, int root, const char *path)
{
    AUTO_CLOSE int fd = open_nolink(root, path, O_PATH | O_NOFOLLOW);
    struct statx what;

    return fd >= 0 && statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &what) == 0 &&
           names_is_own(n, &what);
}

// Every prefix of the path that the glob matches is the run's own.
static bool matches_are_own(const struct names *n, const char *glob, int root, const char *path,
                            const struct statx *what)
{
    char prefix[PATH_MAX];
    size_t len = strlen(path);

    if (len >= sizeof prefix)
        return false;
    memcpy(prefix, path, len + 1);
    if (glob_match(glob, prefix) && what && !names_is_own(n, what))
        return false;
    for (char *slash = strrchr(prefix, '/'); slash && slash != prefix; slash = strrchr(prefix, '/')) {
        *slash = '\0';
        if (glob_match(glob, prefix) && !own_at(n, root, prefix))
            return false;
    }
    return true;
}

bool name_denied_but_own(const struct names *n, int root, const char *path, const struct statx *what)
{
    for (size_t i = 0; i < n->rules->n; i++) {
        const struct file_rule *r = &n->rules->rules[i];

        if (r->grant != GRANT_DENY)
            continue;
        if (!r->glob || r->always) {
            if (r->glob ? glob_may_match_below(r->path, path) : path_within(path, r->path))
                return false;
            continue;
        }
        if (!matches_are_own(n, r->path, root, path, what))
            return false;
    }
    return what || n->nown < NAMES_OWN_MAX;
}

void names_report(const struct call *c, const char *kind, const char *subject, const char *detail,
                  const struct file_verdict *file)
{
    struct names *n = &c->n->names;
    struct notify_report r = {kind, subject, detail, file, c->tid};
    AUTO_FREE char *key = NULL;

    if (!c->n->handler.refused || n->reported.n > NOTIFY_SUBJECTS_MAX || !call_valid(c))
        return;
    key = xasprintf("%s %s", kind, subject);
    if (strlist_has(&n->reported, key))
        return;
    strlist_add(&n->reported, key);
    if (n->reported.n > NOTIFY_SUBJECTS_MAX)
        r = (struct notify_report){"more", "further refusals of this run are not listed", NULL, NULL, c->tid};
    c->n->handler.refused(c->n->handler.ctx, &r);
}
