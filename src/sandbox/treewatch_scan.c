// SPDX-License-Identifier: Apache-2.0
// Looking at trees while others change them: directories that were made or moved in, and everything when
// events were lost or cannot be had. Each directory is watched before it is listed, so a name shows up in the
// listing or as an event, or as both.
#include "sandbox/treewatch_state.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/path.h"

static const struct file_rule *rule_of(struct treewatch *w, const struct walk_entry *e)
{
    const struct file_rule *rule = rulematch_find(&w->match, e->path, e->name);

    if (!rule && w->git.any && e->type != DT_DIR && gitplaces_is_dotgit(e->name))
        rule = gitplaces_rule(&w->git, e->path);
    return rule;
}

static bool on_enter(void *ctx, struct walk_dir *dir)
{
    struct treewatch *w = ctx;
    const struct file_rule *rule;
    uint8_t above;

    if (!w->git.any && !rulematch_below(&w->match, dir->path, GRANT_PROTECT))
        return false;
    if (w->polling)
        return true;
    treewatch_enter(w, dir);
    if (!dir->tag)
        return w->polling; // gone, or just fallen back
    above = dir->parent_tag ? w->set.nodes[dir->parent_tag].flags : 0;
    rule = rulematch_find(&w->match, dir->path, path_base(dir->path));
    if (!w->covered || !cover_list_find(w->covered, dir->path)) {
        bool inside = (above & NODE_INSIDE) || (rule && rule->grant == GRANT_PROTECT) ||
                      ((above & NODE_REPOSITORY) && gitplaces_is_fixed(path_base(dir->path)));

        // A directory that was moved out of a protected one is free again.
        w->set.nodes[dir->tag].flags &= (uint8_t)~NODE_INSIDE;
        w->set.nodes[dir->tag].flags |= inside ? NODE_INSIDE : 0;
    }
    return true;
}

static bool on_entry(void *ctx, struct walk_dir *dir, const struct walk_entry *e)
{
    struct treewatch *w = ctx;
    const struct file_rule *rule = rule_of(w, e);

    if (w->git.any)
        dir->seen |= gitplaces_see(e->name);
    if (rule && !treewatch_known(w, e->path))
        treewatch_note(w, e->path, rule, w->full);
    return e->type == DT_DIR;
}

static void on_listed(void *ctx, struct walk_dir *dir)
{
    static const char *const names[] = {"hooks",     "config", "config.worktree",
                                        "commondir", "gitdir", "info/attributes"};
    struct treewatch *w = ctx;
    struct stat st;

    if (!w->git.any || !gitplaces_is_repository(path_base(dir->path), dir->seen))
        return;
    if (dir->tag)
        treewatch_mark_repository(w, dir->tag);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO_FREE char *path = NULL;

        if (fstatat(dir->fd, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        path = path_normal(dir->path, names[i]);
        if (!treewatch_known(w, path))
            treewatch_note(w, path, gitplaces_rule(&w->git, path), w->full);
    }
}

static bool on_unreadable(void *ctx, int parent_fd, const char *path, const char *name, int sys)
{
    (void)parent_fd;
    (void)name;
    (void)sys;
    treewatch_blind(ctx, path);
    return false;
}

const struct walk_visitor treewatch_scanning = {
    .enter = on_enter, .entry = on_entry, .listed = on_listed, .unreadable = on_unreadable};

void treewatch_scan_forget(struct treewatch *w)
{
    while (w->nscans)
        free(w->scans[--w->nscans].name);
}

void treewatch_scan_later(struct treewatch *w, uint32_t tag, const char *name)
{
    if (w->full_wanted)
        return;
    if (w->nscans && w->scans[w->nscans - 1].tag == tag &&
        (name && w->scans[w->nscans - 1].name ? !strcmp(name, w->scans[w->nscans - 1].name)
                                              : name == w->scans[w->nscans - 1].name))
        return;
    if (w->nscans == SCANS_MAX) {
        treewatch_scan_forget(w);
        w->full_wanted = true;
        return;
    }
    w->scans[w->nscans++] = (struct scan_request){.tag = tag, .name = name ? xstrdup(name) : NULL};
}

// Starts the walk of one request; false when its directory is no more.
static bool scan_begin(struct treewatch *w, const struct scan_request *r, struct err *err)
{
    AUTO_BUF struct buf path = {0};
    const char *root;
    uint32_t parent = r->name ? r->tag : w->set.nodes[r->tag].parent;

    buf_init(&path, SIZE_MAX / 4);
    if (!w->set.nodes[r->tag].name || !watchset_path(&w->set, r->tag, &path))
        return false;
    if (r->name)
        buf_addf(&path, "/%s", r->name);
    root = rulematch_root(&w->match, buf_cstr(&path));
    return root && treewalk_start(&w->walk, root, path_below(buf_cstr(&path), root), parent, err);
}

static void full_done(struct treewatch *w, uint64_t now)
{
    w->full_wanted = false;
    w->full = false;
    w->full_root = 0;
    w->full_cost = now - w->full_started;
    for (size_t i = 0; w->covered && i < w->covered->n; i++)
        treewatch_known(w, w->covered->items[i].path);
}

// Picks the next thing to walk; false when there is nothing (more) to do now.
static bool scan_next(struct treewatch *w, uint64_t now, bool patient, struct err *err)
{
    while (w->nscans) {
        struct scan_request r = w->scans[--w->nscans];
        AUTO_FREE char *name UNUSED = r.name; // freed at the end of this round

        w->full = false;
        if (scan_begin(w, &r, err))
            return true;
        if (err->kind)
            return false;
    }
    if (!w->full_wanted || (patient && now < w->full_at))
        return false;
    if (!w->full_root)
        w->full_started = now;
    if (w->full_root == w->match.roots.n) {
        full_done(w, now);
        return false;
    }
    w->full = true;
    return treewalk_start(&w->walk, w->match.roots.items[w->full_root++], "", 0, err);
}

bool treewatch_scan(struct treewatch *w, uint64_t until)
{
    struct err err = {0};

    for (;;) {
        uint64_t now = clock_mono_ns();

        if (until && now >= until)
            return false;
        if (!w->walking) {
            w->walking = scan_next(w, now, until != 0, &err);
            if (!w->walking && !err.kind)
                return !w->nscans && !w->full_wanted;
        }
        if (w->walking) {
            bool done = false;

            if (treewalk_step(&w->walk, until, &done, &err))
                w->walking = !done;
        }
        if (err.kind) { // descriptors or memory ran out: what this walk would have seen, the sweep must find
            w->walking = w->full_wanted = false;
            w->full_root = 0;
            w->broken = true;
            treewatch_scan_forget(w);
            treewatch_degrade(
                w, "cannot look at all of the writable directories for protected names: they are looked "
                   "for once more when the run is over");
            return true;
        }
    }
}
