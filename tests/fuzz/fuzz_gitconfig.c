// SPDX-License-Identifier: Apache-2.0
// git's configuration files. What is read is what git could have meant: sections and keys in lower case and
// of their few letters, no NUL, views that end. And what was read, written out again with everything quoted,
// reads back as the very same entries; so no quote, escape or line end is understood in two ways.
#include "fuzz.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/gitconfig.h"

static void write_quoted(struct buf *out, const char *text, bool value)
{
    buf_addc(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_addc(out, '\\');
        if (value && *text == '\n')
            buf_adds(out, "\\n");
        else
            buf_addc(out, *text);
    }
    buf_addc(out, '"');
}

static bool write_entry(void *ctx, const struct gitconfig_entry *e)
{
    struct buf *out = ctx;

    for (const char *p = e->section; *p; p++)
        must(islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '-', "a letter of a section");
    must(islower((unsigned char)*e->key), "a key's first letter");
    for (const char *p = e->key; *p; p++)
        must(islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '-', "a letter of a key");
    must(!e->subsection || !strchr(e->subsection, '\n'), "a line end in a subsection");

    buf_addf(out, "[%s", e->section);
    if (e->subsection) {
        buf_addc(out, ' ');
        write_quoted(out, e->subsection, false);
    }
    buf_addf(out, "]\n%s", e->key);
    if (e->value) {
        buf_adds(out, " = ");
        write_quoted(out, e->value, true);
    }
    buf_addc(out, '\n');
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO_BUF struct buf once = {0}, again = {0};
    struct err err = {0};

    buf_init(&once, 64u << 20);
    buf_init(&again, 64u << 20);
    // A long section name before each of many keys grows with the square of the input.
    if (n > 4096)
        return 0;
    if (!gitconfig_parse((const char *)data, n, write_entry, &once, &err)) {
        must(err.kind == ERR_INPUT && err.msg[0], "a failure says why");
        return 0;
    }
    must(gitconfig_parse(buf_cstr(&once), once.len, write_entry, &again, &err),
         "what is written can be read");
    must(once.len == again.len && !memcmp(buf_cstr(&once), buf_cstr(&again), once.len),
         "it reads back the same");
    return 0;
}
