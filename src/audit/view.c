// SPDX-License-Identifier: Apache-2.0
#include "audit/view.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"

static void printable(struct buf *out, const char *text)
{
    utf8_printable(out, text, strlen(text));
}

static void add_local(struct buf *out, uint64_t wall_ns, const char *format)
{
    time_t sec = (time_t)(wall_ns / 1000000000u);
    char text[64];
    struct tm tm;

    localtime_r(&sec, &tm);
    buf_add(out, text, strftime(text, sizeof text, format, &tm));
}

void view_when(struct buf *out, uint64_t wall_ns)
{
    if (wall_ns)
        add_local(out, wall_ns, "%Y-%m-%d %H:%M:%S");
    else
        buf_adds(out, "-");
}

void view_duration(struct buf *out, uint64_t ns)
{
    unsigned long long ms = ns / 1000000u, s = ms / 1000;

    if (s < 10)
        buf_addf(out, "%llu.%02llus", s, ms % 1000 / 10);
    else if (s < 60)
        buf_addf(out, "%llu.%llus", s, ms % 1000 / 100);
    else if (s < 3600)
        buf_addf(out, "%llum%02llus", s / 60, s % 60);
    else if (s < 86400)
        buf_addf(out, "%lluh%02llum", s / 3600, s / 60 % 60);
    else
        buf_addf(out, "%llud%02lluh", s / 86400, s / 3600 % 24);
}

void view_status(struct buf *out, const struct run_result *r)
{
    const char *abbrev;

    if (r->state != RUN_ENDED) {
        buf_adds(out, r->state == RUN_RUNNING ? "running" : "killed");
    } else if (r->limit) {
        buf_adds(out, "limit ");
        printable(out, r->limit);
    } else if (r->signal) {
        abbrev = sigabbrev_np(r->signal);
        if (abbrev)
            buf_addf(out, "SIG%s", abbrev);
        else
            buf_addf(out, "signal %d", r->signal);
    } else {
        buf_addf(out, "%d", r->exit_status);
    }
}

static bool needs_quotes(const char *word)
{
    return !*word || word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                       "@%+=:,./_-")];
}

void view_command(struct buf *out, const struct strlist *argv)
{
    for (size_t i = 0; i < argv->n; i++) {
        const char *word = argv->items[i];

        if (i)
            buf_addc(out, ' ');
        if (!needs_quotes(word)) {
            printable(out, word);
            continue;
        }
        buf_addc(out, '\'');
        for (const char *q; (q = strchr(word, '\'')); word = q + 1) {
            utf8_printable(out, word, (size_t)(q - word));
            buf_adds(out, "'\\''");
        }
        printable(out, word);
        buf_addc(out, '\'');
    }
}

// key=value for what is a plain text or number, key=JSON for the rest; null is left out.
static void add_detail(struct buf *out, const char *detail)
{
    AUTO_JSON json_t *o = json_parse(detail, strlen(detail), NULL);
    const char *key;
    json_t *value;

    json_object_foreach(o, key, value)
    {
        AUTO_FREE char *text = json_is_string(value) ? NULL : json_line(value);

        if (json_is_null(value))
            continue;
        buf_addc(out, ' ');
        printable(out, key);
        buf_addc(out, '=');
        printable(out, text ? text : json_string_value(value));
    }
}

void view_line(struct buf *out, const struct audit_line *line)
{
    uint64_t ns;

    if (clock_parse(line->time, &ns)) {
        add_local(out, ns, "%H:%M:%S");
        buf_addf(out, ".%03u", (unsigned)(ns / 1000000u % 1000u));
    } else {
        printable(out, line->time);
    }
    // The words come from the file, so they are as hostile as the rest; padding is by hand for that reason.
    for (int i = 0; i < 2; i++) {
        const char *word = i ? line->kind : line->verdict ? line->verdict : "";
        size_t start, width = i ? 10 : 5;

        buf_adds(out, "  ");
        start = out->len;
        printable(out, word);
        while (out->len - start < width)
            if (!buf_addc(out, ' '))
                break;
    }
    buf_adds(out, "  ");
    printable(out, line->subject);
    if (line->rule) {
        buf_adds(out, "  (");
        printable(out, line->rule);
        buf_addc(out, ')');
    }
    buf_adds(out, "  by ");
    printable(out, line->by);
    if (line->detail)
        add_detail(out, line->detail);
}
