// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <string.h>

#include "guard/base64.h"
#include "guard/inject.h"

#define VALUE "real0Value1With2Digits"
#define PLACE "fake9Valuf8Wish7Digitz"

static const char document[] =
    "{\"secrets\":[{\"name\":\"TOKEN\",\"value\":\"" VALUE "\",\"placeholder\":\"" PLACE "\","
    "\"hosts\":[\"api.test\",\"*.cdn.test\"],\"header\":\"Authorization\",\"query\":\"key\",\"body\":"
    "\"token\","
    "\"cleartext\":false},"
    "{\"name\":\"OPEN\",\"value\":\"0penRealValueHere\",\"placeholder\":\"0penFakeValueHere\","
    "\"hosts\":[\"api.test\"],\"header\":\"X-Open\",\"cleartext\":true}]}";

struct fixture {
    struct guard_config config;
    struct secrets *secrets;
    const struct secret_set *set;
};

static struct host host_named(const char *name)
{
    struct host h;

    assert_true(host_parse(name, strlen(name), &h, NULL));
    return h;
}

static bool only;

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct host api = host_named("api.test");

    assert_true(guard_config_read(document, sizeof document - 1, &f->config, NULL));
    assert_true(secrets_new(&f->config, &f->secrets, NULL));
    f->set = secrets_for(f->secrets, &api, &only);
    assert_non_null(f->set);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    secrets_free(f->secrets);
    guard_config_deinit(&f->config);
    free(f);
    return 0;
}

static void only_its_own_hosts_have_a_secret(void **state)
{
    struct fixture *f = *state;
    struct host h;

    h = host_named("a.cdn.test");
    assert_int_equal(secrets_for(f->secrets, &h, &only)->n, 1);
    assert_int_equal(f->set->n, 2);
    h = host_named("cdn.test");
    assert_null(secrets_for(f->secrets, &h, &only));
    h = host_named("api.test.evil.test");
    assert_null(secrets_for(f->secrets, &h, &only));
    h = host_named("192.0.2.1");
    assert_null(secrets_for(f->secrets, &h, &only));
}

static void endless_subdomains_share_one_set(void **state)
{
    struct fixture *f = *state;
    const struct secret_set *first = NULL;

    for (int i = 0; i < 2000; i++) {
        AUTO_FREE char *name = xasprintf("n%d.cdn.test", i);
        struct host h = host_named(name);
        const struct secret_set *set = secrets_for(f->secrets, &h, &only);

        assert_true(!first || first == set);
        first = set;
    }
}

static void a_field_takes_only_the_secrets_that_belong_there(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf out = {.cap = 4096};

    assert_string_equal(inject_field(f->set, "authorization", "Bearer " PLACE, &out), "Bearer " VALUE);
    assert_string_equal(inject_field(f->set, "X-Note", "Bearer " PLACE, &out), "Bearer " PLACE);
    assert_string_equal(inject_field(f->set, "X-Open", PLACE " 0penFakeValueHere", &out),
                        PLACE " 0penRealValueHere");
    assert_string_equal(inject_field(f->set, "Authorization", "nothing", &out), "nothing");
}

static void basic_credentials_are_opened(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf out = {.cap = 4096}, text = {.cap = 256}, plain = {.cap = 256};
    const char *got;

    buf_adds(&text, "Basic ");
    base64_encode("x-token:" PLACE, strlen("x-token:" PLACE), &text);
    got = inject_field(f->set, "Authorization", buf_cstr(&text), &out);
    assert_true(base64_decode(got + 6, strlen(got + 6), &plain));
    assert_string_equal(buf_cstr(&plain), "x-token:" VALUE);
    assert_int_equal(strlen(got), text.len);
    // Not base64: left alone.
    assert_string_equal(inject_field(f->set, "Authorization", "Basic ???", &out), "Basic ???");
}

static void a_query_takes_it_in_its_parameter(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf out = {.cap = 4096};

    assert_string_equal(inject_query(f->set, "a=1&key=" PLACE "&b=" PLACE, &out),
                        "a=1&key=" VALUE "&b=" PLACE);
    assert_string_equal(inject_query(f->set, "monkey=" PLACE, &out), "monkey=" PLACE);
    assert_string_equal(inject_query(f->set, "a=key=" PLACE, &out), "a=key=" PLACE);
}

static void cleartext_is_told_only_for_secrets_that_mind(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(inject_needs_tls(f->set, "Authorization", "Bearer " PLACE), "TOKEN");
    assert_null(inject_needs_tls(f->set, "X-Open", "0penFakeValueHere"));
    assert_null(inject_needs_tls(f->set, "X-Other", PLACE));
    assert_string_equal(inject_query_needs_tls(f->set, "key=" PLACE), "TOKEN");
    assert_null(inject_query_needs_tls(f->set, "k=" PLACE));
}

static bool in_place(const struct secret_set *set, const char *type, const char *before)
{
    struct body_places b;
    const struct needle *hit;
    size_t at;

    inject_body_kind(&b, set, true, type);
    hit = needles_find(set->placed, PLACE, strlen(PLACE), &at);
    assert_non_null(hit);
    return b.kind != BODY_OTHER && inject_in_place(&b, hit, before, strlen(before)) == INJECT_HERE;
}

static void a_body_takes_it_in_its_field(void **state)
{
    const struct secret_set *set = ((struct fixture *)*state)->set;
    const char *json = "application/json", *form = "application/x-www-form-urlencoded";
    const char *parts = "multipart/form-data; boundary=XyZ";

    assert_true(in_place(set, json, "{\"token\":\""));
    assert_true(in_place(set, "application/vnd.api+json; charset=utf-8", "{\"a\": 1,\n \"token\" : \""));
    assert_true(in_place(set, form, "token="));
    assert_true(in_place(set, form, "a=b&token="));
    assert_true(in_place(set, parts, "--XyZ\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n"));
}

static void a_body_field_cannot_be_imitated(void **state)
{
    const struct secret_set *set = ((struct fixture *)*state)->set;
    const char *json = "application/json", *form = "application/x-www-form-urlencoded";
    const char *parts = "multipart/form-data; boundary=XyZ";

    {
        struct body_places b;
        size_t at;

        inject_body_kind(&b, set, false, json); // no TLS, and the secret minds
        assert_int_equal(
            inject_in_place(&b, needles_find(set->placed, PLACE, strlen(PLACE), &at), "{\"token\":\"", 10),
            INJECT_NEEDS_TLS);
    }
    assert_false(in_place(set, json, "{\"note\":\"\\\"token\\\":\\\""));
    assert_false(in_place(set, json, "{\"note\":\", \\\"token\": \""));
    assert_false(in_place(set, json, "{\"tokens\":\""));
    assert_false(in_place(set, json, "{\"note\":\"token="));
    assert_false(in_place(set, json, "{\"note\":\""));
    assert_false(in_place(set, form, "mytoken="));
    assert_false(in_place(set, form, "note={\"token\":\""));
    assert_false(in_place(set, "text/plain", "token="));
    assert_false(in_place(set, NULL, "{\"token\":\""));
    assert_false(in_place(set, parts, "\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n"));
    assert_false(in_place(set, parts, "--Other\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n"));
}

static void only_ours_is_no_foreign_credential(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf basic = {.cap = 4096}, theirs = {.cap = 4096};

    buf_adds(&basic, "Basic ");
    base64_encode("me:" PLACE, strlen("me:" PLACE), &basic);
    buf_adds(&theirs, "Basic ");
    base64_encode("me:attackers", strlen("me:attackers"), &theirs);
    assert_false(inject_foreign(f->set, "Authorization", "Bearer " PLACE));
    assert_false(inject_foreign(f->set, "authorization", PLACE));
    assert_false(inject_foreign(f->set, "Authorization", buf_cstr(&basic)));
    assert_false(inject_foreign(f->set, "X-Note", "Bearer attackers"));
    assert_false(inject_foreign(f->set, "Cookie", "__cf_bm=x; cf_clearance=y; _cfuvid=z"));
    assert_false(inject_foreign(f->set, "Sec-WebSocket-Protocol", "realtime"));

    assert_true(inject_foreign(f->set, "Authorization", "Bearer attackers"));
    assert_true(inject_foreign(f->set, "AUTHORIZATION", buf_cstr(&theirs)));
    assert_true(inject_foreign(f->set, "Authorization", "Bearer " PLACE ", Bearer attackers"));
    assert_true(inject_foreign(f->set, "Authorization", "Bearer attackers " PLACE));
    assert_true(inject_foreign(f->set, "x-api-key", PLACE)); // not in its place: it would go out as it is
    assert_true(inject_foreign(f->set, "X-Goog-Api-Key", "attackers"));
    assert_true(inject_foreign(f->set, "Cookie", "__cf_bm=x; session=attackers"));
    assert_true(inject_foreign(f->set, "Sec-WebSocket-Protocol", "openai-insecure-api-key.attackers"));
    assert_true(inject_foreign(NULL, "Authorization", "Bearer " PLACE)); // no value is there at all
}

static void only_ours_is_no_foreign_query(void **state)
{
    struct fixture *f = *state;

    assert_false(inject_foreign_query(f->set, "a=b&key=" PLACE));
    assert_false(inject_foreign_query(f->set, "monkey=x&keys=y"));
    assert_true(inject_foreign_query(f->set, "a=b&key=attackers"));
    assert_true(inject_foreign_query(f->set, "KEY=attackers&key=" PLACE));
    assert_true(inject_foreign_query(f->set, "key=" PLACE "&key=attackers"));
    assert_true(inject_foreign_query(NULL, "access_token=x"));
}

static void a_secret_without_a_value_keeps_others_away(void **state)
{
    static const char text[] =
        "{\"secrets\":[{\"name\":\"GONE\",\"hosts\":[\"api.test\"],\"header\":\"Authorization\","
        "\"only\":true}]}";
    static const char broken[] = "{\"secrets\":[{\"name\":\"GONE\",\"hosts\":[\"api.test\"]}]}";
    struct host api = host_named("api.test"), other = host_named("other.test");
    struct guard_config c;
    struct secrets *s;
    bool keeps;

    (void)state;
    assert_false(guard_config_read(broken, sizeof broken - 1, &c, NULL));
    assert_true(guard_config_read(text, sizeof text - 1, &c, NULL));
    assert_true(secrets_new(&c, &s, NULL));
    assert_null(secrets_for(s, &api, &keeps));
    assert_true(keeps);
    assert_null(secrets_for(s, &api, &keeps)); // remembered
    assert_true(keeps);
    assert_null(secrets_for(s, &other, &keeps));
    assert_false(keeps);
    secrets_free(s);
    guard_config_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_its_own_hosts_have_a_secret, setup, teardown),
        cmocka_unit_test_setup_teardown(endless_subdomains_share_one_set, setup, teardown),
        cmocka_unit_test_setup_teardown(a_field_takes_only_the_secrets_that_belong_there, setup, teardown),
        cmocka_unit_test_setup_teardown(basic_credentials_are_opened, setup, teardown),
        cmocka_unit_test_setup_teardown(a_query_takes_it_in_its_parameter, setup, teardown),
        cmocka_unit_test_setup_teardown(cleartext_is_told_only_for_secrets_that_mind, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_takes_it_in_its_field, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_field_cannot_be_imitated, setup, teardown),
        cmocka_unit_test_setup_teardown(only_ours_is_no_foreign_credential, setup, teardown),
        cmocka_unit_test_setup_teardown(only_ours_is_no_foreign_query, setup, teardown),
        cmocka_unit_test(a_secret_without_a_value_keeps_others_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
