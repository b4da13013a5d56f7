// SPDX-License-Identifier: Apache-2.0
// Profiles that are files: those of the build, those of the user, and how they stand on each other.
#include "scene.h"

#include <string.h>

#include "policy/profile.h"

static const struct policy_options codex = {.profile = "agent:codex"}, mine = {.profile = "agent:mine"};

static void every_profile_of_the_build_loads(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    for (const struct profile_text *t = profile_texts; t->name; t++) {
        struct policy_options o = {.profile = (char *)(uintptr_t)t->name};

        if (!scene_load(&s, &o))
            fail_msg("%s: %s", t->name, s.err.msg);
        assert_string_equal(s.policy->profile, t->name);
        assert_int_equal(s.policy->network.mode, NET_GUARDED);
        assert_true(s.policy->nsecrets > 0);
        assert_int_equal(s.notes.len, 0);
        for (size_t i = 0; i < s.policy->nsecrets; i++) {
            const struct secret *secret = &s.policy->secrets[i];

            // A credential that is not there stops no run, and nobody else's goes to its hosts.
            assert_true(secret->optional && secret->only && !secret->cleartext);
            for (size_t k = 0; k < secret->hosts.n; k++)
                assert_null(strchr(secret->hosts.items[k].text, '*'));
        }
        for (size_t i = 0; i < s.policy->network.nallow; i++) {
            const struct net_rule *r = &s.policy->network.allow[i];
            bool writes = !r->methods.n;

            for (size_t k = 0; k < r->methods.n; k++)
                writes |= strcmp(r->methods.items[k].text, "GET") != 0 &&
                          strcmp(r->methods.items[k].text, "HEAD") != 0;
            // What takes uploads is named host by host and path by path.
            assert_null(strchr(r->host, '*'));
            assert_true(!writes || r->paths.n);
        }
        assert_true(scene_rules(&s, NULL));
    }
    scene_deinit(&s);
}

static void each_line_says_where_it_is_from(void **state)
{
    struct scene s;
    AUTO_BUF struct buf text;

    (void)state;
    scene_init(&s);
    buf_init(&text, 1 << 20);
    assert_true(scene_load(&s, &codex));
    policy_write(s.policy, true, &text);
    assert_has(buf_cstr(&text), "# profile agent:codex:");
    assert_has(buf_cstr(&text), "# profile workspace");
    scene_deinit(&s);
}

static void a_profile_of_the_users_is_found_and_stands_on_others(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/.config/bawn/profiles/agent-base.yaml",
                "extends: read-only\nenv: {set: {A: \"1\", B: \"1\"}}\n");
    scene_write(&s, "home/.config/bawn/profiles/agent-mine.yaml",
                "extends: agent:base\nenv: {set: {B: \"2\"}}\n");
    if (!scene_load(&s, &mine))
        fail_msg("%s", s.err.msg);
    assert_list(&s.policy->env.set, "A=1 B=2");
    assert_list(&s.policy->files.write, "@tmp @home");
    assert_has(s.policy->env.set.items[1].from.file, "/profiles/agent-mine.yaml");
    scene_deinit(&s);
}

static void one_of_the_users_may_stand_on_the_built_in_one_of_its_name(void **state)
{
    struct scene s;
    size_t before;

    (void)state;
    scene_init(&s);
    assert_true(scene_load(&s, &codex));
    before = s.policy->network.nallow;
    scene_write(&s, "home/.config/bawn/profiles/agent-codex.yaml",
                "extends: agent:codex\nnetwork: {allow+: [{host: example.org}]}\n");
    if (!scene_load(&s, &codex))
        fail_msg("%s", s.err.msg);
    assert_int_equal(s.policy->network.nallow, before + 1);
    scene_deinit(&s);
}

static void a_policy_extends_one_and_adds(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    assert_true(scene_load_file(&s, "extends: agent:claude\nfiles: {write+: [~/notes]}\n", NULL));
    assert_string_equal(s.policy->profile, "agent:claude");
    assert_list(&s.policy->files.write, ". @tmp @home ~/notes");
    scene_deinit(&s);
}

static void what_is_missing_or_stands_on_itself_is_told(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    assert_false(scene_load(&s, &mine));
    assert_int_equal(s.err.kind, ERR_UNSUPPORTED);
    assert_has(s.err.msg, "there is no profile agent:mine");
    assert_has(s.err.msg, "agent:codex");
    assert_has(s.err.msg, "/.config/bawn/profiles/agent-mine.yaml");
    scene_write(&s, "home/.config/bawn/profiles/agent-mine.yaml", "extends: agent:other\n");
    scene_write(&s, "home/.config/bawn/profiles/agent-other.yaml", "extends: agent:mine\n");
    assert_false(scene_load(&s, &mine));
    assert_has(s.err.msg, "does one stand on itself?");
    scene_write(&s, "home/.config/bawn/profiles/agent-mine.yaml", "fiels: {}\n");
    assert_false(scene_load(&s, &mine));
    assert_int_equal(s.err.kind, ERR_INPUT);
    assert_has(s.err.msg, "agent-mine.yaml:1:1: fiels: unknown key");
    scene_deinit(&s);
}

static void an_untrusted_project_gets_nothing_of_a_profile(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, SCENE_WORKSPACE "/bawn.yaml", "extends: agent:codex\n");
    if (!scene_load(&s, NULL))
        fail_msg("%s", s.err.msg);
    assert_int_equal(s.policy->network.mode, NET_OFF);
    assert_int_equal(s.policy->nsecrets, 0);
    assert_int_equal(s.policy->files.ninside, 0);
    assert_int_equal(s.policy->files.state.n, 0);
    scene_deinit(&s);
}

static void what_a_profile_reads_and_is_not_there_grants_nothing(void **state)
{
    struct scene s;
    bool seen = false;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/.codex/prompts/x.md", "");
    assert_true(scene_load(&s, &codex) && scene_rules(&s, NULL));
    for (size_t i = 0; i < s.rules.n; i++) {
        if (s.rules.rules[i].grant != GRANT_READ)
            continue;
        seen |= !strcmp(s.rules.rules[i].text, "~/.codex/prompts");
        assert_string_not_equal(s.rules.rules[i].text, "~/.codex/skills");
    }
    assert_true(seen);
    scene_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_profile_of_the_build_loads),
        cmocka_unit_test(each_line_says_where_it_is_from),
        cmocka_unit_test(a_profile_of_the_users_is_found_and_stands_on_others),
        cmocka_unit_test(one_of_the_users_may_stand_on_the_built_in_one_of_its_name),
        cmocka_unit_test(a_policy_extends_one_and_adds),
        cmocka_unit_test(what_is_missing_or_stands_on_itself_is_told),
        cmocka_unit_test(an_untrusted_project_gets_nothing_of_a_profile),
        cmocka_unit_test(what_a_profile_reads_and_is_not_there_grants_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
