// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

static void the_first_error_is_kept_and_prefixed_outwards(void **state)
{
    struct err err = {0};

    (void)state;
    assert_false(err_sys(&err, ENOENT, "cannot open %s", "x"));
    assert_false(err_set(&err, ERR_INPUT, "later"));
    err_prefix(&err, "reading the policy");
    assert_int_equal(err.kind, ERR_SYSTEM);
    assert_int_equal(err.sys, ENOENT);
    assert_string_equal(err.msg, "reading the policy: cannot open x: No such file or directory");
}

static void a_message_is_one_line_and_never_overflows(void **state)
{
    struct err err = {0};
    char big[4000];

    (void)state;
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    big[10] = '\n';
    err_set(&err, ERR_INPUT, "%s", big);
    assert_null(strchr(err.msg, '\n'));
    for (int i = 0; i < 5; i++)
        err_prefix(&err, "%s", big);
    assert_true(strlen(err.msg) < sizeof err.msg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_error_is_kept_and_prefixed_outwards),
        cmocka_unit_test(a_message_is_one_line_and_never_overflows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
