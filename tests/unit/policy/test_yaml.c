// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/yaml.h"

static struct yaml_node *parse(struct arena *a, const char *text)
{
    struct yaml_node *root = NULL;
    struct err err = {0};

    if (!yaml_parse(a, text, strlen(text), &root, &err))
        fail_msg("%s", err.msg);
    return root;
}

static void every_node_knows_its_place(void **state)
{
    AUTO_ARENA struct arena a = {0};
    const struct yaml_node *n = parse(&a, "a:\n  é: [x, 'y']\n");

    (void)state;
    assert_int_equal(n->kind, YAML_MAP);
    n = n->first;
    assert_string_equal(n->key, "a");
    n = n->first;
    assert_string_equal(n->key, "é");
    assert_int_equal(n->key_line, 2);
    assert_int_equal(n->key_column, 3);
    assert_int_equal(n->line, 2);
    assert_int_equal(n->column, 6); // in characters
    assert_true(n->first->plain);
    assert_string_equal(n->last->text, "y");
    assert_false(n->last->plain);
    assert_null(n->last->next);
    assert_null(n->first->key);
}

static void scalars_stay_text_whatever_they_look_like(void **state)
{
    static const char *const texts[] = {"off",  "no",         "null",  "~",   "1e3",
                                        "0x10", "2020-01-01", "1_000", ".inf"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        AUTO_ARENA struct arena a = {0};
        const struct yaml_node *n = parse(&a, texts[i]);

        assert_int_equal(n->kind, YAML_SCALAR);
        assert_string_equal(n->text, texts[i]);
    }
}

static void a_text_without_a_document_is_nothing(void **state)
{
    static const char *const texts[] = {"", "# only this\n", "---\n", "---\n...\n", "\n\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        AUTO_ARENA struct arena a = {0};

        assert_null(parse(&a, texts[i]));
    }
}

static void json_is_yaml_too(void **state)
{
    AUTO_ARENA struct arena a = {0};
    const struct yaml_node *n =
        parse(&a, "{\n\t\"a\": [1, true, \"\\u00e9\\n\\/\"],\n\t\"b\": {\"c\": null}\n}\n");

    (void)state;
    assert_string_equal(n->first->last->text, "é\n/");
    assert_string_equal(n->last->first->key, "c");
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// Whatever a megabyte holds, it is read or refused in the time of a blink.
static void hostile_text_of_a_megabyte_ends_soon(void **state)
{
    static const char *const parts[] = {"[",   "{",    "a: ", "- ",    "? ",   "[],", "{a: [",  "\"",
                                        "|\n", "#",    "\t",  "&a ",   "*a ",  "!t ", "\n",     "a: b\n",
                                        "% ",  "--- ", "'",   "\\x00", "- - ", ", ",  "? - : ", "k: {\n"};
    const size_t size = 1u << 20;
    char *text = xmalloc(size);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        AUTO_ARENA struct arena a = {0};
        struct yaml_node *root = NULL;
        size_t n = strlen(parts[i]);
        double start = seconds();
        bool ok;

        for (size_t k = 0; k < size; k++)
            text[k] = parts[i][k % n];
        ok = yaml_parse(&a, text, size, &root, NULL);
        assert_true(ok || !root);
        if (seconds() - start > 2)
            fail_msg("\"%s\" took %.1f s", parts[i], seconds() - start);
    }
    free(text);
}

static void many_distinct_keys_are_refused_before_they_cost(void **state)
{
    AUTO_ARENA struct arena a = {0};
    struct yaml_node *root = NULL;
    struct err err = {0};
    struct buf text;

    (void)state;
    buf_init(&text, 4u << 20);
    for (unsigned i = 0; i <= YAML_KEYS_MAX; i++)
        buf_addf(&text, "k%u: 1\n", i);
    assert_false(yaml_parse(&a, text.ptr, text.len, &root, &err));
    assert_string_equal(err.msg, "2001:1: too many keys in one mapping");
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_node_knows_its_place),
        cmocka_unit_test(scalars_stay_text_whatever_they_look_like),
        cmocka_unit_test(a_text_without_a_document_is_nothing),
        cmocka_unit_test(json_is_yaml_too),
        cmocka_unit_test(hostile_text_of_a_megabyte_ends_soon),
        cmocka_unit_test(many_distinct_keys_are_refused_before_they_cost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
