// SPDX-License-Identifier: Apache-2.0
// The check against logs that were edited, one way each. The log is made by the writer's own chain_seal.
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/chain.h"

#define RUN "20261121T225521.123456Z-1f3a"
#define LINES 5

struct log {
    char *line[LINES]; // with newline
    struct chain chain;
};

static char *make_line(struct chain *c, const char *run, const char *subject)
{
    struct buf b;

    buf_init(&b, AUDIT_LINE_MAX);
    buf_addf(
        &b,
        "{\"seq\":%llu,\"time\":\"2026-11-21T22:55:21.123456Z\",\"run\":\"%s\",\"kind\":\"file\","
        "\"verdict\":\"deny\",\"rule\":null,\"subject\":\"%s\",\"detail\":{\"n\":[1,null]},\"by\":\"policy\","
        "\"prev\":\"%s\"}",
        (unsigned long long)c->seq + 1, run, subject, c->head);
    assert_true(chain_seal(c, &b));
    return buf_take(&b);
}

static void make_log(struct log *l)
{
    char subject[32];

    chain_init(&l->chain);
    for (int i = 0; i < LINES; i++) {
        snprintf(subject, sizeof subject, "/etc/shadow%d", i);
        l->line[i] = make_line(&l->chain, RUN, subject);
    }
}

static void drop_log(struct log *l)
{
    for (int i = 0; i < LINES; i++)
        free(l->line[i]);
}

static void count(void *ctx, const struct audit_line *line)
{
    size_t *n = ctx;

    ++*n;
    assert_int_equal(line->seq, *n);
    assert_string_equal(line->verdict, "deny");
    assert_null(line->rule);
    assert_string_equal(line->detail, "{\"n\":[1,null]}");
}

// Feeds the text in pieces of `step` bytes.
static enum chain_fault check(const char *text, size_t step, const struct chain *expect, uint64_t *ret_line,
                              size_t *ret_n)
{
    size_t n = strlen(text), seen = 0;
    struct chain_check c;
    enum chain_fault f;

    chain_check_init(&c, RUN, expect, count, &seen);
    for (size_t at = 0; at < n; at += step)
        if (!chain_check_feed(&c, text + at, n - at < step ? n - at : step))
            break;
    chain_check_end(&c);
    f = c.fault;
    if (ret_line)
        *ret_line = c.fault_line;
    if (ret_n)
        *ret_n = seen;
    assert_true(f == CHAIN_HOLDS || c.why[0]);
    chain_check_deinit(&c);
    return f;
}

static char *joined(char *const *lines, const int *order)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    for (; *order >= 0; order++)
        buf_adds(&b, lines[*order]);
    return buf_take(&b);
}

#define ORDER(...)                                                                                           \
    (int[])                                                                                                  \
    {                                                                                                        \
        __VA_ARGS__, -1                                                                                      \
    }

static void a_whole_log_holds_however_it_is_split(void **state)
{
    struct log l;
    AUTO_FREE char *text = NULL;
    size_t n;

    (void)state;
    make_log(&l);
    text = joined(l.line, ORDER(0, 1, 2, 3, 4));
    for (size_t step = 1; step < 500; step += 7) {
        assert_int_equal(check(text, step, &l.chain, NULL, &n), CHAIN_HOLDS);
        assert_int_equal(n, LINES);
    }
    assert_int_equal(check("", 1, NULL, NULL, NULL), CHAIN_HOLDS);
    drop_log(&l);
}

static void every_changed_byte_is_found_in_its_line(void **state)
{
    struct log l;
    AUTO_FREE char *text = NULL;
    size_t n, first, second;

    (void)state;
    make_log(&l);
    text = joined(l.line, ORDER(0, 1, 2, 3, 4));
    n = strlen(text);
    first = strlen(l.line[0]);
    second = first + strlen(l.line[1]);
    for (size_t i = 0; i < n; i++) {
        uint64_t line = 0, want = 0;
        char was = text[i];

        for (size_t at = 0; want < LINES && at <= i; want++)
            at += strlen(l.line[want]);
        text[i] = (char)(was ^ 1);
        // The last newline changed is a line without an end.
        assert_int_not_equal(check(text, n, NULL, &line, NULL), CHAIN_HOLDS);
        assert_int_equal(line, want);
        text[i] = was;
    }
    assert_true(first < second);
    drop_log(&l);
}

static void lines_dropped_doubled_or_moved_are_found(void **state)
{
    static const struct {
        int order[7];
        enum chain_fault fault;
        uint64_t line;
    } cases[] = {
        {{1, 2, 3, 4, -1}, CHAIN_BAD_SEQ, 1}, {{0, 2, 3, 4, -1}, CHAIN_BAD_SEQ, 2},
        {{0, 1, 1, 2, -1}, CHAIN_BAD_SEQ, 3}, {{0, 2, 1, 3, 4, -1}, CHAIN_BAD_SEQ, 2},
        {{0, 1, 2, 3, -1}, CHAIN_CUT, 5},     {{-1}, CHAIN_CUT, 1},
    };
    struct log l;

    (void)state;
    make_log(&l);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_FREE char *text = joined(l.line, cases[i].order);
        uint64_t line;

        assert_int_equal(check(text, 1000, &l.chain, &line, NULL), cases[i].fault);
        assert_int_equal(line, cases[i].line);
    }
    drop_log(&l);
}

static void a_line_of_another_chain_or_run_is_found(void **state)
{
    struct log l;
    struct chain other, fork;
    AUTO_FREE char *foreign = NULL, *forked = NULL, *text = NULL;
    uint64_t line;

    (void)state;
    make_log(&l);
    chain_init(&other);
    free(make_line(&other, RUN, "else"));
    fork = other;
    forked = make_line(&fork, RUN, "second");
    text = xasprintf("%s%s", l.line[0], forked);
    assert_int_equal(check(text, 1000, NULL, &line, NULL), CHAIN_BAD_PREV);
    assert_int_equal(line, 2);

    chain_init(&other);
    foreign = make_line(&other, "20261121T225521.123456Z-ffff", "x");
    assert_int_equal(check(foreign, 1000, NULL, &line, NULL), CHAIN_OTHER_RUN);
    assert_int_equal(line, 1);
    drop_log(&l);
}

static void a_rewritten_log_does_not_match_the_recorded_head(void **state)
{
    struct log l;
    struct chain other;
    AUTO_BUF struct buf text;
    uint64_t line;

    (void)state;
    make_log(&l);
    chain_init(&other);
    buf_init(&text, 1 << 20);
    for (int i = 0; i < LINES; i++) {
        AUTO_FREE char *s = make_line(&other, RUN, "harmless");

        buf_adds(&text, s);
    }
    assert_int_equal(check(buf_cstr(&text), 1000, &l.chain, &line, NULL), CHAIN_OTHER_HEAD);
    assert_int_equal(line, LINES);
    assert_int_equal(check(buf_cstr(&text), 1000, NULL, NULL, NULL), CHAIN_HOLDS); // alone it cannot know
    drop_log(&l);
}

static void lines_after_the_recorded_head_are_fine(void **state)
{
    struct log l;
    struct chain recorded;
    AUTO_FREE char *text = NULL;

    (void)state;
    make_log(&l);
    chain_init(&recorded);
    free(make_line(&recorded, RUN, "/etc/shadow0"));
    text = joined(l.line, ORDER(0, 1, 2, 3, 4));
    assert_int_equal(check(text, 1000, &recorded, NULL, NULL), CHAIN_HOLDS);
    drop_log(&l);
}

static void a_torn_last_line_is_called_torn(void **state)
{
    struct log l;
    AUTO_FREE char *text = NULL;
    size_t n, last;
    uint64_t line;

    (void)state;
    make_log(&l);
    text = joined(l.line, ORDER(0, 1, 2, 3, 4));
    n = strlen(text);
    last = strlen(l.line[LINES - 1]);
    for (size_t cut = 1; cut < last; cut++) {
        text[n - cut] = '\0';
        assert_int_equal(check(text, 1000, NULL, &line, NULL), CHAIN_TORN);
        assert_int_equal(line, LINES);
    }
    drop_log(&l);
}

static void records_that_are_not_exactly_ours_are_refused(void **state)
{
    static const char *const lines[] = {
        "", "{}", "[]", "null", "{\"seq\":1}", "garbage", "{\"seq\":1,\"seq\":1}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        AUTO_FREE char *text = xasprintf("%s\n", lines[i]);
        uint64_t line;

        assert_int_equal(check(text, 3, NULL, &line, NULL), CHAIN_BAD_LINE);
        assert_int_equal(line, 1);
    }
}

// A right hash over a line with a member more, or in another order, does not make it a record.
static void a_right_hash_over_a_wrong_form_is_refused(void **state)
{
    static const char *const forms[] = {
        "{\"seq\":1,\"time\":\"t\",\"run\":\"" RUN "\",\"kind\":\"file\",\"verdict\":null,\"rule\":null,"
        "\"subject\":\"s\",\"detail\":null,\"by\":\"b\",\"extra\":1,\"prev\":\"%s\"}",
        "{\"time\":\"t\",\"seq\":1,\"run\":\"" RUN "\",\"kind\":\"file\",\"verdict\":null,\"rule\":null,"
        "\"subject\":\"s\",\"detail\":null,\"by\":\"b\",\"prev\":\"%s\"}",
        "{\"seq\":\"1\",\"time\":\"t\",\"run\":\"" RUN "\",\"kind\":\"file\",\"verdict\":null,\"rule\":null,"
        "\"subject\":\"s\",\"detail\":null,\"by\":\"b\",\"prev\":\"%s\"}",
        "{\"seq\":1,\"time\":\"t\",\"run\":\"" RUN "\",\"kind\":\"file\",\"verdict\":null,\"rule\":null,"
        "\"subject\":\"s\",\"detail\":[],\"by\":\"b\",\"prev\":\"%s\"}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        char text[1000];
        struct chain c;
        AUTO_BUF struct buf b;

        chain_init(&c);
        buf_init(&b, 2000);
        snprintf(text, sizeof text, forms[i], c.head);
        buf_adds(&b, text);
        assert_true(chain_seal(&c, &b));
        assert_int_equal(check(buf_cstr(&b), 1000, NULL, NULL, NULL), CHAIN_BAD_LINE);
    }
}

static void a_line_without_end_does_not_fill_the_memory(void **state)
{
    static char block[65536];
    struct chain_check c;
    int fed = 0;

    (void)state;
    memset(block, 'x', sizeof block);
    chain_check_init(&c, RUN, NULL, NULL, NULL);
    while (chain_check_feed(&c, block, sizeof block))
        assert_true(++fed < 100);
    assert_int_equal(c.fault, CHAIN_LONG_LINE);
    assert_true(c.partial.alloc <= 2 * AUDIT_LINE_MAX);
    chain_check_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_log_holds_however_it_is_split),
        cmocka_unit_test(every_changed_byte_is_found_in_its_line),
        cmocka_unit_test(lines_dropped_doubled_or_moved_are_found),
        cmocka_unit_test(a_line_of_another_chain_or_run_is_found),
        cmocka_unit_test(a_rewritten_log_does_not_match_the_recorded_head),
        cmocka_unit_test(lines_after_the_recorded_head_are_fine),
        cmocka_unit_test(a_torn_last_line_is_called_torn),
        cmocka_unit_test(records_that_are_not_exactly_ours_are_refused),
        cmocka_unit_test(a_right_hash_over_a_wrong_form_is_refused),
        cmocka_unit_test(a_line_without_end_does_not_fill_the_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
