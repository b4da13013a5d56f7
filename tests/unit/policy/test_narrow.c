// SPDX-License-Identifier: Apache-2.0
// Intersections: of paths and sets, and of lists of network rules.
#include "../test.h"

#include <string.h>

#include "base/buf.h"
#include "policy/hosts.h"
#include "policy/narrow.h"
#include "policy/read.h"

static const struct narrow_by *by(struct arena *a)
{
    static struct narrow_by b;

    b = (struct narrow_by){.arena = a, .workspace = "/home/u/w", .home = "/home/u"};
    return &b;
}

static void paths_meet_in_the_narrower(void **state)
{
    static const struct {
        const char *a, *b, *want;
    } cases[] = {
        {".", ".", "."},
        {".", "src", "src"},
        {"src", ".", "src"},
        {"~", ".", "."},
        {"/", "~/x", "~/x"},
        {"/home/u/w/a", "a", "/home/u/w/a"},
        {"src", "srcx", NULL},
        {"../w/src", ".", "../w/src"},
        {"@system", "/usr/lib", "/usr/lib"},
        {"/usr", "@system", "/usr"},
        {"/", "@system", "@system"},
        {"@system", "/home", NULL},
        {"/srv", "@system", NULL},
        {"@home", "~", "@home"},
        {"/home", "@home", "@home"},
        {"@home", "~/x", NULL},
        {"@toolchains", "~/.cargo", NULL},
        {"@caches", "/", "@caches"},
        {"@tmp", "/", "@tmp"},
        {"@tmp", "/tmp", NULL}, // all of the set must be in the other: /var/tmp is not
        {"@tmp", "@home", NULL},
        {"@program", "~", NULL}, // it may lie anywhere
        {"@program", "/", "@program"},
    };
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *got = narrow_path(by(&arena), cases[i].a, cases[i].b);

        if (!got != !cases[i].want || (got && strcmp(got, cases[i].want) != 0))
            fail_msg("%s and %s: %s", cases[i].a, cases[i].b, got ? got : "nothing");
        got = narrow_path(by(&arena), cases[i].b, cases[i].a);
        if (!got != !cases[i].want)
            fail_msg("not the same the other way: %s and %s", cases[i].b, cases[i].a);
    }
    arena_deinit(&arena);
}

static struct value *rules(struct arena *a, const char *text)
{
    struct read_source source = {.file = "t", .dir = "/", .workspace = "/", .home = NULL};
    char *doc = arena_printf(a, "network: {allow: [%s]}", text);
    struct value *tree = NULL;
    struct err err = {0};

    if (!read_layer(a, &source, doc, strlen(doc), &tree, &err))
        fail_msg("%s", err.msg);
    return value_at(tree, "network.allow");
}

static void put(struct buf *out, const struct value *v)
{
    for (const struct value *c = v->first; c; c = c->next) {
        if (c->key)
            buf_addf(out, "%s=", c->key);
        if (c->kind == VALUE_SCALAR)
            buf_adds(out, c->text);
        else
            put(out, c);
        if (c->next)
            buf_addc(out, v->kind == VALUE_MAP ? ' ' : c->kind == VALUE_MAP ? ';' : ',');
    }
}

static void rules_meet_where_both_admit(void **state)
{
    static const struct {
        const char *a, *b, *want;
    } cases[] = {
        {"{host: a.org}", "{host: a.org}", "host=a.org"},
        {"{host: a.org}", "{host: b.org}", ""},
        {"{host: \"*.a.org\"}", "{host: x.a.org}", "host=x.a.org"},
        {"{host: x.a.org}", "{host: \"**.a.org\"}", "host=x.a.org"},
        {"{host: \"*.a.org\"}", "{host: a.org}", ""},
        {"{host: \"**.a.org\"}", "{host: \"*.a.org\"}", "host=*.a.org"},
        {"{host: 10.0.0.0/8}", "{host: 10.1.0.0/16}", "host=10.1.0.0/16"},
        {"{host: 10.0.0.0/8}", "{host: 11.0.0.1}", ""},
        {"{host: fd00::/8}", "{host: \"fd00::1\"}", "host=fd00::1"},
        {"{host: a.org, ports: [443, 8443]}", "{host: a.org}", "host=a.org ports=443"},
        {"{host: a.org, ports: [8443]}", "{host: a.org}", ""},
        {"{host: a.org, methods: [GET, POST]}", "{host: a.org, methods: [POST, PUT]}",
         "host=a.org methods=POST"},
        {"{host: a.org, methods: [GET]}", "{host: a.org}", "host=a.org methods=GET"},
        {"{host: a.org, methods: [GET]}", "{host: a.org, methods: [PUT]}", ""},
        {"{host: a.org, paths: [/pub/**]}", "{host: a.org, paths: [/pub/x, /other]}",
         "host=a.org paths=/pub/x"},
        {"{host: a.org, protocol: tcp}", "{host: a.org}", ""},
        {"{host: a.org, upgrade: true}", "{host: a.org}", "host=a.org"},
        {"{host: a.org, upgrade: true}", "{host: a.org, upgrade: true}", "host=a.org upgrade=true"},
        {"{host: a.org}", "{host: a.org, watch: true}", "host=a.org watch=true"},
        {"{host: a.org, tls: pass}", "{host: a.org}", "host=a.org"},
        {"{host: a.org, tls: pass}", "{host: a.org, tls: inspect}", "host=a.org tls=inspect"},
        {"{host: a.org, max_upload: 2M}", "{host: a.org, max_upload: 1M}", "host=a.org max_upload=1M"},
        {"{host: a.org, max_upload: 1K}", "{host: a.org}", "host=a.org max_upload=1K"},
        {"{host: a.org, upload_rate: 2K}", "{host: a.org, upload_rate: 1K}", "host=a.org upload_rate=1K"},
        {"{host: a.org, upload_rate: none}", "{host: a.org, upload_rate: 1K}", "host=a.org upload_rate=1K"},
        {"{preset: dependencies}", "{preset: dependencies}", "preset=dependencies"},
        {"{preset: dependencies, methods: [GET, POST]}", "{preset: dependencies}",
         "preset=dependencies methods=GET"},
        {"{preset: dependencies}", "{host: a.org}", ""},
        {"{host: x.a.org}", "{host: \"*.a.org\", methods: [GET]}, {host: x.a.org, methods: [POST]}",
         "host=x.a.org methods=POST"},
        // A more specific entry decides alone, so the wide one must not come back in for its host.
        {"{host: \"*.a.org\", methods: [GET]}, {host: x.a.org, methods: [POST]}", "{host: x.a.org}",
         "host=x.a.org methods=POST"},
        {"{host: \"*.a.org\"}", "{host: \"*.a.org\", methods: [GET]}, {host: x.a.org, methods: [POST]}",
         "host=*.a.org methods=GET;host=x.a.org methods=POST"},
        {"{host: \"*.a.org\", methods: [GET]}, {host: x.a.org, methods: [POST]}",
         "{host: \"*.a.org\"}, {host: x.a.org}", "host=*.a.org methods=GET;host=x.a.org methods=POST"},
        {"{host: x.a.org, methods: [POST]}, {host: \"*.a.org\", methods: [GET]}",
         "{host: \"*.a.org\", methods: [GET, POST]}", "host=x.a.org methods=POST;host=*.a.org methods=GET"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_ARENA struct arena arena = {0};
        AUTO_BUF struct buf out;

        buf_init(&out, 1 << 16);
        put(&out, narrow_rules(by(&arena), rules(&arena, cases[i].a), rules(&arena, cases[i].b)));
        if (strcmp(buf_cstr(&out), cases[i].want) != 0)
            fail_msg("%s\nand %s\ngive \"%s\", not \"%s\"", cases[i].a, cases[i].b, buf_cstr(&out),
                     cases[i].want);
    }
}

static const char *narrowed(struct arena *a, const char *base, const char *cap, bool trusted)
{
    struct read_source source = {.layer = LAYER_FILE, .file = "t", .dir = "/", .workspace = "/home/u/w"};
    struct value *b = NULL, *c = NULL;
    struct strlist dropped = {0};
    struct narrow_by n = *by(a);
    bool profile = false;
    struct err err = {0};
    struct buf out;

    if (!read_layer(a, &source, base, strlen(base), &b, &err) ||
        !read_layer(a, &source, cap, strlen(cap), &c, &err))
        fail_msg("%s", err.msg);
    n.trusted = trusted;
    n.dropped = &dropped;
    n.profile_dropped = &profile;
    narrow(&n, b, c);
    buf_init(&out, 1 << 16);
    put(&out, b);
    {
        const char *text = arena_strdup(a, buf_cstr(&out));

        buf_deinit(&out);
        strlist_deinit(&dropped);
        return text;
    }
}

static void keys_narrow_as_the_schema_says(void **state)
{
    static const struct {
        const char *base, *cap, *want;
    } cases[] = {
        {"network: {mode: open}", "network: {mode: guarded, allow: [{host: a.org}]}",
         "network=mode=guarded allow=host=a.org"},
        {"network: {mode: open}", "network: {mode: open}", "network=mode=open"},
        {"network: {allow: [{host: a.org}, {host: b.org}]}",
         "network: {allow: [{host: b.org}, {host: c.org}]}", "network=allow=host=b.org mode=guarded"},
        {"network: {allow: [{host: a.org}]}", "network: {allow+: [{host: c.org}]}",
         "network=allow=host=a.org mode=guarded"},
        {"network: {deny: [{host: a.org}]}", "network: {deny: [{host: b.org}, {host: a.org}]}",
         "network=deny=host=a.org;host=b.org"},
        {"network: {ask: true}", "network: {ask: false}", "network=ask=false"},
        {"network: {scan: true}", "network: {scan: false}", "network=scan=true"},
        {"network: {addresses: [10.0.0.0/8]}", "network: {addresses: [10.1.0.0/16, 192.168.0.0/16]}",
         "network=addresses=10.1.0.0/16"},
        {"network: {publish: [80, 81]}", "network: {publish: [81, 82]}", "network=publish=81"},
        {"env: {pass: [LC_*, A, B*]}", "env: {pass: [LC_ALL, A, BC*, D]}", "env=pass=LC_ALL,A,BC*"},
        {"overlay: off", "overlay: review", "overlay=review"},
        {"overlay: review", "overlay: commit", "overlay=review"},
        {"approval: {mode: every}", "approval: {mode: edge}", "approval=mode=every"},
        {"packages: {younger_than: 7d, known_bad: ask}", "packages: {younger_than: 1d, known_bad: deny}",
         "packages=younger_than=7d known_bad=deny"},
        {"packages: {known_bad: ask}", "packages: {near_name: deny, younger_than: 1d}",
         "packages=known_bad=ask near_name=deny younger_than=1d"},
        {"limits: {wall: 1h}", "limits: {wall: none}", "limits=wall=1h"},
        {"limits: {wall: none}", "limits: {wall: 1h}", "limits=wall=1h"},
        {"limits: {}", "limits: {memory: 1G}", "limits=memory=1G"},
        {"commands: []", "commands: [{match: [rm], decision: deny}, {match: [git], decision: allow}]",
         "commands=match=rm decision=deny"},
        {"flow: {after_untrusted: {methods: [GET, POST], new_hosts: ask}}",
         "flow: {after_untrusted: {methods: [GET, PUT], new_hosts: allow}}",
         "flow=after_untrusted=methods=GET new_hosts=ask"},
        {"nested: true", "nested: false", "nested=false"},
        {"files: {strict: true}", "files: {strict: false}", "files=strict=true"},
        {"monitor: {model: a}", "monitor: {model: b}", "monitor=model=a"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_ARENA struct arena arena = {0};
        const char *got = narrowed(&arena, cases[i].base, cases[i].cap, false);

        if (strcmp(got, cases[i].want) != 0)
            fail_msg("%s\nnarrowed by %s\ngives \"%s\", not \"%s\"", cases[i].base, cases[i].cap, got,
                     cases[i].want);
    }
}

static void a_trusted_cap_also_sets_what_does_not_narrow(void **state)
{
    AUTO_ARENA struct arena arena = {0};

    (void)state;
    assert_string_equal(
        narrowed(&arena, "monitor: {model: a}\nnested: true", "monitor: {model: b}\nnested: false", true),
        "monitor=model=b nested=false");
}

static void hosts_cover_by_label(void **state)
{
    (void)state;
    assert_true(host_covers("a.org", "a.org"));
    assert_true(host_covers("**.a.org", "a.org"));
    assert_true(host_covers("**.a.org", "*.a.org"));
    assert_true(host_covers("*.a.org", "x.y.a.org"));
    assert_true(host_covers("*.a.org", "*.x.a.org"));
    assert_true(host_covers("*.a.org", "**.x.a.org"));
    assert_false(host_covers("*.a.org", "**.a.org"));
    assert_false(host_covers("*.a.org", "xa.org"));
    assert_false(host_covers("a.org", "*.a.org"));
    assert_true(host_covers("10.0.0.0/8", "10.255.0.0/16"));
    assert_false(host_covers("10.0.0.0/16", "10.0.0.0/8"));
    assert_false(host_covers("0.0.0.0/0", "::1"));
    assert_false(host_covers("*.0.1", "10.0.0.1"));
    assert_true(host_specificity("a.org") > host_specificity("*.a.org"));
    assert_true(host_specificity("*.x.a.org") > host_specificity("*.a.org"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_meet_in_the_narrower),
        cmocka_unit_test(rules_meet_where_both_admit),
        cmocka_unit_test(keys_narrow_as_the_schema_says),
        cmocka_unit_test(a_trusted_cap_also_sets_what_does_not_narrow),
        cmocka_unit_test(hosts_cover_by_label),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
