// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

static void overlong_surrogate_and_cut_sequences_are_refused(void **state)
{
    (void)state;
    assert_int_equal(utf8_valid_prefix("a\xc3\xa9z", 4), 4);
    assert_int_equal(utf8_valid_prefix("\xc0\x80", 2), 0);
    assert_int_equal(utf8_valid_prefix("\xed\xa0\x80", 3), 0);
    assert_int_equal(utf8_valid_prefix("\xe2\x82", 2), 0);
    assert_int_equal(utf8_valid_prefix("\xf4\x90\x80\x80", 4), 0);
}

static void a_terminal_sees_no_control_bytes(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    utf8_printable(&b, "a\x1b[2Jb\n\xe2\x80\xae\xff\xc3\xa9", 13);
    assert_string_equal(buf_cstr(&b), "a\\x1b[2Jb\\x0a\\xe2\\x80\\xae\\xff\xc3\xa9");
    buf_deinit(&b);
}

static void json_takes_any_bytes(void **state)
{
    json_t *j = json_text("a\xff\nb");
    char *line = json_line(j);

    (void)state;
    assert_string_equal(line, "\"a\xef\xbf\xbd\\nb\"");
    free(line);
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlong_surrogate_and_cut_sequences_are_refused),
        cmocka_unit_test(a_terminal_sees_no_control_bytes),
        cmocka_unit_test(json_takes_any_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
