// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <stdlib.h>
#include <string.h>

#include "base/path.h"

static void check_normal(const char *base, const char *path, const char *want)
{
    char *got = path_normal(base, path);

    assert_string_equal(got, want);
    free(got);
}

static void normal_form_has_no_dots_and_no_double_slashes(void **state)
{
    (void)state;
    check_normal("/a/b", "c", "/a/b/c");
    check_normal("/a/b", "./c//d/", "/a/b/c/d");
    check_normal("/a/b", "../../../../x", "/x");
    check_normal("/a/b", "/", "/");
    check_normal("/", "..", "/");
    check_normal("/a", "...", "/a/...");
    check_normal("/a", "", "/a");
}

static void within_respects_component_borders(void **state)
{
    (void)state;
    assert_true(path_within("/a/b", "/a"));
    assert_true(path_within("/a", "/a"));
    assert_true(path_within("/a", "/"));
    assert_false(path_within("/ab", "/a"));
    assert_null(path_below("private/x", "n")); // of relative paths, too: one letter is not the root
    assert_string_equal(path_below("n/x", "n"), "x");
    assert_string_equal(path_below("/a/b/c", "/a"), "b/c");
}

static void globs_match_by_component(void **state)
{
    (void)state;
    assert_true(glob_match("/w/**/.env", "/w/.env"));
    assert_true(glob_match("/w/**/.env", "/w/a/b/.env"));
    assert_false(glob_match("/w/**/.env", "/w/a/.env/b"));
    assert_false(glob_match("/w/**/.env", "/w/a/x.env"));
    assert_true(glob_match("/w/*.pem", "/w/k.pem"));
    assert_false(glob_match("/w/*.pem", "/w/a/k.pem"));
    assert_true(glob_match("/w/**", "/w/a/b"));
    assert_true(glob_match("/w/**/a/**/b", "/w/a/x/a/y/b"));
    assert_true(glob_match("/w/[ab]?", "/w/ax"));
    assert_false(glob_match("/w/[ab]?", "/w/cx"));
    assert_false(glob_match("/w/a", "/w"));
}

static void pruning_never_cuts_off_a_match(void **state)
{
    (void)state;
    assert_true(glob_may_match_below("/w/**/.env", "/w/a/b"));
    assert_true(glob_may_match_below("/w/a/*/c", "/w/a/b"));
    assert_true(glob_may_match_below("/w/a/*/c", "/"));
    assert_false(glob_may_match_below("/w/a/*/c", "/w/b"));
    assert_false(glob_may_match_below("/w/a", "/w/a/b"));
}

static void many_double_stars_stay_fast(void **state)
{
    char pat[512] = "", path[4096] = "";

    (void)state;
    for (int i = 0; i < 60; i++)
        strcat(pat, "/**/a");
    strcat(pat, "/b");
    for (int i = 0; i < 1500; i++)
        strcat(path, "/a");
    assert_false(glob_match(pat, path)); // exponential matching would not end
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_form_has_no_dots_and_no_double_slashes),
        cmocka_unit_test(within_respects_component_borders),
        cmocka_unit_test(globs_match_by_component),
        cmocka_unit_test(pruning_never_cuts_off_a_match),
        cmocka_unit_test(many_double_stars_stay_fast),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
