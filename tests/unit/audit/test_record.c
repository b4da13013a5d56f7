// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "place.h"

#include "audit/record.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/sha256.h"

#define RUN "20261121T225521.123456Z-1f3a"

static void read_log(struct place *p, struct buf *ret)
{
    buf_init(ret, 64u << 20);
    assert_true(file_read(p->fd, AUDIT_FILE, ret, NULL));
}

static enum chain_fault verify(struct place *p, const struct chain *expect)
{
    struct chain_check c;
    AUTO_BUF struct buf text;
    enum chain_fault f;

    read_log(p, &text);
    chain_check_init(&c, RUN, expect, NULL, NULL);
    chain_check_feed(&c, text.ptr ? text.ptr : "", text.len);
    chain_check_end(&c);
    f = c.fault;
    if (f)
        print_message("line %llu: %s\n", (unsigned long long)c.fault_line, c.why);
    chain_check_deinit(&c);
    return f;
}

static bool add(struct audit_log *l, enum audit_kind k, enum verdict v, const char *subject, struct err *err)
{
    struct audit_entry e = {.kind = k, .verdict = v, .subject = subject, .rule = "files.deny: @secrets"};

    return audit_add(l, &e, err);
}

// The definition in docs/audit.md, worked through by hand for one line.
static void the_hash_is_what_the_documentation_says(void **state)
{
    struct place *p = *state;
    AUTO_BUF struct buf text;
    struct audit_log l;
    char hash[SHA256_HEX_SIZE], *cut;

    assert_true(audit_log_open(&l, p->fd, RUN, NULL));
    assert_true(add(&l, AUDIT_FILE_ACCESS, VERDICT_DENY, "/etc/shadow", NULL));
    read_log(p, &text);
    buf_cstr(&text);
    cut = strstr(text.ptr, ",\"hash\":\"");
    assert_non_null(cut);
    assert_memory_equal(cut + 9, l.chain.head, 64);
    assert_string_equal(cut + 9 + 64, "\"}\n");
    strcpy(cut, "}");
    sha256_hex(text.ptr, strlen(text.ptr), hash);
    assert_string_equal(hash, l.chain.head);
    assert_non_null(
        strstr(text.ptr, "\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\"}"));
    audit_log_close(&l);
}

static void a_run_from_start_to_end_holds_and_counts_refusals(void **state)
{
    struct place *p = *state;
    char *argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", (char *)(uintptr_t) "echo \"a\nb\"",
                    NULL};
    struct audit_start start = {.version = "0", .workspace = "/w", .argv = argv, .backend = "namespaces"};
    struct run_end end = {.exit_status = 3};
    struct audit_log l;
    struct chain head;

    assert_true(audit_log_open(&l, p->fd, RUN, NULL));
    assert_true(audit_run_start(&l, &start, NULL));
    assert_true(add(&l, AUDIT_FILE_ACCESS, VERDICT_DENY, "/a", NULL));
    assert_true(add(&l, AUDIT_NETWORK, VERDICT_ALLOW, "https://h/", NULL));
    assert_true(add(&l, AUDIT_NOTE, VERDICT_DENY, "nothing decided", NULL));
    assert_true(add(&l, AUDIT_LIMIT, VERDICT_DENY, "wall", NULL));
    assert_true(audit_run_end(&l, &end, NULL));
    assert_int_equal(l.refused, 2);
    assert_int_equal(l.chain.seq, 6);
    head = l.chain;
    audit_log_close(&l);
    assert_int_equal(verify(p, &head), CHAIN_HOLDS);
}

static void no_bytes_of_a_subject_can_forge_a_line(void **state)
{
    static const char *const evil[] = {
        "x\n{\"seq\":2}",
        "\"}\n{\"seq\":2,\"time\":\"",
        "\",\"hash\":\"0000000000000000000000000000000000000000000000000000000000000000\"}\n",
        "\xff\xfe\xc0\xaf\xed\xa0\x80",
        "\\",
        "\r\n\x1b[2J\xe2\x80\xae",
        "",
    };
    struct place *p = *state;
    struct audit_log l;
    struct audit_entry e = {.kind = AUDIT_NETWORK, .subject = "a\0b", .subject_len = 3};
    AUTO_BUF struct buf text;
    size_t newlines = 0;

    assert_true(audit_log_open(&l, p->fd, RUN, NULL));
    for (size_t i = 0; i < ARRAY_LEN(evil); i++) {
        AUTO_JSONTEXT struct jsontext_object d = {0};
        struct audit_entry bad = {
            .kind = AUDIT_PROCESS, .subject = evil[i], .rule = evil[i], .by = evil[i], .detail = &d};

        jsontext_text(&d, evil[i], evil[i]);
        assert_true(audit_add(&l, &bad, NULL));
    }
    assert_true(audit_add(&l, &e, NULL));
    audit_log_close(&l);
    assert_int_equal(verify(p, NULL), CHAIN_HOLDS);
    read_log(p, &text);
    for (size_t i = 0; i < text.len; i++)
        newlines += text.ptr[i] == '\n';
    assert_int_equal(newlines, ARRAY_LEN(evil) + 1);
}

static void the_worst_texts_still_fit_a_line(void **state)
{
    struct place *p = *state;
    AUTO_FREE char *big = malloc(1 << 20);
    AUTO_JSONTEXT struct jsontext_object d = {0};
    struct audit_log l;
    struct audit_entry e = {.kind = AUDIT_FILE_ACCESS, .subject = big, .rule = big, .by = big, .detail = &d};

    memset(big, 1, (1 << 20) - 1); // six characters a byte
    big[(1 << 20) - 1] = '\0';
    assert_true(audit_log_open(&l, p->fd, RUN, NULL));
    for (int i = 0; i < 10; i++)
        jsontext_text(&d, "k", big);
    assert_true(audit_add(&l, &e, NULL));
    audit_log_close(&l);
    assert_int_equal(verify(p, NULL), CHAIN_HOLDS);
}

static void a_zeroed_entry_denies(void **state)
{
    struct place *p = *state;
    struct audit_entry e = {.kind = AUDIT_GATE};
    struct audit_log l;
    AUTO_BUF struct buf text;

    assert_true(audit_log_open(&l, p->fd, RUN, NULL));
    assert_true(audit_add(&l, &e, NULL));
    assert_int_equal(l.refused, 1);
    audit_log_close(&l);
    read_log(p, &text);
    assert_non_null(
        strstr(buf_cstr(&text), "\"verdict\":\"deny\",\"rule\":null,\"subject\":\"\",\"detail\":null,"));
}

static void a_log_is_never_written_over(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    struct audit_log l, again = {0};

    assert_true(audit_log_open(&l, p->fd, RUN, NULL));
    assert_false(audit_log_open(&again, p->fd, RUN, &err));
    assert_int_equal(err.sys, EEXIST);
    audit_log_close(&l);
    audit_log_close(&again);
}

static void a_link_in_place_of_the_log_is_not_followed(void **state)
{
    struct place *p = *state;
    struct audit_log l = {0};

    assert_int_equal(symlinkat("elsewhere", p->fd, AUDIT_FILE), 0);
    assert_false(audit_log_open(&l, p->fd, RUN, NULL));
    assert_false(audit_log_resume(&l, p->fd, RUN, NULL));
    assert_int_not_equal(faccessat(p->fd, "elsewhere", F_OK, 0), 0);
}

// RLIMIT_FSIZE stands in for a full disk: the write is cut short in the middle of a line.
static void a_write_cut_short_is_taken_back_and_reported(void **state)
{
    struct place *p = *state;
    struct rlimit old, tight;
    struct err err = {0};
    struct audit_log l;
    struct chain before, head;

    assert_true(audit_log_open(&l, p->fd, RUN, NULL));
    assert_true(add(&l, AUDIT_FILE_ACCESS, VERDICT_DENY, "/one", NULL));
    before = l.chain;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = (struct rlimit){.rlim_cur = l.size + 100, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    assert_false(add(&l, AUDIT_FILE_ACCESS, VERDICT_DENY, "/two", &err));
    setrlimit(RLIMIT_FSIZE, &old);
    assert_true(strstr(err.msg, "make room") != NULL);
    assert_int_equal(before.seq, l.chain.seq);
    assert_string_equal(before.head, l.chain.head);
    assert_true(add(&l, AUDIT_FILE_ACCESS, VERDICT_DENY, "/three", NULL));
    head = l.chain;
    audit_log_close(&l);
    assert_int_equal(verify(p, &head), CHAIN_HOLDS);
}

static void a_log_that_stays_broken_takes_no_more_lines(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    struct audit_log l;

    assert_true(audit_log_open(&l, p->fd, RUN, NULL));
    l.broken = true;
    assert_false(add(&l, AUDIT_FILE_ACCESS, VERDICT_ALLOW, "/one", &err));
    assert_true(strstr(err.msg, "no further decision") != NULL);
    audit_log_close(&l);
}

static void resume_goes_on_where_a_killed_writer_stopped(void **state)
{
    struct err err = {0};
    struct place *p = *state;
    struct audit_log l;
    int fd;

    assert_true(audit_log_open(&l, p->fd, RUN, NULL));
    assert_true(add(&l, AUDIT_FILE_ACCESS, VERDICT_DENY, "/one", NULL));
    assert_true(add(&l, AUDIT_FILE_ACCESS, VERDICT_ALLOW, "/two", NULL));
    audit_log_close(&l);
    fd = openat(p->fd, AUDIT_FILE, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "{\"seq\":3,\"ti", 12), 12);
    close(fd);
    assert_int_equal(verify(p, NULL), CHAIN_TORN);

    if (!audit_log_resume(&l, p->fd, RUN, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(l.chain.seq, 3); // the note about the torn line
    assert_int_equal(l.refused, 1);
    assert_true(add(&l, AUDIT_QUARANTINE, VERDICT_DENY, "/w/.git/hooks/x", NULL));
    audit_log_close(&l);
    assert_int_equal(verify(p, NULL), CHAIN_HOLDS);
}

static void resume_refuses_a_log_that_was_edited(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    struct audit_log l;
    int fd;

    assert_true(audit_log_open(&l, p->fd, RUN, NULL));
    assert_true(add(&l, AUDIT_FILE_ACCESS, VERDICT_DENY, "/one", NULL));
    audit_log_close(&l);
    fd = openat(p->fd, AUDIT_FILE, O_WRONLY);
    assert_int_equal(pwrite(fd, "7", 1, 7), 1); // seq
    close(fd);
    assert_false(audit_log_resume(&l, p->fd, RUN, &err));
    assert_true(strstr(err.msg, "line 1: wrong seq") != NULL);
}

// The kernel stops a write between two pages when a kill is pending, so the line that was being written may
// be torn.
static void a_killed_writer_leaves_whole_lines_but_for_the_last(void **state)
{
    struct place *p = *state;

    for (int round = 0; round < 10; round++) {
        enum chain_fault found;
        int ready[2];
        char c;
        pid_t pid;

        assert_int_equal(pipe(ready), 0);
        pid = fork();
        if (pid == 0) {
            struct audit_log l;

            alarm(30);
            unlinkat(p->fd, AUDIT_FILE, 0);
            if (!audit_log_open(&l, p->fd, RUN, NULL) || write(ready[1], "x", 1) != 1)
                _exit(1);
            while (add(&l, AUDIT_FILE_ACCESS, VERDICT_DENY, "/one", NULL))
                ;
            _exit(1);
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &c, 1), 1);
        close(ready[0]);
        usleep(2000);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        found = verify(p, NULL);
        assert_true(found == CHAIN_HOLDS || found == CHAIN_TORN);
    }
}

static void kinds_have_words_of_their_own(void **state)
{
    (void)state;
    for (unsigned k = 0; k < AUDIT_KINDS; k++) {
        enum audit_kind back = AUDIT_KINDS;

        assert_true(audit_kind_parse(audit_kind_name((enum audit_kind)k), &back));
        assert_int_equal(back, k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_place(the_hash_is_what_the_documentation_says),
        in_place(a_run_from_start_to_end_holds_and_counts_refusals),
        in_place(no_bytes_of_a_subject_can_forge_a_line),
        in_place(the_worst_texts_still_fit_a_line),
        in_place(a_zeroed_entry_denies),
        in_place(a_log_is_never_written_over),
        in_place(a_link_in_place_of_the_log_is_not_followed),
        in_place(a_write_cut_short_is_taken_back_and_reported),
        in_place(a_log_that_stays_broken_takes_no_more_lines),
        in_place(resume_goes_on_where_a_killed_writer_stopped),
        in_place(resume_refuses_a_log_that_was_edited),
        in_place(a_killed_writer_leaves_whole_lines_but_for_the_last),
        cmocka_unit_test(kinds_have_words_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
