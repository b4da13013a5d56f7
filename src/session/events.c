// SPDX-License-Identifier: Apache-2.0
#include "session/events.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/utf8.h"

static json_t *begin(const char *type)
{
    char now[CLOCK_TEXT_SIZE];
    json_t *o = json_object();

    clock_text(clock_wall_ns(), now);
    json_object_set_new(o, "type", json_string(type));
    json_object_set_new(o, "time", json_string(now));
    return o;
}

// The reader may be slow (the write waits, and with it the run: back-pressure) or gone (nothing to be done).
static void send_event(struct events *e, json_t *o)
{
    char *line = json_line(o);
    char *text = xasprintf("%s\n", line);

    if (!fd_write_all(e->fd, text, strlen(text), NULL))
        e->fd = -1;
    free(text);
    free(line);
    json_decref(o);
}

static json_t *base64(const char *data, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)data;
    AUTO_BUF struct buf out = {0};

    buf_init(&out, 2 * n + 8);
    for (size_t i = 0; i < n; i += 3) {
        unsigned v =
            (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0u) | (i + 2 < n ? p[i + 2] : 0u);

        buf_addc(&out, digits[v >> 18]);
        buf_addc(&out, digits[v >> 12 & 63]);
        buf_addc(&out, i + 1 < n ? digits[v >> 6 & 63] : '=');
        buf_addc(&out, i + 2 < n ? digits[v & 63] : '=');
    }
    return json_stringn(out.len ? out.ptr : "", out.len);
}

void events_started(struct events *e, const char *run, const char *workspace, char *const *argv)
{
    json_t *o, *command = json_array();

    for (; argv && *argv; argv++)
        json_array_append_new(command, json_text(*argv));
    if (e->fd < 0) {
        json_decref(command);
        return;
    }
    o = begin("run.started");
    json_object_set_new(o, "run", json_string(run));
    json_object_set_new(o, "workspace", json_text(workspace));
    json_object_set_new(o, "command", command);
    send_event(e, o);
}

void events_output(struct events *e, int stream, const char *data, size_t n)
{
    bool text = utf8_valid_prefix(data, n) == n;
    json_t *o;

    if (e->fd < 0)
        return;
    o = begin("output");
    json_object_set_new(o, "stream", json_string(stream == 2 ? "stderr" : "stdout"));
    json_object_set_new(o, text ? "data" : "data_base64", text ? json_stringn(data, n) : base64(data, n));
    send_event(e, o);
}

void events_refused(struct events *e, const struct refusal *r)
{
    json_t *o;

    if (e->fd < 0)
        return;
    o = begin("refused");
    json_object_set_new(o, "kind", json_string(r->kind));
    json_object_set_new(o, "subject", json_text(r->subject));
    json_object_set_new(o, "rule", json_text(r->rule));
    json_object_set_new(o, "remedy", json_text(r->remedy));
    if (*r->moved)
        json_object_set_new(o, "moved_to", json_text(r->moved));
    send_event(e, o);
}

void events_note(struct events *e, const char *text)
{
    json_t *o;

    if (e->fd < 0)
        return;
    o = begin("note");
    json_object_set_new(o, "text", json_text(text));
    send_event(e, o);
}

void events_limit(struct events *e, const char *name)
{
    json_t *o;

    if (e->fd < 0)
        return;
    o = begin("limit");
    json_object_set_new(o, "name", json_string(name));
    send_event(e, o);
}

void events_ended(struct events *e, int exit_code, const char *limit, uint64_t refused)
{
    json_t *o;

    if (e->fd < 0)
        return;
    o = begin("run.ended");
    json_object_set_new(o, "exit", json_integer(exit_code));
    if (limit)
        json_object_set_new(o, "limit", json_string(limit));
    json_object_set_new(o, "refused", json_integer((json_int_t)refused));
    send_event(e, o);
}
