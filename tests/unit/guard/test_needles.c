// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <string.h>

#include "guard/base64.h"
#include "guard/needles.h"

#define VALUE "s3cr3t/Value+0123456"
#define OTHER "p7lac9/Holde+9876543"

static struct needles *secrets(const char *other)
{
    struct needles *set = needles_new();

    assert_true(needles_add_secret(set, "TOKEN", VALUE, other));
    return set;
}

static const char *form_of(const struct needles *set, const char *text)
{
    size_t at;
    const struct needle *n = needles_find(set, text, strlen(text), &at);

    return n ? n->form : NULL;
}

static void each_form_is_found_in_a_longer_text(void **state UNUSED)
{
    struct needles *set = secrets(NULL);

    assert_string_equal(form_of(set, "x=" VALUE "&y"), "plain");
    assert_string_equal(form_of(set, "s3cr3t%2FValue%2B0123456"), "percent-encoded");
    assert_string_equal(form_of(set, "s3cr3t%2fValue%2b0123456"), "percent-encoded");
    assert_string_equal(form_of(set, "7333637233742f56616c75652b30313233343536"), "hex");
    assert_string_equal(form_of(set, "7333637233742F56616C75652B30313233343536"), "hex");
    assert_string_equal(form_of(set, "\"s3cr3t\\/Value+0123456\""), "JSON-escaped");
    assert_null(form_of(set, "s3cr3t/Value+012345 6"));
    needles_free(set);
}

static void base64_is_found_at_every_alignment(void **state UNUSED)
{
    struct needles *set = secrets(NULL);

    for (size_t before = 0; before < 6; before++)
        for (size_t after = 0; after < 4; after++) {
            AUTO_BUF struct buf plain = {.cap = 256}, coded = {.cap = 256};

            for (size_t i = 0; i < before; i++)
                buf_addc(&plain, (char)(0xe0 + i));
            buf_adds(&plain, VALUE);
            for (size_t i = 0; i < after; i++)
                buf_addc(&plain, (char)(0xf0 + i));
            base64_encode(plain.ptr, plain.len, &coded);
            assert_string_equal(form_of(set, buf_cstr(&coded)), "base64");
        }
    needles_free(set);
}

static void a_part_of_a_long_secret_is_found(void **state UNUSED)
{
    char value[401];
    struct needles *set = needles_new();
    size_t at;

    for (size_t i = 0; i < 400; i++)
        value[i] = (char)('a' + (i * 7 + i / 26) % 26);
    value[400] = '\0';
    assert_true(needles_add_secret(set, "KEY", value, NULL));
    assert_non_null(needles_find(set, value + 100, 80, &at));
    assert_null(needles_find(set, value + 100, 20, &at));
    needles_free(set);
}

static void short_values_are_not_looked_for(void **state UNUSED)
{
    struct needles *set = needles_new();

    assert_false(needles_add_secret(set, "PIN", "1234567", NULL));
    assert_true(needles_empty(set));
    assert_null(form_of(set, "1234567"));
    assert_null(form_of(NULL, "1234567"));
    needles_free(set);
}

// Passes text in pieces of `step` bytes; returns whether it was hit.
static bool pass_in_steps(const struct needles *set, const char *text, size_t step, bool replace,
                          struct buf *out)
{
    struct buf held = {.cap = NEEDLES_HELD_MAX};
    size_t n = strlen(text);
    const struct needle *hit = NULL;

    for (size_t i = 0; i <= n && !hit; i += step) {
        size_t len = n - i < step ? n - i : step;

        assert_true(needles_pass(set, &held, text + i, len, i + step > n, replace, out, &hit));
    }
    buf_deinit(&held);
    return hit != NULL;
}

static void a_hit_across_pieces_ends_the_stream_before_it_is_whole(void **state UNUSED)
{
    struct needles *set = secrets(NULL);

    for (size_t step = 1; step < 40; step++) {
        AUTO_BUF struct buf out = {.cap = 4096};

        assert_true(pass_in_steps(set, "some text s3cr3 " VALUE " and more", step, false, &out));
        assert_string_equal(buf_cstr(&out), "some text s3cr3 ");
    }
    needles_free(set);
}

static void replacing_keeps_length_and_everything_else(void **state UNUSED)
{
    struct needles *set = secrets(OTHER);

    for (size_t step = 1; step < 90; step++) {
        AUTO_BUF struct buf out = {.cap = 4096};

        assert_false(
            pass_in_steps(set, VALUE VALUE " s3cr3t/Valu s3cr3t%2FValue%2B0123456.", step, true, &out));
        assert_string_equal(buf_cstr(&out), OTHER OTHER " s3cr3t/Valu p7lac9%2FHolde%2B9876543.");
    }
    needles_free(set);
}

static void base64_is_replaced_so_that_the_value_is_gone(void **state UNUSED)
{
    struct needles *set = secrets(OTHER);
    AUTO_BUF struct buf coded = {.cap = 256}, out = {.cap = 256}, plain = {.cap = 256};

    base64_encode("me:" VALUE, strlen("me:" VALUE), &coded);
    assert_false(pass_in_steps(set, buf_cstr(&coded), 5, true, &out));
    assert_int_equal(out.len, coded.len);
    assert_true(base64_decode(out.ptr, out.len, &plain));
    assert_null(strstr(buf_cstr(&plain), VALUE));
    // The character that holds the end of the value and the bits after it stays: half of the last byte.
    assert_memory_equal(plain.ptr + 3, OTHER, strlen(OTHER) - 1);
    needles_free(set);
}

static void what_begins_nothing_is_not_held_back(void **state UNUSED)
{
    struct needles *set = secrets(NULL);
    AUTO_BUF struct buf out = {.cap = 256}, held = {.cap = NEEDLES_HELD_MAX};
    const struct needle *hit;

    assert_true(needles_pass(set, &held, "data: 1\n\n", 9, false, true, &out, &hit));
    assert_int_equal(out.len, 9);
    needles_free(set);
}

static void base64_is_strict(void **state UNUSED)
{
    static const char *const bad[] = {"YQ=", "YQ", "Y===", "YR==", "YWJ=", "YQ==YQ==", "Y Q=", "YWI\n"};
    AUTO_BUF struct buf out = {.cap = 64};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(base64_decode(bad[i], strlen(bad[i]), &out));
    out.len = 0;
    assert_true(base64_decode("YWI=", 4, &out));
    assert_string_equal(buf_cstr(&out), "ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_found_in_a_longer_text),
        cmocka_unit_test(base64_is_found_at_every_alignment),
        cmocka_unit_test(a_part_of_a_long_secret_is_found),
        cmocka_unit_test(short_values_are_not_looked_for),
        cmocka_unit_test(a_hit_across_pieces_ends_the_stream_before_it_is_whole),
        cmocka_unit_test(replacing_keeps_length_and_everything_else),
        cmocka_unit_test(base64_is_replaced_so_that_the_value_is_gone),
        cmocka_unit_test(what_begins_nothing_is_not_held_back),
        cmocka_unit_test(base64_is_strict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
