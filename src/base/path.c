// SPDX-License-Identifier: Apache-2.0
#include "base/path.h"

#include <fnmatch.h>
#include <string.h>

#include "base/buf.h"

char *path_normal(const char *base, const char *path)
{
    struct buf out;
    const char *parts[2] = {path[0] == '/' ? "" : base, path};

    buf_init(&out, SIZE_MAX / 4);
    for (int i = 0; i < 2; i++) {
        const char *p = parts[i];

        while (*p) {
            size_t n = strcspn(p, "/");

            if (n == 2 && p[0] == '.' && p[1] == '.') {
                while (out.len && out.ptr[out.len - 1] != '/')
                    out.len--;
                if (out.len)
                    out.len--;
            } else if (n && !(n == 1 && p[0] == '.')) {
                buf_addc(&out, '/');
                buf_add(&out, p, n);
            }
            p += n;
            p += strspn(p, "/");
        }
    }
    if (!out.len)
        buf_addc(&out, '/');
    return buf_take(&out);
}

const char *path_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    if (n == 1 && dir[0] == '/')
        return path + 1;
    if (strncmp(path, dir, n) != 0)
        return NULL;
    if (path[n] == '\0')
        return path + n;
    return path[n] == '/' ? path + n + 1 : NULL;
}

bool path_within(const char *path, const char *dir)
{
    return path_below(path, dir) != NULL;
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

char *path_parent(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash || slash == path)
        return xstrdup("/");
    return xstrndup(path, (size_t)(slash - path));
}

size_t path_depth(const char *path)
{
    size_t n = 0;

    for (; *path; path++)
        n += path[0] == '/' && path[1] != '\0';
    return n;
}

bool glob_is(const char *pattern)
{
    return strpbrk(pattern, "*?[") != NULL;
}

static bool component_match(const char *pat, size_t npat, const char *name, size_t nname)
{
    char p[512], s[512];

    if (npat >= sizeof p || nname >= sizeof s)
        return npat == nname && memcmp(pat, name, npat) == 0;
    memcpy(p, pat, npat);
    p[npat] = '\0';
    memcpy(s, name, nname);
    s[nname] = '\0';
    return fnmatch(p, s, FNM_NOESCAPE) == 0;
}

// Both arguments stand at a component's start. With `prefix`, running out of path is a match. The `**` case
// keeps only the last one to go back to, so the work is bounded by components × components.
static bool walk(const char *pat, const char *path, bool prefix)
{
    const char *star_pat = NULL, *star_path = NULL;

    for (;;) {
        size_t np = strcspn(pat, "/"), ns = strcspn(path, "/");

        if (!*path && prefix)
            return true;
        if (np == 2 && pat[0] == '*' && pat[1] == '*') {
            pat += np;
            pat += *pat == '/';
            if (!*pat)
                return true;
            star_pat = pat;
            star_path = path;
            continue;
        }
        if (!*pat && !*path)
            return true;
        if (*pat && *path && component_match(pat, np, path, ns)) {
            pat += np;
            pat += *pat == '/';
            path += ns;
            path += *path == '/';
            continue;
        }
        if (!star_pat || !*star_path)
            return false;
        star_path += strcspn(star_path, "/");
        star_path += *star_path == '/';
        pat = star_pat;
        path = star_path;
        if (!*path)
            return prefix;
    }
}

bool glob_match(const char *pattern, const char *path)
{
    return walk(pattern + (pattern[0] == '/'), path + (path[0] == '/'), false);
}

bool glob_may_match_below(const char *pattern, const char *dir)
{
    return walk(pattern + (pattern[0] == '/'), dir + (dir[0] == '/'), true);
}
