// SPDX-License-Identifier: Apache-2.0
// Ambiguous, and so refused where rules have paths:
//   "." and ".." segments, plain or encoded   servers and frameworks resolve them at different times
//   "//", "%2f", "\", "%5c"                   one separator or two, or none
//   ";"                                       path parameters: cut by some servers, kept by others
//   "%" not followed by two digits, "%25"     decoded once or twice
//   control characters and bytes that are not well-formed UTF-8
//   look-alikes of "." "/" "\" in other blocks some servers fold to ASCII
// Letter case: paths are compared as they are where a rule lets through, and without regard to case where one
// refuses, so that a server that ignores case is guarded either way.
#include "guard/urlpath.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

#define PATH_MAX_BYTES (16u << 10)

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool unreserved(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static const char *byte_fault(unsigned char c, bool encoded)
{
    if (c < 0x20 || c == 0x7f)
        return "a control character";
    if (c == '\\')
        return "a backslash";
    if (c == ';')
        return "a path parameter (;)";
    if (encoded && c == '/')
        return "an encoded slash";
    if (encoded && c == '%')
        return "an encoded percent sign";
    if (!encoded && c == '%')
        return "a percent sign without two digits";
    if (!encoded && (c >= 0x80 || c == ' ' || c == '?' || c == '#'))
        return "a character that must be percent-encoded";
    return NULL;
}

// Compatibility forms (NFKC and "best fit" tables) of separators and dots.
static const char *look_alike_fault(const char *s, size_t n)
{
    static const char *const forms[] = {
        "\xcd\xbe",     // U+037E Greek question mark
        "\xe2\x80\xa4", // U+2024 one dot leader
        "\xe2\x80\xa5", // U+2025 two dot leader
        "\xe2\x81\x84", // U+2044 fraction slash
        "\xe2\x88\x95", // U+2215 division slash
        "\xe2\x88\x96", // U+2216 set minus
        "\xef\xb8\x94", // U+FE14 presentation form for vertical semicolon
        "\xef\xb8\xb0", // U+FE30 presentation form for vertical two dot leader
        "\xef\xb9\x92", // U+FE52 small full stop
        "\xef\xb9\x94", // U+FE54 small semicolon
        "\xef\xb9\xa8", // U+FE68 small reverse solidus
        "\xef\xb9\xaa", // U+FE6A small percent sign
        "\xef\xbc\x8e", // U+FF0E fullwidth full stop
        "\xef\xbc\x8f", // U+FF0F fullwidth solidus
        "\xef\xbc\x9b", // U+FF1B fullwidth semicolon
        "\xef\xbc\xbc", // U+FF3C fullwidth reverse solidus
        "\xef\xbc\x85", // U+FF05 fullwidth percent sign
    };

    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        if (memmem(s, n, forms[i], strlen(forms[i])))
            return "a look-alike of a separator";
    return NULL;
}

static const char *segment_fault(const char *decoded, size_t n)
{
    size_t start = 0;

    for (size_t i = 1; i <= n; i++) {
        if (i < n && decoded[i] != '/')
            continue;
        size_t len = i - start - 1;
        const char *segment = decoded + start + 1;

        if (len == 0 && i < n)
            return "an empty segment (//)";
        if ((len == 1 && segment[0] == '.') || (len == 2 && !memcmp(segment, "..", 2)))
            return "a dot segment";
        start = i;
    }
    return NULL;
}

// Appends the normal form to `normal` and what it decodes to to `decoded`. Returns the fault, or NULL.
static const char *decode(const char *raw, size_t n, struct buf *normal, struct buf *decoded)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)raw[i];
        bool encoded = c == '%' && i + 2 < n && hex_value(raw[i + 1]) >= 0 && hex_value(raw[i + 2]) >= 0;
        const char *fault;

        if (encoded) {
            c = (unsigned char)(hex_value(raw[i + 1]) << 4 | hex_value(raw[i + 2]));
            i += 2;
        }
        fault = byte_fault(c, encoded);
        if (fault)
            return fault;
        buf_addc(decoded, (char)c);
        if (encoded && !unreserved(c))
            buf_addf(normal, "%%%02X", c);
        else
            buf_addc(normal, (char)c);
    }
    return NULL;
}

bool urlpath_normal(const char *raw, size_t n, struct buf *ret, struct buf *ret_decoded, const char **ret_why)
{
    AUTO_BUF struct buf normal = {0}, decoded = {0};
    const char *fault = NULL;

    buf_init(&normal, PATH_MAX_BYTES);
    buf_init(&decoded, PATH_MAX_BYTES);
    if (!n || raw[0] != '/')
        fault = "no slash at its start";
    if (!fault)
        fault = decode(raw, n, &normal, &decoded);
    if (!fault && (normal.full || decoded.full))
        fault = "more than 16 KiB";
    if (!fault && utf8_valid_prefix(decoded.ptr, decoded.len) != decoded.len)
        fault = "bytes that are no UTF-8";
    if (!fault)
        fault = look_alike_fault(decoded.ptr, decoded.len);
    if (!fault)
        fault = segment_fault(decoded.ptr, decoded.len);
    if (!fault && (!buf_add(ret, normal.ptr, normal.len) ||
                   (ret_decoded && !buf_add(ret_decoded, decoded.ptr, decoded.len))))
        fault = "more than 16 KiB";
    if (fault)
        *ret_why = fault;
    return !fault;
}

static char folded(char c, bool fold)
{
    return fold && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

// One segment with `*` for any run of bytes in it: the usual single point of return suffices for `*`.
static bool segment_match(const char *pattern, size_t np, const char *s, size_t n, bool fold)
{
    size_t p = 0, i = 0, star = SIZE_MAX, mark = 0;

    while (i < n) {
        if (p < np && pattern[p] == '*') {
            star = p++;
            mark = i;
        } else if (p < np && folded(pattern[p], fold) == folded(s[i], fold)) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (p < np && pattern[p] == '*')
        p++;
    return p == np;
}

// Both point at the slash before a segment, or at the end. `**` returns to its latest place in the same way
// as `*` does within a segment, so matching is at most quadratic. A final `**` stands for one segment or
// more.
bool urlpath_match(const char *pattern, const char *path, bool fold)
{
    const char *star = NULL, *mark = NULL;

    while (*path) {
        size_t n = strcspn(path + 1, "/"), np = *pattern ? strcspn(pattern + 1, "/") : 0;

        if (*pattern && np == 2 && !memcmp(pattern + 1, "**", 2)) {
            if (!pattern[3])
                return true;
            pattern += 3;
            star = pattern;
            mark = path;
        } else if (*pattern && segment_match(pattern + 1, np, path + 1, n, fold)) {
            pattern += np + 1;
            path += n + 1;
        } else if (star) {
            mark += strcspn(mark + 1, "/") + 1;
            pattern = star;
            path = mark;
        } else {
            return false;
        }
    }
    return !*pattern;
}

char *urlpath_pattern(const char *text, struct err *err)
{
    AUTO_BUF struct buf normal = {0}, decoded = {0};
    const char *why = NULL;

    buf_init(&normal, PATH_MAX_BYTES);
    buf_init(&decoded, PATH_MAX_BYTES);
    for (const char *p = text; (p = strstr(p, "**")); p += 2)
        if (p == text || p[-1] != '/' || (p[2] && p[2] != '/')) {
            err_set(err, ERR_INPUT, "path \"%s\": `**` stands for whole segments: write it between slashes",
                    text);
            return NULL;
        }
    if (!urlpath_normal(text, strlen(text), &normal, &decoded, &why))
        err_set(err, ERR_INPUT,
                "path \"%s\" has %s: no request with that is let through where paths are named", text, why);
    else if (strcasestr(text, "%2a"))
        err_set(err, ERR_INPUT, "path \"%s\": a star cannot be named by itself", text);
    else
        return buf_take(&decoded);
    return NULL;
}
