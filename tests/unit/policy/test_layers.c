// SPDX-License-Identifier: Apache-2.0
// What comes of several layers: which wins, what appends, what an untrusted or a managed file can do.
#include "scene.h"

#include <string.h>
#include <sys/stat.h>

#include "policy/trust.h"

static void trust_workspace(struct scene *s, const char *text)
{
    AUTO_FREE char *path = xasprintf("%s/bawn.yaml", s->workspace);

    scene_write(s, "home/work/bawn.yaml", text);
    assert_true(trust_add(s->state_dir, path, text, strlen(text), NULL));
}

static void load(struct scene *s, const struct policy_options *o)
{
    if (!scene_load(s, o))
        fail_msg("%s", s->err.msg);
}

static void no_file_at_all_is_the_workspace_profile(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    load(&s, NULL);
    assert_string_equal(s.policy->profile, "workspace");
    assert_list(&s.policy->files.read, "@system @toolchains .");
    assert_list(&s.policy->files.write, ". @tmp @home");
    assert_list(&s.policy->files.deny, "@secrets");
    assert_list(&s.policy->files.protect, "@hooks");
    assert_int_equal(s.policy->network.mode, NET_OFF);
    assert_int_equal(s.policy->approval.mode, APPROVAL_EDGE);
    assert_null(s.policy->approval.reviewer);
    assert_int_equal(s.policy->approval.timeout_ms, 120000);
    assert_int_equal(s.policy->degrade, DEGRADE_REFUSE);
    assert_int_equal(s.policy->limits.wall_ms, 0);
    assert_true(s.policy->network.ask && s.policy->network.scan);
    assert_int_equal(s.notes.len, 0);
    scene_deinit(&s);
}

static void every_value_lands_in_the_model(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    assert_true(scene_load_file(&s,
                                "version: 1\nextends: read-only\ndegrade: allow\nnested: true\n"
                                "files: {strict: true}\nenv: {pass: [LC_*, A], set: {CI: \"1\", E: \"\"}}\n"
                                "limits: {wall: 1500ms, cpu: 1.5, memory: 4G, processes: 512, disk: 10G,\n"
                                "  open_files: 4096, output: 64M}\n"
                                "approval: {mode: never, reviewer: tty, timeout: 30s}\n",
                                NULL));
    assert_string_equal(s.policy->profile, "read-only");
    assert_list(&s.policy->files.write, "@tmp @home");
    assert_int_equal(s.policy->degrade, DEGRADE_ALLOW);
    assert_true(s.policy->nested && s.policy->files.strict);
    assert_list(&s.policy->env.pass, "LC_* A");
    assert_list(&s.policy->env.set, "CI=1 E=");
    assert_int_equal(s.policy->limits.wall_ms, 1500);
    assert_true(s.policy->limits.cpu > 1.49 && s.policy->limits.cpu < 1.51);
    assert_true(s.policy->limits.memory == UINT64_C(4) << 30 && s.policy->limits.disk == UINT64_C(10) << 30);
    assert_int_equal(s.policy->limits.processes, 512);
    assert_int_equal(s.policy->limits.open_files, 4096);
    assert_int_equal(s.policy->limits.output, 64 << 20);
    assert_int_equal(s.policy->approval.mode, APPROVAL_NEVER);
    assert_string_equal(s.policy->approval.reviewer, "tty");
    assert_int_equal(s.policy->approval.timeout_ms, 30000);
    scene_deinit(&s);
}

static void json_is_read_as_well(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/work/bawn.json",
                "{\n\t\"version\": 1,\n\t\"limits\": {\"wall\": \"30m\", \"cpu\": 2}\n}\n");
    load(&s, NULL);
    assert_int_equal(s.policy->limits.wall_ms, 1800000);
    scene_write(&s, "home/work/bawn.yaml", "version: 1\n");
    assert_false(scene_load(&s, NULL));
    assert_has(s.err.msg, "are both there; keep one of them");
    scene_deinit(&s);
}

static void higher_layers_win_and_plus_appends(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(
        &s, "home/.config/bawn/policy.yaml",
        "files: {read: [\"@system\", /srv]}\nlimits: {wall: 1h, memory: 1G}\nenv: {set: {A: u, B: u}}\n");
    trust_workspace(&s, "files: {read+: [/data]}\nlimits: {wall: 2h}\nenv: {set: {B: w}}\n");
    load(&s, NULL);
    assert_list(&s.policy->files.read, "@system /srv /data");
    assert_int_equal(s.policy->limits.wall_ms, 7200000);
    assert_true(s.policy->limits.memory == UINT64_C(1) << 30);
    assert_list(&s.policy->env.set, "A=u B=w");
    assert_int_equal(s.policy->files.read.items[2].from.layer, LAYER_WORKSPACE);
    assert_int_equal(s.policy->files.read.items[2].from.line, 1);
    scene_deinit(&s);
}

static void the_highest_extends_wins(void **state)
{
    struct policy_options o = {.profile = "open"};
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/.config/bawn/policy.yaml", "extends: read-only\nlimits: {wall: 1h}\n");
    load(&s, NULL);
    assert_string_equal(s.policy->profile, "read-only");
    assert_list(&s.policy->files.write, "@tmp @home");
    trust_workspace(&s, "extends: mcp\n");
    load(&s, NULL);
    assert_string_equal(s.policy->profile, "mcp");
    assert_int_equal(s.policy->limits.wall_ms, 3600000);
    load(&s, &o);
    assert_string_equal(s.policy->profile, "open");
    assert_int_equal(s.policy->network.mode, NET_OPEN);
    scene_deinit(&s);
}

static void options_append_and_set_dotted_keys(void **state)
{
    char *set[] = {"limits.wall=30m", "env.set.E=", "files.protect+=[keep]", "network.mode=open"};
    char *read[] = {"/srv"}, *write[] = {"/data"}, *deny[] = {"**/.env"}, *env[] = {"A=b=c", "PASS"};
    struct policy_options o = {.set = {set, 4, 4},
                               .read = {read, 1, 1},
                               .write = {write, 1, 1},
                               .deny = {deny, 1, 1},
                               .env = {env, 2, 2},
                               .ask = "never",
                               .reviewer = "none"};
    struct scene s;

    (void)state;
    scene_init(&s);
    load(&s, &o);
    assert_list(&s.policy->files.read, "@system @toolchains . /srv");
    assert_list(&s.policy->files.write, ". @tmp @home /data");
    assert_list(&s.policy->files.deny, "@secrets **/.env");
    assert_list(&s.policy->files.protect, "@hooks keep");
    assert_list(&s.policy->env.set, "E= A=b=c");
    assert_has(s.policy->env.pass.items[s.policy->env.pass.n - 1].text, "PASS");
    assert_int_equal(s.policy->limits.wall_ms, 1800000);
    assert_int_equal(s.policy->approval.mode, APPROVAL_NEVER);
    assert_string_equal(s.policy->files.read.items[3].from.file, "--read");
    assert_has(buf_cstr(&s.notes), "risk: network.mode open (--set network.mode=open)");
    scene_deinit(&s);
}

static void bad_options_name_the_option(void **state)
{
    static const struct {
        const char *set, *message;
    } cases[] = {
        {"limits.wal=3m", "--set limits.wal=3m: limits.wal: unknown key; did you mean \"wall\"? known here: "
                          "wall, after_input, cpu, "
                          "memory, processes, disk, open_files, output"},
        {"limits.wall=x",
         "--set limits.wall=x: limits.wall: \"x\" is not a duration; write a whole number with ms, s, m, "
         "h or d, like 30m"},
        {"nothing", "--set nothing: write KEY=VALUE, like limits.wall=30m"},
        {"files.read=[a",
         "--set files.read=[a: in the value: 2:1: did not find expected ',' or ']', while parsing a flow "
         "sequence"},
    };
    struct scene s;

    (void)state;
    scene_init(&s);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *set[] = {(char *)(uintptr_t)cases[i].set};
        struct policy_options o = {.set = {set, 1, 1}};

        assert_false(scene_load(&s, &o));
        assert_string_equal(s.err.msg, cases[i].message);
    }
    {
        char *set[] = {"network.mode=open"}, *allow[] = {"a.org:8443,GET"};
        struct policy_options o = {.set = {set, 1, 1}, .allow = {allow, 1, 1}};

        assert_false(scene_load(&s, &o));
        assert_string_equal(
            s.err.msg, "--allow means network.mode guarded, but --set network.mode=open says open; leave "
                       "one out");
        o.set.n = 0;
        assert_true(scene_load(&s, &o));
        assert_int_equal(s.policy->network.mode, NET_GUARDED);
        allow[0] = "https://a.org/";
        assert_false(scene_load(&s, &o));
        assert_has(s.err.msg, "\"https://a.org/\" is a URL; write the host alone");
    }
    scene_deinit(&s);
}

static void minus_p_stands_in_for_user_and_workspace(void **state)
{
    struct policy_options o = {.file = "/nonexistent/policy.yaml"};
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/.config/bawn/policy.yaml", "limits: {wall: 1h}\n");
    scene_write(&s, "home/work/bawn.yaml", "no such key: 1\n"); // not even read
    assert_true(scene_load_file(&s, "limits: {memory: 1G}\n", NULL));
    assert_int_equal(s.policy->limits.wall_ms, 0);
    assert_true(s.policy->limits.memory == UINT64_C(1) << 30);
    assert_false(scene_load(&s, &o));
    assert_string_equal(s.err.msg, "the policy /nonexistent/policy.yaml does not exist");
    scene_deinit(&s);
}

static void a_policy_that_is_no_regular_file_is_an_error(void **state)
{
    AUTO_FREE char *fifo = NULL;
    struct scene s;

    (void)state;
    scene_init(&s);
    fifo = xasprintf("%s/bawn.yaml", s.workspace);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_false(scene_load(&s, NULL));
    assert_has(s.err.msg, "is not a regular file");
    scene_deinit(&s);
}

static void an_untrusted_file_cannot_loosen_and_one_note_says_so(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/work/bawn.yaml",
                "degrade: allow\nnested: true\nas_root: true\n"
                "files: {read: [\"@system\", /srv, src], write: [., /srv], deny: [], protect: []}\n"
                "network: {mode: open, ca: [x.pem], proxy_env: true}\n"
                "env: {pass: [LC_ALL, AWS_SECRET], set: {LD_PRELOAD: x}}\n"
                "secrets: {T: {from: \"env:T\", hosts: [a.org], header: A}}\n"
                "approval: {mode: edge, reviewer: none, timeout: 1h}\noverlay: off\n");
    load(&s, NULL);
    assert_int_equal(s.policy->degrade, DEGRADE_REFUSE);
    assert_false(s.policy->nested || s.policy->as_root || s.policy->network.proxy_env);
    assert_list(&s.policy->files.read, "@system src");
    assert_list(&s.policy->files.write, ".");
    assert_list(&s.policy->files.deny, "@secrets");
    assert_list(&s.policy->files.protect, "@hooks");
    assert_int_equal(s.policy->network.mode, NET_OFF);
    assert_list(&s.policy->network.ca, "");
    assert_list(&s.policy->env.pass, "LC_ALL");
    assert_list(&s.policy->env.set, "");
    assert_int_equal(s.policy->nsecrets, 0);
    assert_null(s.policy->approval.reviewer);
    assert_int_equal(s.policy->approval.timeout_ms, 120000);
    assert_has(
        buf_cstr(&s.notes),
        "/work/bawn.yaml is not trusted, so it can only narrow; without effect: degrade allow, nested true, "
        "as_root "
        "true, files.read /srv, files.write /srv, network.mode open, network.ca, network.proxy_env, env.pass "
        "AWS_SECRET, env.set, secrets, approval.reviewer, approval.timeout 1h; `bawn trust` shows it and "
        "asks\n");
    assert_ptr_equal(strchr(buf_cstr(&s.notes), '\n'), s.notes.ptr + s.notes.len - 1); // one line
    scene_deinit(&s);
}

static void an_untrusted_file_narrows(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/.config/bawn/policy.yaml",
                "degrade: allow\nnested: true\nfiles: {read+: [/srv, ~/docs]}\n"
                "network: {mode: open}\nlimits: {wall: 1h, cpu: 4}\n");
    scene_write(&s, "home/work/bawn.yaml",
                "degrade: refuse\nnested: false\nfiles: {read: [\"@system\", /srv/a, ~], write: [src], deny: "
                "[\"**/.env\"], "
                "protect: [Makefile], strict: true}\n"
                "network: {mode: off}\nlimits: {wall: 10m, cpu: 8, memory: 1G}\napproval: {mode: never, "
                "timeout: 5s}\n");
    load(&s, NULL);
    assert_int_equal(s.policy->degrade, DEGRADE_REFUSE);
    assert_false(s.policy->nested);
    assert_list(&s.policy->files.read, "@system @toolchains . /srv/a ~/docs");
    assert_list(&s.policy->files.write, "src");
    assert_list(&s.policy->files.deny, "@secrets **/.env");
    assert_list(&s.policy->files.protect, "@hooks Makefile");
    assert_true(s.policy->files.strict);
    assert_int_equal(s.policy->network.mode, NET_OFF);
    assert_int_equal(s.policy->limits.wall_ms, 600000);
    assert_true(s.policy->limits.cpu < 4.1);
    assert_true(s.policy->limits.memory == UINT64_C(1) << 30);
    assert_int_equal(s.policy->approval.mode, APPROVAL_NEVER);
    assert_int_equal(s.policy->approval.timeout_ms, 5000);
    scene_deinit(&s);
}

static void an_untrusted_extends_narrows_too(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/work/bawn.yaml", "extends: read-only\n");
    load(&s, NULL);
    assert_list(&s.policy->files.write, "@tmp @home");
    assert_string_equal(buf_cstr(&s.notes), "");
    scene_write(&s, "home/work/bawn.yaml", "extends: open\n");
    load(&s, NULL);
    assert_string_equal(s.policy->profile, "workspace");
    assert_list(&s.policy->files.read, "@system @toolchains .");
    assert_list(&s.policy->files.write, ". @tmp @home");
    assert_int_equal(s.policy->network.mode, NET_OFF);
    assert_has(buf_cstr(&s.notes), "without effect: extends open;");
    scene_deinit(&s);
}

static void appending_in_an_untrusted_file_takes_nothing_away(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/work/bawn.yaml", "files: {read+: [/srv], deny+: [x]}\n");
    load(&s, NULL);
    assert_list(&s.policy->files.read, "@system @toolchains .");
    assert_list(&s.policy->files.deny, "@secrets x");
    assert_has(buf_cstr(&s.notes), "without effect: files.read /srv;");
    scene_deinit(&s);
}

static void the_command_line_loosens_over_an_untrusted_file(void **state)
{
    char *write[] = {"/srv"};
    struct policy_options o = {.write = {write, 1, 1}};
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/work/bawn.yaml", "files: {write: [src]}\n");
    load(&s, &o);
    assert_list(&s.policy->files.write, "src /srv");
    scene_deinit(&s);
}

static void trust_holds_for_one_content_at_one_path(void **state)
{
    AUTO_FREE char *path = NULL, *other = NULL, *trust = NULL;
    bool was = false;
    struct scene s;

    (void)state;
    scene_init(&s);
    path = xasprintf("%s/bawn.yaml", s.workspace);
    other = xasprintf("%s/other/bawn.yaml", s.top);
    trust = xasprintf("%s/trust", s.state_dir);
    trust_workspace(&s, "nested: true\n");
    load(&s, NULL);
    assert_true(s.policy->nested);
    assert_int_equal(s.notes.len, 0);
    assert_false(trust_has(s.state_dir, other, "nested: true\n", 13));
    scene_write(&s, "home/work/bawn.yaml", "nested: true\n# changed\n");
    load(&s, NULL);
    assert_false(s.policy->nested);
    scene_write(&s, "home/work/bawn.yaml", "nested: true\n");
    assert_int_equal(chmod(trust, 0666), 0); // anybody could have written it
    load(&s, NULL);
    assert_false(s.policy->nested);
    assert_int_equal(chmod(trust, 0600), 0);
    assert_true(trust_remove(s.state_dir, path, &was, NULL));
    assert_true(was);
    load(&s, NULL);
    assert_false(s.policy->nested);
    scene_deinit(&s);
}

static void the_managed_file_caps_everybody(void **state)
{
    char *write[] = {"/srv"};
    struct policy_options o = {.profile = "open", .write = {write, 1, 1}, .wall = "2h"};
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "managed.yaml",
                "files: {write: [\"@tmp\", \"@home\", ~/work], deny: [~/payroll]}\nnetwork: {mode: off}\n"
                "limits: {wall: 1h, memory: 8G}\napproval: {reviewer: none}\nenv: {set: {SITE: x}}\n");
    load(&s, &o);
    assert_list(&s.policy->files.write, "@tmp @home ~/work .");
    assert_list(&s.policy->files.deny, "@secrets ~/payroll");
    assert_int_equal(s.policy->network.mode, NET_OFF);
    assert_int_equal(s.policy->limits.wall_ms, 3600000);
    assert_true(s.policy->limits.memory == UINT64_C(8) << 30);
    assert_string_equal(s.policy->approval.reviewer, "none");
    assert_list(&s.policy->env.set, "SITE=x");
    assert_has(buf_cstr(&s.notes), "capped by ");
    assert_has(buf_cstr(&s.notes), "files.write /, files.write /srv, network.mode open, limits.wall 2h\n");
    scene_deinit(&s);
}

static void a_bad_managed_file_stops_everything(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "managed.yaml", "netwrok: {mode: off}\n");
    assert_false(scene_load(&s, NULL));
    assert_has(s.err.msg, "managed.yaml:1:1: netwrok: unknown key; did you mean \"network\"?");
    scene_deinit(&s);
}

static void what_is_shown_reads_back_as_the_same_policy(void **state)
{
    AUTO_BUF struct buf first;
    AUTO_BUF struct buf second;
    AUTO_BUF struct buf origins;
    struct scene s;

    (void)state;
    scene_init(&s);
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    buf_init(&origins, 1 << 20);
    assert_true(
        scene_load_file(&s,
                        "extends: read-only\nfiles: {read+: [\"a \\\"b\\\" \\\\ \\t#é\"], ask: []}\n"
                        "env: {set: {A: \"x\\ny: z\", B: \"\"}}\n"
                        "network: {mode: off, deny: [{host: \"*.a.org\", ports: [1, 2], methods: [GET], "
                        "because: \"no\"}, {host: 10.0.0.0/8}]}\nlimits: {cpu: 0.5, wall: none}\n",
                        NULL));
    policy_write(s.policy, false, &first);
    policy_write(s.policy, true, &origins);
    assert_has(buf_cstr(&origins), "p.yaml:4:");
    assert_has(buf_cstr(&origins), "# profile read-only");
    assert_lacks(buf_cstr(&first), "# profile");
    if (!scene_load_file(&s, buf_cstr(&first), NULL))
        fail_msg("%s\n%s", s.err.msg, buf_cstr(&first));
    policy_write(s.policy, false, &second);
    assert_string_equal(buf_cstr(&first), buf_cstr(&second));
    assert_string_equal(s.policy->env.set.items[0].text, "A=x\ny: z");
    assert_int_equal(s.policy->network.deny[0].nports, 2);
    scene_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_file_at_all_is_the_workspace_profile),
        cmocka_unit_test(every_value_lands_in_the_model),
        cmocka_unit_test(json_is_read_as_well),
        cmocka_unit_test(higher_layers_win_and_plus_appends),
        cmocka_unit_test(the_highest_extends_wins),
        cmocka_unit_test(options_append_and_set_dotted_keys),
        cmocka_unit_test(bad_options_name_the_option),
        cmocka_unit_test(minus_p_stands_in_for_user_and_workspace),
        cmocka_unit_test(a_policy_that_is_no_regular_file_is_an_error),
        cmocka_unit_test(an_untrusted_file_cannot_loosen_and_one_note_says_so),
        cmocka_unit_test(an_untrusted_file_narrows),
        cmocka_unit_test(an_untrusted_extends_narrows_too),
        cmocka_unit_test(appending_in_an_untrusted_file_takes_nothing_away),
        cmocka_unit_test(the_command_line_loosens_over_an_untrusted_file),
        cmocka_unit_test(trust_holds_for_one_content_at_one_path),
        cmocka_unit_test(the_managed_file_caps_everybody),
        cmocka_unit_test(a_bad_managed_file_stops_everything),
        cmocka_unit_test(what_is_shown_reads_back_as_the_same_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
