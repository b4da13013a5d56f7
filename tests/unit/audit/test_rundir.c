// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "place.h"

#include "audit/record.h"
#include "audit/rundir.h"
#include "base/fd.h"

static void a_run_directory_is_private_and_made_with_its_parents(void **state)
{
    struct place *p = *state;
    AUTO_FREE char *dir = xasprintf("%s/deep/state/bawn", p->path);
    struct rundir d;
    struct stat st;

    assert_true(rundir_make(dir, &d, NULL));
    assert_int_equal(stat(d.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_true(rundir_sub(&d, "upper", NULL));
    assert_true(rundir_sub(&d, "upper", NULL));
    rundir_deinit(&d);
    rundir_deinit(&d);
}

static void parallel_starts_never_share_a_directory(void **state)
{
    enum { STARTS = 200 };
    struct place *p = *state;
    pid_t pids[STARTS];
    struct strlist ids = {0};
    int go[2];

    assert_int_equal(pipe(go), 0);
    for (int i = 0; i < STARTS; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct rundir d;
            char c;

            close(go[1]);
            _exit(read(go[0], &c, 1) == 0 && rundir_make(p->path, &d, NULL) ? 0 : 1);
        }
    }
    close(go[0]);
    close(go[1]);
    for (int i = 0; i < STARTS; i++) {
        int status;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_true(run_list(p->path, &ids, NULL));
    assert_int_equal(ids.n, STARTS);
    for (size_t i = 1; i < ids.n; i++)
        assert_true(strcmp(ids.items[i - 1], ids.items[i]) > 0);
    strlist_deinit(&ids);
}

static void a_result_reads_back_as_it_was_written(void **state)
{
    struct place *p = *state;
    struct rundir d;
    struct run_result r = {.workspace = (char *)(uintptr_t) "/w \"x\"",
                           .started = 1800000000123456000u,
                           .ended = 1800000001000001000u,
                           .exit_status = 7,
                           .refused = 3,
                           .log = {.seq = 9}};
    struct run_result got;

    memset(r.log.head, 'a', 64);
    strlist_add(&r.command, "sh");
    strlist_add(&r.command, "a\nb");
    assert_true(rundir_make(p->path, &d, NULL));
    memcpy(r.id, d.id, sizeof r.id);
    r.state = RUN_ENDED;
    assert_true(rundir_write_result(&d, &r, NULL));
    assert_true(run_read(p->path, d.id, &got, NULL));
    assert_int_equal(got.state, RUN_ENDED);
    assert_string_equal(got.workspace, r.workspace);
    assert_int_equal(got.started, r.started);
    assert_int_equal(got.ended, r.ended);
    assert_int_equal(got.exit_status, 7);
    assert_int_equal(run_status(&got), 7);
    assert_int_equal(got.refused, 3);
    assert_int_equal(got.log.seq, 9);
    assert_string_equal(got.log.head, r.log.head);
    assert_string_equal(got.command.items[1], "a\nb");
    run_result_deinit(&got);
    strlist_deinit(&r.command);
    rundir_deinit(&d);
}

static void limits_and_signals_give_bawns_own_status(void **state)
{
    struct run_result limit = {.limit = (char *)(uintptr_t) "wall"}, sig = {.signal = 9},
                      none = {.exit_status = -1};

    (void)state;
    assert_int_equal(run_status(&limit), 124);
    assert_int_equal(run_status(&sig), 137);
    assert_int_equal(run_status(&none), -1);
}

// Starts a run in a child, which then waits to be killed. Returns its id.
static pid_t start_run(struct place *p, const char *workspace, char ret_id[AUDIT_RUN_MAX])
{
    int pipes[2];
    pid_t pid;

    assert_int_equal(pipe(pipes), 0);
    pid = fork();
    if (pid == 0) {
        char *argv[] = {(char *)(uintptr_t) "make", NULL};
        struct audit_start s = {.version = "0", .workspace = workspace, .argv = argv};
        struct audit_log l;
        struct rundir d;

        if (!rundir_make(p->path, &d, NULL) || !audit_log_open(&l, d.fd, d.id, NULL) ||
            !audit_run_start(&l, &s, NULL) || write(pipes[1], d.id, AUDIT_RUN_MAX) < 0)
            _exit(1);
        alarm(30);
        pause();
        _exit(0);
    }
    close(pipes[1]);
    assert_int_equal(read(pipes[0], ret_id, AUDIT_RUN_MAX), AUDIT_RUN_MAX);
    close(pipes[0]);
    return pid;
}

static void a_killed_run_is_told_from_a_running_one(void **state)
{
    struct place *p = *state;
    char id[AUDIT_RUN_MAX];
    struct run_result r;
    pid_t pid = start_run(p, "/some/where", id);

    assert_true(run_read(p->path, id, &r, NULL));
    assert_int_equal(r.state, RUN_RUNNING);
    assert_string_equal(r.workspace, "/some/where");
    assert_string_equal(r.command.items[0], "make");
    assert_true(r.started > 0);
    run_result_deinit(&r);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(run_read(p->path, id, &r, NULL));
    assert_int_equal(r.state, RUN_KILLED);
    assert_int_equal(run_status(&r), -1);
    run_result_deinit(&r);
}

static void the_latest_run_is_that_of_the_same_workspace(void **state)
{
    struct place *p = *state;
    char a[AUDIT_RUN_MAX], b[AUDIT_RUN_MAX], c[AUDIT_RUN_MAX], got[AUDIT_RUN_MAX];
    struct err err = {0};
    pid_t pids[] = {start_run(p, "/w", a), start_run(p, "/w\xff", b), start_run(p, "/w/below", c)};

    for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    assert_true(run_find_latest(p->path, "/w", got, NULL));
    assert_string_equal(got, a);
    assert_true(run_find_latest(p->path, "/w\xff", got, NULL));
    assert_string_equal(got, b);
    assert_false(run_find_latest(p->path, "/", got, &err));
    assert_int_equal(err.kind, ERR_MISSING);
}

static void a_prefix_finds_one_run_or_says_which(void **state)
{
    struct place *p = *state;
    struct rundir d, e;
    char got[AUDIT_RUN_MAX], all[3] = "20";
    struct err err = {0};

    assert_true(rundir_make(p->path, &d, NULL));
    assert_true(run_find(p->path, all, got, NULL));
    assert_string_equal(got, d.id);
    assert_true(rundir_make(p->path, &e, NULL));
    assert_false(run_find(p->path, all, got, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.msg, d.id));
    assert_non_null(strstr(err.msg, e.id));
    assert_true(run_find(p->path, d.id, got, NULL));
    err_clear(&err);
    assert_false(run_find(p->path, "../../etc", got, &err));
    assert_int_equal(err.kind, ERR_MISSING);
    rundir_deinit(&d);
    rundir_deinit(&e);
}

static void an_id_cannot_leave_the_state_directory(void **state)
{
    static const char *const ids[] = {"",
                                      ".",
                                      "..",
                                      "../../etc",
                                      "20261121T225521.123456Z-1f3a/..",
                                      "20261121T225521.123456Z-1F3A",
                                      "20261121T225521.123456Z-1f3a\n"};
    struct place *p = *state;

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct err err = {0};
        int fd;

        assert_false(run_open(p->path, ids[i], &fd, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

static void no_runs_is_an_empty_list(void **state)
{
    struct place *p = *state;
    struct strlist ids = {0};

    assert_true(run_list(p->path, &ids, NULL));
    assert_int_equal(ids.n, 0);
    strlist_deinit(&ids);
}

static void a_damaged_result_is_an_error_not_a_guess(void **state)
{
    struct place *p = *state;
    struct rundir d;
    struct run_result r;
    struct err err = {0};

    assert_true(rundir_make(p->path, &d, NULL));
    assert_true(file_replace(d.fd, "result.json", "{\"id\":", 6, 0600, NULL));
    assert_false(run_read(p->path, d.id, &r, &err));
    assert_non_null(strstr(err.msg, "damaged"));
    err_clear(&err);
    assert_true(file_replace(d.fd, "result.json", "{\"id\":\"other\"}", 14, 0600, NULL));
    assert_false(run_read(p->path, d.id, &r, &err));
    rundir_deinit(&d);
}

static void an_unwritable_state_says_what_to_do(void **state)
{
    struct rundir d;
    struct err err = {0};

    (void)state;
    assert_false(rundir_make("/proc/nowhere", &d, &err));
    assert_int_not_equal(err.kind, ERR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(a_run_directory_is_private_and_made_with_its_parents),
        in_place(parallel_starts_never_share_a_directory),
        in_place(a_result_reads_back_as_it_was_written),
        cmocka_unit_test(limits_and_signals_give_bawns_own_status),
        in_place(a_killed_run_is_told_from_a_running_one),
        in_place(the_latest_run_is_that_of_the_same_workspace),
        in_place(a_prefix_finds_one_run_or_says_which),
        in_place(an_id_cannot_leave_the_state_directory),
        in_place(no_runs_is_an_empty_list),
        in_place(a_damaged_result_is_an_error_not_a_guess),
        in_place(an_unwritable_state_says_what_to_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
