// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static void an_append_past_the_cap_is_refused_whole(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 8);
    assert_true(buf_adds(&b, "12345678"));
    assert_false(buf_adds(&b, "9"));
    assert_true(b.full);
    assert_int_equal(b.len, 8);
    assert_string_equal(buf_cstr(&b), "12345678");
    buf_deinit(&b);
}

static void a_hostile_length_does_not_wrap(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    assert_true(buf_adds(&b, "x"));
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_null(buf_reserve(&b, SIZE_MAX - 1));
    buf_deinit(&b);
}

static void consume_keeps_the_rest(void **state)
{
    struct buf b;
    char *s;

    (void)state;
    buf_init(&b, 100);
    buf_addf(&b, "%s-%d", "abc", 42);
    buf_consume(&b, 4);
    s = buf_take(&b);
    assert_string_equal(s, "42");
    assert_int_equal(b.len, 0);
    free(s);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_append_past_the_cap_is_refused_whole),
        cmocka_unit_test(a_hostile_length_does_not_wrap),
        cmocka_unit_test(consume_keeps_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
