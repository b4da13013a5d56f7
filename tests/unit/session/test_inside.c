// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <string.h>

#include "session/inside.h"

#define VALUE "sk-R3alValueOfTheToken12345"
#define PLACE "sk-F4keValueOfTheToken12345"
#define FILE_PATH "/home/u/.tool/auth.json"

static struct secret rules[] = {
    {.name = (char[]){"A"}, .from = (char[]){"json:" FILE_PATH "#/tokens/access"}},
    {.name = (char[]){"B"}, .from = (char[]){"json:/other#/tokens/other"}}};
static struct secret gone = {.name = (char[]){"GONE"}, .from = (char[]){"env:GONE"}};
static struct guard_secret items[] = {
    {&rules[0], VALUE, PLACE}, {&rules[1], "0ther-value-0ther", "0ther-place-0ther"}, {&gone, NULL, NULL}};
static const struct credentials credentials = {items, 3};

static char *text_for(const struct inside_file *f, const char *text)
{
    struct inside_source in = {FILE_PATH, "/home/u/work", text, text ? strlen(text) : 0, &credentials};
    struct buf out;
    struct err err = {0};

    buf_init(&out, 1 << 20);
    if (inside_text(f, &in, &out, &err))
        return buf_take(&out);
    buf_deinit(&out);
    return err.kind == ERR_NONE ? NULL : xstrdup(err.msg);
}

static void expect(const struct inside_file *f, const char *text, const char *want)
{
    AUTO_FREE char *got = text_for(f, text);

    assert_string_equal(got ? got : "(nothing)", want);
}

static struct policy_list list_of(struct policy_item *items_, size_t n)
{
    return (struct policy_list){items_, n};
}

static void of_json_only_what_is_named_is_shown(void **state)
{
    struct policy_item keep[] = {{.text = (char[]){"/mode"}},
                                 {.text = (char[]){"/tokens/account"}},
                                 {.text = (char[]){"/list"}},
                                 {.text = (char[]){"/none/there"}},
                                 {.text = (char[]){"/mode/deeper"}}};
    struct inside_file f = {.members = true, .keep = list_of(keep, 5)};

    (void)state;
    expect(&f,
           "{\"mode\": \"m\", \"new_token\": \"x\", \"tokens\": {\"access\": \"" VALUE
           "\", \"account\": 7, \"more\": 1}, \"list\": [1, null]}",
           "{\n  \"mode\": \"m\",\n  \"tokens\": {\n    \"account\": 7,\n    \"access\": \"" PLACE
           "\"\n  },\n"
           "  \"list\": [\n    1,\n    null\n  ]\n}\n");
}

static void names_may_be_any_or_the_workspaces(void **state)
{
    struct policy_item keep[] = {{.text = (char[]){"/projects/{workspace}/trusted"}},
                                 {.text = (char[]){"/hosts/*/ok"}}};
    struct inside_file f = {.members = true, .keep = list_of(keep, 2)};
    AUTO_FREE char *got = text_for(
        &f, "{\"projects\": {\"/home/u/work\": {\"trusted\": true, \"log\": 1}, \"/x\": {\"trusted\": true}},"
            " \"hosts\": {\"a\": {\"ok\": 1, \"key\": 2}, \"b\": 3}}");

    (void)state;
    assert_non_null(strstr(got, "\"/home/u/work\": {\n      \"trusted\": true\n    }"));
    assert_null(strstr(got, "/x"));
    assert_null(strstr(got, "log"));
    assert_non_null(strstr(got, "\"a\": {\n      \"ok\": 1\n    }"));
    assert_null(strstr(got, "key"));
}

static void what_is_faked_looks_alike_and_is_not(void **state)
{
    struct policy_item fake[] = {
        {.text = (char[]){"/refresh"}}, {.text = (char[]){"/short"}}, {.text = (char[]){"/number"}}};
    struct inside_file f = {.members = true, .fake = list_of(fake, 3)};
    AUTO_FREE char *got = text_for(
        &f, "{\"refresh\": \"rt_Refresh0123456789abcdef\", \"short\": \"x\", \"number\": 1234567890}");

    (void)state;
    assert_non_null(strstr(got, "\"refresh\": \"rt_"));
    assert_null(strstr(got, "Refresh0123456789abcdef"));
    assert_null(strstr(got, "short"));
    assert_null(strstr(got, "number"));
}

static void a_value_is_hidden_wherever_it_stands(void **state)
{
    struct policy_item keep[] = {{.text = (char[]){"/tokens"}}, {.text = (char[]){"/copy"}}};
    struct inside_file json = {.members = true, .keep = list_of(keep, 2)}, plain = {0},
                       text = {.text = (char[]){"x=" VALUE}};
    AUTO_FREE char *got =
        text_for(&json, "{\"tokens\": {\"access\": \"" VALUE "\"}, \"copy\": [\"Bearer " VALUE "\"]}");

    (void)state;
    assert_null(strstr(got, VALUE));
    assert_non_null(strstr(got, "Bearer " PLACE));
    expect(&plain, "a " VALUE " b " VALUE "\n0ther-value-0ther",
           "a " PLACE " b " PLACE "\n0ther-place-0ther");
    expect(&text, NULL, "x=" PLACE);
}

// In its last part there is nothing that a placeholder would change.
static void a_value_that_ends_in_signs_is_hidden(void **state)
{
    struct secret rule = {.name = (char[]){"S"}, .from = (char[]){"env:S"}};
    struct guard_secret item = {&rule, "0123456789abcdefghijkl--------------------",
                                "9876543210lkjihgfedcba--------------------"};
    const struct credentials c = {&item, 1};
    struct inside_file f = {0};
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    assert_true(inside_text(&f, &(struct inside_source){FILE_PATH, "/w", item.value, strlen(item.value), &c},
                            &out, NULL));
    assert_string_equal(buf_cstr(&out), item.placeholder);
    buf_deinit(&out);
}

static void the_head_takes_the_place_of_lines_that_set_the_same(void **state)
{
    struct inside_file f = {.head = (char[]){"# ours\nmode = \"free\"\ncheck = false\n"}};

    (void)state;
    expect(&f,
           "model = \"m\"\nmode = \"shut\"\n  check=true\nmodes = 1\n# mode = 3\n\n[part]\nmode = \"kept\"\n",
           "# ours\nmode = \"free\"\ncheck = false\nmodel = \"m\"\nmodes = 1\n# mode = 3\n\n[part]\nmode = "
           "\"kept\"\n");
    expect(&f, NULL, "# ours\nmode = \"free\"\ncheck = false\n");
    expect(&f, "mode = 1", "# ours\nmode = \"free\"\ncheck = false\n");
}

static void members_are_put_over_those_of_the_file(void **state)
{
    struct policy_item keep[] = {{.text = (char[]){"/a"}}};
    struct inside_file f = {
        .members = true,
        .keep = list_of(keep, 1),
        .put =
            (char[]){"{\"a\": {\"x\": 1}, \"end\": \"${A:5}\", \"all\": \"${A}\", \"no\": \"${NONE} ${\"}"}};
    struct inside_file bad = {.members = true, .put = (char[]){"[]"}};

    (void)state;
    expect(&f, "{\"a\": {\"x\": 0, \"y\": 2}, \"b\": 3}",
           "{\n  \"a\": {\n    \"x\": 1,\n    \"y\": 2\n  },\n  \"tokens\": {\n    \"access\": \"" PLACE
           "\"\n  },\n  \"end\": \"12345\",\n  \"all\": \"" PLACE "\",\n"
           "  \"no\": \"${NONE} ${\"\n}\n");
    f.put = (char[]){"{\"c\": \"${GONE}\"}"};
    expect(&f, NULL, "{\n  \"tokens\": {\n    \"access\": \"" PLACE "\"\n  },\n  \"c\": \"\"\n}\n");
    expect(&bad, "{}", "put: not a JSON object");
}

static void a_file_that_the_host_has_not_may_have_a_content(void **state)
{
    struct policy_item keep[] = {{.text = (char[]){"/a"}}};
    struct inside_file f = {
        .members = true, .keep = list_of(keep, 1), .absent = (char[]){"{\"key\": \"${A}\"}"}};

    (void)state;
    expect(&f, NULL, "{\"key\": \"" PLACE "\"}");
    expect(&f, "{\"a\": 1}", "{\n  \"a\": 1,\n  \"tokens\": {\n    \"access\": \"" PLACE "\"\n  }\n}\n");
    f.absent = (char[]){"{\"key\": \"${GONE}\"}"};
    expect(&f, NULL, "(nothing)");
}

static void the_end_of_a_value_is_hidden_too(void **state)
{
    static const char value[] = "sk-0123456789abcdefghij0123456789ABCDEFGHIJ",
                      place[] = "sk-9876543210zyxwvutsrq9876543210ZYXWVUTSRQ";
    struct secret rule = {.name = (char[]){"K"}, .from = (char[]){"env:K"}};
    struct guard_secret one = {&rule, value, place};
    struct credentials c = {&one, 1};
    struct inside_file f = {0};
    struct inside_source in = {"/x", "/w", "approved: 0123456789ABCDEFGHIJ", 30, &c};
    AUTO_BUF struct buf out;

    (void)state;
    buf_init(&out, 4096);
    assert_true(inside_text(&f, &in, &out, NULL));
    assert_string_equal(buf_cstr(&out), "approved: 9876543210ZYXWVUTSRQ");
}

static void nothing_is_shown_for_a_file_that_is_not_there_or_not_json(void **state)
{
    struct inside_file plain = {0}, json = {.members = true};
    AUTO_FREE char *why = text_for(&json, "not json");

    (void)state;
    expect(&plain, NULL, "(nothing)");
    expect(&json, NULL, "(nothing)");
    assert_non_null(strstr(why, "line 1"));
    assert_null(strstr(why, "{"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_json_only_what_is_named_is_shown),
        cmocka_unit_test(names_may_be_any_or_the_workspaces),
        cmocka_unit_test(what_is_faked_looks_alike_and_is_not),
        cmocka_unit_test(a_value_is_hidden_wherever_it_stands),
        cmocka_unit_test(a_value_that_ends_in_signs_is_hidden),
        cmocka_unit_test(the_head_takes_the_place_of_lines_that_set_the_same),
        cmocka_unit_test(members_are_put_over_those_of_the_file),
        cmocka_unit_test(a_file_that_the_host_has_not_may_have_a_content),
        cmocka_unit_test(the_end_of_a_value_is_hidden_too),
        cmocka_unit_test(nothing_is_shown_for_a_file_that_is_not_there_or_not_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
