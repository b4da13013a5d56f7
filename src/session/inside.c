// SPDX-License-Identifier: Apache-2.0
// A copy is made in one of two ways. Of a JSON file with `keep` or `fake` only what is named is shown: a
// member that a new version of a program adds stays out until somebody has looked at it. Any other file is
// shown as it is, behind `head`. In either, wherever the value of a secret stands, its placeholder is shown.
//
// What is kept for the next run lies in bawn's state, one set for each workspace, and is no file of the
// host's: programs outside do not read it, so that what a run leaves there leads no other one astray.
#include "session/inside.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/sha256.h"
#include "guard/placeholder.h"
#include "session/session.h"

#define TAIL 20             // characters
#define WORKSPACE_DIGITS 16 // of the workspace's hash, in the name of its directory

// --- placeholders in the policy's own texts ---

// Of a secret that is not there: "".
static const char *placeholder_of(const struct credentials *c, const char *name, size_t n)
{
    for (size_t i = 0; i < c->n; i++)
        if (strlen(c->items[i].rule->name) == n && !memcmp(c->items[i].rule->name, name, n))
            return c->items[i].value ? c->items[i].placeholder : "";
    return NULL;
}

// ${NAME} and ${NAME:N}. What names no secret stays as it stands. False when a secret has no value.
static bool expand(const char *text, const struct credentials *c, struct buf *ret)
{
    const char *at;
    bool all = true;

    for (; (at = strstr(text, "${")); text = at) {
        size_t n = strcspn(at + 2, ":}");
        const char *placeholder = placeholder_of(c, at + 2, n), *end = strchr(at, '}');
        size_t len = placeholder ? strlen(placeholder) : 0, last = len;

        buf_add(ret, text, (size_t)(at - text));
        if (!placeholder || !end) {
            buf_adds(ret, "${");
            at += 2;
            continue;
        }
        all &= len > 0;
        if (at[2 + n] == ':')
            last = strtoul(at + 3 + n, NULL, 10);
        buf_adds(ret, placeholder + (last < len ? len - last : 0));
        at = end + 1;
    }
    buf_adds(ret, text);
    return all;
}

// --- JSON by members ---

// The object at `segment` of `to`, made when missing; NULL when something else is there.
static json_t *object_in(json_t *to, const char *segment)
{
    json_t *o = json_object_get(to, segment);

    if (!o) {
        json_object_set_new(to, segment, json_object());
        o = json_object_get(to, segment);
    }
    return json_is_object(o) ? o : NULL;
}

typedef json_t *shown_fn(const json_t *value); // a new reference, or NULL: leave it out

static void show(const json_t *from, json_t *to, const char *pointer, const char *workspace, shown_fn *shown);

static void show_member(const json_t *value, json_t *to, const char *name, const char *rest,
                        const char *workspace, shown_fn *shown)
{
    json_t *one;

    if (!value)
        return;
    if (*rest) {
        one = json_is_object(value) ? object_in(to, name) : NULL;
        if (one)
            show(value, one, rest, workspace, shown);
        return;
    }
    one = shown(value);
    if (one)
        json_object_set_new(to, name, one);
}

static void show(const json_t *from, json_t *to, const char *pointer, const char *workspace, shown_fn *shown)
{
    AUTO_FREE char *segment = json_segment(&pointer);
    const char *name;
    json_t *value;

    if (!segment || !json_is_object(from))
        return;
    if (strcmp(segment, "*") != 0) {
        name = strcmp(segment, "{workspace}") != 0 ? segment : workspace;
        show_member(json_object_get(from, name), to, name, pointer, workspace, shown);
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)from, name, value)
        show_member(value, to, name, pointer, workspace, shown);
}

static json_t *as_it_is(const json_t *value)
{
    return json_deep_copy(value);
}

static json_t *faked(const json_t *value)
{
    const char *text = json_string_value(value);
    char *fake;
    json_t *ret;

    if (!text || !placeholder_make("fake", text, &fake, NULL))
        return NULL;
    ret = json_string(fake);
    free(fake);
    return ret;
}

static void put_at(json_t *to, const char *pointer, const char *text)
{
    AUTO_FREE char *segment = json_segment(&pointer);

    if (!segment)
        return;
    if (!*pointer)
        json_object_set_new(to, segment, json_string(text));
    else if ((to = object_in(to, segment)))
        put_at(to, pointer, text);
}

static void put_secrets(json_t *to, const char *path, const struct credentials *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const char *pointer;
        AUTO_FREE char *source = c->items[i].value ? json_source(c->items[i].rule->from, &pointer) : NULL;

        if (source && !strcmp(source, path))
            put_at(to, pointer, c->items[i].placeholder);
    }
}

static bool put_over(json_t *to, const char *put, const struct credentials *c, struct err *err)
{
    AUTO_BUF struct buf text;
    AUTO_JSON json_t *over = NULL;

    buf_init(&text, JSON_FILE_MAX);
    expand(put, c, &text);
    over = json_parse(text.ptr ? text.ptr : "", text.len, err);
    if (!json_is_object(over))
        return err_set(err, ERR_INPUT, "not a JSON object"), err_prefix(err, "put");
    json_object_update_recursive(to, over);
    return true;
}

static bool add_members(const struct inside_file *f, const struct inside_source *in, struct buf *ret,
                        struct err *err)
{
    AUTO_JSON json_t *from = in->text ? json_parse(in->text, in->n, err) : json_object(), *to = json_object();
    AUTO_FREE char *out = NULL;

    if (!from)
        return false;
    for (size_t i = 0; i < f->keep.n; i++)
        show(from, to, f->keep.items[i].text, in->workspace, as_it_is);
    for (size_t i = 0; i < f->fake.n; i++)
        show(from, to, f->fake.items[i].text, in->workspace, faked);
    put_secrets(to, in->path, in->credentials);
    if (f->put && !put_over(to, f->put, in->credentials, err))
        return false;
    out = json_dumps(to, JSON_INDENT(2));
    return out && buf_addf(ret, "%s\n", out);
}

// --- lines ---

// "name = value": the name, or 0 bytes.
static size_t name_in(const char *line, size_t n, const char **ret)
{
    const char *eq = memchr(line, '=', n);
    size_t len;

    while (n && isblank((unsigned char)*line)) {
        line++;
        n--;
    }
    len = eq && eq > line && *line != '#' ? (size_t)(eq - line) : 0;
    while (len && isblank((unsigned char)line[len - 1]))
        len--;
    *ret = line;
    return len;
}

static bool sets(const char *head, const char *name, size_t n)
{
    for (size_t len; *head; head += len + (head[len] == '\n')) {
        const char *one;

        len = strcspn(head, "\n");
        if (name_in(head, len, &one) == n && !memcmp(one, name, n))
            return true;
    }
    return false;
}

static void add_lines(const char *head, const char *text, size_t n, struct buf *ret)
{
    bool sections = false;

    buf_adds(ret, head);
    for (size_t at = 0; at < n;) {
        const char *line = text + at, *end = memchr(line, '\n', n - at), *name;
        size_t len = end ? (size_t)(end - line) + 1 : n - at, named = name_in(line, len, &name);

        sections |= *name == '[';
        if (sections || !named || !sets(head, name, named))
            buf_add(ret, line, len);
        at += len;
    }
}

// --- a file ---

static void replace_all(struct buf *text, const char *value, const char *placeholder)
{
    size_t n = strlen(value);
    char *at = text->ptr;

    for (; at && (at = memmem(at, text->len - (size_t)(at - text->ptr), value, n)); at += n)
        memcpy(at, placeholder, n); // of the same length
}

// And the end of a long value, which programs keep to know it again.
static void hide(struct buf *text, const struct guard_secret *s)
{
    size_t n = strlen(s->value), at = n >= 2 * TAIL ? n - TAIL : n;

    replace_all(text, s->value, s->placeholder);
    if (at < n)
        replace_all(text, s->value + at, s->placeholder + at);
}

bool inside_text(const struct inside_file *f, const struct inside_source *in, struct buf *ret,
                 struct err *err)
{
    const struct credentials *c = in->credentials;

    AUTO_BUF struct buf head;

    buf_init(&head, JSON_FILE_MAX);
    if (!f->text && !f->head && !f->put && !f->absent && !in->text)
        return false;
    if (f->absent && !in->text && !expand(f->absent, c, &head))
        return false;
    if (f->text || f->head)
        expand(f->text ? f->text : f->head, c, &head);
    if (f->members && !(f->absent && !in->text)) {
        if (!add_members(f, in, ret, err))
            return false;
    } else if (f->text || !in->text) {
        buf_adds(ret, buf_cstr(&head));
    } else {
        add_lines(buf_cstr(&head), in->text, in->n, ret);
    }
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].value)
            hide(ret, &c->items[i]);
    return !ret->full || err_set(err, ERR_LIMIT, "longer than %u bytes", JSON_FILE_MAX);
}

// A link in the workspace may be an earlier run's: what it leads to is not what the policy names.
static bool is_links(const struct session_places *places, const char *path, struct err *why)
{
    AUTO_FREE char *real = path_within(path, places->workspace) ? realpath(path, NULL) : NULL;

    return real && strcmp(real, path) != 0 &&
           !err_set(why, ERR_REFUSED, "it is or goes through a link in the workspace, to %s", real);
}

static void add_file(struct inside *in, const struct inside_file *f, const struct session_places *places,
                     const struct credentials *c, struct buf *notes)
{
    AUTO_FREE char *path = session_path(places, f->path);
    struct inside_source source;
    struct buf text, out;
    struct err why = {0};
    bool there = false, ok;

    if (!path)
        return;
    buf_init(&text, JSON_FILE_MAX);
    buf_init(&out, JSON_FILE_MAX + 65536);
    if (!is_links(places, path, &why) && !f->text) {
        there = file_read(AT_FDCWD, path, &text, &why);
        if (there)
            buf_cstr(&text);
        else if (why.kind == ERR_MISSING)
            err_clear(&why);
    }
    source = (struct inside_source){path, places->workspace, there ? text.ptr : NULL, text.len, c};
    ok = why.kind == ERR_NONE && inside_text(f, &source, &out, &why);
    if (ok) {
        struct layout_file *file = &in->files[in->nfiles++];

        *file = (struct layout_file){.path = TAKE_PTR(path), .size = out.len, .own = true};
        file->content = buf_take(&out);
    } else if (why.kind != ERR_NONE)
        buf_addf(notes, "files.inside: %s is left out: %s\n", f->path, why.msg);
    if (text.ptr)
        explicit_bzero(text.ptr, text.len);
    buf_deinit(&text);
    buf_deinit(&out);
}

// --- what is kept ---

// kept/HASH of the workspace/the path, with + for /.
static char *kept_source(const struct session_places *places, const char *below)
{
    char hash[SHA256_HEX_SIZE];
    char *source;

    sha256_hex(places->workspace, strlen(places->workspace), hash);
    source = xasprintf("%s/kept/%.*s/%s", places->state_dir, WORKSPACE_DIGITS, hash, below);
    for (char *p = source + strlen(source) - strlen(below); *p; p++)
        if (*p == '/')
            *p = '+';
    return source;
}

static bool add_kept(struct inside *in, const struct policy_item *item, const struct session_places *places,
                     struct err *err)
{
    AUTO_FREE char *path = session_path(places, item->text);
    const char *below = path && places->home ? path_below(path, places->home) : NULL;
    AUTO_FREE char *source = NULL;
    char *real;

    if (!below || !*below)
        return err_set(err, ERR_INPUT, "files.state: %s does not lie below HOME", item->text);
    source = kept_source(places, below);
    if (!mkdir_parents(AT_FDCWD, source, 0700, err))
        return err_prefix(err, "files.state: %s", item->text);
    real = realpath(source, NULL); // a plan's paths have no links
    if (!real)
        return err_sys(err, errno, "files.state: %s: cannot use %s", item->text, source);
    in->kept[in->nkept++] = (struct layout_kept){TAKE_PTR(path), real};
    return true;
}

bool inside_make(const struct policy *p, const struct session_places *places, const struct credentials *c,
                 struct inside *ret, struct buf *notes, struct err *err)
{
    ret->files = xcalloc(p->files.ninside, sizeof *ret->files);
    ret->kept = xcalloc(p->files.state.n, sizeof *ret->kept);
    for (size_t i = 0; i < p->files.ninside; i++)
        add_file(ret, &p->files.inside[i], places, c, notes);
    for (size_t i = 0; i < p->files.state.n; i++)
        if (!add_kept(ret, &p->files.state.items[i], places, err))
            return false;
    return true;
}

void inside_deinit(struct inside *in)
{
    for (size_t i = 0; i < in->nfiles; i++) {
        free((char *)(uintptr_t)in->files[i].path);
        free((char *)(uintptr_t)in->files[i].content);
    }
    for (size_t i = 0; i < in->nkept; i++) {
        free((char *)(uintptr_t)in->kept[i].path);
        free((char *)(uintptr_t)in->kept[i].source);
    }
    free(in->files);
    free(in->kept);
    *in = (struct inside){0};
}
