// SPDX-License-Identifier: Apache-2.0
// From the lists of a policy to rules about absolute paths. The order is: grants and refusals as listed,
// bawn's own rules, then the hooks, which hold below every writable root and so need these first.
//
// A listed path in the workspace may have been put there by an earlier run: were a link in its place followed
// out of the workspace, the run would get what nobody granted. Such a path is an error; the target is to be
// named instead.
#include "policy/files.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "policy/bind.h"
#include "policy/sets.h"

static const struct origin built_in = {.layer = LAYER_BUILTIN, .file = "built in"};

struct maker {
    const struct policy *policy;
    const struct file_place *place;
    struct rule_list rules;
};

static const char *list_name(enum file_grant grant)
{
    static const char *const names[] = {"files.read", "files.write", "files.protect", "files.deny"};

    return names[grant];
}

static bool refuse(const struct policy_item *item, enum file_grant grant, enum err_kind kind,
                   const char *what, struct err *err)
{
    AUTO_FREE char *where = origin_text(&item->from);

    return err_set(err, kind, "%s: %s: %s %s", where, list_name(grant), item->text, what);
}

static bool add_set(struct maker *m, const struct policy_item *item, enum file_grant grant)
{
    struct rule_like like = {
        .grant = grant, .text = arena_strdup(&m->rules.arena, item->text), .from = item->from};

    if (!strcmp(item->text, "@system"))
        set_system(&m->rules, &like);
    else if (!strcmp(item->text, "@toolchains"))
        set_toolchains(&m->rules, &like, m->place);
    else if (!strcmp(item->text, "@program"))
        set_program(&m->rules, &like, m->place);
    else if (!strcmp(item->text, "@secrets"))
        set_secrets(&m->rules, &like, m->place->home);
    else if (!strcmp(item->text, "@caches"))
        set_caches(&m->rules, &like, m->place->home);
    else
        return false; // @tmp, @home: flags; @hooks: later
    return true;
}

static char *absolute(const struct maker *m, const char *text, bool glob)
{
    const char *base = text[0] == '~' ? m->place->home : m->place->workspace;
    AUTO_FREE char *escaped = NULL;

    if (text[0] == '~')
        text = text[1] ? text + 2 : "";
    if (base && glob)
        base = escaped = glob_escape(base);
    return base ? path_normal(base, text) : NULL;
}

// An earlier run may have put a link where the policy names something: below the workspace, below another
// writable root, or wherever a project's own file says. Followed, it would grant what nobody meant.
static bool leads_astray(const struct maker *m, const struct policy_item *item, const char *path,
                         const char *real)
{
    const struct policy_list *write = &m->policy->files.write;

    if (path_within(path, m->place->workspace))
        return !path_within(real, m->place->workspace);
    if (item->from.layer == LAYER_WORKSPACE)
        return true;
    for (size_t i = 0; i < write->n; i++) {
        AUTO_FREE char *root =
            write->items[i].text[0] == '@' ? NULL : absolute(m, write->items[i].text, false);
        char root_real[PATH_MAX];

        if (root && strcmp(path, root) != 0 && path_within(path, root) && realpath(root, root_real) &&
            !path_within(real, root_real))
            return true;
    }
    return false;
}

// What the path leads to. A root that can be written must be there; a refusal holds for the name and for what
// it leads to.
static bool add_target(struct maker *m, const struct policy_item *item, const struct rule_like *like,
                       const char *path, struct err *err)
{
    char real[PATH_MAX];

    if (!strcmp(path, m->place->workspace) || !strcmp(path, "/"))
        return true;
    if (!realpath(path, real)) {
        if (like->must_exist && (errno == ENOENT || errno == ENOTDIR))
            return refuse(item, like->grant, ERR_MISSING, "does not exist; create it or remove the entry",
                          err);
        if (like->grant == GRANT_WRITE)
            return refuse(item, like->grant, ERR_SYSTEM, "cannot be reached; check the modes of its parents",
                          err);
        return true;
    }
    if (!strcmp(path, real))
        return true;
    if (like->grant <= GRANT_WRITE && leads_astray(m, item, path, real))
        return refuse(item, like->grant, ERR_REFUSED,
                      "is or goes through a link that leads elsewhere; name the target itself", err);
    rule_add(&m->rules, like, real);
    return true;
}

static bool add_item(struct maker *m, const struct policy_item *item, enum file_grant grant, struct err *err)
{
    bool glob = grant >= GRANT_PROTECT && glob_is(item->text);
    struct rule_like like = {
        .grant = grant, .glob = glob, .text = arena_strdup(&m->rules.arena, item->text), .from = item->from};
    AUTO_FREE char *path = NULL;

    if (item->text[0] == '@') {
        add_set(m, item, grant);
        return true;
    }
    path = absolute(m, item->text, glob);
    if (!path)
        return grant >= GRANT_PROTECT || refuse(item, grant, ERR_INPUT, "needs HOME, which is not set", err);
    // A profile names what some machines have; what this one has not is neither granted nor an error.
    if (grant == GRANT_READ && item->from.layer == LAYER_BUILTIN && access(path, F_OK) < 0)
        return true;
    like.must_exist = grant == GRANT_WRITE && item->from.layer != LAYER_BUILTIN;
    rule_add(&m->rules, &like, path);
    return glob || add_target(m, item, &like, path, err);
}

static bool has(const struct policy_list *l, const char *text)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->items[i].text, text))
            return true;
    return false;
}

static bool add_lists(struct maker *m, struct err *err)
{
    const struct policy_list *lists[] = {[GRANT_READ] = &m->policy->files.read,
                                         [GRANT_WRITE] = &m->policy->files.write,
                                         [GRANT_PROTECT] = &m->policy->files.protect,
                                         [GRANT_DENY] = &m->policy->files.deny};

    for (size_t g = 0; g < ARRAY_LEN(lists); g++)
        for (size_t i = 0; i < lists[g]->n; i++)
            if (!add_item(m, &lists[g]->items[i], (enum file_grant)g, err))
                return false;
    return true;
}

// A policy named by -p decides the next run too, so the run must not write it.
static void add_policy_file(struct maker *m)
{
    struct rule_like like = {
        .grant = GRANT_PROTECT, .always = true, .text = "the policy of this run", .from = built_in};
    const char *file = m->policy->priv ? m->policy->priv->file : NULL;
    char real[PATH_MAX];

    if (!file)
        return;
    rule_add(&m->rules, &like, file);
    if (realpath(file, real) && strcmp(real, file) != 0)
        rule_add(&m->rules, &like, real);
}

// What no policy lifts: bawn's configuration and state, and the files that secrets come from.
static void add_own(struct maker *m)
{
    struct rule_like like = {.grant = GRANT_DENY, .always = true, .from = built_in};

    like.text = "bawn's configuration";
    if (m->place->config_dir)
        rule_add(&m->rules, &like, m->place->config_dir);
    like.text = "bawn's state";
    if (m->place->state_dir)
        rule_add(&m->rules, &like, m->place->state_dir);
    for (size_t i = 0; i < m->policy->nsecrets; i++) {
        const struct secret *s = &m->policy->secrets[i];
        const char *hash = s->from && !strncmp(s->from, "json:/", 6) ? strrchr(s->from, '#') : NULL;
        char *path, real[PATH_MAX];

        if (!s->from || (!hash && strncmp(s->from, "file:/", 6) != 0))
            continue;
        like.text = arena_printf(&m->rules.arena, "secrets.%s", s->name);
        path = hash ? arena_strndup(&m->rules.arena, s->from + 5, (size_t)(hash - s->from) - 5) : s->from + 5;
        rule_add(&m->rules, &like, path);
        if (realpath(path, real) && strcmp(real, path) != 0)
            rule_add(&m->rules, &like, real);
    }
    add_policy_file(m);
}

static void add_private_home(struct maker *m)
{
    struct rule_like like = {.grant = GRANT_READ, .text = "~/.gitconfig", .from = built_in};

    rule_addn(&m->rules, &like, m->place->home, ".gitconfig");
    like.text = "~/.config/git";
    rule_addn(&m->rules, &like, m->place->home, ".config/git");
}

// True for a writable root that is a directory of the host and not a member of a set.
static bool real_root(const struct file_rule *r)
{
    return r->grant == GRANT_WRITE && r->text[0] != '@';
}

static void add_hooks(struct maker *m, const struct policy_list *list, enum file_grant grant)
{
    size_t n = m->rules.n;

    for (size_t i = 0; i < list->n; i++) {
        struct rule_like like = {.grant = grant,
                                 .hook = true,
                                 .text = arena_strdup(&m->rules.arena, list->items[i].text),
                                 .from = list->items[i].from};

        if (strcmp(like.text, "@hooks") != 0)
            continue;
        for (size_t k = 0; k < n; k++) {
            bool nested = false;

            if (!real_root(&m->rules.items[k]))
                continue;
            for (size_t j = 0; j < n && !nested;
                 j++) // a root in a root is covered from above, the first of equals
                nested = j != k && real_root(&m->rules.items[j]) &&
                         path_within(m->rules.items[k].path, m->rules.items[j].path) &&
                         (strcmp(m->rules.items[k].path, m->rules.items[j].path) != 0 || j < k);
            if (!nested) {
                // The whole machine (profile open) is too much to look through, and most of it is somebody
                // else's: there the workspace stands for it.
                bool all = !strcmp(m->rules.items[k].path, "/");
                // A copy: the list moves as it grows.
                AUTO_FREE char *root = xstrdup(all ? m->place->workspace : m->rules.items[k].path);
                const char *home =
                    m->place->home && (all || path_within(m->place->home, root)) ? m->place->home : NULL;

                set_hooks(&m->rules, &like, root, home);
            }
        }
    }
}

static bool before(const struct file_rule *x, const struct file_rule *y)
{
    int c;

    if (x->grant != y->grant)
        return x->grant > y->grant;
    c = strcmp(x->path, y->path);
    return c ? c < 0 : x->always && !y->always;
}

// Merges the neighbouring runs [a, b) and [b, end) into out.
static void merge_runs(struct file_rule *const *rules, size_t a, size_t b, size_t end, struct file_rule **out)
{
    size_t i = a, j = b;

    for (size_t k = a; k < end; k++)
        out[k] = i < b && (j == end || !before(rules[j], rules[i])) ? rules[i++] : rules[j++];
}

static size_t run_end(struct file_rule *const *rules, size_t start, size_t n)
{
    size_t i = start + 1;

    while (i < n && !before(rules[i], rules[i - 1]))
        i++;
    return i < n ? i : n;
}

// The sets come in order, so the list is a few long runs: merging those takes a third of what sorting would.
static struct file_rule **sorted(struct rule_list *l)
{
    struct file_rule **from = xcalloc(l->n, sizeof(struct file_rule *)),
                     **to = xcalloc(l->n, sizeof(struct file_rule *));

    for (size_t i = 0; i < l->n; i++)
        from[i] = &l->items[i];
    while (l->n && run_end(from, 0, l->n) < l->n) {
        struct file_rule **turn = from;

        for (size_t a = 0; a < l->n;) {
            size_t b = run_end(from, a, l->n), end = b < l->n ? run_end(from, b, l->n) : b;

            merge_runs(from, a, b, end, to);
            a = end;
        }
        from = to;
        to = turn;
    }
    free(to);
    return from;
}

// In the order of strength, each once.
static void sort_rules(struct rule_list *l)
{
    struct file_rule **order = sorted(l), *out = xcalloc(l->n, sizeof *out);
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++) {
        const struct file_rule *last = n ? &out[n - 1] : NULL;

        if (!last || last->grant != order[i]->grant || last->glob != order[i]->glob ||
            strcmp(last->path, order[i]->path) != 0)
            out[n++] = *order[i];
    }
    free(order);
    free(l->items);
    l->items = out;
    l->n = l->alloc = n;
}

static bool granted(const struct rule_list *l, const char *path)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].grant <= GRANT_WRITE && path_within(path, l->items[i].path) &&
            !yards_own(l->items[i].path, path))
            return true;
    return false;
}

bool file_rules_make(const struct policy *p, const struct file_place *place, struct file_rules *ret,
                     struct err *err)
{
    struct maker m = {.policy = p, .place = place};
    struct file_rules r = {0};
    bool ok = add_lists(&m, err);

    if (!ok) {
        free(m.rules.items);
        arena_deinit(&m.rules.arena);
        return false;
    }
    r.root_readable = granted(&m.rules, "/");
    r.home_readable = place->home && granted(&m.rules, place->home);
    r.workspace_shown = granted(&m.rules, place->workspace);
    r.private_home = place->home && !r.home_readable && has(&p->files.write, "@home");
    r.private_tmp = has(&p->files.write, "@tmp");
    add_own(&m);
    if (granted(&m.rules, "/etc"))
        set_system_private(&m.rules);
    if (r.private_home)
        add_private_home(&m);
    add_hooks(&m, &p->files.protect, GRANT_PROTECT);
    add_hooks(&m, &p->files.deny, GRANT_DENY);
    sort_rules(&m.rules);
    r.rules = m.rules.items;
    r.n = m.rules.n;
    r.workspace = arena_strdup(&m.rules.arena, place->workspace);
    r.home = place->home ? arena_strdup(&m.rules.arena, place->home) : NULL;
    r.arena = m.rules.arena;
    *ret = r;
    return true;
}

void file_rules_deinit(struct file_rules *r)
{
    free(r->rules);
    arena_deinit(&r->arena);
    *r = (struct file_rules){0};
}
