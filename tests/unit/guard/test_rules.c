// SPDX-License-Identifier: Apache-2.0
#include "../test.h"

#include <stdio.h>
#include <string.h>

#include "guard/rules.h"

#define LIST(...)                                                                                            \
    {                                                                                                        \
        .items = (struct policy_item[]){__VA_ARGS__},                                                        \
        .n = sizeof((struct policy_item[]){__VA_ARGS__}) / sizeof(struct policy_item)                        \
    }
#define T(s)                                                                                                 \
    {                                                                                                        \
        .text = (char[])                                                                                     \
        {                                                                                                    \
            s                                                                                                \
        }                                                                                                    \
    }
#define PORTS(...) .ports = (uint16_t[]){__VA_ARGS__}, .nports = sizeof((uint16_t[]){__VA_ARGS__}) / 2
#define HOST(s)                                                                                              \
    .host = (char[])                                                                                         \
    {                                                                                                        \
        s                                                                                                    \
    }

static struct net_rules *rules_of(struct policy *p, const struct net_rule *allow, size_t nallow,
                                  const struct net_rule *deny, size_t ndeny)
{
    struct net_rules *r = NULL;
    struct err err = {0};

    p->network.mode = NET_GUARDED;
    p->network.allow = (struct net_rule *)allow;
    p->network.nallow = nallow;
    p->network.deny = (struct net_rule *)deny;
    p->network.ndeny = ndeny;
    if (!net_rules_make(p, NULL, &r, &err))
        fail_msg("%s", err.msg);
    return r;
}

static struct net_answer ask(const struct net_rules *r, enum net_stage stage, const char *host, uint16_t port,
                             const char *method, const char *path)
{
    struct net_answer a;
    struct host h;

    assert_true(host_parse(host, strlen(host), &h, NULL));
    net_rules_ask(
        r, &(struct net_question){.stage = stage, .host = &h, .port = port, .method = method, .path = path},
        &a, NULL);
    assert_true(a.rule[0] && a.reason[0]);
    return a;
}

static enum verdict name(const struct net_rules *r, const char *host)
{
    return ask(r, NET_STAGE_NAME, host, 0, NULL, NULL).verdict;
}

static enum verdict opens(const struct net_rules *r, const char *host, uint16_t port)
{
    return ask(r, NET_STAGE_CONNECT, host, port, NULL, NULL).verdict;
}

static enum verdict sends(const struct net_rules *r, const char *host, const char *method, const char *path)
{
    return ask(r, NET_STAGE_REQUEST, host, 80, method, path).verdict;
}

static void nothing_is_allowed_by_nothing(void **state)
{
    struct policy p = {0};
    struct net_rules *r = rules_of(&p, NULL, 0, NULL, 0);

    (void)state;
    assert_int_equal(name(r, "a.test"), VERDICT_DENY);
    assert_int_equal(opens(r, "a.test", 443), VERDICT_DENY);
    assert_int_equal(sends(r, "a.test", "GET", "/"), VERDICT_DENY);
    assert_string_equal(ask(r, NET_STAGE_CONNECT, "a.test", 8080, NULL, NULL).allow_with,
                        "--allow a.test:8080");
    net_rules_free(r);
    p.network.mode = NET_OFF;
    assert_true(net_rules_make(&p, NULL, &r, NULL));
    assert_int_equal(name(r, "a.test"), VERDICT_DENY);
    net_rules_free(r);
}

static void an_unlisted_host_is_asked_about_when_somebody_can_answer(void **state)
{
    const struct net_rule allow[] = {{HOST("a.test"), PORTS(443)}};
    struct policy p = {.network.ask = true};
    struct net_rules *r = rules_of(&p, allow, 1, NULL, 0);

    (void)state;
    assert_int_equal(name(r, "b.test"), VERDICT_ASK);
    assert_int_equal(opens(r, "93.184.216.66", 443), VERDICT_ASK);
    assert_int_equal(opens(r, "127.0.0.1", 443), VERDICT_DENY);
    assert_int_equal(opens(r, "169.254.169.254", 80), VERDICT_DENY);
    assert_int_equal(opens(r, "a.test", 8443), VERDICT_DENY); // listed: its owner has said what is allowed
    net_rules_free(r);
    p.approval.mode = APPROVAL_NEVER;
    r = rules_of(&p, allow, 1, NULL, 0);
    assert_int_equal(name(r, "b.test"), VERDICT_DENY);
    net_rules_free(r);
    p.approval.mode = APPROVAL_EDGE;
    p.approval.reviewer = (char[]){"none"};
    r = rules_of(&p, allow, 1, NULL, 0);
    assert_int_equal(name(r, "b.test"), VERDICT_DENY);
    net_rules_free(r);
}

static void ports_are_80_and_443_unless_named(void **state)
{
    const struct net_rule allow[] = {{HOST("a.test")}, {HOST("b.test"), PORTS(8443, 8080)}};
    struct policy p = {0};
    struct net_rules *r = rules_of(&p, allow, 2, NULL, 0);
    const uint16_t *ports;

    (void)state;
    assert_int_equal(opens(r, "a.test", 80), VERDICT_ALLOW);
    assert_int_equal(opens(r, "a.test", 443), VERDICT_ALLOW);
    assert_int_equal(opens(r, "a.test", 22), VERDICT_DENY);
    assert_int_equal(opens(r, "b.test", 443), VERDICT_DENY);
    assert_int_equal(opens(r, "b.test", 8080), VERDICT_ALLOW);
    assert_int_equal(net_rules_ports(r, &ports), 4);
    assert_memory_equal(ports, ((uint16_t[]){80, 443, 8080, 8443}), 8);
    net_rules_free(r);
}

static void the_most_specific_host_counts_alone(void **state)
{
    const struct net_rule allow[] = {
        {HOST("ro.allowed.test"), PORTS(8080), .methods = LIST(T("GET"), T("HEAD"))},
        {HOST("*.allowed.test"), PORTS(8080)}, // the order does not matter
        {HOST("**.deep.allowed.test"), PORTS(9000)},
        {HOST("*.deep.allowed.test"), PORTS(9001)},
        {HOST("10.0.0.0/8"), PORTS(80)},
        {HOST("10.1.0.0/16"), PORTS(81)},
    };
    struct policy p = {0};
    struct net_rules *r = rules_of(&p, allow, 6, NULL, 0);

    (void)state;
    assert_int_equal(ask(r, NET_STAGE_REQUEST, "sub.allowed.test", 8080, "POST", "/").verdict, VERDICT_ALLOW);
    assert_int_equal(ask(r, NET_STAGE_REQUEST, "ro.allowed.test", 8080, "GET", "/").verdict, VERDICT_ALLOW);
    assert_int_equal(ask(r, NET_STAGE_REQUEST, "ro.allowed.test", 8080, "POST", "/").verdict, VERDICT_DENY);
    assert_int_equal(ask(r, NET_STAGE_REQUEST, "ro.allowed.test", 8080, "get", "/").verdict, VERDICT_DENY);
    assert_int_equal(opens(r, "a.deep.allowed.test", 9000), VERDICT_ALLOW);
    assert_int_equal(opens(r, "a.deep.allowed.test", 9001), VERDICT_ALLOW);
    assert_int_equal(opens(r, "a.deep.allowed.test", 8080), VERDICT_DENY);
    assert_int_equal(opens(r, "deep.allowed.test", 9001), VERDICT_DENY);
    assert_int_equal(opens(r, "evilallowed.test", 8080), VERDICT_DENY);
    assert_int_equal(opens(r, "allowed.test", 8080), VERDICT_DENY);
    assert_int_equal(opens(r, "10.2.0.1", 80), VERDICT_ALLOW);
    assert_int_equal(opens(r, "10.1.0.1", 80), VERDICT_DENY);
    assert_int_equal(opens(r, "10.1.0.1", 81), VERDICT_ALLOW);
    net_rules_free(r);
}

static void deny_beats_allow(void **state)
{
    const struct net_rule allow[] = {{HOST("**.x.test"), PORTS(80, 443, 22)}};
    const struct net_rule deny[] = {
        {HOST("evil.x.test"), .because = (char[]){"known bad"}},
        {HOST("ssh.x.test"), PORTS(22)},
        {HOST("adm.x.test"), .paths = LIST(T("/admin/**"), T("/one"))},
        {HOST("w.x.test"), .methods = LIST(T("POST"))},
        {HOST("93.184.216.0/24")},
    };
    struct policy p = {0};
    struct net_rules *r = rules_of(&p, allow, 1, deny, 5);

    (void)state;
    assert_int_equal(name(r, "evil.x.test"), VERDICT_DENY);
    assert_int_equal(opens(r, "evil.x.test", 22), VERDICT_DENY);
    assert_non_null(strstr(ask(r, NET_STAGE_NAME, "evil.x.test", 0, NULL, NULL).reason, "known bad"));
    assert_int_equal(name(r, "ssh.x.test"), VERDICT_ALLOW);
    assert_int_equal(opens(r, "ssh.x.test", 22), VERDICT_DENY);
    assert_int_equal(opens(r, "ssh.x.test", 443), VERDICT_ALLOW);
    assert_true(ask(r, NET_STAGE_CONNECT, "adm.x.test", 443, NULL, NULL).inspect);
    assert_false(ask(r, NET_STAGE_CONNECT, "ssh.x.test", 443, NULL, NULL).inspect);
    assert_int_equal(sends(r, "adm.x.test", "GET", "/x"), VERDICT_ALLOW);
    assert_int_equal(sends(r, "adm.x.test", "GET", "/admin/x"), VERDICT_DENY);
    assert_int_equal(sends(r, "adm.x.test", "GET", "/ADMIN/x"), VERDICT_DENY);
    assert_int_equal(sends(r, "adm.x.test", "GET", "/%61dmin/x"), VERDICT_DENY);
    assert_int_equal(sends(r, "adm.x.test", "GET", "/x/../admin/x"), VERDICT_DENY);
    assert_int_equal(sends(r, "w.x.test", "POST", "/"), VERDICT_DENY);
    assert_int_equal(sends(r, "w.x.test", "post", "/"), VERDICT_DENY);
    assert_int_equal(sends(r, "w.x.test", "GET", "/"), VERDICT_ALLOW);
    assert_int_equal(sends(r, "adm.x.test", "GET", "/one/"), VERDICT_DENY);
    assert_int_equal(sends(r, "adm.x.test", "GET", "/one"), VERDICT_DENY);
    assert_int_equal(sends(r, "adm.x.test", "GET", "/ones"), VERDICT_ALLOW);
    net_rules_free(r);
}

static void paths_are_judged_and_sent_in_one_form(void **state)
{
    const struct net_rule allow[] = {{HOST("a.test"), .paths = LIST(T("/pub/**"))}, {HOST("b.test")}};
    static const char *const bad[] = {"/",
                                      "/pub",
                                      "/public",
                                      "/pub/../secret",
                                      "/pub/%2e%2e/secret",
                                      "/pub/..%2fsecret",
                                      "//pub/x",
                                      "/pub//x",
                                      "/PUB/x",
                                      "/pub;/x",
                                      "/pub\\x",
                                      "*",
                                      "/x/pub/"};
    struct policy p = {0};
    struct net_rules *r = rules_of(&p, allow, 2, NULL, 0);
    AUTO_BUF struct buf path = {0};
    struct net_answer a;
    struct host h;

    (void)state;
    buf_init(&path, 100);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (sends(r, "a.test", "GET", bad[i]) != VERDICT_DENY)
            fail_msg("%s was allowed", bad[i]);
    assert_true(host_parse("a.test", 6, &h, NULL));
    net_rules_ask(
        r,
        &(struct net_question){
            .stage = NET_STAGE_REQUEST, .host = &h, .port = 80, .method = "PUT", .path = "/pub/%7eb%2a"},
        &a, &path);
    assert_int_equal(a.verdict, VERDICT_ALLOW);
    assert_true(a.restricted && a.inspect);
    assert_string_equal(buf_cstr(&path), "/pub/~b%2A");
    assert_true(host_parse("b.test", 6, &h, NULL));
    path.len = 0;
    net_rules_ask(r,
                  &(struct net_question){
                      .stage = NET_STAGE_REQUEST, .host = &h, .port = 80, .method = "PUT", .path = "/a/../b"},
                  &a, &path);
    assert_int_equal(a.verdict, VERDICT_ALLOW);
    assert_string_equal(buf_cstr(&path), "/a/../b");
    net_rules_free(r);
}

static void presets_only_read_unless_methods_are_named(void **state)
{
    const struct net_rule reads[] = {{.preset = (char[]){"dependencies"}}};
    const struct net_rule writes[] = {{.preset = (char[]){"dependencies"}, .methods = LIST(T("POST"))}};
    const struct net_rule none[] = {{.preset = (char[]){"none"}}};
    struct policy p = {0};
    struct net_rules *r = rules_of(&p, reads, 1, NULL, 0);

    (void)state;
    assert_int_equal(sends(r, "index.crates.io", "GET", "/a/../b"), VERDICT_ALLOW);
    assert_int_equal(sends(r, "index.crates.io", "OPTIONS", "*"), VERDICT_ALLOW);
    assert_int_equal(sends(r, "index.crates.io", "POST", "/"), VERDICT_DENY);
    assert_int_equal(sends(r, "index.crates.io", "CONNECT", "/"), VERDICT_DENY);
    assert_int_equal(opens(r, "index.crates.io", 22), VERDICT_DENY);
    assert_true(ask(r, NET_STAGE_CONNECT, "index.crates.io", 443, NULL, NULL).inspect);
    assert_int_equal(opens(r, "crates.io.evil.test", 443), VERDICT_DENY);
    net_rules_free(r);
    r = rules_of(&p, writes, 1, NULL, 0);
    assert_int_equal(sends(r, "index.crates.io", "POST", "/"), VERDICT_ALLOW);
    assert_int_equal(sends(r, "index.crates.io", "GET", "/"), VERDICT_DENY);
    net_rules_free(r);
    r = rules_of(&p, none, 1, NULL, 0);
    assert_int_equal(opens(r, "index.crates.io", 443), VERDICT_DENY);
    net_rules_free(r);
}

static void registries_of_the_machine_join_dependencies_alone(void **state)
{
    struct preset_registry item = {(char[]){"mirror.test"}, 4873, (char[]){"npm: /home/x/.npmrc"}};
    const struct preset_registries registries = {&item, 1};
    const struct net_rule allow[] = {{.preset = (char[]){"dependencies"}}},
                          docs[] = {{.preset = (char[]){"documentation"}}};
    struct policy p = {.network = {.mode = NET_GUARDED, .allow = (struct net_rule *)allow, .nallow = 1}};
    struct net_rules *r;

    (void)state;
    assert_true(net_rules_make(&p, &registries, &r, NULL));
    assert_int_equal(ask(r, NET_STAGE_REQUEST, "mirror.test", 4873, "GET", "/x").verdict, VERDICT_ALLOW);
    assert_int_equal(ask(r, NET_STAGE_REQUEST, "mirror.test", 4873, "PUT", "/x").verdict, VERDICT_DENY);
    assert_int_equal(opens(r, "mirror.test", 443), VERDICT_DENY);
    net_rules_free(r);
    p.network.allow = (struct net_rule *)docs;
    assert_true(net_rules_make(&p, &registries, &r, NULL));
    assert_int_equal(opens(r, "mirror.test", 4873), VERDICT_DENY);
    net_rules_free(r);
}

static void tls_is_terminated_only_where_a_rule_must_see_inside(void **state)
{
    const struct net_rule allow[] = {
        {HOST("plain.test")},
        {HOST("inspect.test"), .tls = TLS_INSPECT},
        {HOST("pass.test"), .tls = TLS_PASS},
        {HOST("methods.test"), .methods = LIST(T("GET"))},
        {HOST("methods.test"), .methods = LIST(T("PUT"))},
        {HOST("secret.test")},
        {HOST("mixed.test"), .methods = LIST(T("GET"))},
        {HOST("mixed.test")},
    };
    struct secret secret = {.hosts = LIST(T("*.api.test"), T("secret.test"))};
    struct policy p = {.secrets = &secret, .nsecrets = 1, .network.scan = true};
    struct net_rules *r = rules_of(&p, allow, 8, NULL, 0);
    static const struct {
        const char *host;
        bool inspect, ok;
    } cases[] = {{"plain.test", false, true},  {"inspect.test", true, true}, {"pass.test", false, false},
                 {"methods.test", true, true}, {"secret.test", true, true},  {"mixed.test", false, true}};
    struct host h;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct net_answer a = ask(r, NET_STAGE_CONNECT, cases[i].host, 443, NULL, NULL);

        if (a.inspect != cases[i].inspect || a.inspect_ok != cases[i].ok)
            fail_msg("%s", cases[i].host);
    }
    assert_int_equal(sends(r, "methods.test", "PUT", "/"), VERDICT_ALLOW);
    assert_true(host_parse("x.api.test", 10, &h, NULL));
    assert_true(net_rules_secret(r, 0, &h));
    assert_false(net_rules_secret(r, 1, &h));
    net_rules_free(r);
}

static void plain_tcp_and_upgrades_and_watching_need_their_word(void **state)
{
    const struct net_rule allow[] = {
        {HOST("ssh.test"), PORTS(22), .protocol = PROTOCOL_TCP},
        {HOST("ws.test"), .upgrade = true, .max_upload = 10, .upload_rate = 5},
        {HOST("watch.test"), .watch = true},
        {HOST("http.test")},
    };
    struct policy p = {0};
    struct net_rules *r = rules_of(&p, allow, 4, NULL, 0);
    struct net_question q = {
        .stage = NET_STAGE_REQUEST, .port = 80, .method = "GET", .path = "/", .upgrade = true};
    struct net_answer a = ask(r, NET_STAGE_CONNECT, "ssh.test", 22, NULL, NULL);
    struct host h;

    (void)state;
    q.host = &h;
    assert_int_equal(a.protocol, PROTOCOL_TCP);
    assert_true(host_parse("http.test", 9, &h, NULL));
    net_rules_ask(r, &q, &a, NULL);
    assert_int_equal(a.verdict, VERDICT_DENY);
    assert_true(host_parse("ws.test", 7, &h, NULL));
    net_rules_ask(r, &q, &a, NULL);
    assert_int_equal(a.verdict, VERDICT_ALLOW);
    assert_true(a.upgrade);
    assert_int_equal(a.max_upload, 10);
    assert_true(a.inspect && a.upload_rate == 5 && allow[a.paced_by].upload_rate == 5);
    assert_true(host_parse("watch.test", 10, &h, NULL));
    q.upgrade = false;
    net_rules_ask(r, &q, &a, NULL);
    assert_int_equal(a.verdict, VERDICT_DENY);
    q.watched = true;
    net_rules_ask(r, &q, &a, NULL);
    assert_int_equal(a.verdict, VERDICT_ALLOW);
    net_rules_free(r);
}

static enum verdict vet(const struct net_rules *r, const char *host, const char *address)
{
    struct cidr_set own = {0};
    struct cidr c;
    struct net_answer a;
    struct host h, at;

    assert_true(cidr_parse("93.184.216.1", 12, &c, NULL));
    cidr_set_add(&own, &c);
    assert_true(cidr_parse("10.0.0.5", 8, &c, NULL));
    cidr_set_add(&own, &c);
    assert_true(cidr_parse("127.0.0.1", 9, &c, NULL));
    cidr_set_add(&own, &c);
    assert_true(host_parse(host, strlen(host), &h, NULL));
    at = (struct host){.kind = HOST_ADDRESS};
    assert_true(address_parse(address, strlen(address), &at.address));
    net_rules_vet(r, &h, &at.address, 80, &own, &a);
    assert_true(a.rule[0] && a.reason[0]);
    cidr_set_deinit(&own);
    return a.verdict;
}

static void names_may_not_lead_into_refused_ranges(void **state)
{
    const struct net_rule allow[] = {{HOST("**")}, {HOST("0.0.0.0/0")}};
    struct policy p = {0};
    struct net_rules *r = rules_of(&p, allow, 2, NULL, 0);
    static const char *const refused[] = {"127.0.0.1",
                                          "::1",
                                          "0.0.0.0",
                                          "10.1.2.3",
                                          "169.254.169.254",
                                          "93.184.216.1",
                                          "::ffff:127.0.0.1",
                                          "64:ff9b::7f00:1",
                                          "2002:7f00:1::",
                                          "fd00::1",
                                          "224.0.0.1",
                                          "198.18.1.0",
                                          "::ffff:93.184.216.1",
                                          "64:ff9b::5db8:d801"};

    (void)state;
    assert_int_equal(vet(r, "a.test", "93.184.216.66"), VERDICT_ALLOW);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        if (vet(r, "a.test", refused[i]) != VERDICT_DENY)
            fail_msg("%s was allowed", refused[i]);
        if (vet(r, refused[i], refused[i]) != VERDICT_DENY)
            fail_msg("literal %s was allowed", refused[i]);
    }
    net_rules_free(r);
}

static void exceptions_open_what_they_name_and_no_more(void **state)
{
    const struct net_rule allow[] = {{HOST("**")}, {HOST("192.168.1.0/24")}, {HOST("169.254.0.0/16")}};
    const struct net_rule deny[] = {{HOST("10.9.0.0/16")}};
    struct policy p = {.network.addresses =
                           LIST(T("10.0.0.0/8"), T("127.0.0.0/8"), T("169.254.0.0/16"), T("0.0.0.0/8"))};
    struct net_rules *r = rules_of(&p, allow, 3, deny, 1);

    (void)state;
    assert_int_equal(vet(r, "a.test", "10.1.2.3"), VERDICT_ALLOW);
    assert_int_equal(vet(r, "a.test", "::ffff:10.1.2.3"), VERDICT_ALLOW);
    assert_int_equal(vet(r, "a.test", "127.0.0.1"), VERDICT_ALLOW);
    assert_int_equal(vet(r, "a.test", "10.9.2.3"), VERDICT_DENY);
    assert_int_equal(vet(r, "a.test", "10.0.0.5"), VERDICT_DENY);        // this machine
    assert_int_equal(vet(r, "a.test", "169.254.169.254"), VERDICT_DENY); // metadata wants to be named
    assert_int_equal(vet(r, "a.test", "0.0.0.0"), VERDICT_DENY);
    assert_int_equal(vet(r, "a.test", "172.16.0.1"), VERDICT_DENY);
    assert_int_equal(vet(r, "192.168.1.7", "192.168.1.7"), VERDICT_ALLOW);
    assert_int_equal(vet(r, "a.test", "192.168.1.7"), VERDICT_DENY); // a literal entry is not for names
    net_rules_free(r);
    p.network.addresses = (struct policy_list)LIST(T("169.254.169.254"), T("10.0.0.5"));
    r = rules_of(&p, allow, 1, NULL, 0);
    assert_int_equal(vet(r, "a.test", "169.254.169.254"), VERDICT_ALLOW);
    assert_int_equal(vet(r, "a.test", "10.0.0.5"), VERDICT_ALLOW);
    net_rules_free(r);
}

static void what_cannot_be_held_is_an_error(void **state)
{
    const struct net_rule bad[] = {
        {HOST("a.test"), .tls = TLS_PASS, .methods = LIST(T("GET"))},
        {HOST("a.test"), .tls = TLS_PASS, .paths = LIST(T("/x"))},
        {.preset = (char[]){"dependencies"}, .tls = TLS_PASS},
        {HOST("a.test"), .protocol = PROTOCOL_TCP, .methods = LIST(T("GET"))},
        {HOST("a.test"), .protocol = PROTOCOL_TCP, .tls = TLS_INSPECT},
        {HOST("a.test"), .paths = LIST(T("/a/../b"))},
        {HOST("a.test"), .preset = (char[]){"none"}},
        {HOST("10.0.0.1/8")},
        {HOST("127.1")},
        {.preset = (char[]){"dependency"}},
        {0},
    };
    struct policy p = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct net_rules *r = NULL;
        struct err err = {0};

        p.network.mode = NET_GUARDED;
        p.network.allow = (struct net_rule *)&bad[i];
        p.network.nallow = 1;
        if (net_rules_make(&p, NULL, &r, &err))
            fail_msg("rule %zu was taken", i);
        assert_true(strstr(err.msg, "network.allow") != NULL);
    }
}

static void a_deny_that_must_see_closes_what_lets_nothing_be_seen(void **state)
{
    const struct net_rule allow[] = {{HOST("a.test"), .tls = TLS_PASS},
                                     {HOST("b.test"), PORTS(22), .protocol = PROTOCOL_TCP}};
    const struct net_rule deny[] = {{HOST("**.test"), .methods = LIST(T("POST"))}};
    struct policy p = {0};
    struct net_rules *r = rules_of(&p, allow, 2, deny, 1);

    (void)state;
    assert_int_equal(opens(r, "a.test", 443), VERDICT_DENY);
    assert_int_equal(opens(r, "b.test", 22), VERDICT_DENY);
    net_rules_free(r);
}

static void risks_of_addresses_are_named(void **state)
{
    const struct net_rule allow[] = {{HOST("*.a.test")},
                                     {HOST("b.test"), .methods = LIST(T("GET"))},
                                     {HOST("10.0.0.0/8"), .methods = LIST(T("GET"))}};
    struct policy p = {0};
    struct net_rules *r = rules_of(&p, allow, 3, NULL, 0);
    AUTO_BUF struct buf b = {0};

    (void)state;
    buf_init(&b, 10000);
    net_rules_address_risks(r, &b);
    assert_null(strstr(buf_cstr(&b), ".test"));
    assert_non_null(
        strstr(buf_cstr(&b), "10.0.0.0/8 (built in): an address of this machine's own surroundings"));
    net_rules_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_allowed_by_nothing),
        cmocka_unit_test(an_unlisted_host_is_asked_about_when_somebody_can_answer),
        cmocka_unit_test(ports_are_80_and_443_unless_named),
        cmocka_unit_test(the_most_specific_host_counts_alone),
        cmocka_unit_test(deny_beats_allow),
        cmocka_unit_test(paths_are_judged_and_sent_in_one_form),
        cmocka_unit_test(presets_only_read_unless_methods_are_named),
        cmocka_unit_test(registries_of_the_machine_join_dependencies_alone),
        cmocka_unit_test(tls_is_terminated_only_where_a_rule_must_see_inside),
        cmocka_unit_test(plain_tcp_and_upgrades_and_watching_need_their_word),
        cmocka_unit_test(names_may_not_lead_into_refused_ranges),
        cmocka_unit_test(exceptions_open_what_they_name_and_no_more),
        cmocka_unit_test(what_cannot_be_held_is_an_error),
        cmocka_unit_test(a_deny_that_must_see_closes_what_lets_nothing_be_seen),
        cmocka_unit_test(risks_of_addresses_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
