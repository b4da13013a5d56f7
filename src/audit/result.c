// SPDX-License-Identifier: Apache-2.0
// result.json: what it holds, and what is said of a run that has none.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "audit/record.h"
#include "audit/rundir.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"

#define RESULT_FILE "result.json"
#define RESULT_MAX 131072u

void run_result_deinit(struct run_result *r)
{
    free(r->workspace);
    free(r->limit);
    strlist_deinit(&r->command);
    *r = (struct run_result){0};
}

static const char *state_name(enum run_state s)
{
    return s == RUN_ENDED ? "ended" : s == RUN_RUNNING ? "running" : "killed";
}

static void add_time(struct jsontext_object *o, const char *key, uint64_t ns)
{
    char text[CLOCK_TEXT_SIZE];

    if (ns)
        clock_text(ns, text);
    jsontext_text(o, key, ns ? text : NULL);
}

static void add_if(struct jsontext_object *o, const char *key, bool known, int64_t value)
{
    if (known)
        jsontext_number(o, key, value);
    else
        jsontext_text(o, key, NULL);
}

int run_status(const struct run_result *r)
{
    return r->limit ? 124 : r->signal ? 128 + r->signal : r->exit_status;
}

char *run_result_json(const struct run_result *r)
{
    AUTO_JSONTEXT struct jsontext_object o = {0}, log = {0};
    struct buf out, head;
    struct strlist *command = (struct strlist *)(uintptr_t)&r->command;

    buf_init(&head, 256);
    jsontext_number(&log, "lines", (int64_t)r->log.seq);
    jsontext_text(&log, "hash", r->log.head);
    jsontext_object(&head, &log);

    jsontext_number(&o, "version", 1);
    jsontext_text(&o, "id", r->id);
    jsontext_text(&o, "state", state_name(r->state));
    add_time(&o, "started", r->started);
    add_time(&o, "ended", r->ended);
    add_if(&o, "status", run_status(r) >= 0, run_status(r));
    add_if(&o, "exit", !r->limit && !r->signal && r->exit_status >= 0, r->exit_status);
    add_if(&o, "signal", !r->limit && r->signal, r->signal);
    jsontext_text(&o, "limit", r->limit);
    add_if(&o, "refused", r->state == RUN_ENDED, (int64_t)r->refused);
    jsontext_raw(&o, "log", r->log.seq ? buf_cstr(&head) : "null");
    jsontext_text(&o, "workspace", r->workspace);
    jsontext_list(&o, "command", strlist_argv(command));
    buf_deinit(&head);

    buf_init(&out, RESULT_MAX);
    jsontext_object(&out, &o);
    return buf_take(&out);
}

void rundir_prepare_result(struct rundir *d)
{
    if (d->result < 0)
        d->result = openat(d->fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
}

// False when there is no prepared file, or no more; nothing is lost then but time.
static bool write_prepared(const struct rundir *d, const char *text, size_t n)
{
    char self[32];

    if (d->result < 0 || !fd_write_all(d->result, text, n, NULL))
        return false;
    snprintf(self, sizeof self, "/proc/self/fd/%d", d->result);
    return linkat(AT_FDCWD, self, d->fd, RESULT_FILE, AT_SYMLINK_FOLLOW) == 0;
}

bool rundir_write_result(const struct rundir *d, const struct run_result *r, struct err *err)
{
    AUTO_FREE char *text = run_result_json(r);
    size_t n = strlen(text);

    text[n] = '\n'; // in place of the terminator
    if (!write_prepared(d, text, n + 1) && !file_replace(d->fd, RESULT_FILE, text, n + 1, 0600, err))
        return err_prefix(err, "cannot keep the result in %s", d->path);
    return true;
}

static uint64_t time_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    uint64_t ns;

    return text && clock_parse(text, &ns) ? ns : 0;
}

static char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    return text ? xstrdup(text) : NULL;
}

static void take_command(struct run_result *r, const json_t *list)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item) if (json_is_string(item))
        strlist_add(&r->command, json_string_value(item));
}

static int small_number(const json_t *o, const char *key, int otherwise)
{
    const json_t *v = json_object_get(o, key);
    long long n = json_integer_value(v);

    return json_is_integer(v) && n >= 0 && n < 256 ? (int)n : otherwise;
}

static bool take_result(struct run_result *r, const char *text, size_t n, struct err *err)
{
    AUTO_JSON json_t *o = json_parse(text, n, err);
    const json_t *log = json_object_get(o, "log");
    const char *hash = json_string_value(json_object_get(log, "hash"));
    const char *id = json_string_value(json_object_get(o, "id"));

    if (!o)
        return err_prefix(err, "the result of run %s (" RESULT_FILE ") is damaged", r->id);
    if (!id || strcmp(id, r->id) != 0)
        return err_set(err, ERR_INPUT, RESULT_FILE " of run %s is that of another run", r->id);
    r->state = RUN_ENDED;
    r->workspace = text_of(o, "workspace");
    r->limit = text_of(o, "limit");
    r->started = time_of(o, "started");
    r->ended = time_of(o, "ended");
    r->exit_status = small_number(o, "exit", -1);
    r->signal = small_number(o, "signal", 0);
    r->refused = (uint64_t)json_integer_value(json_object_get(o, "refused"));
    take_command(r, json_object_get(o, "command"));
    if (hash && strlen(hash) == sizeof r->log.head - 1) {
        memcpy(r->log.head, hash, sizeof r->log.head);
        r->log.seq = (uint64_t)json_integer_value(json_object_get(log, "lines"));
    }
    return true;
}

static bool read_result(int fd, struct run_result *r, bool *ret_found, struct err *err)
{
    AUTO_BUF struct buf text = {0};
    struct err why = {0};

    buf_init(&text, RESULT_MAX);
    *ret_found = file_read(fd, RESULT_FILE, &text, &why);
    if (*ret_found)
        return take_result(r, buf_cstr(&text), text.len, err);
    if (why.kind == ERR_MISSING)
        return true;
    return err_set(err, why.kind, "cannot read the result of run %s: %s", r->id, why.msg);
}

// The first line of a log that has no result. One that is torn or not there yet leaves the fields empty.
static void read_first_line(int dirfd, struct run_result *r)
{
    AUTO_CLOSE int fd = openat(dirfd, AUDIT_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    AUTO_FREE char *text = fd < 0 ? NULL : xmalloc(AUDIT_LINE_MAX);
    ssize_t n = text ? pread(fd, text, AUDIT_LINE_MAX, 0) : 0;
    AUTO_JSON json_t *o = NULL;
    const char *kind, *end;

    end = n > 0 ? memchr(text, '\n', (size_t)n) : NULL;
    if (!end)
        return;
    o = json_parse(text, (size_t)(end - text), NULL);
    kind = json_string_value(json_object_get(o, "kind"));
    if (!kind || strcmp(kind, audit_kind_name(AUDIT_RUN_START)) != 0)
        return;
    r->workspace = text_of(o, "subject");
    r->started = time_of(o, "time");
    take_command(r, json_object_get(json_object_get(o, "detail"), "command"));
}

bool run_lives(int dirfd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fcntl(dirfd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool run_read(const char *state_dir, const char *id, struct run_result *ret, struct err *err)
{
    struct run_result r = {.exit_status = -1};
    AUTO_CLOSE int fd = -1;
    bool held, found;

    if (!run_open(state_dir, id, &fd, err))
        return false;
    snprintf(r.id, sizeof r.id, "%s", id);
    // The lock first: a run that ends between the two looks has its result by the second.
    held = run_lives(fd);
    if (!read_result(fd, &r, &found, err)) {
        run_result_deinit(&r);
        return false;
    }
    if (!found) {
        r.state = held ? RUN_RUNNING : RUN_KILLED;
        read_first_line(fd, &r);
    }
    *ret = r;
    return true;
}
