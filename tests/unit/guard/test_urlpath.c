// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <string.h>

#include "guard/urlpath.h"

static void ambiguous_paths_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "/a/../b",
        "/a/..",
        "/..",
        "/./a",
        "/a/.",
        "/%2e%2e/a",
        "/a/%2E./b",
        "//a",
        "/a//b",
        "/a%2fb",
        "/a%2Fb",
        "/a\\b",
        "/a%5cb",
        "/a;b",
        "/a%3bb",
        "/a%",
        "/a%2",
        "/a%zz",
        "/a%252fb",
        "/a%00b",
        "/a%0ab",
        "/a%c0%af",
        "/a%ff",
        "/a%ef%bc%8fb",
        "/%e2%88%95",
        "/a b",
        "/%ef%b8%b0/a",
        "/a%cd%beb",
        "/%ef%b9%aa2e",
        "/a?b",
        "/a#b",
        "/a\x7f",
        "/\xc3\xa9",
        "/a/..;/b",
        "/pub/..%2fsecret",
    };
    AUTO_BUF struct buf b = {0};
    const char *why = NULL;

    (void)state;
    buf_init(&b, 1000);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        why = NULL;
        if (urlpath_normal(bad[i], strlen(bad[i]), &b, NULL, &why))
            fail_msg("\"%s\" was taken", bad[i]);
        assert_non_null(why);
    }
    assert_int_equal(b.len, 0);
}

static void one_path_has_one_normal_form(void **state)
{
    static const char *const rows[][3] = {
        {"/", "/", "/"},
        {"/pub/%61b%2dc", "/pub/ab-c", "/pub/ab-c"},
        {"/a%40b", "/a%40b", "/a@b"},
        {"/a%2a", "/a%2A", "/a*"},
        {"/caf%c3%a9", "/caf%C3%A9", "/caf\xc3\xa9"},
        {"/a%20b/", "/a%20b/", "/a b/"},
        {"/.git/...", "/.git/...", "/.git/..."},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF struct buf normal = {0}, decoded = {0};
        const char *why = "";

        buf_init(&normal, 1000);
        buf_init(&decoded, 1000);
        if (!urlpath_normal(rows[i][0], strlen(rows[i][0]), &normal, &decoded, &why))
            fail_msg("%s: %s", rows[i][0], why);
        assert_string_equal(buf_cstr(&normal), rows[i][1]);
        assert_string_equal(buf_cstr(&decoded), rows[i][2]);
    }
}

static void patterns_match_by_segments(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool match;
    } cases[] = {
        {"/pub/**", "/pub/x", true},
        {"/pub/**", "/pub/x/y", true},
        {"/pub/**", "/pub/", true},
        {"/pub/**", "/pub", false},
        {"/pub/**", "/public", false},
        {"/pub/**", "/PUB/x", false},
        {"/**", "/", true},
        {"/**", "/a/b", true},
        {"/a/*/c", "/a/b/c", true},
        {"/a/*/c", "/a/b/b/c", false},
        {"/a/**/c", "/a/c", true},
        {"/a/**/c", "/a/b/b/c", true},
        {"/a/**/c", "/a/b/cc", false},
        {"/a/*.txt", "/a/b.txt", true},
        {"/a/*.txt", "/a/b.txt/c", false},
        {"/a*b*c", "/aXbYbc", true},
        {"/a*b*c", "/aXc", false},
        {"/a", "/a/", false},
        {"/a/", "/a", false},
        {"/**/x/**/y", "/x/x/z/y", true},
        {"/**/x/**/y", "/y/x", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (urlpath_match(cases[i].pattern, cases[i].path, false) != cases[i].match)
            fail_msg("%s against %s", cases[i].pattern, cases[i].path);
    assert_true(urlpath_match("/admin/**", "/ADMIN/x", true));
}

static void patterns_that_can_match_nothing_are_refused(void **state)
{
    static const char *const bad[] = {"pub/**", "/a/../b", "/a**", "/a/**b", "/a;b",
                                      "/a?b",   "",        "/%2a", "//x"};
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        err = (struct err){0};
        if (urlpath_pattern(bad[i], &err))
            fail_msg("\"%s\" was taken", bad[i]);
        assert_true(err.msg[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ambiguous_paths_are_refused),
        cmocka_unit_test(one_path_has_one_normal_form),
        cmocka_unit_test(patterns_match_by_segments),
        cmocka_unit_test(patterns_that_can_match_nothing_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
