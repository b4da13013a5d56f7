// SPDX-License-Identifier: Apache-2.0
#include "session/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "guard/placeholder.h"
#include "session/session.h"

char *json_segment(const char **pointer)
{
    const char *p = *pointer;
    char *segment, *to;

    if (*p != '/')
        return NULL;
    p++;
    to = segment = xstrdup(p);
    for (; *p && *p != '/'; p++)
        if (p[0] == '~' && (p[1] == '0' || p[1] == '1'))
            *to++ = *++p == '0' ? '~' : '/';
        else
            *to++ = *p;
    *to = '\0';
    *pointer = p;
    return segment;
}

json_t *json_at(const json_t *root, const char *pointer)
{
    json_t *at = (json_t *)(uintptr_t)root;
    char *segment;

    while (at && (segment = json_segment(&pointer))) {
        at = json_object_get(at, segment);
        free(segment);
    }
    return at;
}

char *json_source(const char *from, const char **ret_pointer)
{
    const char *hash = !strncmp(from, "json:", 5) ? strrchr(from, '#') : NULL;

    if (!hash)
        return NULL;
    *ret_pointer = hash + 1;
    return xstrndup(from + 5, (size_t)(hash - from) - 5);
}

// A reader gives the value (owned), or NULL: then *err is set, ERR_MISSING when there is none.

static char *from_environment(const char *name, const struct session_places *places, struct err *err)
{
    size_t n = strlen(name);

    for (char *const *e = places->environ; e && *e; e++)
        if (!strncmp(*e, name, n) && (*e)[n] == '=' && (*e)[n + 1])
            return xstrdup(*e + n + 1);
    err_set(err, ERR_MISSING, "%s is not set in the environment; export it, or take the secret out", name);
    return NULL;
}

static char *from_file(const char *path, struct err *err)
{
    struct buf text;

    buf_init(&text, SECRET_VALUE_MAX + 2);
    if (!file_read(AT_FDCWD, path, &text, err)) {
        buf_deinit(&text);
        return NULL;
    }
    while (text.len && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
        text.len--;
    return buf_take(&text);
}

static char *from_json(const char *path, const char *pointer, struct err *err)
{
    AUTO_BUF struct buf text;
    AUTO_JSON json_t *root = NULL;
    const char *value;

    buf_init(&text, JSON_FILE_MAX);
    if (!file_read(AT_FDCWD, path, &text, err))
        return NULL;
    root = json_parse(text.ptr ? text.ptr : "", text.len, err);
    if (text.ptr)
        explicit_bzero(text.ptr, text.len);
    if (!root) {
        err_prefix(err, "%s", path);
        return NULL;
    }
    value = json_string_value(json_at(root, pointer));
    if (!value || !*value)
        err_set(err, ERR_MISSING, "%s has no text at %s", path, pointer);
    return value && *value ? xstrdup(value) : NULL;
}

static char *read_value(const struct secret *s, const struct session_places *places, struct err *err)
{
    const char *pointer;
    AUTO_FREE char *path = json_source(s->from, &pointer);

    if (path)
        return from_json(path, pointer, err);
    if (!strncmp(s->from, "env:", 4))
        return from_environment(s->from + 4, places, err);
    return from_file(s->from + 5, err);
}

static bool read_one(struct credentials *c, const struct secret *s, const struct session_places *places,
                     struct err *err)
{
    struct err why = {0};
    char *value = read_value(s, places, &why), *placeholder = NULL;
    const bool is_there = value;

    if (value && placeholder_make(s->name, value, &placeholder, &why)) {
        c->items[c->n++] = (struct guard_secret){s, value, placeholder};
        return true;
    }
    if (value) // too short: "none" and the like, where a program wants to see a key
        explicit_bzero(value, strlen(value));
    free(value);
    if (!s->optional || (!is_there && why.kind != ERR_MISSING))
        return is_there ? err_set(err, why.kind, "%s", why.msg)
                        : err_set(err, why.kind == ERR_MISSING ? ERR_INPUT : why.kind, "secrets.%s: %s",
                                  s->name, why.msg);
    c->items[c->n++] = (struct guard_secret){.rule = s};
    return true;
}

bool credentials_read(const struct policy *p, const struct session_places *places, struct credentials *ret,
                      struct err *err)
{
    struct credentials c = {.items = xcalloc(p->nsecrets, sizeof *c.items)};

    for (size_t i = 0; i < p->nsecrets; i++)
        if (!read_one(&c, &p->secrets[i], places, err)) {
            credentials_deinit(&c);
            return false;
        }
    *ret = c;
    return true;
}

void credentials_environment(const struct credentials *c, struct strlist *env)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].value && strncmp(c->items[i].rule->from, "json:", 5) != 0)
            strlist_addf(env, "%s=%s", c->items[i].rule->name, c->items[i].placeholder);
}

void credentials_deinit(struct credentials *c)
{
    for (size_t i = 0; i < c->n; i++) {
        char *value = (char *)(uintptr_t)c->items[i].value;

        if (value)
            explicit_bzero(value, strlen(value));
        free(value);
        free((char *)(uintptr_t)c->items[i].placeholder);
    }
    free(c->items);
    *c = (struct credentials){0};
}
