// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void one_line(char *s)
{
    for (; *s; s++)
        if (*s == '\n' || *s == '\r')
            *s = ' ';
}

bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
    va_list ap;

    if (!err || err->kind != ERR_NONE)
        return false;
    err->kind = kind;
    err->sys = 0;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    one_line(err->msg);
    return false;
}

bool err_sys(struct err *err, int sys, const char *fmt, ...)
{
    va_list ap;
    size_t used;

    if (!err || err->kind != ERR_NONE)
        return false;
    err->kind = ERR_SYSTEM;
    err->sys = sys;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    used = strlen(err->msg);
    snprintf(err->msg + used, sizeof err->msg - used, ": %s", strerror(sys));
    one_line(err->msg);
    return false;
}

bool err_prefix(struct err *err, const char *fmt, ...)
{
    char prefix[sizeof err->msg];
    size_t n, old;
    va_list ap;

    if (!err || err->kind == ERR_NONE)
        return false;
    va_start(ap, fmt);
    vsnprintf(prefix, sizeof prefix - 2, fmt, ap);
    va_end(ap);
    one_line(prefix);
    strcat(prefix, ": ");
    n = strlen(prefix);
    old = strlen(err->msg);
    if (n + old >= sizeof err->msg)
        old = n + 1 < sizeof err->msg ? sizeof err->msg - n - 1 : 0;
    memmove(err->msg + n, err->msg, old);
    memcpy(err->msg, prefix, n);
    err->msg[n + old] = '\0';
    return false;
}

void err_clear(struct err *err)
{
    if (err)
        memset(err, 0, sizeof *err);
}

void die_oom(void)
{
    static const char text[] = "bawn: out of memory\n";

    if (write(2, text, sizeof text - 1) < 0)
        abort();
    abort();
}

void *xmalloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (!p)
        die_oom();
    return p;
}

void *xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);

    if (!p)
        die_oom();
    return p;
}

void *xrealloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);

    if (!p)
        die_oom();
    return p;
}

char *xstrndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *p = xmalloc(len + 1);

    memcpy(p, s, len);
    p[len] = '\0';
    return p;
}

char *xstrdup(const char *s)
{
    return xstrndup(s, strlen(s));
}

char *xasprintf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0)
        die_oom();
    va_end(ap);
    return s;
}
