// SPDX-License-Identifier: Apache-2.0
// JSON with the place of every value.
#include "../test.h"

#include <string.h>

#include "base/jsontree.h"

static struct yaml_node *parse(struct arena *a, const char *text)
{
    struct yaml_node *root = NULL;
    struct err err = {0};

    if (!jsontree_parse(a, text, strlen(text), &root, &err))
        fail_msg("%s", err.msg);
    return root;
}

static void assert_place(const struct yaml_node *n, int line, int column)
{
    assert_non_null(n);
    assert_int_equal(n->line, line);
    assert_int_equal(n->column, column);
}

static void values_are_where_they_stand(void **state)
{
    AUTO_ARENA struct arena a = {0};
    const struct yaml_node *root = parse(
                               &a, "{\n  \"a\": [1, \"x,]\\\"\", true],\n\t\"b\" : { },\n  \"c\":null}"),
                           *b;

    (void)state;
    assert_int_equal(root->kind, YAML_MAP);
    assert_place(root, 1, 1);
    assert_place(root->first, 2, 8);
    assert_string_equal(root->first->key, "a");
    assert_int_equal(root->first->key_line, 2);
    assert_int_equal(root->first->key_column, 3);
    assert_place(root->first->first, 2, 9);
    assert_string_equal(root->first->first->text, "1");
    assert_true(root->first->first->plain);
    assert_place(root->first->first->next, 2, 12);
    assert_string_equal(root->first->first->next->text, "x,]\"");
    assert_false(root->first->first->next->plain);
    assert_string_equal(root->first->last->text, "true");
    b = root->first->next;
    assert_string_equal(b->key, "b");
    assert_place(b, 3, 8);
    assert_null(b->first);
    assert_place(b->next, 4, 7);
    assert_string_equal(b->next->text, "null");
}

static void columns_count_characters_and_escapes_are_read(void **state)
{
    AUTO_ARENA struct arena a = {0};
    const struct yaml_node *root =
        parse(&a, "[\"\xc3\xa4\xe2\x82\xac\", \"\\u00e4\\ud83d\\ude00\\/\", {\"\\\"k\\\\\": -1.5e3}]");

    (void)state;
    assert_place(root->first, 1, 2);
    assert_place(root->first->next, 1, 8);
    assert_string_equal(root->first->next->text, "\xc3\xa4\xf0\x9f\x98\x80/");
    assert_string_equal(root->last->first->key, "\"k\\");
    assert_string_equal(root->last->first->text, "-1.5e3");
    assert_place(root->last->first, 1, 42);
}

static void what_is_not_json_is_an_error_with_its_place(void **state)
{
    static const struct {
        const char *text, *start;
    } bad[] = {{"", "1:1: "},        {"{\n \"a\": }", "2:"},   {"{\"a\": 1, \"a\": 2}", "1:"},
               {"[1] x", "1:"},      {"\xef\xbb\xbf{}", "1:"}, {"[\"\\u0000\"]", "1:"},
               {"[\"\xff\"]", "1:"}, {"[01]", "1:"},           {"{'a': 1}", "1:"},
               {"[1,]", "1:"}};
    AUTO_ARENA struct arena a = {0};
    char deep[200];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct yaml_node *root = NULL;
        struct err err = {0};

        assert_false(jsontree_parse(&a, bad[i].text, strlen(bad[i].text), &root, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        if (strncmp(err.msg, bad[i].start, strlen(bad[i].start)) != 0)
            fail_msg("%s: %s", bad[i].text, err.msg);
    }
    memset(deep, '[', 64);
    memset(deep + 64, ']', 64);
    deep[128] = '\0';
    {
        struct yaml_node *root = NULL;
        struct err err = {0};

        assert_false(jsontree_parse(&a, deep, 128, &root, &err));
        assert_non_null(strstr(err.msg, "nested"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_where_they_stand),
        cmocka_unit_test(columns_count_characters_and_escapes_are_read),
        cmocka_unit_test(what_is_not_json_is_an_error_with_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
