// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <string.h>
#include <time.h>

#include "audit/view.h"

static int in_utc(void **state)
{
    (void)state;
    setenv("TZ", "UTC0", 1);
    tzset();
    return 0;
}

static void a_line_reads_as_a_sentence(void **state)
{
    struct audit_line line = {.time = "2026-11-21T22:55:21.123456Z",
                              .kind = "network",
                              .verdict = "deny",
                              .subject = "POST https://h/x",
                              .rule = "network.deny: h",
                              .by = "guard",
                              .detail = "{\"bytes\":12,\"none\":null,\"why\":\"a b\"}"};
    AUTO_BUF struct buf out;

    (void)state;
    buf_init(&out, 1000);
    view_line(&out, &line);
    assert_string_equal(
        buf_cstr(&out),
        "22:55:21.123  deny   network     POST https://h/x  (network.deny: h)  by guard bytes=12 why=a b");
}

static void no_text_of_a_record_reaches_the_terminal_raw(void **state)
{
    static const char evil[] = "\x1b[2J\n\xc2\x9b\xe2\x80\xae\xff";
    struct audit_line line = {.time = evil,
                              .kind = evil,
                              .verdict = evil,
                              .subject = evil,
                              .rule = evil,
                              .by = evil,
                              .detail = "{\"\\u001b\":\"\\u001b[2J\\n\",\"l\":[\"\\u009b\"]}"};
    AUTO_BUF struct buf out;

    (void)state;
    buf_init(&out, 10000);
    view_line(&out, &line);
    for (const char *p = buf_cstr(&out); *p; p++)
        assert_true((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f);
}

static void durations_keep_two_or_three_digits(void **state)
{
    static const struct {
        uint64_t s, ms;
        const char *want;
    } cases[] = {{0, 4, "0.00s"},  {9, 990, "9.99s"},  {12, 345, "12.3s"},
                 {65, 0, "1m05s"}, {3600, 0, "1h00m"}, {90061, 0, "1d01h"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf out;

        buf_init(&out, 100);
        view_duration(&out, cases[i].s * 1000000000u + cases[i].ms * 1000000u);
        assert_string_equal(buf_cstr(&out), cases[i].want);
    }
}

static void a_command_can_be_pasted_into_a_shell(void **state)
{
    struct strlist argv = {0};
    AUTO_BUF struct buf out;

    (void)state;
    buf_init(&out, 100);
    strlist_add(&argv, "sh");
    strlist_add(&argv, "it's a b");
    strlist_add(&argv, "");
    view_command(&out, &argv);
    assert_string_equal(buf_cstr(&out), "sh 'it'\\''s a b' ''");
    strlist_deinit(&argv);
}

static void how_a_run_ended_is_one_word_or_two(void **state)
{
    struct run_result r[] = {{.state = RUN_ENDED, .exit_status = 3},
                             {.state = RUN_ENDED, .signal = 9},
                             {.state = RUN_ENDED, .limit = (char *)(uintptr_t) "wall"},
                             {.state = RUN_RUNNING},
                             {.state = RUN_KILLED}};
    static const char *const want[] = {"3", "SIGKILL", "limit wall", "running", "killed"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        AUTO_BUF struct buf out;

        buf_init(&out, 100);
        view_status(&out, &r[i]);
        assert_string_equal(buf_cstr(&out), want[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_reads_as_a_sentence),
        cmocka_unit_test(no_text_of_a_record_reaches_the_terminal_raw),
        cmocka_unit_test(durations_keep_two_or_three_digits),
        cmocka_unit_test(a_command_can_be_pasted_into_a_shell),
        cmocka_unit_test(how_a_run_ended_is_one_word_or_two),
    };

    return cmocka_run_group_tests(tests, in_utc, NULL);
}
