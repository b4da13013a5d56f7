// SPDX-License-Identifier: Apache-2.0
#include "audit/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"

static void begin(struct audit_log *l, int fd, const char *run_id)
{
    *l = (struct audit_log){.fd = fd};
    snprintf(l->run, sizeof l->run, "%s", run_id);
    chain_init(&l->chain);
    buf_init(&l->line, AUDIT_LINE_MAX);
}

bool audit_log_open(struct audit_log *l, int run_dirfd, const char *run_id, struct err *err)
{
    int fd =
        openat(run_dirfd, AUDIT_FILE, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return err_sys(err, errno, "cannot create the audit log " AUDIT_FILE " of run %s", run_id);
    begin(l, fd, run_id);
    return true;
}

void audit_log_close(struct audit_log *l)
{
    if (l->line.cap && l->fd >= 0)
        close(l->fd);
    buf_deinit(&l->line);
    *l = (struct audit_log){.fd = -1};
}

static void add_text(struct buf *b, const char *key, const char *text, size_t n, size_t limit)
{
    buf_adds(b, key);
    if (text)
        jsontext_string(b, text, n, limit);
    else
        buf_adds(b, "null");
}

static bool compose(struct audit_log *l, const struct audit_entry *e)
{
    const char *by = e->by ? e->by : "policy", *subject = e->subject ? e->subject : "";
    struct buf *b = &l->line;
    char time[CLOCK_TEXT_SIZE];

    clock_text(clock_wall_ns(), time);
    b->len = 0;
    b->full = false;
    buf_addf(b, "{\"seq\":%llu,\"time\":\"%s\",\"run\":\"%s\",\"kind\":\"%s\",\"verdict\":",
             (unsigned long long)l->chain.seq + 1, time, l->run, audit_kind_name(e->kind));
    if (audit_kind_decides(e->kind))
        buf_addf(b, "\"%s\"", audit_verdict_name(e->verdict));
    else
        buf_adds(b, "null");
    add_text(b, ",\"rule\":", e->rule, e->rule ? strlen(e->rule) : 0, AUDIT_RULE_MAX);
    add_text(b, ",\"subject\":", subject, e->subject_len ? e->subject_len : strlen(subject),
             AUDIT_SUBJECT_MAX);
    buf_adds(b, ",\"detail\":");
    if (e->detail)
        jsontext_object(b, e->detail);
    else
        buf_adds(b, "null");
    add_text(b, ",\"by\":", by, strlen(by), AUDIT_BY_MAX);
    add_text(b, ",\"prev\":", l->chain.head, strlen(l->chain.head), SHA256_HEX_SIZE);
    return buf_addc(b, '}') && !b->full;
}

// All of the line or nothing of it.
static bool put(struct audit_log *l, struct err *err)
{
    ssize_t r;
    int sys;

    do
        r = write(l->fd, l->line.ptr, l->line.len);
    while (r < 0 && errno == EINTR);
    if (r == (ssize_t)l->line.len) {
        l->size += l->line.len;
        return true;
    }
    sys = r < 0 ? errno : ENOSPC;
    if (r > 0 && ftruncate(l->fd, (off_t)l->size) < 0)
        l->broken = true;
    return err_sys(
        err, sys,
        "cannot write to the audit log of run %s, and nothing goes on without its record; make room "
        "where XDG_STATE_HOME is",
        l->run);
}

bool audit_add(struct audit_log *l, const struct audit_entry *e, struct err *err)
{
    struct chain next = l->chain;

    if (l->broken)
        return err_set(err, ERR_SYSTEM,
                       "the audit log of run %s ends in a broken line since a write failed; no "
                       "further decision is taken in this run",
                       l->run);
    if (!compose(l, e) || !chain_seal(&next, &l->line))
        return err_set(err, ERR_LIMIT, "an audit line of run %s is longer than %u bytes", l->run,
                       AUDIT_LINE_MAX);
    if (!put(l, err))
        return false;
    l->chain = next;
    l->refused += audit_kind_decides(e->kind) && e->verdict == VERDICT_DENY;
    return true;
}

static void count_refused(void *ctx, const struct audit_line *line)
{
    struct audit_log *l = ctx;

    l->refused += line->verdict && !strcmp(line->verdict, "deny");
}

static bool feed_file(struct chain_check *c, int fd, struct err *err)
{
    AUTO_FREE char *chunk = xmalloc(65536);
    off_t at = 0;
    ssize_t r;

    while ((r = pread(fd, chunk, 65536, at)) != 0) {
        if (r < 0 && errno != EINTR)
            return err_sys(err, errno, "cannot read the audit log " AUDIT_FILE);
        if (r < 0)
            continue;
        if (!chain_check_feed(c, chunk, (size_t)r))
            break;
        at += r;
    }
    chain_check_end(c);
    return true;
}

// Takes over what the check found; a torn tail is cut off and noted.
static bool go_on(struct audit_log *l, const struct chain_check *c, struct err *err)
{
    struct audit_entry note = {.kind = AUDIT_NOTE, .subject = "torn line cut off", .by = "bawn"};
    AUTO_JSONTEXT struct jsontext_object detail = {0};

    l->chain = c->chain;
    l->size = c->bytes;
    if (c->fault == CHAIN_HOLDS)
        return true;
    if (c->fault != CHAIN_TORN)
        return err_set(err, ERR_INPUT, "the audit log of run %s does not hold: line %llu: %s: %s", l->run,
                       (unsigned long long)c->fault_line, chain_fault_name(c->fault), c->why);
    if (ftruncate(l->fd, (off_t)l->size) < 0)
        return err_sys(err, errno, "cannot cut the torn last line off the audit log of run %s", l->run);
    jsontext_number(&detail, "bytes", (int64_t)c->partial.len);
    note.detail = &detail;
    return audit_add(l, &note, err);
}

bool audit_log_resume(struct audit_log *l, int run_dirfd, const char *run_id, struct err *err)
{
    int fd = openat(run_dirfd, AUDIT_FILE, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    struct audit_log made;
    struct chain_check c;
    bool ok;

    if (fd < 0)
        return err_sys(err, errno, "cannot open the audit log " AUDIT_FILE " of run %s", run_id);
    begin(&made, fd, run_id);
    chain_check_init(&c, run_id, NULL, count_refused, &made);
    ok = feed_file(&c, fd, err) && go_on(&made, &c, err);
    chain_check_deinit(&c);
    if (ok)
        *l = made;
    else
        audit_log_close(&made);
    return ok;
}

bool audit_run_start(struct audit_log *l, const struct audit_start *s, struct err *err)
{
    AUTO_JSONTEXT struct jsontext_object detail = {0};
    struct audit_entry e = {
        .kind = AUDIT_RUN_START, .subject = s->workspace, .detail = &detail, .by = "bawn"};

    jsontext_text(&detail, "version", s->version);
    jsontext_text(&detail, "backend", s->backend);
    jsontext_text(&detail, "policy", s->policy_hash);
    jsontext_number(&detail, "pid", getpid());
    if (s->argv)
        jsontext_list(&detail, "command", s->argv);
    if (s->started)
        jsontext_list(&detail, "started", s->started);
    return audit_add(l, &e, err);
}

bool audit_run_end(struct audit_log *l, const struct run_end *end, struct err *err)
{
    AUTO_JSONTEXT struct jsontext_object detail = {0};
    struct audit_entry e = {.kind = AUDIT_RUN_END, .detail = &detail, .by = "bawn"};
    char how[128];

    if (end->limit) {
        snprintf(how, sizeof how, "limit %s", end->limit);
        jsontext_text(&detail, "limit", end->limit);
    } else if (end->signal) {
        snprintf(how, sizeof how, "signal %d", end->signal);
        jsontext_number(&detail, "signal", end->signal);
    } else {
        snprintf(how, sizeof how, "exit %d", end->exit_status);
        jsontext_number(&detail, "exit", end->exit_status);
    }
    e.subject = how;
    jsontext_number(&detail, "refused", (int64_t)l->refused);
    return audit_add(l, &e, err);
}
