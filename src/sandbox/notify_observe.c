// SPDX-License-Identifier: Apache-2.0
// Observing: what would this call touch, and do the rules refuse it? Then it is put on record and the call
// goes on, to be refused by the kernel. A look costs a walk, so the commonest harmless opens are let through
// by their words.
//
// One thing is answered here: making a protected name is EACCES. Names below a git directory that the run
// itself makes are no hooks of anybody yet: `git init` and `git clone` go on (quarantine.c looks at them
// afterwards).
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "sandbox/notify_walk.h"

#define WRITES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

static bool is_own_name(const struct names *n, const char *path)
{
    for (size_t i = 0; i < n->own_paths.n; i++)
        if (path_within(path, n->own_paths.items[i]))
            return true;
    return false;
}

static bool is_in_own_repo(const struct names *n, const char *path)
{
    for (size_t i = 0; i < n->own_repos.n; i++)
        if (path_within(path, n->own_repos.items[i]))
            return true;
    return false;
}

// Something that is there is to be written, moved or removed.
static void note_change(const struct call *c, const char *path)
{
    struct names *n = &c->n->names;
    struct file_verdict v;
    enum name_class class = name_class(n, path, &v);

    if (class == NAME_FREE || (class == NAME_DENIED && is_own_name(n, path)) ||
        (class == NAME_PROTECTED && is_in_own_repo(n, path)))
        return;
    names_report(c, "write", path, NULL, &v);
}

static void note_own(const struct call *c, const char *path, bool is_dir, enum name_class class)
{
    struct names *n = &c->n->names;

    if (is_dir && !strcmp(path_base(path), ".git") && n->own_repos.n < NAMES_OWN_MAX &&
        !is_in_own_repo(n, path))
        strlist_add(&n->own_repos, path);
    if (!name_could_be_denied(n, path))
        return;
    if (class == NAME_DENIED && n->own_paths.n < NAMES_OWN_MAX && !is_own_name(n, path))
        strlist_add(&n->own_paths, path);
    if (c->n->handler.creates)
        c->n->handler.creates(c->n->handler.ctx, path);
}

// A name is to be made that is not there. Returns the errno to answer, or 0 to go on.
static int note_creation(const struct call *c, const char *path, bool is_dir)
{
    struct names *n = &c->n->names;
    struct file_verdict v;
    enum name_class class = name_class(n, path, &v);

    if (class == NAME_PROTECTED && is_in_own_repo(n, path))
        return 0;
    if (class == NAME_FREE || (class == NAME_DENIED && v.rule->glob && !v.rule->always)) {
        note_own(c, path, is_dir, class);
        return 0;
    }
    names_report(c, "write", path, NULL, &v);
    return class == NAME_PROTECTED ? EACCES : 0;
}

static int observe_change_by_open(const struct call *c, const struct request *r)
{
    bool exclusive = (r->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
    AUTO_FOUND struct found f = FOUND_NONE;
    char path[PATH_MAX];

    if (walk(c, r->dir[0], r->path[0], (r->flags & O_NOFOLLOW) || exclusive ? WALK_NOFOLLOW : WALK_FOLLOW,
             &f) != 0)
        return 0;
    if (f.obj >= 0) {
        // A jump to a pipe or socket is no path.
        if (!f.held && !exclusive && object_path(c->n, f.obj, path) == 0 && path[0] == '/')
            note_change(c, path);
        return 0;
    }
    if (!(r->flags & O_CREAT) || strchr(f.base, '/') || entry_path(c->n, f.parent, f.base, path) != 0)
        return 0;
    return note_creation(c, path, false);
}

static int observe_open(const struct call *c, const struct request *r)
{
    if (!(r->flags & WRITES) || (r->flags & O_PATH) || !strcmp(r->path[0], "/dev/null"))
        return 0;
    return observe_change_by_open(c, r);
}

// Where an entry would be; false when there is no such directory or the name is none.
static bool entry_of(const struct call *c, int dir, const char *name, char path[PATH_MAX], bool *ret_exists)
{
    AUTO_FOUND struct found f = FOUND_NONE;
    char base[NAME_MAX + 2];
    struct stat st;

    if (walk(c, dir, name, WALK_PARENT, &f) != 0 || f.parent < 0)
        return false;
    snprintf(base, sizeof base, "%.*s", (int)strcspn(f.base, "/"), f.base);
    if (!strcmp(base, ".") || !strcmp(base, "..") || entry_path(c->n, f.parent, base, path) != 0)
        return false;
    *ret_exists = fstatat(f.parent, base, &st, AT_SYMLINK_NOFOLLOW) == 0;
    return true;
}

static int observe_make(const struct call *c, const struct request *r)
{
    int which = r->kind == REQUEST_SYMLINK || r->kind == REQUEST_LINK;
    char path[PATH_MAX];
    bool exists;

    if (!entry_of(c, r->dir[which], r->path[which], path, &exists) || exists)
        return 0;
    return note_creation(c, path, r->kind == REQUEST_MKDIR);
}

static int observe_remove(const struct call *c, const struct request *r)
{
    char path[PATH_MAX];
    bool exists;

    if (entry_of(c, r->dir[0], r->path[0], path, &exists) && exists)
        note_change(c, path);
    return 0;
}

static int observe_rename(const struct call *c, const struct request *r)
{
    char from[PATH_MAX], to[PATH_MAX];
    bool from_exists, to_exists;

    if (!entry_of(c, r->dir[0], r->path[0], from, &from_exists) || !from_exists ||
        !entry_of(c, r->dir[1], r->path[1], to, &to_exists))
        return 0;
    note_change(c, from);
    if (to_exists)
        note_change(c, to);
    return to_exists ? 0 : note_creation(c, to, false);
}

static int observe_truncate(const struct call *c, const struct request *r)
{
    AUTO_FOUND struct found f = FOUND_NONE;
    char path[PATH_MAX];

    if (walk(c, r->dir[0], r->path[0], WALK_FOLLOW, &f) == 0 && f.obj >= 0 && !f.held &&
        object_path(c->n, f.obj, path) == 0 && path[0] == '/')
        note_change(c, path);
    return 0;
}

static int observe_request(const struct call *c, const struct request *r)
{
    switch (r->kind) {
    case REQUEST_OPEN:
    case REQUEST_OPENAT2:
        return observe_open(c, r);
    case REQUEST_MKDIR:
    case REQUEST_MKNOD:
    case REQUEST_SYMLINK:
    case REQUEST_LINK:
        return observe_make(c, r);
    case REQUEST_RENAME:
        return observe_rename(c, r);
    case REQUEST_UNLINK:
        return observe_remove(c, r);
    case REQUEST_TRUNCATE:
        return observe_truncate(c, r);
    default:
        return 0;
    }
}

void observe(const struct call *c, const struct request *r)
{
    int e = observe_request(c, r);

    if (e)
        call_fail(c, e);
    else
        call_continue(c);
}
