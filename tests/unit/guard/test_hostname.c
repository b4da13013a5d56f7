// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <string.h>

#include "guard/hostpattern.h"

static void every_other_spelling_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        ".",
        "a..b",
        ".a",
        "-a.test",
        "a-.test",
        "a b",
        "a_b.test",
        "a\tb",
        "b\xc3\xbc.test",
        "a%2eb",
        "a/b",
        "a@b",
        "1572395074",
        "0x5db8d842",
        "0135.0270.0330.0102",
        "93.184.55362",
        "127.1",
        "0",
        "1.2.3.4.",
        "a.0x7f",
        "a.1",
        "[1.2.3.4]",
        "[::1",
        "::1]",
        "[::1]x",
        "fe80::1%1",
        "a:b",
        "1.2.3.256",
        "*.a",
        "a\\b",
        "a.b..",
    };
    struct host h;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};

        if (host_parse(bad[i], strlen(bad[i]), &h, &err))
            fail_msg("\"%s\" was taken as %s", bad[i], h.text);
        assert_true(err.msg[0] != '\0');
    }
    assert_false(host_parse("evil.test\0.allowed.test", 23, &h, NULL));
}

static void one_host_has_one_text(void **state)
{
    static const char *const pairs[][2] = {
        {"Example.ORG", "example.org"},       {"example.org.", "example.org"},
        {"localhost", "localhost"},           {"xn--bcher-kva.test", "xn--bcher-kva.test"},
        {"1e100.net", "1e100.net"},           {"3.com", "3.com"},
        {"[2001:DB8:0:0::1]", "2001:db8::1"}, {"::ffff:10.0.0.1", "10.0.0.1"},
        {"192.0.2.1", "192.0.2.1"},
    };
    struct host h;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        assert_true(host_parse(pairs[i][0], strlen(pairs[i][0]), &h, NULL));
        assert_string_equal(h.text, pairs[i][1]);
    }
}

static void length_limits_hold(void **state)
{
    char name[300];
    struct host h;

    (void)state;
    memset(name, 'a', sizeof name);
    assert_true(host_parse(name, 63, &h, NULL));
    assert_false(host_parse(name, 64, &h, NULL));
    for (size_t i = 49; i < sizeof name; i += 50)
        name[i] = '.';
    assert_true(host_parse(name, 253, &h, NULL));
    assert_false(host_parse(name, 254, &h, NULL));
}

static void an_authority_has_no_user_and_a_real_port(void **state)
{
    static const char *const bad[] = {
        "a@b:80",  "a:",      "a:0",    "a:65536",  "a:x",
        "a:80:80", "[::1]80", "[::1]:", "::1:80:x", "allowed.test:8080@evil.test:8080",
        ":80",     "a:+80",   "a: 80",  "[::1",     "a:000080"};
    struct host h;
    uint16_t port;
    char text[HOST_TEXT_SIZE + 10];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (host_parse_authority(bad[i], strlen(bad[i]), &h, &port, NULL))
            fail_msg("\"%s\" was taken", bad[i]);
    assert_true(host_parse_authority("[::1]:8080", 10, &h, &port, NULL));
    assert_int_equal(port, 8080);
    host_authority_text(&h, port, text);
    assert_string_equal(text, "[::1]:8080");
    assert_true(host_parse_authority("A.test", 6, &h, &port, NULL));
    assert_int_equal(port, 0);
}

static bool matches(const char *pattern, const char *host)
{
    struct host_pattern p;
    struct host h;

    assert_true(host_pattern_parse(pattern, &p, NULL));
    assert_true(host_parse(host, strlen(host), &h, NULL));
    return host_pattern_match(&p, &h);
}

static void patterns_match_whole_labels(void **state)
{
    struct host_pattern p;

    (void)state;
    assert_true(matches("allowed.test", "ALLOWED.test."));
    assert_false(matches("allowed.test", "sub.allowed.test"));
    assert_true(matches("*.allowed.test", "a.b.allowed.test"));
    assert_false(matches("*.allowed.test", "allowed.test"));
    assert_false(matches("*.allowed.test", "evilallowed.test"));
    assert_false(matches("*.allowed.test", "allowed.test.evil.test"));
    assert_true(matches("**.allowed.test", "allowed.test"));
    assert_false(matches("**.allowed.test", "evilallowed.test"));
    assert_true(matches("**", "a.test"));
    assert_false(matches("**", "93.184.216.66"));
    assert_true(matches("10.0.0.0/8", "10.1.2.3"));
    assert_true(matches("10.1.2.3", "::ffff:10.1.2.3"));
    assert_false(matches("10.1.2.3", "10.1.2.4"));
    assert_false(host_pattern_parse("a.*.test", &p, NULL));
    assert_false(host_pattern_parse("*a.test", &p, NULL));
    assert_false(host_pattern_parse("***.a.test", &p, NULL));
    assert_false(host_pattern_parse("*.1.2.3.4", &p, NULL));
    assert_false(host_pattern_parse("", &p, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_other_spelling_is_refused),
        cmocka_unit_test(one_host_has_one_text),
        cmocka_unit_test(length_limits_hold),
        cmocka_unit_test(an_authority_has_no_user_and_a_real_port),
        cmocka_unit_test(patterns_match_whole_labels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
