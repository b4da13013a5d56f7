// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <string.h>

#include "guard/config.h"
#include "guard/placeholder.h"

static uint16_t ports[] = {8080, 8443};
static struct policy_item methods[] = {{.text = (char[]){"GET"}}, {.text = (char[]){"HEAD"}}};
static struct policy_item paths[] = {{.text = (char[]){"/pub/**"}}};
static struct net_rule allow[] = {{.host = (char[]){"*.a.test"},
                                   .ports = ports,
                                   .nports = 2,
                                   .methods = {methods, 2},
                                   .paths = {paths, 1},
                                   .protocol = PROTOCOL_TCP,
                                   .tls = TLS_PASS,
                                   .upgrade = true,
                                   .watch = true,
                                   .max_upload = UINT64_C(5000000000),
                                   .upload_rate = 77,
                                   .because = (char[]){"why \xff not"},
                                   .from = {LAYER_WORKSPACE, "bawn.yaml", 7, 5}},
                                  {.preset = (char[]){"dependencies"}}};
static struct policy_item hosts[] = {{.text = (char[]){"api.test"}}};
static struct secret rule = {
    .name = (char[]){"TOKEN"}, .hosts = {hosts, 1}, .header = (char[]){"Authorization"}, .cleartext = true};

static struct policy make_policy(void)
{
    struct policy p = {
        .network = {.mode = NET_GUARDED, .allow = allow, .nallow = 2, .ask = true, .scan = true}};

    return p;
}

static bool round_trip(const struct guard_secret *secrets, size_t n, struct guard_config *ret,
                       struct err *err)
{
    struct policy p = make_policy();
    struct strlist known = {0};
    struct guard_extras x = {
        .secrets = secrets, .nsecrets = n, .known = &known, .reviewer = true, .ask_timeout_ms = 5};
    AUTO_JSON json_t *doc = NULL;
    AUTO_FREE char *text = NULL;
    bool ok;

    strlist_add(&known, "KEY=value");
    ok = guard_config_write(&p, &x, &doc, err);
    strlist_deinit(&known);
    if (!ok)
        return false;
    text = json_line(doc);
    return guard_config_read(text, strlen(text), ret, err);
}

static void what_is_written_is_what_is_read(void **state UNUSED)
{
    struct guard_secret s = {&rule, "real-value", "fake-valuf"};
    struct guard_config c;
    const struct net_rule *r;

    assert_true(round_trip(&s, 1, &c, NULL));
    assert_int_equal(c.policy.network.nallow, 2);
    r = &c.policy.network.allow[0];
    assert_string_equal(r->host, "*.a.test");
    assert_int_equal(r->nports, 2);
    assert_int_equal(r->ports[1], 8443);
    assert_int_equal(r->methods.n, 2);
    assert_string_equal(r->methods.items[1].text, "HEAD");
    assert_string_equal(r->paths.items[0].text, "/pub/**");
    assert_true(r->protocol == PROTOCOL_TCP && r->tls == TLS_PASS && r->upgrade && r->watch);
    assert_true(r->max_upload == UINT64_C(5000000000) && r->upload_rate == 77);
    assert_string_equal(r->because, "why \xef\xbf\xbd not");
    assert_string_equal(r->from.file, "bawn.yaml");
    assert_int_equal(r->from.line, 7);
    assert_string_equal(c.policy.network.allow[1].preset, "dependencies");
    assert_string_equal(c.secrets[0].value, "real-value");
    assert_string_equal(c.secrets[0].rule->header, "Authorization");
    assert_string_equal(c.secrets[0].rule->hosts.items[0].text, "api.test");
    assert_true(c.secrets[0].rule->cleartext && c.reviewer && c.policy.network.scan && !c.watched);
    assert_string_equal(c.known.items[0], "KEY=value");
    assert_int_equal(c.ask_timeout_ms, 5);
    guard_config_deinit(&c);
}

static void a_secret_that_would_write_a_second_line_is_refused(void **state UNUSED)
{
    static const struct guard_secret bad[] = {{&rule, "a\r\nX: y", "bbbbbbb"},
                                              {&rule, "trailing\n", "trailingx"},
                                              {&rule, "", ""},
                                              {&rule, "\xff\xfe\xfd", "abc"},
                                              {&rule, "longer", "short"}};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct guard_config c;
        struct err err = {0};

        assert_false(round_trip(&bad[i], 1, &c, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_non_null(strstr(err.msg, "TOKEN"));
    }
}

static void a_document_of_the_wrong_shape_is_refused(void **state UNUSED)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "1",
                                      "{\"allow\":[{}]}",
                                      "{\"secrets\":[{\"name\":\"x\"}]}",
                                      "{\"allow\":[{\"host\":\"a\",\"methods\":[1]}]}",
                                      "{\"allow\":[{\"host\":\"a\",\"ports\":[65536]}]}",
                                      "{\"allow\":[{\"host\":\"a\",\"tls\":3}]}",
                                      "{\"allow\":[{\"host\":\"a\",\"max_upload\":-1}]}",
                                      "{\"allow\":{\"host\":\"a\"}}",
                                      "{\"addresses\":[null]}",
                                      "{\"scan\":1}",
                                      "{\"ca\":\"x\"}",
                                      "{\"registries\":[7]}",
                                      "{\"ask_timeout_ms\":\"1\"}",
                                      "{\"allow\":[],\"allow\":[]}",
                                      "{} x"};
    struct guard_config c;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(guard_config_read(bad[i], strlen(bad[i]), &c, NULL));
    assert_true(guard_config_read("{}", 2, &c, NULL));
    assert_int_equal(c.policy.network.nallow, 0);
    guard_config_deinit(&c);
}

static void secrets_can_be_lent(void **state UNUSED)
{
    struct guard_secret s = {&rule, "real-value", "fake-valuf"};
    struct guard_config a, b;

    assert_true(round_trip(&s, 1, &a, NULL));
    assert_true(round_trip(&s, 1, &b, NULL));
    guard_config_borrow_secrets(&b, &a);
    assert_ptr_equal(b.secrets, a.secrets);
    guard_config_deinit(&b);
    assert_string_equal(a.secrets[0].value, "real-value");
    guard_config_deinit(&a);
}

static void a_placeholder_has_the_shape_and_nothing_else(void **state UNUSED)
{
    static const char *const values[] = {"ghp_0123456789abcdefghijklmnopqrstuvwxyzAB",
                                         "sk-ant-api03-AAAABBBBCCCCDDDDEEEEFFFF", "REALTOKEN",
                                         "a.b/c+d=e:1234567890"};

    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        AUTO_FREE char *a = NULL, *b = NULL;

        assert_true(placeholder_make("X", values[i], &a, NULL));
        assert_true(placeholder_make("X", values[i], &b, NULL));
        assert_int_equal(strlen(a), strlen(values[i]));
        assert_string_not_equal(a, values[i]);
        assert_string_not_equal(a, b);
        for (size_t k = 0; a[k]; k++) {
            assert_true((a[k] >= '0' && a[k] <= '9') == (values[i][k] >= '0' && values[i][k] <= '9'));
            assert_true((a[k] >= 'a' && a[k] <= 'z') == (values[i][k] >= 'a' && values[i][k] <= 'z'));
        }
    }
    {
        AUTO_FREE char *a = NULL, *b = NULL;

        assert_true(placeholder_make("X", values[0], &a, NULL) && placeholder_make("X", values[1], &b, NULL));
        assert_memory_equal(a, "ghp_", 4);
        assert_memory_equal(b, "sk-ant-", 7);
    }
}

static void a_json_web_token_keeps_its_claims_and_loses_its_signature(void **state UNUSED)
{
    static const char token[] =
        "eyJhbGciOiJSUzI1NiJ9.eyJlbWFpbCI6ImEifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbi0wMDAx_-0";
    static const char *const none[] = {"eyJhbGciOiJSUzI1NiJ9.eyJlbWFpbCI6ImEifQ.short",
                                       "eyJhbGciOiJSUzI1NiJ9",
                                       "eyJhbGciOiJSUzI1NiJ9.x.c2lnbmF0dXJlLW9mLXRoZS10b2tlbi0wMDAx",
                                       "sk-a.eyJ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbi0wMDAx_-0"};
    size_t kept = strlen("eyJhbGciOiJSUzI1NiJ9.eyJlbWFpbCI6ImEifQ.");
    AUTO_FREE char *p = NULL;

    assert_ptr_equal(placeholder_secret(token), token + kept);
    assert_true(placeholder_make("T", token, &p, NULL));
    assert_int_equal(strlen(p), strlen(token));
    assert_memory_equal(p, token, kept);
    assert_string_not_equal(p + kept, token + kept);
    assert_true(p[kept + 32] == token[kept + 32] || p[strlen(p) - 2] == '-'); // separators stay
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_ptr_equal(placeholder_secret(none[i]), none[i]);
}

static void a_value_too_short_for_a_placeholder_is_refused(void **state UNUSED)
{
    char *p = NULL;
    struct err err = {0};

    assert_false(placeholder_make("PIN", "12345", &p, &err));
    assert_non_null(strstr(err.msg, "PIN"));
    assert_false(placeholder_make("LINE", "------------", &p, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_what_is_read),
        cmocka_unit_test(a_secret_that_would_write_a_second_line_is_refused),
        cmocka_unit_test(a_document_of_the_wrong_shape_is_refused),
        cmocka_unit_test(secrets_can_be_lent),
        cmocka_unit_test(a_placeholder_has_the_shape_and_nothing_else),
        cmocka_unit_test(a_json_web_token_keeps_its_claims_and_loses_its_signature),
        cmocka_unit_test(a_value_too_short_for_a_placeholder_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
