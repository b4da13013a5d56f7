// SPDX-License-Identifier: Apache-2.0
// A run's own names. A deny glob like **/.env is about the host's files; a program that writes a .env of its
// own may read it again. Observing, that is told by name. Strictly, it is told by object (device, inode and
// time of birth), as the host may put its own file in that place; for a directory, everything below it is the
// run's own as far as this glob goes.
//
// Speed. Both modes remember directories. Strictly: the rule that covers the directory, so only the last
// component is matched anew. Observing: that an ordinary name in it may be written; ordinary is one that no
// rule ends in, so all such names in one directory have the same answer. Rules never change during a run.
#include "sandbox/notify_names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "sandbox/notify_call.h"
#include "sandbox/sys.h"

static uint32_t hash(const char *s, size_t n)
{
    uint32_t h = 2166136261u; // FNV-1a

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h ^ h >> 15;
}

static void mark_special(struct names *n, const char *name)
{
    uint32_t h = hash(name, strlen(name)) % (sizeof n->special * 8);

    n->special[h / 8] |= (uint8_t)(1u << h % 8);
}

static bool is_special(const struct names *n, const char *base)
{
    uint32_t h = hash(base + 1, strlen(base + 1)) % (sizeof n->special * 8);

    if (n->special[h / 8] & 1u << h % 8)
        return true;
    for (size_t i = 0; i < n->wild.n; i++)
        if (glob_match(n->wild.items[i], base))
            return true;
    return false;
}

static void learn_special(struct names *n)
{
    for (size_t i = 0; i < n->rules->n; i++) {
        const struct file_rule *r = &n->rules->rules[i];
        const char *last = strrchr(r->path, '/');

        if (!last || !strcmp(last, "/**"))
            continue; // matches all names of a directory or none
        if (r->glob && glob_is(last))
            strlist_add(&n->wild, last);
        else
            mark_special(n, last + 1);
    }
    strlist_sort(&n->wild);
    strlist_uniq(&n->wild);
    mark_special(n, "tmp"); // /var/tmp
    if (n->rules->home)
        mark_special(n, path_base(n->rules->home));
}

void names_init(struct names *n, const struct file_rules *rules, bool strict)
{
    *n = (struct names){.rules = rules};
    if (strict)
        rulematch_init(&n->match, rules);
    else
        learn_special(n);
}

void names_deinit(struct names *n)
{
    rulematch_deinit(&n->match);
    free(n->own);
    free(n->cache);
    strlist_deinit(&n->wild);
    strlist_deinit(&n->own_paths);
    strlist_deinit(&n->own_repos);
    strlist_deinit(&n->reported);
    *n = (struct names){0};
}

// The slot for a directory given by its first len bytes; *ret_hit when it is the one in it. NULL: too long a
// path.
static struct name_cache_entry *cached(struct names *n, const char *dir, size_t len, bool *ret_hit)
{
    struct name_cache_entry *e;

    if (!len || len >= NAMES_CACHE_PATH)
        return NULL;
    if (!n->cache) // many a run writes nothing
        n->cache = xcalloc(NAMES_CACHE, sizeof *n->cache);
    e = &n->cache[hash(dir, len) % NAMES_CACHE];
    *ret_hit = !memcmp(e->dir, dir, len) && !e->dir[len];
    return e;
}

static void remember(struct name_cache_entry *e, const char *dir, size_t len, const struct file_rule *rule)
{
    memcpy(e->dir, dir, len);
    e->dir[len] = '\0';
    e->rule = rule;
}

enum name_class name_class(struct names *n, const char *path, struct file_verdict *ret)
{
    const char *base = strrchr(path, '/');
    size_t len = base ? (size_t)(base - path) : 0;
    bool hit = false, ordinary = base && strncmp(path, "/dev/", 5) != 0 && !is_special(n, base);
    struct name_cache_entry *e = ordinary ? cached(n, path, len, &hit) : NULL;

    if (e && hit)
        return NAME_FREE;
    file_rules_explain(n->rules, path, ACCESS_WRITE, ret);
    if (ret->verdict == VERDICT_ALLOW) {
        if (e)
            remember(e, path, len, NULL);
        return NAME_FREE;
    }
    // The rule is about the host's file, which is not there; the program's own may be.
    if (ret->rule && ret->rule->grant == GRANT_DENY)
        return file_rules_private(n->rules, path) ? NAME_FREE : NAME_DENIED;
    if (ret->rule && ret->rule->grant == GRANT_PROTECT)
        return NAME_PROTECTED;
    // The yard's own places that cannot be written are nobody's rule, and nothing of the host is in them.
    return ret->rule || !strcmp(ret->rule_text, "none") ? NAME_UNGRANTED : NAME_FREE;
}

static const struct file_rule *stronger(const struct file_rule *a, const struct file_rule *b)
{
    return !a || (b && b->grant > a->grant) ? b : a;
}

const struct file_rule *name_rule(struct names *n, const char *path)
{
    const char *base = strrchr(path, '/');
    size_t len = base ? (size_t)(base - path) : 0;
    const struct file_rule *above = NULL;
    char dir[PATH_MAX];
    bool hit = false;
    struct name_cache_entry *e;

    if (!base || !base[1] || len >= sizeof dir)
        return rulematch_find(&n->match, path, path_base(path));
    e = cached(n, path, len, &hit);
    if (hit) {
        above = e->rule;
    } else if (len) {
        memcpy(dir, path, len);
        dir[len] = '\0';
        above = name_rule(n, dir);
        if (e)
            remember(e, path, len, above);
    }
    return stronger(above, rulematch_find(&n->match, path, base + 1));
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

static struct identity identity_of(const struct statx *what)
{
    struct identity id = {.dev = (uint64_t)what->stx_dev_major << 32 | what->stx_dev_minor,
                          .ino = what->stx_ino};

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

bool name_denied_but_own(struct names *n, int root, const char *path, const struct statx *what)
{
    char prefix[PATH_MAX];
    size_t len = strlen(path);
    bool whole = true;

    if (len >= sizeof prefix || (!what && n->nown == NAMES_OWN_MAX))
        return false;
    memcpy(prefix, path, len + 1);
    for (char *slash = strrchr(prefix, '/'); slash && slash != prefix; slash = strrchr(prefix, '/')) {
        const struct file_rule *r = rulematch_find(&n->match, prefix, slash + 1);

        if (r && r->grant == GRANT_DENY &&
            (!r->glob || r->always || (whole ? what && !names_is_own(n, what) : !own_at(n, root, prefix))))
            return false;
        whole = false;
        *slash = '\0';
    }
    return true;
}

void names_report(const struct call *c, const char *kind, const char *subject, const char *detail,
                  const struct file_verdict *file)
{
    struct file_verdict full = {.rule_text = "a run's record lists so many refusals and no more",
                                .reason = "further refusals of this run are not listed"};
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
        r = (struct notify_report){"more", "further refusals", NULL, &full, c->tid};
    c->n->handler.refused(c->n->handler.ctx, &r);
}

void names_report_ungranted(const struct call *c, const char *path)
{
    struct file_verdict v;

    file_rules_explain(c->n->rules, path, ACCESS_WRITE, &v);
    if (v.verdict != VERDICT_ALLOW && (v.rule || !strcmp(v.rule_text, "none")))
        names_report(c, "write", path, NULL, &v);
}

void names_report_rule(const struct call *c, enum file_access access, const char *path,
                       const struct file_rule *rule)
{
    struct file_verdict v;

    file_rules_explain(c->n->rules, path, access, &v);
    // The rules as text may know less than as matched (links on the way, case): then the rule speaks for
    // itself.
    if (v.verdict == VERDICT_ALLOW || !v.rule || v.rule->grant != rule->grant) {
        v = (struct file_verdict){.rule = rule};
        snprintf(v.rule_text, sizeof v.rule_text, "%s: %s",
                 rule->grant == GRANT_DENY ? "files.deny" : "files.protect", rule->text);
        snprintf(v.reason, sizeof v.reason, "%s covers it", rule->path);
    }
    names_report(c, access == ACCESS_WRITE ? "write" : "read", path, NULL, &v);
}
