// SPDX-License-Identifier: Apache-2.0
// The grammar, as git reads it: a line may hold a section header and a key after it; a value ends at the
// line's end or at an unquoted # or ;, and a backslash before the line's end continues it; quotes toggle and
// do not nest; "[a.b]" is the old form of [a "b"], folded to lower case. Anything this reader and git could
// understand differently is an error.
#include "sandbox/gitconfig.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

struct reader {
    const char *p, *end;
    int line;
    struct buf section, subsection, key, value;
    bool has_sub, has_section;
};

// The next byte, with CR LF as one line end; '\n' at the end of the file, which git adds too.
static int next(struct reader *r)
{
    if (r->p >= r->end)
        return '\n';
    if (*r->p == '\r' && r->p + 1 < r->end && r->p[1] == '\n')
        r->p++;
    if (*r->p == '\n')
        r->line++;
    return (unsigned char)*r->p++;
}

static bool is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_key_char(int c)
{
    return isalnum(c) || c == '-';
}

static bool bad(const struct reader *r, struct err *err, const char *what)
{
    return err_set(err, ERR_INPUT, "line %d: %s", r->line, what);
}

static bool read_subsection(struct reader *r, struct err *err)
{
    int c;

    do {
        c = next(r);
    } while (c == ' ' || c == '\t');
    if (c != '"')
        return bad(r, err, "a quoted name is expected in the section header");
    for (c = next(r); c != '"'; c = next(r)) {
        if (c == '\\')
            c = next(r);
        if (c == '\n')
            return bad(r, err, "the section header does not end");
        buf_addc(&r->subsection, (char)c);
    }
    r->has_sub = true;
    return next(r) == ']' ? true : bad(r, err, "']' is expected after the quoted name");
}

static bool read_section(struct reader *r, struct err *err)
{
    struct buf *into = &r->section;

    r->section.len = r->subsection.len = 0;
    r->has_sub = false;
    r->has_section = true;
    for (;;) {
        int c = next(r);

        if (c == ']')
            return r->section.len ? true : bad(r, err, "the section has no name");
        if ((c == ' ' || c == '\t') && !r->has_sub)
            return read_subsection(r, err);
        if (c == '.' && !r->has_sub) {
            r->has_sub = true;
            into = &r->subsection;
        } else if (is_key_char(c) || c == '.') {
            buf_addc(into, (char)tolower(c));
        } else {
            return bad(r, err, "a section name has letters, digits, '-' and '.' only");
        }
    }
}

static bool read_escape(struct reader *r, struct err *err)
{
    int c = next(r);

    switch (c) {
    case '\n':
        return r->p < r->end ? true : bad(r, err, "a value continues past the end");
    case 't':
        return buf_addc(&r->value, '\t');
    case 'b':
        return buf_addc(&r->value, '\b');
    case 'n':
        return buf_addc(&r->value, '\n');
    case '\\':
    case '"':
        return buf_addc(&r->value, (char)c);
    default:
        return bad(r, err, "unknown escape in a value");
    }
}

static bool read_value(struct reader *r, struct err *err)
{
    bool quoted = false, comment = false;
    size_t keep = 0; // length up to the last byte that is not unquoted trailing space

    for (;;) {
        int c = next(r);

        if (c == '\n') {
            r->value.len = keep;
            return quoted ? bad(r, err, "a quoted value does not end") : true;
        }
        if (comment)
            continue;
        if (!quoted && (c == ';' || c == '#')) {
            comment = true;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == '\\') {
            size_t before = r->value.len;

            if (!read_escape(r, err))
                return false;
            if (r->value.len > before)
                keep = r->value.len;
        } else if (quoted || !is_space(c)) {
            buf_addc(&r->value, (char)c);
            keep = r->value.len;
        } else if (r->value.len) { // leading space is dropped
            buf_addc(&r->value, (char)c);
        }
    }
}

// c is the key's first letter.
static bool read_key(struct reader *r, int c, struct gitconfig_entry *ret, struct err *err)
{
    r->key.len = r->value.len = 0;
    for (; is_key_char(c); c = next(r))
        buf_addc(&r->key, (char)tolower(c));
    while (c == ' ' || c == '\t')
        c = next(r);
    if (c != '\n' && c != '=')
        return bad(r, err, "'=' or the end of the line is expected after a key");
    if (c == '=' && !read_value(r, err))
        return false;
    *ret = (struct gitconfig_entry){
        .section = buf_cstr(&r->section),
        .subsection = r->has_sub ? buf_cstr(&r->subsection) : NULL,
        .key = buf_cstr(&r->key),
        .value = c == '=' ? buf_cstr(&r->value) : NULL,
    };
    return true;
}

static bool read_all(struct reader *r, gitconfig_fn *fn, void *ctx, struct err *err)
{
    while (r->p < r->end) {
        struct gitconfig_entry e;
        int c = next(r);

        if (is_space(c))
            continue;
        if (c == '#' || c == ';') {
            while (c != '\n')
                c = next(r);
        } else if (c == '[') {
            if (!read_section(r, err))
                return false;
        } else if (!isalpha(c) || !r->has_section) {
            return bad(r, err, "neither a section, a key nor a comment");
        } else if (!read_key(r, c, &e, err) || !fn(ctx, &e)) {
            return false;
        }
    }
    return true;
}

bool gitconfig_parse(const char *data, size_t n, gitconfig_fn *fn, void *ctx, struct err *err)
{
    struct reader r = {.p = data, .end = data + n, .line = 1};
    struct buf *bufs[] = {&r.section, &r.subsection, &r.key, &r.value};
    bool ok;

    if (n && memchr(data, '\0', n))
        return err_set(err, ERR_INPUT, "has a NUL byte");
    if (n >= 3 && !memcmp(data, "\xef\xbb\xbf", 3))
        r.p += 3;
    for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
        buf_init(bufs[i], n + 1);
    ok = read_all(&r, fn, ctx, err);
    for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
        buf_deinit(bufs[i]);
    return ok;
}

bool regular_read(int dirfd, const char *path, bool follow, struct buf *ret, struct err *err)
{
    AUTO_CLOSE int at = openat(dirfd, path, O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
    AUTO_CLOSE int fd = -1;
    char self[32];
    struct stat st;

    if (at < 0 && (errno == ENOENT || errno == ENOTDIR))
        return err_set(err, ERR_MISSING, "%s: no such file", path);
    if (at < 0 || fstat(at, &st) < 0)
        return err_sys(err, errno, "cannot open %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INPUT, "%s is not a regular file", path);
    snprintf(self, sizeof self, "/proc/self/fd/%d", at);
    fd = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_sys(err, errno, "cannot open %s", path);
    if (!fd_read_all(fd, ret, err))
        return err_prefix(err, "%s", path);
    return true;
}
