// SPDX-License-Identifier: Apache-2.0
// Verdicts of strict mode. All of them are about objects and directories that are held open, by the tree they
// lie in and the path they have now:
//   host   deny and protect rules, here; what no rule grants is left to the mounts, which know the right
//   errno yard   everything: there is nothing of the host in it proc   by the caller (notify_proc.c) outside
//   nothing, but for what the caller holds a descriptor of already
#include "sandbox/notify_may.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sandbox/notify_proc.h"

int object_look(int fd, struct statx *ret)
{
    return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, ret) == 0 ? 0 : errno;
}

int entry_look(int parent, const char *base, struct statx *ret)
{
    char name[NAME_MAX + 2];

    snprintf(name, sizeof name, "%.*s", (int)strcspn(base, "/"), base);
    return statx(parent, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, ret) == 0 ? 0 : errno;
}

bool open_writes(int flags)
{
    return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

static bool is_attached(const struct call *c, const struct statx *what, const char *path)
{
    return mount_table_holds(&c->n->mounts, c->n->init_pid, what->stx_mnt_id, path);
}

static enum tree tree_at(const struct call *c, const struct statx *what)
{
    return mount_table_tree(&c->n->mounts, c->n->init_pid, what->stx_mnt_id);
}

// Objects of no mount of the sandbox: the caller holds a descriptor already (a pipe, a memfd, a redirection
// that came from outside), and gets no more access by opening it again.
static int may_open_held(const struct found *f, const struct statx *what, int flags)
{
    int mode = fcntl(f->obj, F_GETFL);
    struct statfs fs;

    if (fstatfs(f->obj, &fs) == 0 && fs.f_type == PIPEFS_MAGIC)
        return 0;
    if (mode < 0 || (mode & O_PATH) ||
        (!S_ISREG(what->stx_mode) && !S_ISCHR(what->stx_mode) && !S_ISFIFO(what->stx_mode)))
        return EACCES;
    if ((mode & O_ACCMODE) == O_RDWR)
        return 0;
    if ((mode & O_ACCMODE) == O_WRONLY)
        return (flags & O_ACCMODE) == O_WRONLY ? 0 : EACCES;
    return open_writes(flags) ? EACCES : 0;
}

// The rule for an object whose path may end in " (deleted)". That is no part of a name, or it is; and the
// host can remove the file at any moment, so nothing else we know about the object tells which. The stronger
// rule of both counts.
static const struct file_rule *rule_of_object(struct names *n, char *path)
{
    static const char mark[] = " (deleted)";
    const struct file_rule *as_it_stands = name_rule(n, path), *without;
    size_t len = strlen(path), cut = sizeof mark - 1;

    if (len <= cut || strcmp(path + len - cut, mark) != 0)
        return as_it_stands;
    path[len - cut] = '\0';
    without = name_rule(n, path);
    return !without || (as_it_stands && as_it_stands->grant > without->grant) ? as_it_stands : without;
}

// What the rules say about a file of the host. What they do not grant the mounts refuse, with the errno that
// is right.
static int may_open_host(const struct call *c, int obj, const struct statx *what, int flags)
{
    enum file_access access = open_writes(flags) ? ACCESS_WRITE : ACCESS_READ;
    struct names *n = &c->n->names;
    const struct file_rule *rule;
    char path[PATH_MAX];
    int e = object_path(c->n, obj, path);

    if (!e && !is_attached(c, what, path))
        e = EACCES;
    if (e)
        return e;
    rule = rule_of_object(n, path);
    if (!rule || (rule->grant == GRANT_PROTECT && access == ACCESS_READ) ||
        (rule->grant == GRANT_DENY && name_denied_but_own(n, c->n->root, path, what)))
        return 0;
    names_report_rule(c, access, path, rule);
    return EACCES;
}

int may_open(const struct call *c, const struct found *f, const struct statx *what, int flags)
{
    switch (tree_at(c, what)) {
    case TREE_HOST:
        return may_open_host(c, f->obj, what, flags);
    case TREE_YARD:
        return 0;
    case TREE_PROC:
        return proc_may_open(c, f->obj, open_writes(flags));
    case TREE_OUTSIDE:
        break;
    }
    return f->held ? may_open_held(f, what, flags) : EACCES;
}

int may_make(const struct call *c, int parent, const char *base, bool *ret_own)
{
    struct names *n = &c->n->names;
    const struct file_rule *rule;
    struct statx dir;
    char path[PATH_MAX];
    int e = object_look(parent, &dir);

    *ret_own = false;
    if (e)
        return e;
    if (tree_at(c, &dir) != TREE_HOST)
        return tree_at(c, &dir) == TREE_YARD ? 0 : EACCES;
    e = entry_path(c->n, parent, base, path);
    if (!e && !is_attached(c, &dir, path))
        e = EACCES;
    if (e)
        return e;
    rule = name_rule(n, path);
    *ret_own = rule && rule->grant == GRANT_DENY && name_denied_but_own(n, c->n->root, path, NULL);
    if (rule && !*ret_own) {
        names_report_rule(c, ACCESS_WRITE, path, rule);
        return EACCES;
    }
    if (c->n->handler.creates && name_could_be_denied(n, path))
        c->n->handler.creates(c->n->handler.ctx, path);
    return 0;
}

// The rule is asked for before it is seen whether there is anything: it could be there a moment later.
int may_remove(const struct call *c, int parent, const char *base, bool *ret_own)
{
    struct names *n = &c->n->names;
    const struct file_rule *rule;
    struct statx dir, what;
    char path[PATH_MAX];
    int e = object_look(parent, &dir);

    *ret_own = false;
    if (!e)
        e = entry_path(c->n, parent, base, path);
    if (e)
        return e;
    if (tree_at(c, &dir) != TREE_HOST)
        return tree_at(c, &dir) == TREE_YARD ? 0 : EACCES;
    if (!is_attached(c, &dir, path))
        return EACCES;
    rule = name_rule(n, path);
    if (!rule)
        return 0;
    e = entry_look(parent, base, &what);
    if (e)
        return e;
    *ret_own = rule->grant == GRANT_DENY && name_denied_but_own(n, c->n->root, path, &what);
    if (*ret_own)
        return 0;
    names_report_rule(c, ACCESS_WRITE, path, rule);
    return EACCES;
}

int refused_by_mounts(const struct call *c, int sys, int fd, const char *base)
{
    char path[PATH_MAX];

    if ((sys == EROFS || sys == EACCES) &&
        (base ? entry_path(c->n, fd, base, path) : object_path(c->n, fd, path)) == 0 && path[0] == '/' &&
        path[1])
        names_report_ungranted(c, path);
    return sys;
}
