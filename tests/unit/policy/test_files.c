// SPDX-License-Identifier: Apache-2.0
// File rules and what they say about single paths.
#include "scene.h"

#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "policy/program.h"

static void make(struct scene *s, const char *policy, const char *path_env)
{
    if (!scene_load_file(s, policy, NULL) || !scene_rules(s, path_env))
        fail_msg("%s", s->err.msg);
}

static const struct file_rule *rule_at(struct scene *s, enum file_grant grant, const char *below_home)
{
    AUTO_FREE char *path = below_home[0] == '/' ? xstrdup(below_home) : path_normal(s->home, below_home);

    for (size_t i = 0; i < s->rules.n; i++)
        if (s->rules.rules[i].grant == grant && !strcmp(s->rules.rules[i].path, path))
            return &s->rules.rules[i];
    return NULL;
}

static enum verdict verdict(struct scene *s, const char *below_home, enum file_access access)
{
    AUTO_FREE char *path = below_home[0] == '/' ? xstrdup(below_home) : path_normal(s->home, below_home);
    struct file_verdict v;

    file_rules_explain(&s->rules, path, access, &v);
    return v.verdict;
}

static void explain(struct scene *s, const char *below_home, enum file_access access,
                    struct file_verdict *ret)
{
    AUTO_FREE char *path = below_home[0] == '/' ? xstrdup(below_home) : path_normal(s->home, below_home);

    file_rules_explain(&s->rules, path, access, ret);
}

static void rules_stand_strongest_first_then_by_path(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    make(&s, "version: 1\n", "/usr/bin");
    for (size_t i = 1; i < s.rules.n; i++) {
        const struct file_rule *a = &s.rules.rules[i - 1], *b = &s.rules.rules[i];

        assert_true(a->grant > b->grant || (a->grant == b->grant && strcmp(a->path, b->path) < 0));
    }
    assert_true(s.rules.n > 200);
    assert_string_equal(s.rules.workspace, s.workspace);
    scene_deinit(&s);
}

static void the_default_profile_as_a_whole(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    make(&s, "version: 1\n", "/usr/bin");
    assert_true(s.rules.private_home && s.rules.private_tmp);
    assert_false(s.rules.home_readable || s.rules.root_readable);
    assert_int_equal(verdict(&s, "work/src/a.c", ACCESS_WRITE), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "work/src/a.c", ACCESS_READ), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "work/.git/config", ACCESS_READ), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "work/.git/config", ACCESS_WRITE), VERDICT_DENY);
    assert_int_equal(verdict(&s, "work/a/b/.git/hooks/pre-commit", ACCESS_WRITE), VERDICT_DENY);
    assert_int_equal(verdict(&s, "work/.GIT/hooks/x", ACCESS_WRITE), VERDICT_DENY);
    assert_int_equal(verdict(&s, "work/.git/index", ACCESS_WRITE), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "work/.git/modules/a/b/hooks/x", ACCESS_WRITE), VERDICT_DENY);
    assert_int_equal(verdict(&s, "work/.vscode/tasks.json", ACCESS_WRITE), VERDICT_DENY);
    assert_int_equal(verdict(&s, "work/bawn.yaml", ACCESS_WRITE), VERDICT_DENY);
    assert_int_equal(verdict(&s, ".ssh/id_ed25519", ACCESS_READ), VERDICT_DENY);
    assert_int_equal(verdict(&s, ".config/bawn/policy.yaml", ACCESS_READ), VERDICT_DENY);
    assert_int_equal(verdict(&s, ".local/state/bawn/runs", ACCESS_READ), VERDICT_DENY);
    assert_int_equal(verdict(&s, ".gitconfig", ACCESS_READ), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, ".gitconfig", ACCESS_WRITE), VERDICT_DENY);
    assert_int_equal(verdict(&s, ".config/git/credentials", ACCESS_READ), VERDICT_DENY);
    assert_int_equal(verdict(&s, "/usr/bin/cc", ACCESS_READ), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "/usr/bin/cc", ACCESS_WRITE), VERDICT_DENY);
    assert_int_equal(verdict(&s, "/etc/passwd", ACCESS_READ), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "/etc/shadow", ACCESS_READ), VERDICT_DENY);
    assert_int_equal(verdict(&s, "/etc/ssh/ssh_host_rsa_key", ACCESS_READ), VERDICT_DENY);
    assert_int_equal(verdict(&s, "/etc/ssh/ssh_host_rsa_key.pub", ACCESS_READ), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "/var/lib/x", ACCESS_READ), VERDICT_DENY);
    assert_int_equal(verdict(&s, "/tmp/x", ACCESS_WRITE), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "/var/tmp/x", ACCESS_WRITE), VERDICT_ALLOW);
    // What the host has in a private place is not there; what the run makes there is its own.
    assert_int_equal(verdict(&s, "/tmp/x", ACCESS_READ), VERDICT_DENY);
    assert_int_equal(verdict(&s, "/tmp", ACCESS_READ), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "notes.txt", ACCESS_READ), VERDICT_DENY);
    assert_int_equal(verdict(&s, "notes.txt", ACCESS_WRITE), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "", ACCESS_READ), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "/dev/null", ACCESS_WRITE), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "/dev/sda", ACCESS_READ), VERDICT_DENY);
    assert_int_equal(verdict(&s, "/proc/1/environ", ACCESS_WRITE), VERDICT_DENY);
    assert_int_equal(verdict(&s, "/run/docker.sock", ACCESS_WRITE), VERDICT_DENY);
    scene_deinit(&s);
}

static void a_verdict_names_rule_reason_and_remedy(void **state)
{
    struct file_verdict v;
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "data/x", "");
    make(&s, "files: {deny+: [\"**/.env\"]}\n", "/usr/bin");
    explain(&s, "work/a/.env", ACCESS_READ, &v);
    assert_has(v.rule_text, "files.deny: **/.env (");
    assert_has(v.rule_text, "p.yaml:1:17)");
    assert_has(v.reason, "cannot be read, written, listed or seen");
    assert_has(v.remedy, "remove **/.env from files.deny");
    explain(&s, ".ssh/id", ACCESS_READ, &v);
    assert_string_equal(v.rule_text, "files.deny: @secrets (profile workspace)");
    explain(&s, "work/.envrc", ACCESS_WRITE, &v);
    assert_string_equal(v.rule_text, "files.protect: @hooks (profile workspace)");
    assert_has(v.reason, "a file by which a program outside runs code; it can be read, not written");
    explain(&s, "/srv/x", ACCESS_WRITE, &v);
    assert_string_equal(v.rule_text, "none");
    assert_string_equal(v.remedy, "--write /srv/x");
    assert_null(v.rule);
    explain(&s, "/usr/x", ACCESS_WRITE, &v);
    assert_string_equal(v.remedy, "--write /usr/x");
    explain(&s, ".config/bawn", ACCESS_READ, &v);
    assert_string_equal(v.rule_text, "built in: bawn's configuration");
    assert_string_equal(v.remedy, "");
    explain(&s, "notes.txt", ACCESS_READ, &v);
    assert_has(v.reason, "a private home that starts empty");
    assert_string_equal(v.rule_text, "files.write: @home");
    assert_has(v.remedy, "--read /");
    scene_deinit(&s);
}

static void deny_beats_protect_beats_write_beats_read_at_any_depth(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/work/a/b/c/d", "");
    make(&s, "files: {read: [a/b/c], write: [., a/b/c/d], protect: [a/b], deny: [x]}\n", "");
    assert_int_equal(verdict(&s, "work/a/b/c/d", ACCESS_WRITE), VERDICT_DENY); // protect above wins
    assert_int_equal(verdict(&s, "work/a/b/c/d", ACCESS_READ), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "work/a/y", ACCESS_WRITE), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "work/x/y/z", ACCESS_READ), VERDICT_DENY);
    scene_deinit(&s);
}

static void without_the_sets_there_is_no_home_and_no_tmp(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    make(&s, "files: {read: [.], write: [.], deny: [], protect: []}\n", "");
    assert_false(s.rules.private_home || s.rules.private_tmp);
    assert_int_equal(verdict(&s, "x", ACCESS_READ), VERDICT_DENY);
    assert_int_equal(verdict(&s, "/tmp/x", ACCESS_WRITE), VERDICT_DENY);
    assert_int_equal(verdict(&s, "work/.git/hooks/x", ACCESS_WRITE), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, ".config/bawn/policy.yaml", ACCESS_READ), VERDICT_DENY);
    assert_null(rule_at(&s, GRANT_DENY, "/etc/shadow"));
    scene_deinit(&s);
}

// Not the scene's home, as that lies below /tmp, which is the yard's own whatever is readable.
static void a_readable_home_is_the_real_one(void **state)
{
    struct file_place place = {
        .workspace = "/home/u/w", .home = "/home/u", .config_dir = "/home/u/.config/bawn"};
    struct scene s;

    (void)state;
    scene_init(&s);
    assert_true(scene_load_file(&s, "files: {read: [/]}\n", NULL));
    assert_true(file_rules_make(s.policy, &place, &s.rules, &s.err));
    assert_true(s.rules.root_readable && s.rules.home_readable);
    assert_false(s.rules.private_home);
    assert_int_equal(verdict(&s, "/home/u/notes.txt", ACCESS_READ), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "/home/u/notes.txt", ACCESS_WRITE), VERDICT_DENY);
    assert_int_equal(verdict(&s, "/home/u/.ssh/id", ACCESS_READ), VERDICT_DENY);
    assert_int_equal(verdict(&s, "/run/x", ACCESS_READ), VERDICT_DENY);
    assert_int_equal(verdict(&s, "/etc/shadow", ACCESS_READ), VERDICT_DENY);
    assert_int_equal(verdict(&s, "/var/log/x", ACCESS_READ), VERDICT_ALLOW);
    assert_true(scene_rules(&s, ""));
    assert_true(s.rules.private_home); // below /tmp
    scene_deinit(&s);
}

static void a_writable_home_protects_what_starts_with_the_session(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    make(&s, "files: {write+: [\"~\"]}\n", "");
    assert_int_equal(verdict(&s, "notes.txt", ACCESS_WRITE), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, ".bashrc", ACCESS_WRITE), VERDICT_DENY);
    assert_int_equal(verdict(&s, ".config/autostart/x.desktop", ACCESS_WRITE), VERDICT_DENY);
    assert_int_equal(verdict(&s, "other/.git/hooks/x", ACCESS_WRITE), VERDICT_DENY);
    assert_has(buf_cstr(&s.notes), "risk: files.write ~ (");
    scene_deinit(&s);
}

static void a_missing_write_root_is_an_error_and_a_missing_read_path_is_not(void **state)
{
    AUTO_FREE char *want = NULL;
    struct scene s;

    (void)state;
    scene_init(&s);
    assert_true(scene_load_file(&s, "files:\n  write: [build]\n", NULL));
    assert_false(scene_rules(&s, ""));
    assert_int_equal(s.err.kind, ERR_MISSING);
    want =
        xasprintf("%s/p.yaml:2:11: files.write: build does not exist; create it or remove the entry", s.top);
    assert_string_equal(s.err.msg, want);
    make(&s, "files: {read+: [gone], deny+: [gone2], protect+: [gone3], write: [\"@caches\"]}\n", "");
    assert_non_null(rule_at(&s, GRANT_READ, "work/gone"));
    assert_false(rule_at(&s, GRANT_WRITE, ".cargo/registry")->must_exist);
    scene_deinit(&s);
}

static void a_link_in_the_workspace_cannot_move_a_grant_outside(void **state)
{
    AUTO_FREE char *data = NULL;
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "data/x", "");
    data = xasprintf("%s/data", s.top);
    scene_link(&s, data, "home/work/out");
    scene_link(&s, data, "home/link");
    assert_true(scene_load_file(&s, "files: {write+: [out]}\n", NULL));
    assert_false(scene_rules(&s, ""));
    assert_int_equal(s.err.kind, ERR_REFUSED);
    assert_has(s.err.msg, "files.write: out is or goes through a link that leads elsewhere; name the target "
                          "itself");
    assert_true(scene_load_file(&s, "files: {read+: [out/x]}\n", NULL));
    assert_false(scene_rules(&s, ""));
    // Outside, the link is the user's own: its target is granted, under both names.
    make(&s, "files: {write+: [~/link], deny+: [out]}\n", "");
    assert_non_null(rule_at(&s, GRANT_WRITE, data));
    assert_non_null(rule_at(&s, GRANT_WRITE, "link"));
    assert_non_null(rule_at(&s, GRANT_DENY, data)); // a refusal holds for what the name leads to
    scene_deinit(&s);
}

static void nor_can_a_link_below_another_root_or_one_that_a_project_names(void **state)
{
    AUTO_FREE char *policy = NULL, *private = NULL;
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "data/x", "");
    scene_write(&s, "private/x", "");
    private = xasprintf("%s/private", s.top);
    scene_link(&s, private, "data/link");
    policy = xasprintf("files: {write: [%s/data, %s/data/link]}\n", s.top, s.top);
    assert_true(scene_load_file(&s, policy, NULL));
    assert_false(scene_rules(&s, ""));
    assert_int_equal(s.err.kind, ERR_REFUSED);
    // The user grants data; a project that nobody trusts narrows it to a link in it.
    free(policy);
    policy = xasprintf("files: {write+: [%s/data]}\n", s.top);
    scene_write(&s, "home/.config/bawn/policy.yaml", policy);
    free(policy);
    policy = xasprintf("files: {write: [%s/data/link]}\n", s.top);
    scene_write(&s, "home/work/bawn.yaml", policy);
    assert_true(scene_load(&s, NULL));
    assert_false(scene_rules(&s, ""));
    assert_int_equal(s.err.kind, ERR_REFUSED);
    scene_deinit(&s);
}

static void glob_characters_of_the_workspace_are_plain(void **state)
{
    AUTO_FREE char *odd = NULL, *inside = NULL, *twin = NULL;
    struct file_verdict v;
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/w[a]*/x", "");
    odd = xasprintf("%s/w[a]*", s.home);
    inside = xasprintf("%s/w[a]*/.git/hooks/x", s.home);
    twin = xasprintf("%s/w[a]*/d/.env", s.home);
    free(s.workspace);
    s.workspace = TAKE_PTR(odd);
    s.places.workspace = s.workspace;
    make(&s, "files: {deny+: [\"**/.env\"]}\n", "");
    file_rules_explain(&s.rules, inside, ACCESS_WRITE, &v);
    assert_int_equal(v.verdict, VERDICT_DENY);
    file_rules_explain(&s.rules, twin, ACCESS_READ, &v);
    assert_int_equal(v.verdict, VERDICT_DENY);
    scene_deinit(&s);
}

static void the_policy_file_of_a_run_cannot_be_written_by_it(void **state)
{
    struct policy_options o = {0};
    AUTO_FREE char *file = NULL;
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/work/ci/policy.yaml", "files: {deny+: [x]}\n");
    file = xasprintf("%s/ci/policy.yaml", s.workspace);
    o.file = file;
    assert_true(scene_load(&s, &o));
    assert_true(scene_rules(&s, ""));
    assert_int_equal(verdict(&s, "work/ci/policy.yaml", ACCESS_WRITE), VERDICT_DENY);
    assert_int_equal(verdict(&s, "work/ci/policy.yaml", ACCESS_READ), VERDICT_ALLOW);
    scene_deinit(&s);
}

static void toolchains_are_what_path_needs(void **state)
{
    static const char *const granted[] = {".cargo",
                                          ".rustup",
                                          ".nvm/versions/node/v20",
                                          "go",
                                          ".local/bin",
                                          ".local/lib",
                                          ".local/share/claude/versions/1",
                                          "tools/bin",
                                          "opt/hello/run",
                                          ".foo",
                                          ".sdkman/candidates"};
    static const char *const not_granted[] = {"",
                                              ".local",
                                              ".local/share",
                                              "tools",
                                              "opt",
                                              "opt/hello",
                                              "opt/notes",
                                              ".docker",
                                              ".config",
                                              "work/node_modules",
                                              "work/node_modules/.bin",
                                              ".nvm"};
    AUTO_FREE char *path = NULL, *claude = NULL, *hello = NULL, *java = NULL;
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/.cargo/bin/cargo", "");
    scene_write(&s, "home/.nvm/versions/node/v20/bin/node", "");
    scene_write(&s, "home/go/bin/x", "");
    scene_write(&s, "home/tools/bin/x", "");
    scene_write(&s, "home/.foo/bin/x", "");
    scene_write(&s, "home/.docker/bin/x", "");
    scene_write(&s, "home/opt/hello/run", "");
    scene_write(&s, "home/.local/share/claude/versions/1", "");
    scene_write(&s, "home/.sdkman/candidates/java/17/bin/java", "");
    scene_write(&s, "home/work/node_modules/.bin/x", "");
    claude = xasprintf("%s/.local/share/claude/versions/1", s.home);
    hello = xasprintf("%s/opt/hello/run", s.home);
    java = xasprintf("%s/.sdkman/candidates/java/17", s.home);
    scene_link(&s, claude, "home/.local/bin/claude");
    scene_link(&s, hello, "home/tools/bin/hello");
    scene_link(&s, "/usr/bin/env", "home/tools/bin/env");
    scene_write(&s, "home/opt/notes/x", "");
    scene_link(&s, "../../opt/notes", "home/tools/bin/notes"); // a directory is no program
    scene_link(&s, java, "home/.sdkman/candidates/java/current");
    path = xasprintf(
        "relative:.::%s/.cargo/bin:%s/.nvm/versions/node/v20/bin:%s/go/bin:%s/tools/bin:%s/.local/bin:"
        "%s/.foo/bin:%s/.docker/bin:%s/.sdkman/candidates/java/current/bin:%s/work/node_modules/.bin:%s:"
        "%s/gone/bin:/usr/bin:/bin",
        s.home, s.home, s.home, s.home, s.home, s.home, s.home, s.home, s.home, s.home, s.home);
    make(&s, "files: {read: [\"@toolchains\"], write: [\"@home\"]}\n", path);
    for (size_t i = 0; i < ARRAY_LEN(granted); i++)
        if (!rule_at(&s, GRANT_READ, granted[i]))
            fail_msg("%s is not granted", granted[i]);
    for (size_t i = 0; i < ARRAY_LEN(not_granted); i++)
        if (rule_at(&s, GRANT_READ, not_granted[i]))
            fail_msg("%s is granted", not_granted[i]);
    assert_non_null(rule_at(&s, GRANT_READ, ".docker/bin"));
    assert_null(rule_at(&s, GRANT_READ, "/usr"));
    assert_true(s.rules.private_home);
    assert_int_equal(verdict(&s, ".cargo/credentials.toml", ACCESS_READ), VERDICT_DENY);
    scene_deinit(&s);
}

static void a_path_full_of_homes_does_not_open_home(void **state)
{
    AUTO_FREE char *path = NULL;
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/bin/x", "");
    scene_link(&s, ".", "home/self");
    scene_link(&s, s.home, "home/.loop/bin");
    path = xasprintf("%s:%s/:%s/self:%s/.loop/bin:/:/home:%s/bin:%s/self/self/bin", s.home, s.home, s.home,
                     s.home, s.home, s.home);
    make(&s, "files: {read: [\"@toolchains\"], write: [\"@home\"]}\n", path);
    assert_false(s.rules.home_readable);
    assert_true(s.rules.private_home);
    assert_non_null(rule_at(&s, GRANT_READ, "bin"));
    scene_deinit(&s);
}

static void secrets_by_name(void **state)
{
    static const char *const secret[] = {".ssh",
                                         ".aws",
                                         ".azure",
                                         ".config/gcloud",
                                         ".kube",
                                         ".gnupg",
                                         ".netrc",
                                         ".config/gh",
                                         ".config/hub",
                                         ".docker/config.json",
                                         ".npmrc",
                                         ".pypirc",
                                         ".cargo/credentials.toml",
                                         ".git-credentials",
                                         ".local/share/keyrings",
                                         ".local/share/kwalletd",
                                         ".password-store",
                                         ".config/age",
                                         ".terraformrc",
                                         ".vault-token",
                                         ".mozilla",
                                         ".config/google-chrome",
                                         ".config/chromium",
                                         ".config/BraveSoftware",
                                         ".bitcoin",
                                         ".bash_history",
                                         ".zsh_history",
                                         ".psql_history",
                                         ".claude/.credentials.json",
                                         ".codex/auth.json"};
    struct scene s;

    (void)state;
    scene_init(&s);
    make(&s, "files: {read: [~]}\n", "");
    for (size_t i = 0; i < ARRAY_LEN(secret); i++)
        if (verdict(&s, secret[i], ACCESS_READ) != VERDICT_DENY)
            fail_msg("%s can be read", secret[i]);
    assert_int_equal(verdict(&s, ".sshx", ACCESS_READ), VERDICT_ALLOW);
    scene_deinit(&s);
}

static void a_workspace_that_is_not_shown_is_an_empty_directory(void **state)
{
    struct file_verdict v;
    struct scene s;

    (void)state;
    scene_init(&s);
    make(&s, "extends: mcp\n", "");
    assert_false(s.rules.workspace_shown);
    assert_int_equal(verdict(&s, "work", ACCESS_READ), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "work/x", ACCESS_READ), VERDICT_DENY);
    explain(&s, "work/x", ACCESS_WRITE, &v);
    assert_int_equal(v.verdict, VERDICT_DENY);
    assert_has(v.reason, "in the workspace's place");
    assert_has(v.remedy, "--write ");
    assert_int_equal(verdict(&s, "x", ACCESS_WRITE), VERDICT_ALLOW); // the private home
    make(&s, "extends: mcp\nfiles: {read+: [.]}\n", "");
    assert_true(s.rules.workspace_shown);
    assert_int_equal(verdict(&s, "work/x", ACCESS_READ), VERDICT_ALLOW);
    scene_deinit(&s);
}

static void program_is_what_was_found_for_the_command(void **state)
{
    struct program program = {0};
    struct file_verdict v;
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/.foo/bin/node", "");
    scene_write(&s, "home/srv/package.json", "");
    make(&s, "extends: mcp\n", "");
    assert_int_equal(verdict(&s, "srv/package.json", ACCESS_READ), VERDICT_DENY);
    strlist_addf(&program.reads, "%s/srv", s.home);
    strlist_addf(&program.toolchains, "%s/.foo/bin", s.home);
    scene_write(&s, "home/other/x", "");
    scene_link(&s, "../other", "home/work/node_modules"); // an earlier run's
    strlist_addf(&program.reads, "%s/node_modules", s.workspace);
    {
        struct file_place place = {.workspace = s.workspace, .home = s.home, .program = &program};

        file_rules_deinit(&s.rules);
        assert_true(file_rules_make(s.policy, &place, &s.rules, &s.err));
    }
    assert_int_equal(verdict(&s, ".foo/lib/x", ACCESS_READ), VERDICT_ALLOW);
    assert_int_equal(verdict(&s, "srv/package.json", ACCESS_READ), VERDICT_ALLOW);
    explain(&s, "srv/package.json", ACCESS_WRITE, &v);
    assert_int_equal(v.verdict, VERDICT_DENY);
    assert_has(v.rule_text, "files.read: @program");
    assert_int_equal(verdict(&s, "other/x", ACCESS_READ), VERDICT_DENY);
    strlist_deinit(&program.reads);
    strlist_deinit(&program.toolchains);
    scene_deinit(&s);
}

// Elsewhere nothing in the workspace is a toolchain; HOME as the workspace is not meant by that.
static void toolchains_are_found_from_a_workspace_above_home(void **state)
{
    struct scene s;
    AUTO_FREE char *path = NULL;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/.foo/bin/tool", "");
    scene_write(&s, "home/work/.foo/bin/tool", "");
    path = xasprintf("%s/.foo/bin:%s/.foo/bin", s.home, s.workspace);
    make(&s, "files: {read: [\"@toolchains\"], write: [\"@home\"]}\n", path);
    assert_non_null(rule_at(&s, GRANT_READ, ".foo"));
    assert_null(rule_at(&s, GRANT_READ, "work/.foo"));
    {
        struct file_place place = {.workspace = s.home, .home = s.home, .path_env = path};

        file_rules_deinit(&s.rules);
        assert_true(file_rules_make(s.policy, &place, &s.rules, &s.err));
    }
    assert_non_null(rule_at(&s, GRANT_READ, ".foo"));
    scene_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_stand_strongest_first_then_by_path),
        cmocka_unit_test(the_default_profile_as_a_whole),
        cmocka_unit_test(a_verdict_names_rule_reason_and_remedy),
        cmocka_unit_test(deny_beats_protect_beats_write_beats_read_at_any_depth),
        cmocka_unit_test(without_the_sets_there_is_no_home_and_no_tmp),
        cmocka_unit_test(a_readable_home_is_the_real_one),
        cmocka_unit_test(a_writable_home_protects_what_starts_with_the_session),
        cmocka_unit_test(a_missing_write_root_is_an_error_and_a_missing_read_path_is_not),
        cmocka_unit_test(a_link_in_the_workspace_cannot_move_a_grant_outside),
        cmocka_unit_test(nor_can_a_link_below_another_root_or_one_that_a_project_names),
        cmocka_unit_test(glob_characters_of_the_workspace_are_plain),
        cmocka_unit_test(the_policy_file_of_a_run_cannot_be_written_by_it),
        cmocka_unit_test(toolchains_are_what_path_needs),
        cmocka_unit_test(a_path_full_of_homes_does_not_open_home),
        cmocka_unit_test(secrets_by_name),
        cmocka_unit_test(a_workspace_that_is_not_shown_is_an_empty_directory),
        cmocka_unit_test(program_is_what_was_found_for_the_command),
        cmocka_unit_test(toolchains_are_found_from_a_workspace_above_home),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
