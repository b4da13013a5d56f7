// SPDX-License-Identifier: Apache-2.0
// bawn log: the audit log of a run. Every way of reading goes through the chain's check, so nothing is shown
// that does not hold; at the first line that does not, reading stops and says so.
//
// Exit status: 0 the log holds; 1 a line does not; 2 only the last line is torn (its writer died in it).
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "audit/record.h"
#include "audit/rundir.h"
#include "audit/view.h"
#include "base/utf8.h"
#include "cli/fail.h"
#include "cli/statedir.h"

#define FOLLOW_POLL_MS 500 // how soon the death of a supervisor is noticed; lines show at once by inotify

enum { LOG_HOLDS = 0, LOG_BROKEN = 1, LOG_TORN = 2 };

struct reading {
    bool verify, follow, json;
    const char *state;
    char id[AUDIT_RUN_MAX];
    struct run_result run;
    int dirfd, fd;
    off_t at;
    struct chain_check check;
};

static void print_line(void *ctx, const struct audit_line *line)
{
    const struct reading *r = ctx;
    AUTO_BUF struct buf text = {0};

    buf_init(&text, 8 * AUDIT_LINE_MAX);
    if (r->json) {
        fwrite(line->raw, 1, line->raw_len, stdout);
    } else {
        view_line(&text, line);
        fwrite(text.ptr, 1, text.len, stdout);
    }
    putchar('\n');
}

// Feeds what the file has now. False on a read error.
static bool read_on(struct reading *r, struct err *err)
{
    AUTO_FREE char *chunk = xmalloc(65536);
    ssize_t n;

    while ((n = pread(r->fd, chunk, 65536, r->at)) != 0) {
        if (n < 0 && errno != EINTR)
            return err_sys(err, errno, "cannot read the log of run %s", r->id);
        if (n < 0)
            continue;
        r->at += n;
        if (!chain_check_feed(&r->check, chunk, (size_t)n))
            break;
    }
    fflush(stdout);
    return true;
}

// Waits for a change in the run's directory, or FOLLOW_POLL_MS where inotify cannot be had.
static void wait_for_change(int watch)
{
    struct pollfd p = {.fd = watch, .events = POLLIN};
    char events[4096];

    if (poll(&p, 1, FOLLOW_POLL_MS) > 0)
        while (read(watch, events, sizeof events) > 0)
            ;
}

static int watch_directory(const struct reading *r)
{
    AUTO_FREE char *path = xasprintf("%s/runs/%s", r->state, r->id);
    AUTO_CLOSE int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    if (watch < 0 || inotify_add_watch(watch, path, IN_MODIFY | IN_MOVED_TO | IN_ONLYDIR) < 0)
        return -1;
    return TAKE_FD(watch);
}

static bool refresh(struct reading *r, struct err *err)
{
    struct run_result now;

    if (!run_read(r->state, r->id, &now, err))
        return false;
    run_result_deinit(&r->run);
    r->run = now;
    r->check.expect = now.log;
    return true;
}

static bool follow(struct reading *r, struct err *err)
{
    AUTO_CLOSE int watch = watch_directory(r);

    // The state is looked at before the log: whatever was written up to the end is read after it was seen.
    while (r->run.state == RUN_RUNNING && r->check.fault == CHAIN_HOLDS && !ferror(stdout)) {
        wait_for_change(watch);
        if (!refresh(r, err) || !read_on(r, err))
            return false;
    }
    return true;
}

static const char *end_word(const struct reading *r)
{
    return r->run.state == RUN_ENDED     ? "the end is the one that result.json recorded"
           : r->run.state == RUN_RUNNING ? "so far, for the run goes on"
                                         : "no result.json to compare the end with, for the run was killed";
}

static void print_verdict_json(const struct reading *r)
{
    const struct chain_check *c = &r->check;
    AUTO_JSONTEXT struct jsontext_object o = {0};
    AUTO_BUF struct buf text = {0};

    buf_init(&text, 65536);
    jsontext_text(&o, "run", r->id);
    jsontext_flag(&o, "holds", c->fault == CHAIN_HOLDS);
    jsontext_number(&o, "lines", (int64_t)c->lines);
    jsontext_text(&o, "head", c->chain.head);
    jsontext_flag(&o, "end_recorded", r->run.log.seq != 0);
    jsontext_text(&o, "fault", c->fault ? chain_fault_name(c->fault) : NULL);
    if (c->fault)
        jsontext_number(&o, "line", (int64_t)c->fault_line);
    else
        jsontext_text(&o, "line", NULL);
    jsontext_text(&o, "why", c->fault ? c->why : NULL);
    jsontext_object(&text, &o);
    puts(buf_cstr(&text));
}

static int conclude(const struct reading *r)
{
    const struct chain_check *c = &r->check;
    AUTO_BUF struct buf why = {0};

    buf_init(&why, 4096);
    utf8_printable(&why, c->why, strlen(c->why));
    if (r->verify && r->json)
        print_verdict_json(r);
    else if (c->fault != CHAIN_HOLDS)
        fprintf(r->verify ? stdout : stderr, "%srun %s: line %llu does not hold: %s: %s\n",
                r->verify ? "" : "bawn: ", r->id, (unsigned long long)c->fault_line,
                chain_fault_name(c->fault), buf_cstr(&why));
    else if (r->verify)
        printf("run %s: %llu lines hold (%s); head %s\n", r->id, (unsigned long long)c->lines, end_word(r),
               c->chain.head);
    return c->fault == CHAIN_HOLDS ? LOG_HOLDS : c->fault == CHAIN_TORN ? LOG_TORN : LOG_BROKEN;
}

static bool open_log(struct reading *r, struct err *err)
{
    if (!run_open(r->state, r->id, &r->dirfd, err) || !run_read(r->state, r->id, &r->run, err))
        return false;
    r->fd = openat(r->dirfd, AUDIT_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (r->fd < 0)
        return err_sys(err, errno, "cannot open the log of run %s", r->id);
    chain_check_init(&r->check, r->id, &r->run.log, r->verify ? NULL : print_line, r);
    return true;
}

static int show(struct reading *r)
{
    struct err err = {0};
    bool ok = open_log(r, &err) && read_on(r, &err) && (!r->follow || follow(r, &err));
    int status;

    if (ok) {
        chain_check_end(&r->check);
        status = cli_done(conclude(r));
    } else {
        status = cli_fail(&err);
    }
    chain_check_deinit(&r->check);
    run_result_deinit(&r->run);
    if (r->fd >= 0)
        close(r->fd);
    if (r->dirfd >= 0)
        close(r->dirfd);
    return status;
}

static bool choose_run(const char *state, const char *name, char ret_id[AUDIT_RUN_MAX], struct err *err)
{
    AUTO_FREE char *workspace = NULL;

    if (name)
        return run_find(state, name, ret_id, err);
    return cli_workspace(&workspace, err) && run_find_latest(state, workspace, ret_id, err);
}

static int log_main(int argc, char **argv)
{
    static const struct option options[] = {{"verify", no_argument, NULL, 'V'},
                                            {"follow", no_argument, NULL, 'f'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct reading r = {.dirfd = -1, .fd = -1};
    AUTO_FREE char *state = NULL;
    struct err err = {0};
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, ":fh", options, NULL)) != -1) {
        if (c == 'h')
            return cli_help(&verb_log);
        if (c != 'V' && c != 'f' && c != 'j')
            return cli_bad_option(&verb_log, c, argv);
        r.verify |= c == 'V';
        r.follow |= c == 'f';
        r.json |= c == 'j';
    }
    if (optind + 1 < argc)
        return cli_bad_usage(&verb_log, "takes one run, not also %s", argv[optind + 1]);
    if (!cli_state_dir(&state, &err) || !choose_run(state, argv[optind], r.id, &err))
        return cli_fail(&err);
    r.state = state;
    return show(&r);
}

const struct verb verb_log = {
    .name = "log",
    .synopsis = "[RUN] [--verify] [--follow] [--json]",
    .help = "show what was decided in a run (default: the latest one here), or verify it",
    .main = log_main,
};
