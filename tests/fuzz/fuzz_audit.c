// SPDX-License-Identifier: Apache-2.0
// Two ways in, by the first byte. Reading: the bytes are a log; however they are split the check says the
// same, and what it delivers shows nothing raw on a terminal. Writing: the bytes are texts of a record; the
// line that comes of them is one line, holds, and reads back.
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/record.h"
#include "audit/view.h"

#define RUN "20261121T225521.123456Z-1f3a"

static void look_at(void *ctx, const struct audit_line *line)
{
    AUTO_BUF struct buf out;

    (void)ctx;
    buf_init(&out, 16 * AUDIT_LINE_MAX);
    view_line(&out, line);
    for (size_t i = 0; i < out.len; i++)
        must((unsigned char)out.ptr[i] >= 0x20 && out.ptr[i] != 0x7f, "a control character in the view");
}

static void check(struct chain_check *c, const char *data, size_t n, size_t step, const struct chain *expect)
{
    chain_check_init(c, "", expect, look_at, NULL);
    for (size_t at = 0; at < n; at += step)
        if (!chain_check_feed(c, data + at, n - at < step ? n - at : step))
            break;
    chain_check_end(c);
}

static void read_log(const char *data, size_t n)
{
    struct chain_check whole, split;

    check(&whole, data, n, n + 1, NULL);
    check(&split, data, n, n / 7 + 1, NULL);
    must(whole.fault == split.fault && whole.fault_line == split.fault_line && whole.lines == split.lines &&
             !strcmp(whole.chain.head, split.chain.head),
         "another split of the bytes gives another result");
    must(whole.fault != CHAIN_HOLDS || whole.bytes == n, "a log that holds was not read whole");
    chain_check_deinit(&split);
    chain_check_deinit(&whole);
}

static void write_line(const char *data, size_t n)
{
    AUTO_FREE char *text = xstrndup(data, n); // ends at the first NUL
    AUTO_FREE char *back = xmalloc(AUDIT_LINE_MAX);
    AUTO_JSONTEXT struct jsontext_object detail = {0};
    struct audit_entry e = {.kind = (enum audit_kind)(n % AUDIT_KINDS),
                            .rule = text,
                            .by = text,
                            .subject = n ? data : "",
                            .subject_len = n,
                            .detail = &detail};
    struct audit_log l = {.run = RUN, .fd = memfd_create("audit", MFD_CLOEXEC)};
    struct chain_check c;
    ssize_t got;

    buf_init(&l.line, AUDIT_LINE_MAX);
    chain_init(&l.chain);
    jsontext_textn(&detail, text, data, n);
    must(audit_add(&l, &e, NULL), "a line was not written");
    got = pread(l.fd, back, AUDIT_LINE_MAX, 0);
    must(got > 0 && memchr(back, '\n', (size_t)got) == back + got - 1, "it is not one line");
    check(&c, back, (size_t)got, (size_t)got, &l.chain);
    must(c.fault == CHAIN_HOLDS && c.lines == 1, "it does not hold");
    chain_check_deinit(&c);
    audit_log_close(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (data[0] == 'w')
        write_line((const char *)data + 1, size - 1);
    else
        read_log((const char *)data + 1, size - 1);
    return 0;
}
