// SPDX-License-Identifier: Apache-2.0
// `bawn runs` and `bawn log` as a person calls them: each call in a child with its output in a file.
#include "../test.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "place.h"

#include "audit/record.h"
#include "audit/rundir.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "cli/cli.h"

struct answer {
    int status;
    struct buf out, err;
};

static void drop(struct answer *a)
{
    buf_deinit(&a->out);
    buf_deinit(&a->err);
}

static pid_t start_verb(struct place *p, const struct verb *v, const char *const *args)
{
    char *argv[8] = {(char *)(uintptr_t)v->name};
    int argc = 1;
    pid_t pid;

    for (; args && args[argc - 1]; argc++)
        argv[argc] = (char *)(uintptr_t)args[argc - 1];
    pid = fork();
    if (pid)
        return pid;
    // What goes wrong in the child must end it: cmocka would go on with the next test there.
    signal(SIGSEGV, SIG_DFL);
    alarm(30);
    // The state is at PLACE/bawn, the current directory is PLACE.
    setenv("XDG_STATE_HOME", p->path, 1);
    if (fchdir(p->fd) < 0 || !freopen("out", "w", stdout) || !freopen("err", "w", stderr))
        _exit(99);
    exit(v->main(argc, argv));
}

static void finish(struct place *p, pid_t pid, struct answer *ret)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    ret->status = WEXITSTATUS(status);
    buf_init(&ret->out, 1 << 20);
    buf_init(&ret->err, 1 << 20);
    assert_true(file_read(p->fd, "out", &ret->out, NULL));
    assert_true(file_read(p->fd, "err", &ret->err, NULL));
    buf_cstr(&ret->out);
    buf_cstr(&ret->err);
}

#define call(p, v, ret, ...) finish(p, start_verb(p, v, (const char *const[]){__VA_ARGS__, NULL}), ret)

struct made {
    struct rundir dir;
    struct audit_log log;
};

static void begin_run(struct place *p, struct made *m)
{
    AUTO_FREE char *state = xasprintf("%s/bawn", p->path), *workspace = realpath(p->path, NULL);
    char *argv[] = {(char *)(uintptr_t) "make", (char *)(uintptr_t) "all\x1b[2J", NULL};
    struct audit_start s = {.version = "0", .workspace = workspace, .argv = argv};
    struct audit_entry e = {
        .kind = AUDIT_FILE_ACCESS, .subject = "/home/x/.ssh/id", .rule = "files.deny: @secrets"};

    assert_true(rundir_make(state, &m->dir, NULL));
    assert_true(audit_log_open(&m->log, m->dir.fd, m->dir.id, NULL));
    assert_true(audit_run_start(&m->log, &s, NULL));
    assert_true(audit_add(&m->log, &e, NULL));
}

static void end_run(struct place *p, struct made *m, bool with_result)
{
    AUTO_FREE char *workspace = realpath(p->path, NULL);
    struct run_end end = {.exit_status = 2};
    struct run_result r = {.state = RUN_ENDED, .exit_status = 2, .workspace = workspace, .refused = 1};

    assert_true(audit_run_end(&m->log, &end, NULL));
    memcpy(r.id, m->dir.id, sizeof r.id);
    r.log = m->log.chain;
    r.started = r.ended = clock_wall_ns();
    strlist_add(&r.command, "make");
    if (with_result)
        assert_true(rundir_write_result(&m->dir, &r, NULL));
    strlist_deinit(&r.command);
    audit_log_close(&m->log);
    rundir_deinit(&m->dir);
}

static void runs_lists_what_ended_and_what_was_killed(void **state)
{
    struct place *p = *state;
    struct made a, b;
    struct answer ans;
    AUTO_JSON json_t *list = NULL;

    begin_run(p, &a);
    end_run(p, &a, true);
    begin_run(p, &b);
    end_run(p, &b, false);
    call(p, &verb_runs, &ans, "--json");
    assert_int_equal(ans.status, 0);
    list = json_parse(ans.out.ptr, ans.out.len, NULL);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "state")), "killed");
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "state")), "ended");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "status")), 2);
    drop(&ans);
    call(p, &verb_runs, &ans, "-n", "1");
    assert_null(strchr(ans.out.ptr, '\x1b'));
    assert_non_null(strstr(ans.out.ptr, "'all\\x1b[2J'"));
    assert_non_null(strstr(ans.out.ptr, "(1 older"));
    drop(&ans);
    call(p, &verb_runs, &ans, "-n", "x");
    assert_int_equal(ans.status, 125);
    drop(&ans);
}

static void log_shows_the_latest_run_of_the_directory(void **state)
{
    struct place *p = *state;
    struct made a;
    struct answer ans;

    call(p, &verb_log, &ans, NULL);
    assert_int_equal(ans.status, 125);
    drop(&ans);
    begin_run(p, &a);
    end_run(p, &a, true);
    call(p, &verb_log, &ans, NULL);
    assert_int_equal(ans.status, 0);
    assert_non_null(strstr(ans.out.ptr, "deny   file        /home/x/.ssh/id  (files.deny: @secrets)"));
    assert_null(strchr(ans.out.ptr, '\x1b'));
    drop(&ans);
    call(p, &verb_log, &ans, "20", "--json");
    assert_int_equal(ans.status, 0);
    assert_memory_equal(ans.out.ptr, "{\"seq\":1,", 9);
    drop(&ans);
}

static void verify_tells_holding_torn_cut_and_changed_apart(void **state)
{
    struct place *p = *state;
    struct made a;
    struct answer ans;
    AUTO_FREE char *file = NULL;
    AUTO_BUF struct buf whole;
    AUTO_JSON json_t *o = NULL;
    char *last;

    begin_run(p, &a);
    file = xasprintf("%s/audit.jsonl", a.dir.path);
    end_run(p, &a, true);
    call(p, &verb_log, &ans, "--verify");
    assert_int_equal(ans.status, 0);
    assert_non_null(strstr(ans.out.ptr, ": 3 lines hold"));
    drop(&ans);

    buf_init(&whole, 1 << 20);
    assert_true(file_read(AT_FDCWD, file, &whole, NULL));
    assert_int_equal(truncate(file, (off_t)whole.len - 10), 0);
    call(p, &verb_log, &ans, "--verify");
    assert_int_equal(ans.status, 2);
    assert_non_null(strstr(ans.out.ptr, "line 3 does not hold: torn last line"));
    drop(&ans);

    buf_cstr(&whole);
    whole.ptr[whole.len - 1] = '\0';
    last = strrchr(whole.ptr, '\n') + 1;
    assert_int_equal(truncate(file, last - whole.ptr), 0);
    call(p, &verb_log, &ans, "--verify", "--json");
    assert_int_equal(ans.status, 1);
    o = json_parse(ans.out.ptr, ans.out.len, NULL);
    assert_true(json_is_false(json_object_get(o, "holds")));
    assert_int_equal(json_integer_value(json_object_get(o, "line")), 3);
    drop(&ans);

    whole.ptr[whole.len - 1] = '\n';
    strstr(whole.ptr, "/home/x/.ssh/id")[1] = 'H';
    assert_true(file_replace(AT_FDCWD, file, whole.ptr, whole.len, 0600, NULL));
    call(p, &verb_log, &ans, NULL);
    assert_int_equal(ans.status, 1);
    assert_null(strstr(ans.out.ptr, "/Home"));
    assert_non_null(strstr(ans.err.ptr, "line 2 does not hold: wrong hash"));
    drop(&ans);
}

static void follow_shows_lines_as_they_come_and_stops_with_the_run(void **state)
{
    struct place *p = *state;
    struct made a;
    struct answer ans;
    struct audit_entry e = {.kind = AUDIT_NETWORK, .subject = "late.example"};
    pid_t pid;

    begin_run(p, &a);
    pid = start_verb(p, &verb_log, (const char *const[]){"--follow", NULL});
    for (int i = 0; i < 200; i++) { // until it shows the first two lines
        AUTO_BUF struct buf out;

        buf_init(&out, 1 << 20);
        if (file_read(p->fd, "out", &out, NULL) && out.len && strstr(buf_cstr(&out), ".ssh"))
            break;
        usleep(10000);
    }
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    assert_true(audit_add(&a.log, &e, NULL));
    usleep(20000);
    end_run(p, &a, true);
    finish(p, pid, &ans);
    assert_int_equal(ans.status, 0);
    assert_non_null(strstr(ans.out.ptr, "late.example"));
    assert_non_null(strstr(ans.out.ptr, "run.end"));
    drop(&ans);
}

static void follow_ends_when_the_supervisor_is_killed(void **state)
{
    struct place *p = *state;
    struct answer ans;
    int ready[2];
    char c;
    pid_t run, pid;

    assert_int_equal(pipe(ready), 0);
    run = fork();
    if (run == 0) {
        struct made a;

        alarm(30);
        begin_run(p, &a);
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    pid = start_verb(p, &verb_log, (const char *const[]){"--follow", NULL});
    usleep(50000);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    kill(run, SIGKILL);
    waitpid(run, NULL, 0);
    finish(p, pid, &ans);
    assert_int_equal(ans.status, 0);
    drop(&ans);
    close(ready[0]);
    close(ready[1]);
}

static void prune_removes_old_records_and_nothing_else(void **state)
{
    struct place *p = *state;
    struct made old, holds, lives, later;
    struct answer ans;
    char *kept[3];

    begin_run(p, &old);
    begin_run(p, &holds);
    assert_int_equal(mkdirat(holds.dir.fd, "quarantine", 0700), 0);
    begin_run(p, &lives);
    kept[0] = xasprintf("%s/audit.jsonl", holds.dir.path);
    kept[1] = xasprintf("%s/audit.jsonl", lives.dir.path);
    end_run(p, &old, true);
    end_run(p, &holds, true);
    usleep(400000);
    begin_run(p, &later);
    kept[2] = xasprintf("%s/audit.jsonl", later.dir.path);
    end_run(p, &later, false);
    call(p, &verb_runs, &ans, "--prune"); // older than 30 days: none
    assert_int_equal(ans.status, 0);
    assert_string_equal(ans.out.ptr, "removed 0, kept 4\n");
    drop(&ans);
    call(p, &verb_runs, &ans, "--prune", "--older", "300ms");
    assert_int_equal(ans.status, 0);
    assert_non_null(strstr(ans.out.ptr, "removed 1, kept 3\n"));
    assert_non_null(strstr(ans.out.ptr, "holds more than its record"));
    drop(&ans);
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        assert_int_equal(access(kept[i], F_OK), 0);
        free(kept[i]);
    }
    end_run(p, &lives, true);
    call(p, &verb_runs, &ans, "--prune", "--older", "1x");
    assert_int_equal(ans.status, 125);
    assert_non_null(strstr(ans.err.ptr, "--older"));
    drop(&ans);
    call(p, &verb_runs, &ans, "--older", "1d");
    assert_int_equal(ans.status, 125);
    drop(&ans);
    call(p, &verb_runs, &ans, "--prune", "--json");
    assert_int_equal(ans.status, 125);
    drop(&ans);
}

static void wrong_options_are_named(void **state)
{
    struct place *p = *state;
    struct answer ans;

    call(p, &verb_log, &ans, "--frobnicate");
    assert_int_equal(ans.status, 125);
    assert_non_null(strstr(ans.err.ptr, "unknown option --frobnicate"));
    drop(&ans);
    call(p, &verb_runs, &ans, "-x");
    assert_non_null(strstr(ans.err.ptr, "unknown option -x"));
    drop(&ans);
    call(p, &verb_runs, &ans, "-n");
    assert_non_null(strstr(ans.err.ptr, "option -n wants a value"));
    drop(&ans);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(runs_lists_what_ended_and_what_was_killed),
        in_place(log_shows_the_latest_run_of_the_directory),
        in_place(verify_tells_holding_torn_cut_and_changed_apart),
        in_place(follow_shows_lines_as_they_come_and_stops_with_the_run),
        in_place(follow_ends_when_the_supervisor_is_killed),
        in_place(prune_removes_old_records_and_nothing_else),
        in_place(wrong_options_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
