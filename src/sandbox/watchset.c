// SPDX-License-Identifier: Apache-2.0
// Nodes are slots of one array, named by index ("tag") and found by watch descriptor through a hash. A slot
// is given back when its watch is gone and no child refers to it, so a parent index never points at a
// stranger.
#include "sandbox/watchset.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NODE_EVENTS (IN_CREATE | IN_MOVED_TO | IN_ONLYDIR | IN_EXCL_UNLINK)
#define DEPTH_MAX 8192 // levels; stale parents could form a ring

bool watchset_init(struct watchset *s)
{
    *s = (struct watchset){.n = 1};
    s->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    return s->fd >= 0;
}

void watchset_deinit(struct watchset *s)
{
    for (uint32_t i = 1; i < s->n; i++)
        free(s->nodes[i].name);
    free(s->nodes);
    free(s->buckets);
    if (s->fd >= 0)
        close(s->fd);
    *s = (struct watchset){.fd = -1, .n = 1};
}

static uint32_t *bucket(const struct watchset *s, int wd)
{
    return &s->buckets[(uint32_t)wd * 2654435761u & (s->nbuckets - 1)];
}

static void rehash(struct watchset *s)
{
    s->nbuckets = s->nbuckets ? s->nbuckets * 2 : 256;
    free(s->buckets);
    s->buckets = xcalloc(s->nbuckets, sizeof *s->buckets);
    for (uint32_t i = 1; i < s->n; i++)
        if (s->nodes[i].name && s->nodes[i].wd >= 0) {
            uint32_t *b = bucket(s, s->nodes[i].wd);

            s->nodes[i].chain = *b;
            *b = i;
        }
}

uint32_t watchset_by_wd(const struct watchset *s, int wd)
{
    uint32_t i = s->nbuckets ? *bucket(s, wd) : 0;

    while (i && s->nodes[i].wd != wd)
        i = s->nodes[i].chain;
    return i;
}

static void slot_release(struct watchset *s, uint32_t tag)
{
    while (tag && s->nodes[tag].wd < 0 && !s->nodes[tag].kids) {
        struct watch_node *n = &s->nodes[tag];
        uint32_t parent = n->parent;

        free(n->name);
        *n = (struct watch_node){.chain = s->free_slot};
        s->free_slot = tag;
        if (parent)
            s->nodes[parent].kids--;
        tag = parent;
    }
}

void watchset_dropped(struct watchset *s, uint32_t tag)
{
    uint32_t *at = bucket(s, s->nodes[tag].wd);

    while (*at != tag)
        at = &s->nodes[*at].chain;
    *at = s->nodes[tag].chain;
    s->nodes[tag].wd = -1;
    s->live--;
    slot_release(s, tag);
}

static uint32_t slot_take(struct watchset *s)
{
    uint32_t tag = s->free_slot;

    if (tag) {
        s->free_slot = s->nodes[tag].chain;
        return tag;
    }
    if (s->n >= s->alloc) {
        s->alloc = s->alloc ? s->alloc * 2 : 128;
        s->nodes = xrealloc(s->nodes, s->alloc * sizeof *s->nodes);
    }
    return s->n++;
}

static void node_move(struct watchset *s, uint32_t tag, uint32_t parent, const char *name)
{
    struct watch_node *n = &s->nodes[tag];
    uint32_t old = n->parent;

    if (old == parent && !strcmp(n->name, name))
        return;
    free(n->name);
    n->name = xstrdup(name);
    n->parent = parent;
    if (parent)
        s->nodes[parent].kids++;
    if (old) {
        s->nodes[old].kids--;
        slot_release(s, old);
    }
}

uint32_t watchset_add(struct watchset *s, int dir_fd, uint32_t parent, const char *name)
{
    char self[32];
    uint32_t tag, *b;
    int wd;

    // By descriptor, so that it is the very directory that will be listed.
    snprintf(self, sizeof self, "/proc/self/fd/%d", dir_fd);
    wd = inotify_add_watch(s->fd, self, NODE_EVENTS | IN_MASK_ADD);
    if (wd < 0)
        return 0;
    tag = watchset_by_wd(s, wd);
    if (tag) {
        if (parent) // a walk that began in the middle does not know the parent
            node_move(s, tag, parent, name);
        return tag;
    }
    if (s->live + 1 > s->nbuckets)
        rehash(s);
    tag = slot_take(s);
    b = bucket(s, wd);
    s->nodes[tag] = (struct watch_node){.wd = wd, .parent = parent, .chain = *b, .name = xstrdup(name)};
    *b = tag;
    s->live++;
    if (parent)
        s->nodes[parent].kids++;
    return tag;
}

bool watchset_add_removals(struct watchset *s, const char *path)
{
    int wd =
        inotify_add_watch(s->fd, path, IN_DELETE | IN_MOVED_FROM | IN_MASK_ADD | IN_ONLYDIR | IN_DONT_FOLLOW);
    uint32_t tag = wd < 0 ? 0 : watchset_by_wd(s, wd);

    if (tag)
        s->nodes[tag].flags |= NODE_COVERS;
    else if (wd >= 0)
        inotify_rm_watch(s->fd, wd);
    return tag;
}

bool watchset_path(const struct watchset *s, uint32_t tag, struct buf *ret)
{
    uint32_t way[DEPTH_MAX];
    size_t n = 0;

    for (; tag && n < DEPTH_MAX; tag = s->nodes[tag].parent)
        way[n++] = tag;
    if (tag)
        return false;
    ret->len = 0;
    while (n) {
        const char *name = s->nodes[way[--n]].name;

        if (ret->len && ret->ptr[ret->len - 1] != '/')
            buf_addc(ret, '/');
        buf_adds(ret, name);
    }
    return true;
}
