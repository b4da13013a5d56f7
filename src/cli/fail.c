// SPDX-License-Identifier: Apache-2.0
#include "cli/fail.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

int cli_fail(const struct err *err)
{
    AUTO_BUF struct buf line = {0};

    buf_init(&line, 1 << 16);
    utf8_printable(&line, err->msg, strlen(err->msg));
    fflush(stdout);
    fprintf(stderr, "bawn: %s\n", buf_cstr(&line));
    return CLI_FAILED;
}

int cli_bad_usage(const struct verb *v, const char *fmt, ...)
{
    struct err err = {0};
    char what[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    err_set(&err, ERR_INPUT, "%s: %s; usage: bawn %s %s", v->name, what, v->name, v->synopsis);
    return cli_fail(&err);
}

int cli_bad_option(const struct verb *v, int got, char **argv)
{
    const char *text = optind > 0 ? argv[optind - 1] : "";
    char one[3] = {'-', (char)optopt, '\0'};

    // optopt is 0 for an unknown long option; a short one may stand in a bundle.
    if (optopt && strncmp(text, "--", 2) != 0)
        text = one;
    return cli_bad_usage(v, got == ':' ? "option %s wants a value" : "unknown option %s", text);
}

int cli_help(const struct verb *v)
{
    printf("usage: bawn %s %s\n%s\n", v->name, v->synopsis, v->help);
    return cli_done(0);
}

int cli_done(int status)
{
    struct err err = {0};

    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    err_sys(&err, errno, "cannot write to standard output");
    return cli_fail(&err);
}
