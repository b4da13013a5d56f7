// SPDX-License-Identifier: Apache-2.0
// Life of a watch:
//   treewatch_new   → rules compiled, inotify instance made (none to be had: polling)
//   covers_find     → every directory it walks is handed to treewatch_enter before it is listed
//   treewatch_start → the list of covers is known; events flow
//   treewatch_drain → all are dead: everything queued is handled, and what appeared and is still there is
//   told again
//
// Cost is bounded against a program that makes names as fast as it can. Events are read in batches at most
// one a millisecond, so a storm costs a few percent and never overflows the queue unless the supervisor
// itself stalls (then, IN_Q_OVERFLOW, everything is looked at again). New trees are walked in slices of
// SLICE_NS with four times as long a pause. A name is told again at most every APPEARANCES_QUIET_NS. Looking
// at everything takes at most a twentieth of the time. What does not fit these bounds is left to the drain,
// and treewatch_incomplete says so.
#include "sandbox/treewatch_state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/path.h"

#define SLICE_NS 2000000u
#define BATCH_PAUSE_NS 1000000u
#define BATCH_SIZE 65536
#define MS 1000000u
#define DRAIN_ROUNDS 64 // only a host that keeps making names needs more than two

static void work(struct timer *t);

void treewatch_work_at(struct treewatch *w, uint64_t when)
{
    uint64_t now = clock_mono_ns();

    if (!w->started || (w->work.slot && w->work.when <= when))
        return;
    timer_set(w->loop, &w->work, when > now ? when - now : 0, work, w);
}

void treewatch_degrade(struct treewatch *w, const char *why)
{
    if (w->why)
        return;
    w->why = why;
    treewatch_work_at(w, 0);
}

// Gives the watches back, too: other programs of the user need some.
void treewatch_fall_back(struct treewatch *w)
{
    if (w->polling)
        return;
    watch_del(&w->events);
    treewatch_scan_forget(w);
    watchset_deinit(&w->set);
    w->polling = w->full_wanted = true;
    w->full_at = clock_mono_ns() + TREEWATCH_POLL_MS * MS;
    treewatch_degrade(
        w, "no inotify watches are left (fs.inotify.max_user_watches, max_user_instances): writable "
           "directories are looked at every half second instead, so protected names are noticed later");
    treewatch_work_at(w, w->full_at);
}

struct rulematch *treewatch_match(struct treewatch *w)
{
    return &w->match;
}

struct gitplaces *treewatch_git(struct treewatch *w)
{
    return &w->git;
}

void treewatch_enter(struct treewatch *w, struct walk_dir *dir)
{
    if (w->polling)
        return;
    dir->tag =
        watchset_add(&w->set, dir->fd, dir->parent_tag, dir->parent_tag ? path_base(dir->path) : dir->path);
    if (!dir->tag && (errno == ENOSPC || errno == ENOMEM))
        treewatch_fall_back(w);
    else if (!dir->tag)
        treewatch_blind(w, dir->path);
}

void treewatch_mark_repository(struct treewatch *w, uint32_t tag)
{
    if (!w->polling && tag)
        w->set.nodes[tag].flags |= NODE_REPOSITORY;
}

void treewatch_blind(struct treewatch *w, const char *path)
{
    if (strlist_has(&w->blind, path))
        return;
    treewatch_degrade(
        w, "a writable directory cannot be read: what appears in it is looked for when the run is over");
    if (w->blind.n == BLIND_MAX) {
        w->blind_overflowed = true;
        return;
    }
    strlist_add(&w->blind, path);
    w->blind_at = clock_mono_ns() + TREEWATCH_POLL_MS * MS;
    treewatch_work_at(w, w->blind_at);
}

void treewatch_note(struct treewatch *w, const char *path, const struct file_rule *rule, bool only_new)
{
    if (!appearances_note(&w->appeared, path, rule, only_new))
        treewatch_degrade(
            w, "more protected names appear than can be told one by one: the rest is moved away when the "
               "run is over");
    treewatch_work_at(w, 0);
}

// --- covered names ---

static bool identity(const char *path, struct known *ret)
{
    struct statx sx;

    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_INO | STATX_BTIME, &sx) < 0)
        return false;
    *ret = (struct known){.ino = sx.stx_ino,
                          .born = (uint64_t)sx.stx_btime.tv_sec * 1000000000u + sx.stx_btime.tv_nsec,
                          .dev = (uint64_t)sx.stx_dev_major << 32 | sx.stx_dev_minor};
    return true;
}

static bool link_is_same(const struct cover_link *l)
{
    char target[4096];
    ssize_t n = readlink(l->path, target, sizeof target);

    return n >= 0 && (size_t)n == strlen(l->target) && !memcmp(target, l->target, (size_t)n);
}

bool treewatch_known(struct treewatch *w, const char *path)
{
    const struct cover *c = w->covered ? cover_list_find(w->covered, path) : NULL;
    const struct cover_link *l = w->covered ? cover_list_link(w->covered, path) : NULL;
    struct known now, *k;

    if (l)
        return link_is_same(l);
    if (!c)
        return false;
    k = &w->known[c - w->covered->items];
    if (!identity(path, &now))
        return true; // not there (any more): nothing to cover, and nothing appeared
    if (k->gone && c->kind != COVER_PIN)
        return false;
    if (k->gone || now.ino != k->ino || now.born != k->born || now.dev != k->dev) {
        *k = now;
        w->handler.replaced(w->handler.ctx, path);
    }
    return true;
}

// The host removed the name or a directory above covered names.
static void known_removed(struct treewatch *w, const char *path)
{
    for (size_t i = 0; i < w->covered->n; i++)
        if (path_within(w->covered->items[i].path, path))
            w->known[i].gone = true;
}

// --- telling ---

// Still there? Looked at without following anything: the tree is the sandbox's. A program that closes a
// directory above the name (chmod 0) hides it from us, not from who opens the directory again later.
static bool is_there(struct treewatch *w, const char *path, bool *ret_dir)
{
    const char *root = rulematch_root(&w->match, path);
    AUTO_CLOSE int root_fd = root ? open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    AUTO_CLOSE int fd = root_fd < 0 ? -1 : tree_open(root_fd, path_below(path, root), O_PATH | O_NOFOLLOW);
    struct stat st;

    if (root_fd >= 0 && fd < 0 && errno == EACCES)
        treewatch_blind(w, path);
    if (fd < 0 || fstat(fd, &st) < 0)
        return false;
    *ret_dir = S_ISDIR(st.st_mode);
    return true;
}

static void tell(struct treewatch *w, struct appearance *a, uint64_t now)
{
    bool is_dir;

    a->due = false;
    a->told = now;
    if (is_there(w, a->path, &is_dir))
        w->handler.appeared(w->handler.ctx, a->path, is_dir, a->rule);
}

static void tell_due(struct treewatch *w, uint64_t now)
{
    for (uint32_t i = 0; i < w->appeared.n; i++) {
        struct appearance *a = &w->appeared.items[i];

        if (a->due && (!a->told || now - a->told >= APPEARANCES_QUIET_NS))
            tell(w, a, now);
        else if (a->due)
            treewatch_work_at(w, a->told + APPEARANCES_QUIET_NS);
    }
}

static void tell_degraded(struct treewatch *w)
{
    if (!w->why || w->why_told)
        return;
    w->why_told = true;
    w->handler.degraded(w->handler.ctx, w->why);
}

// --- events ---

// The protected directory that the node is in, as a whole.
static void note_inside(struct treewatch *w, uint32_t tag, struct buf *path)
{
    const struct file_rule *rule;

    while (w->set.nodes[tag].parent && (w->set.nodes[w->set.nodes[tag].parent].flags & NODE_INSIDE))
        tag = w->set.nodes[tag].parent;
    if (!watchset_path(&w->set, tag, path))
        return;
    rule = rulematch_find(&w->match, buf_cstr(path), path_base(buf_cstr(path)));
    if (!rule)
        rule = gitplaces_rule(&w->git, buf_cstr(path));
    if (rule)
        treewatch_note(w, buf_cstr(path), rule, false);
}

static const struct file_rule *git_rule(struct treewatch *w, uint32_t tag, const char *path, const char *name,
                                        bool is_dir)
{
    struct watch_node *node = &w->set.nodes[tag];
    const char *own = strrchr(node->name, '/') ? path_base(node->name) : node->name;
    uint8_t bit = (uint8_t)gitplaces_see(name);

    if (!w->git.any)
        return NULL;
    node->seen |= bit;
    if (bit && !(node->flags & NODE_REPOSITORY)) {
        // What is there already counts as well, so a scan decides; it marks the node.
        treewatch_scan_later(w, tag, NULL);
    }
    if (!is_dir && gitplaces_is_dotgit(name))
        return gitplaces_rule(&w->git, path);
    if ((node->flags & NODE_REPOSITORY) && gitplaces_is_fixed(name))
        return gitplaces_rule(&w->git, path);
    if (name_is(own, "info") && node->parent && (w->set.nodes[node->parent].flags & NODE_REPOSITORY) &&
        name_is(name, "attributes"))
        return gitplaces_rule(&w->git, path);
    return NULL;
}

static void name_came(struct treewatch *w, uint32_t tag, struct buf *path, const char *name, bool is_dir)
{
    const struct file_rule *rule = rulematch_find(&w->match, buf_cstr(path), name);
    bool inside = w->set.nodes[tag].flags & NODE_INSIDE;

    if (!rule)
        rule = git_rule(w, tag, buf_cstr(path), name, is_dir);
    if ((rule || (w->set.nodes[tag].flags & NODE_COVERS)) && treewatch_known(w, buf_cstr(path)))
        rule = NULL;
    if (rule)
        treewatch_note(w, buf_cstr(path), rule, false);
    if (is_dir)
        treewatch_scan_later(w, tag, name);
    if (inside)
        note_inside(w, tag, path);
}

static void on_event(struct treewatch *w, const struct inotify_event *ev, struct buf *path)
{
    uint32_t tag;

    if (ev->mask & IN_Q_OVERFLOW) {
        w->full_wanted = true;
        treewatch_degrade(
            w, "names were made faster than they could be looked at: writable directories are looked "
               "through again");
        return;
    }
    tag = watchset_by_wd(&w->set, ev->wd);
    if (!tag)
        return;
    if (ev->mask & IN_IGNORED) {
        watchset_dropped(&w->set, tag);
        return;
    }
    if (!ev->len || !watchset_path(&w->set, tag, path))
        return;
    buf_addf(path, "%s%s", path->ptr[path->len - 1] == '/' ? "" : "/", ev->name);
    if (ev->mask & (IN_CREATE | IN_MOVED_TO))
        name_came(w, tag, path, ev->name, ev->mask & IN_ISDIR);
    else if ((ev->mask & (IN_DELETE | IN_MOVED_FROM)) && cover_list_find(w->covered, buf_cstr(path)))
        known_removed(w, buf_cstr(path));
}

// Reads one batch; false when the queue is empty.
static bool read_batch(struct treewatch *w)
{
    AUTO_FREE char *batch = xmalloc(BATCH_SIZE);
    AUTO_BUF struct buf path = {0};
    ssize_t n = w->polling ? 0 : read(w->set.fd, batch, BATCH_SIZE);

    buf_init(&path, SIZE_MAX / 4);
    for (ssize_t at = 0; at < n && !w->polling;) {
        const struct inotify_event *ev = (const void *)(batch + at);

        on_event(w, ev, &path);
        at += (ssize_t)(sizeof *ev + ev->len);
    }
    return n > 0;
}

static void on_readable(struct watch *watch, uint32_t events)
{
    struct treewatch *w = watch->ctx;
    uint64_t now = clock_mono_ns();
    bool storm = now - w->last_batch < 4 * BATCH_PAUSE_NS;

    (void)events;
    w->last_batch = now;
    read_batch(w);
    if (storm && !w->polling) {
        watch_change(&w->events, 0);
        w->resume_at = now + BATCH_PAUSE_NS;
        treewatch_work_at(w, w->resume_at);
    }
    if (w->nscans || w->full_wanted)
        treewatch_work_at(w, w->scan_at);
}

// --- the timer ---

static void retry_blind(struct treewatch *w)
{
    struct strlist again = w->blind;

    w->blind = (struct strlist){0};
    for (size_t i = 0; i < again.n && !w->polling; i++) {
        AUTO_FREE char *parent = path_parent(again.items[i]);
        const char *root = rulematch_root(&w->match, again.items[i]);
        struct err err = {0};
        bool done;

        // In place of the event that did not come. Its parent's tag is found again by walking from there.
        if (!root || w->walking || !path_within(parent, root)) {
            strlist_add(&w->blind, again.items[i]);
            continue;
        }
        w->full = false;
        if (!treewalk_start(&w->walk, root, path_below(parent, root), 0, &err) ||
            !treewalk_step(&w->walk, 0, &done, &err))
            w->broken = true;
    }
    strlist_deinit(&again);
}

static void scan_some(struct treewatch *w, uint64_t now)
{
    uint64_t after;
    bool idle = treewatch_scan(w, now + SLICE_NS);

    after = clock_mono_ns();
    w->scan_at = after + 4 * (after - now);
    if (w->full_cost) {
        uint64_t pause =
            20 * w->full_cost > TREEWATCH_POLL_MS * MS ? 20 * w->full_cost : TREEWATCH_POLL_MS * MS;

        w->full_at = after + pause;
        w->full_cost = 0;
        if (w->polling) {
            w->full_wanted = true;
            idle = false;
        }
    }
    if (!idle)
        treewatch_work_at(w, w->walking || w->nscans || w->full_at < w->scan_at ? w->scan_at : w->full_at);
}

static void work(struct timer *t)
{
    struct treewatch *w = t->ctx;
    uint64_t now = clock_mono_ns();

    tell_degraded(w);
    if (w->resume_at && now >= w->resume_at && !w->polling) {
        w->resume_at = 0;
        watch_change(&w->events, EPOLLIN);
    } else if (w->resume_at) {
        treewatch_work_at(w, w->resume_at);
    }
    if (w->walking || w->nscans || w->full_wanted) {
        if (now >= w->scan_at)
            scan_some(w, now);
        else
            treewatch_work_at(w, w->scan_at);
    }
    if (w->blind.n && now >= w->blind_at)
        retry_blind(w);
    else if (w->blind.n)
        treewatch_work_at(w, w->blind_at);
    tell_due(w, clock_mono_ns());
}

// --- life ---

bool treewatch_new(const struct file_rules *rules, struct loop *loop, const struct treewatch_handler *handler,
                   struct treewatch **ret, struct err *err)
{
    struct treewatch *w = xcalloc(1, sizeof *w);

    (void)err; // without inotify it polls; nothing else can fail
    w->rules = rules;
    w->loop = loop;
    w->handler = *handler;
    treewalk_init(&w->walk, &treewatch_scanning, w);
    rulematch_init(&w->match, rules);
    gitplaces_init(&w->git, rules);
    if (!watchset_init(&w->set))
        treewatch_fall_back(w);
    *ret = w;
    return true;
}

// Removals of covered names and of what holds them are of interest.
static void watch_removals(struct treewatch *w)
{
    AUTO_FREE char *last = NULL;

    for (size_t i = 0; !w->polling && i < w->covered->n; i++) {
        char *dir = path_parent(w->covered->items[i].path);

        // Neighbours in the list mostly share their directory.
        if ((!last || strcmp(last, dir) != 0) && rulematch_root(&w->match, dir))
            watchset_add_removals(&w->set, dir);
        free(last);
        last = dir;
    }
}

bool treewatch_start(struct treewatch *w, const struct cover_list *covered, struct err *err)
{
    w->covered = covered;
    w->known = xcalloc(covered->n, sizeof *w->known);
    for (size_t i = 0; i < covered->n; i++)
        if (!identity(covered->items[i].path, &w->known[i]))
            w->known[i].gone = true;
    watch_removals(w);
    w->started = true;
    if (!w->polling && !watch_add(w->loop, &w->events, w->set.fd, EPOLLIN, on_readable, w, err)) {
        w->started = false;
        return err_prefix(err, "cannot watch the writable directories");
    }
    if (w->why)
        treewatch_work_at(w, 0);
    if (w->polling)
        treewatch_work_at(w, w->full_at);
    if (w->blind.n)
        treewatch_work_at(w, w->blind_at);
    return true;
}

void treewatch_drain(struct treewatch *w)
{
    uint64_t now;

    for (int round = 0; round < DRAIN_ROUNDS; round++) {
        bool more = false;

        while (read_batch(w))
            more = true;
        if (round == 0 && w->polling)
            w->full_wanted = true;
        if (round == 0 && w->blind.n)
            retry_blind(w);
        more = more || w->nscans || w->full_wanted || w->walking;
        treewatch_scan(w, 0);
        if (!more)
            break;
    }
    now = clock_mono_ns();
    for (uint32_t i = 0; i < w->appeared.n; i++)
        tell(w, &w->appeared.items[i], now);
    tell_degraded(w);
    if (w->polling)
        w->full_wanted = true;
}

bool treewatch_incomplete(const struct treewatch *w)
{
    return w->blind.n || w->blind_overflowed || w->broken || w->appeared.overflowed;
}

int treewatch_fd(const struct treewatch *w)
{
    return w->set.fd;
}

void treewatch_free(struct treewatch *w)
{
    if (!w)
        return;
    watch_del(&w->events);
    timer_del(&w->work);
    treewatch_scan_forget(w);
    treewalk_deinit(&w->walk);
    if (!w->polling)
        watchset_deinit(&w->set);
    rulematch_deinit(&w->match);
    gitplaces_deinit(&w->git);
    appearances_deinit(&w->appeared);
    strlist_deinit(&w->blind);
    free(w->known);
    free(w);
}
