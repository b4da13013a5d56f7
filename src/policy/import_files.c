// SPDX-License-Identifier: Apache-2.0
// sandbox-runtime reads everything but denyRead, re-opens in it what allowRead and allowWrite name, and
// writes only allowWrite without denyWrite. bawn reads and writes what is granted, and a deny holds at any
// depth.
//
//   denyRead with nothing to re-open in it      files.deny
//   denyRead around something to re-open        a *hole*: not granted. In place of "/", files.read has what
//                                               lies beside the hole on each level, and what is re-opened
//   denyRead around HOME                        a hole as well, and HOME is the private one
//   allowWrite                                  files.write, when it is there; denyWrite: files.protect
//
// A hole needs a listing of the directories above it, which the caller's eyes give. A writable directory
// cannot be granted in parts: what is to be re-opened within a denial within one stays denied, with a note.
#include <string.h>

#include "base/path.h"
#include "base/utf8.h"
#include "policy/import_parts.h"
#include "policy/sets.h"

#define GRANTS_MAX 4000  // of one policy: each is a mount
#define GLOB_FORMS_MAX 4 // "**" within components of one pattern: each doubles it

// sandbox-runtime's list of files that are never written, where @hooks does not have them.
static const char *const mandatory[] = {".bash_profile", ".bashrc",   ".gitconfig", ".profile",
                                        ".ripgreprc",    ".zprofile", ".zshrc"};
// What it lets be written unasked, when it is there.
static const char *const convenient[] = {"~/.npm/_logs", "~/.claude/debug"};

struct named { // a path of the settings
    const struct import_item *item;
    char *text;       // as the policy names it
    const char *path; // normal
    const char *real; // links resolved; NULL: not there
    bool glob, dropped, hole;
};

struct named_list {
    struct named *items;
    size_t n;
};

struct files {
    struct importer *m;
    struct named_list deny_read, allow_read, allow_write;
    struct yaml_node *read, *write, *deny, *protect;
    size_t given; // of allow_write: what the settings name; the rest is convenience
    size_t grants;
};

static const struct import_item reads_all = {.key = "sandbox-runtime reads everything but denyRead"};
static const struct import_item private_tmp = {.key = "a private /tmp, in place of /tmp/claude"};

static const struct import_eyes *eyes(const struct files *f)
{
    return &f->m->place->eyes;
}

// "src/**" is "src", and "x/" is "x"; what a policy would take for a set or another user's home is neither.
static char *trimmed(struct arena *a, const char *text)
{
    size_t n = strlen(text);
    bool rooted = text[0] == '/';

    for (;;) {
        if (n > 1 && text[n - 1] == '/')
            n--;
        else if (n >= 2 && !strncmp(text + n - 2, "**", 2) && (n == 2 || text[n - 3] == '/'))
            n -= 2;
        else
            break;
    }
    if (!n || (n == 1 && rooted))
        return arena_strdup(a, rooted ? "/" : ".");
    return arena_printf(
        a, "%s%.*s", text[0] == '@' || (text[0] == '~' && n > 1 && text[1] != '/') ? "./" : "", (int)n, text);
}

static const char *absolute(const struct files *f, const char *text)
{
    const struct import_place *place = f->m->place;
    bool home = text[0] == '~' && (!text[1] || text[1] == '/');
    AUTO_FREE char *path = path_normal(home ? place->home : place->workspace, !home     ? text
                                                                              : text[1] ? text + 2
                                                                                        : "");

    return arena_strdup(f->m->arena, path);
}

static struct named name(const struct files *f, const struct import_item *item)
{
    struct named n = {.item = item, .text = trimmed(f->m->arena, item->text)};
    AUTO_FREE char *real = NULL;

    n.path = absolute(f, n.text);
    n.glob = glob_is(n.text);
    real = n.glob ? NULL : eyes(f)->real(eyes(f)->ctx, n.path);
    n.real = real ? arena_strdup(f->m->arena, real) : NULL;
    return n;
}

static struct named_list names(const struct files *f, const struct import_list *list)
{
    struct named_list l = {.items = arena_alloc(f->m->arena, (list->n + 1) * sizeof *l.items)};

    for (size_t i = 0; i < list->n; i++)
        l.items[l.n++] = name(f, &list->items[i]);
    return l;
}

static const char *where(const struct named *n)
{
    return n->real ? n->real : n->path;
}

// --- globs ---

// A deny that matches nothing protects nothing, so a pattern that bawn reads differently is widened: "a**b"
// within a component to the two forms it stands for, and a bracket whose meaning differs to any character.
static bool put_glob(struct files *f, struct yaml_node *list, const char *pattern, const struct named *n,
                     int depth, struct err *err)
{
    for (const char *p = pattern; *p;) {
        size_t len = strcspn(p, "/");
        const char *stars = memmem(p, len, "**", 2);

        if (stars && len != 2) {
            const char *post = stars + strspn(stars, "*");
            int pre = (int)(stars - pattern);
            AUTO_FREE char *one = xasprintf("%.*s*%s", pre, pattern, post),
                           *deep = xasprintf("%.*s%s**/*%s", pre, pattern, stars > p ? "*/" : "", post);

            if (depth == GLOB_FORMS_MAX)
                return import_error(n->item, err, "has too many **; write the patterns out");
            // Without text in front of the stars "**/*x" has both forms.
            return (stars == p || put_glob(f, list, one, n, depth + 1, err)) &&
                   put_glob(f, list, deep, n, depth + 1, err);
        }
        p += len;
        p += *p == '/';
    }
    import_put(list, NULL, import_text(f->m, pattern, false, n->item));
    return true;
}

static bool check_brackets(const struct named *n, char *pattern, struct err *err)
{
    for (char *p = strchr(pattern, '['); p; p = strchr(p + 1, '[')) {
        char *end = strchr(p + 1, ']');
        bool odd =
            !end || p[1] == '!' || p[1] == '^' || p[1] == ']' || memchr(p + 1, '[', (size_t)(end - p - 1));

        if (end && memchr(p, '/', (size_t)(end - p)))
            return import_error(
                n->item, err, "a bracket that spans directories cannot be held; write the two patterns out");
        if (!odd)
            continue;
        *p = '?';
        if (end)
            memmove(p + 1, end + 1, strlen(end + 1) + 1);
    }
    return true;
}

// sandbox-runtime passes over a pattern that starts at the root with a wildcard: it would list the machine.
static bool starts_wild(const char *text)
{
    const char *end = text[0] == '/' ? strchr(text + 1, '/') : NULL;
    AUTO_FREE char *first = end ? xstrndup(text, (size_t)(end - text)) : xstrdup(text);

    return text[0] == '/' && glob_is(first);
}

static bool add_glob(struct files *f, struct yaml_node *list, const struct named *n, struct err *err)
{
    AUTO_FREE char *pattern = xstrdup(n->text);

    if (starts_wild(n->text)) {
        import_note(f->m,
                    "%s: %s starts with a wildcard, so it has no effect on Linux, as in sandbox-runtime; "
                    "start it with a directory",
                    import_where(f->m, n->item), n->text);
        return true;
    }
    return check_brackets(n, pattern, err) && put_glob(f, list, pattern, n, 0, err);
}

// --- writing ---

// The yard's own, which no grant changes.
static bool yards(const char *path)
{
    static const char *const whole[] = {"/dev", "/proc", "/sys"};

    for (size_t i = 0; i < ARRAY_LEN(whole); i++)
        if (path_within(path, whole[i]))
            return true;
    return !strcmp(path, "/run") || !strcmp(path, "/tmp");
}

static bool covered_write(const struct files *f, size_t i)
{
    const struct named *n = &f->allow_write.items[i];

    for (size_t j = 0; j < f->allow_write.n; j++) {
        const struct named *o = &f->allow_write.items[j];

        if (j == i || o->dropped || !o->real || !path_within(where(n), o->real) ||
            yards_own(o->real, where(n)))
            continue;
        if (strcmp(where(n), o->real) != 0 || j < i)
            return true;
    }
    return false;
}

static void add_convenient(struct files *f)
{
    f->given = f->m->rules.allow_write.n;
    for (size_t i = 0; i < ARRAY_LEN(convenient); i++) {
        struct import_item item = {.text = convenient[i], .key = "sandbox-runtime lets this be written"};
        const char *path = absolute(f, item.text);
        bool denied = false;

        for (size_t d = 0; d < f->deny_read.n; d++)
            denied |= !f->deny_read.items[d].glob && path_within(path, where(&f->deny_read.items[d]));
        if (!denied && eyes(f)->kind(eyes(f)->ctx, path) == IMPORT_DIRECTORY)
            import_add(f->m, &f->m->rules.allow_write, &item);
    }
}

static void choose_writes(struct files *f)
{
    for (size_t i = 0; i < f->allow_write.n; i++) {
        struct named *n = &f->allow_write.items[i];

        if (n->glob) {
            n->dropped = true;
            import_note(
                f->m,
                "%s: %s: a glob has no effect there on Linux, as in sandbox-runtime; name the directory",
                import_where(f->m, n->item), n->text);
        } else if (yards(n->path) || yards(where(n))) {
            n->dropped = true;
            if (!strcmp(where(n), "/tmp"))
                import_note(f->m, "%s: /tmp is a private one, which ends with the run",
                            import_where(f->m, n->item));
        }
    }
    for (size_t i = 0; i < f->allow_write.n; i++) {
        struct named *n = &f->allow_write.items[i];

        if (n->dropped)
            continue;
        n->dropped = covered_write(f, i);
        if (n->dropped || n->real)
            continue;
        n->dropped = true;
        import_note(f->m, "%s: %s does not exist now, so it cannot be written, as in sandbox-runtime",
                    import_where(f->m, n->item), n->text);
    }
}

static void put_writes(struct files *f)
{
    for (size_t i = 0; i < f->allow_write.n; i++)
        if (!f->allow_write.items[i].dropped)
            import_put(f->write, NULL,
                       import_text(f->m, f->allow_write.items[i].text, false, f->allow_write.items[i].item));
    import_put(f->write, NULL, import_text(f->m, "@tmp", false, &private_tmp));
}

// The pattern that finds `below` anywhere in a writable root.
static void put_mandatory(struct files *f, const struct named *root)
{
    static const struct import_item item = {.key = "sandbox-runtime never lets this be written"};
    bool all = !strcmp(where(root), "/");
    const char *text = all ? f->m->place->workspace : root->text;
    AUTO_FREE char *escaped = glob_escape(text);

    for (size_t i = 0; i < ARRAY_LEN(mandatory); i++) {
        bool here = !strcmp(text, ".") || !strcmp(text, f->m->place->workspace);
        AUTO_FREE char *pattern =
            here ? xasprintf("**/%s", mandatory[i]) : xasprintf("%s/**/%s", escaped, mandatory[i]);

        import_put(f->protect, NULL, import_text(f->m, pattern, false, &item));
    }
}

static bool put_protected(struct files *f, struct err *err)
{
    static const struct import_item hooks = {.key =
                                                 "what runs code outside: sandbox-runtime's list and more"};

    import_put(f->protect, NULL, import_text(f->m, "@hooks", false, &hooks));
    for (size_t i = 0; i < f->given; i++)
        if (!f->allow_write.items[i].dropped)
            put_mandatory(f, &f->allow_write.items[i]);
    for (size_t i = 0; i < f->m->rules.deny_write.n; i++) {
        struct named n = name(f, &f->m->rules.deny_write.items[i]);

        if (n.glob && !add_glob(f, f->protect, &n, err))
            return false;
        if (!n.glob)
            import_put(f->protect, NULL, import_text(f->m, n.text, false, n.item));
    }
    return true;
}

// --- reading ---

// What is to be seen in the denied directory all the same.
static bool reopened(const struct files *f, const char *dir, bool strictly)
{
    const struct named_list *lists[] = {&f->allow_read, &f->allow_write};

    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        for (size_t i = 0; i < lists[l]->n; i++) {
            const struct named *n = &lists[l]->items[i];

            if (!n->glob && n->real && path_within(n->real, dir) && (strcmp(n->real, dir) != 0) == strictly)
                return true;
        }
    return false;
}

static bool in_writable(const struct files *f, const char *path)
{
    for (size_t i = 0; i < f->allow_write.n; i++) {
        const struct named *w = &f->allow_write.items[i];

        if (!w->dropped && path_within(path, w->real) && strcmp(path, w->real) != 0)
            return true;
    }
    return false;
}

// What a denial in a writable directory, or a glob, takes with it though the settings re-open it.
static void note_buried(struct files *f, const struct named *deny)
{
    struct named_list *lists[] = {&f->allow_read, &f->allow_write};

    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        for (size_t i = 0; i < lists[l]->n; i++) {
            struct named *n = &lists[l]->items[i];

            if (n->dropped || n->glob || !path_within(where(n), where(deny)) ||
                !strcmp(where(n), where(deny)))
                continue;
            import_note(
                f->m, "%s: %s lies in %s, which %s denies within a writable directory: it stays hidden here",
                import_where(f->m, n->item), n->text, deny->text, deny->item->key);
            n->dropped = l == 1;
        }
}

static void note_globbed(struct files *f, const struct named *deny)
{
    AUTO_FREE char *pattern = xstrdup(deny->path);

    for (size_t i = 0; i < f->allow_read.n; i++) {
        const struct named *n = &f->allow_read.items[i];
        AUTO_FREE char *at = n->glob ? NULL : xstrdup(where(n));

        for (char *slash; at && *at; *slash = '\0') {
            if (glob_match(pattern, at))
                import_note(
                    f->m,
                    "%s: %s is in what %s denies: it stays hidden here, where a denial holds at any depth",
                    import_where(f->m, n->item), n->text, deny->text);
            slash = strrchr(at, '/');
        }
    }
}

static bool put_denied(struct files *f, struct err *err)
{
    for (size_t i = 0; i < f->deny_read.n; i++) {
        struct named *d = &f->deny_read.items[i];
        const char *home = f->m->place->home;

        if (d->glob) {
            note_globbed(f, d);
            if (!add_glob(f, f->deny, d, err))
                return false;
            continue;
        }
        d->dropped = d->real && reopened(f, d->real, false); // named by both: allowed
        d->hole = !d->dropped && d->real && !in_writable(f, d->real) &&
                  (!strcmp(d->real, "/") || path_within(home, d->real) || reopened(f, d->real, true));
        if (d->dropped || d->hole)
            continue;
        note_buried(f, d);
        import_put(f->deny, NULL, import_text(f->m, d->text, false, d->item));
    }
    return true;
}

// A link where a run can write may have been put there by one: it must not open what it leads to.
static void drop_links(struct files *f)
{
    for (size_t i = 0; i < f->allow_read.n; i++) {
        struct named *n = &f->allow_read.items[i];

        if (!n->real || !strcmp(n->real, n->path) ||
            !(path_within(n->path, f->m->place->workspace) || in_writable(f, n->path)))
            continue;
        import_note(f->m, "%s: %s is or goes through a link, which re-opens nothing; name what it leads to",
                    import_where(f->m, n->item), n->text);
        n->real = NULL;
    }
}

static void note_read_globs(struct files *f)
{
    for (size_t i = 0; i < f->allow_read.n; i++)
        if (f->allow_read.items[i].glob)
            import_note(f->m, "%s: %s: a glob re-opens nothing here; name the path",
                        import_where(f->m, f->allow_read.items[i].item), f->allow_read.items[i].text);
}

static const struct named *hole_at(const struct files *f, const char *path, bool below)
{
    for (size_t i = 0; i < f->deny_read.n; i++) {
        const struct named *d = &f->deny_read.items[i];

        if (d->hole &&
            (below ? path_within(d->real, path) && strcmp(d->real, path) != 0 : path_within(path, d->real)))
            return d;
    }
    return NULL;
}

static bool grant(struct files *f, const char *path, const struct import_item *item, struct err *err)
{
    if (f->grants++ >= GRANTS_MAX)
        return err_set(
            err, ERR_LIMIT,
            "filesystem.denyRead: more than %d paths lie beside what it denies; deny a directory higher up",
            GRANTS_MAX);
    import_put(f->read, NULL, import_text(f->m, path, false, item));
    return true;
}

// A grant is UTF-8 and has no glob characters.
static bool namable(const char *path)
{
    size_t n = strlen(path);

    return !glob_is(path) && utf8_valid_prefix(path, n) == n;
}

// What of the directory can be seen: all of it, or what lies beside the holes in it.
static bool open_up(struct files *f, const char *dir, const struct import_item *item, struct err *err)
{
    const struct named *hole = hole_at(f, dir, true);
    AUTO_STRLIST struct strlist entries = {0};
    struct import_item beside;

    if (!hole)
        return grant(f, dir, item, err);
    beside = *hole->item;
    beside.key = arena_printf(f->m->arena, "beside %s", hole->item->key);
    if (!eyes(f)->list(eyes(f)->ctx, dir, &entries, err))
        return false;
    strlist_sort(&entries);
    for (size_t i = 0; i < entries.n; i++) {
        AUTO_FREE char *path = path_normal(dir, entries.items[i]);
        AUTO_FREE char *real = eyes(f)->real(eyes(f)->ctx, path);
        bool link = real && strcmp(real, path) != 0;

        // A link into a hole would open it.
        if (!real || yards_own(NULL, path) || !namable(path) || hole_at(f, real, false) ||
            (link && hole_at(f, real, true)))
            continue;
        if (!open_up(f, path, &beside, err))
            return false;
    }
    return true;
}

static bool put_reads(struct files *f, struct err *err)
{
    static const struct import_item dot = {.key = "the working directory"};
    bool workspace_hidden = hole_at(f, f->m->place->workspace, false) != NULL;

    if (!hole_at(f, "/", false) && !open_up(f, "/", &reads_all, err))
        return false;
    for (size_t i = 0; i < f->allow_read.n; i++) {
        const struct named *n = &f->allow_read.items[i];

        if (n->glob || !n->real)
            continue;
        workspace_hidden &= !path_within(f->m->place->workspace, n->real);
        if ((hole_at(f, n->real, false) || yards_own("/", n->real)) &&
            !open_up(f, hole_at(f, n->real, true) ? n->real : n->path, n->item, err))
            return false;
    }
    return workspace_hidden || grant(f, ".", &dot, err);
}

// Where the real HOME is denied the run has one of its own; what bawn would show in that is denied as well.
static void hide_home(struct files *f, struct yaml_node *policy)
{
    static const char *const shown[] = {"~/.gitconfig", "~/.config/git"};
    const struct named *hole = hole_at(f, f->m->place->home, false);
    const char *home = f->m->place->home;
    bool any = false;

    for (size_t i = 0; hole && i < f->allow_read.n + f->allow_write.n; i++) {
        const struct named *n =
            i < f->allow_read.n ? &f->allow_read.items[i] : &f->allow_write.items[i - f->allow_read.n];

        if (!n->glob && n->real && path_within(home, n->real))
            hole = NULL;
    }
    if (!hole)
        return;
    import_put(f->write, NULL, import_text(f->m, "@home", false, hole->item));
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        const char *path = absolute(f, shown[i]);
        bool open = false;

        for (size_t k = 0; k < f->allow_read.n; k++)
            open |= f->allow_read.items[k].real && path_within(path, f->allow_read.items[k].real);
        if (open || eyes(f)->kind(eyes(f)->ctx, path) == IMPORT_NOTHING)
            continue;
        import_put(f->deny, NULL, import_text(f->m, shown[i], false, hole->item));
        any = true;
    }
    if (any) // git takes a configuration that it may not read for an error
        import_put(import_at(policy, "env.set"), "GIT_CONFIG_GLOBAL",
                   import_text(f->m, "/dev/null", false, hole->item));
}

// filesystem.disabled: no rule of files at all.
static void open_all(struct files *f)
{
    static const char *const roots[] = {"/", "."};
    static const struct import_item off = {.key = "filesystem.disabled"};

    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        import_put(f->read, NULL, import_text(f->m, roots[i], false, &off));
        import_put(f->write, NULL, import_text(f->m, roots[i], false, &off));
    }
    import_put(f->write, NULL, import_text(f->m, "@tmp", false, &off));
}

bool import_files(struct importer *m, struct yaml_node *policy, struct err *err)
{
    struct yaml_node *files = import_put(policy, "files", import_map(m));
    struct files f = {.m = m};

    f.read = import_put(files, "read", import_seq(m, NULL));
    f.write = import_put(files, "write", import_seq(m, NULL));
    f.deny = import_put(files, "deny", import_seq(m, NULL));
    f.protect = import_put(files, "protect", import_seq(m, NULL));
    f.deny_read = names(&f, &m->rules.deny_read);
    if (m->rules.files_off) {
        open_all(&f);
        return true;
    }
    add_convenient(&f);
    f.allow_read = names(&f, &m->rules.allow_read);
    f.allow_write = names(&f, &m->rules.allow_write);
    choose_writes(&f);
    drop_links(&f);
    note_read_globs(&f);
    if (!put_denied(&f, err) || !put_reads(&f, err) || !put_protected(&f, err))
        return false;
    put_writes(&f);
    hide_home(&f, policy);
    return true;
}
