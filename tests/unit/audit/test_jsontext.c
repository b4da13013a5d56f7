// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <stdlib.h>
#include <string.h>

#include "audit/jsontext.h"
#include "base/json.h"

// What a reader gets back of n bytes; owned.
static json_t *through(const char *bytes, size_t n, size_t limit)
{
    AUTO_BUF struct buf out;
    struct err err = {0};
    json_t *v;

    buf_init(&out, 1 << 20);
    assert_true(jsontext_string(&out, bytes, n, limit));
    v = json_parse(out.ptr, out.len, &err);
    if (!v)
        fail_msg("%s: %.*s", err.msg, (int)out.len, out.ptr);
    for (size_t i = 0; i < out.len; i++)
        assert_true((unsigned char)out.ptr[i] >= 0x20 && out.ptr[i] != 0x7f);
    return v;
}

static void any_bytes_read_back_as_jansson_itself_would_write_them(void **state)
{
    unsigned seed = 20261121;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        // Bytes that matter come often: leads, continuations, quotes, controls.
        static const unsigned char odd[] = {0,    1,    '\n', '"',  '\\', 0x7f, 0x80, 0xbf,
                                            0xc0, 0xc2, 0x9b, 0xe0, 0xa0, 0xe2, 0x80, 0xae,
                                            0xed, 0xa0, 0xef, 0xbb, 0xbf, 0xf0, 0x90, 0xf4};
        char bytes[24], text[24];
        AUTO_JSON json_t *got = NULL, *want = NULL;
        size_t n = (size_t)rand_r(&seed) % sizeof bytes;

        for (size_t i = 0; i < n; i++) {
            unsigned r = (unsigned)rand_r(&seed);

            bytes[i] = (char)(r & 0x100 ? odd[r % sizeof odd] : (unsigned char)r);
            text[i] = bytes[i] ? bytes[i] : (char)0xff; // NUL is replaced like a bad byte
        }
        got = through(bytes, n, 1000);
        want = json_textn(text, n);
        assert_int_equal(json_string_length(got), json_string_length(want));
        assert_memory_equal(json_string_value(got), json_string_value(want), json_string_length(want));
    }
}

static void what_moves_a_terminal_is_escaped_in_the_raw_text(void **state)
{
    static const char evil[] = "\x1b[2J\xc2\x9b"
                               "31m\xe2\x80\xae\xe2\x80\xa8\xef\xbb\xbf\x7f";
    AUTO_BUF struct buf out;

    (void)state;
    buf_init(&out, 1000);
    assert_true(jsontext_string(&out, evil, sizeof evil - 1, 1000));
    assert_string_equal(buf_cstr(&out), "\"\\u001b[2J\\u009b31m\\u202e\\u2028\\ufeff\\u007f\"");
}

static void a_long_text_is_cut_at_a_character_and_says_so(void **state)
{
    AUTO_JSON json_t *v = NULL;
    AUTO_FREE char *kept = NULL;

    (void)state;
    v = through("aaa\xf0\x9f\x98\x80z", 8, 5);
    assert_string_equal(json_string_value(v), "aaa…[cut 5 bytes]");
    kept = jsontext_kept("aaa\xf0\x9f\x98\x80z", 5);
    assert_string_equal(kept, "aaa…[cut 5 bytes]");
}

static void kept_is_what_a_reader_gets_back(void **state)
{
    static const char text[] = "/w\xff/\xe2\x80\xae\n\"x";
    AUTO_JSON json_t *v = through(text, strlen(text), 100);
    AUTO_FREE char *kept = jsontext_kept(text, 100);

    (void)state;
    assert_string_equal(json_string_value(v), kept);
}

static void an_object_that_overflows_stays_whole_and_says_it_was_cut(void **state)
{
    AUTO_JSONTEXT struct jsontext_object o = {0};
    AUTO_FREE char *big = malloc(8192);
    AUTO_BUF struct buf out;
    AUTO_JSON json_t *v = NULL;

    (void)state;
    memset(big, 1, 8192); // six characters a byte
    buf_init(&out, 1 << 20);
    jsontext_number(&o, "first", -7);
    jsontext_textn(&o, "big", big, 8192);
    jsontext_number(&o, "after", 1);
    assert_true(jsontext_object(&out, &o));
    v = json_parse(out.ptr, out.len, NULL);
    assert_non_null(v);
    assert_int_equal(json_object_size(v), 2);
    assert_int_equal(json_integer_value(json_object_get(v, "first")), -7);
    assert_true(json_is_true(json_object_get(v, "cut")));
}

static void a_list_is_bounded_and_shows_that_there_is_more(void **state)
{
    AUTO_JSONTEXT struct jsontext_object o = {0};
    char *items[JSONTEXT_LIST_MAX + 3] = {0};
    AUTO_BUF struct buf out;
    AUTO_JSON json_t *v = NULL;
    json_t *list;

    (void)state;
    for (size_t i = 0; i < JSONTEXT_LIST_MAX + 2; i++)
        items[i] = (char *)(uintptr_t) "x\ny";
    buf_init(&out, 1 << 20);
    jsontext_list(&o, "argv", items);
    assert_true(jsontext_object(&out, &o));
    v = json_parse(out.ptr, out.len, NULL);
    list = json_object_get(v, "argv");
    assert_int_equal(json_array_size(list), JSONTEXT_LIST_MAX + 1);
    assert_string_equal(json_string_value(json_array_get(list, 0)), "x\ny");
    assert_string_equal(json_string_value(json_array_get(list, JSONTEXT_LIST_MAX)), "…");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_read_back_as_jansson_itself_would_write_them),
        cmocka_unit_test(what_moves_a_terminal_is_escaped_in_the_raw_text),
        cmocka_unit_test(a_long_text_is_cut_at_a_character_and_says_so),
        cmocka_unit_test(kept_is_what_a_reader_gets_back),
        cmocka_unit_test(an_object_that_overflows_stays_whole_and_says_it_was_cut),
        cmocka_unit_test(a_list_is_bounded_and_shows_that_there_is_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
