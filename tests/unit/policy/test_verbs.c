// SPDX-License-Identifier: Apache-2.0
// What `bawn policy`, `bawn explain` and `bawn trust` print and return, run as the command line runs them.
#include "scene.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/json.h"
#include "cli/cli.h"

struct answer {
    int status;
    char *out, *err;
};

static char *slurp(int fd)
{
    struct buf text;

    buf_init(&text, 1 << 22);
    assert_true(fd_read_all(fd, &text, NULL));
    close(fd);
    return buf_take(&text);
}

// Runs a verb in a process of its own: no terminal, the scene's HOME, its workspace as the current directory.
static struct answer run(struct scene *s, const struct verb *verb, ...)
{
    char *argv[16] = {(char *)(uintptr_t)verb->name};
    int argc = 1, out[2], err[2], status;
    struct answer a;
    va_list ap;
    pid_t pid;

    va_start(ap, verb);
    while ((argv[argc] = va_arg(ap, char *)))
        argc++;
    va_end(ap);
    assert_int_equal(pipe(out), 0);
    assert_int_equal(pipe(err), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setsid();
        dup2(out[1], 1);
        dup2(err[1], 2);
        close(out[0]);
        close(err[0]);
        setenv("HOME", s->home, 1);
        unsetenv("XDG_CONFIG_HOME");
        unsetenv("XDG_STATE_HOME");
        if (chdir(s->workspace) < 0)
            _exit(99);
        status = verb->main(argc, argv);
        fflush(NULL);
        _exit(status);
    }
    close(out[1]);
    close(err[1]);
    a.out = slurp(out[0]); // less than a pipe holds goes to the other one
    a.err = slurp(err[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    a.status = WEXITSTATUS(status);
    return a;
}

static void done(struct answer *a)
{
    free(a->out);
    free(a->err);
}

static void expect(struct answer a, int status, const char *out, const char *err)
{
    if (a.status != status)
        fail_msg("status %d\n%s%s", a.status, a.out, a.err);
    if (out)
        assert_has(a.out, out);
    if (err)
        assert_has(a.err, err);
    else
        assert_string_equal(a.err, "");
    done(&a);
}

static void assert_lacks_risk(struct answer a)
{
    assert_lacks(a.out, "risk: ");
    done(&a);
}

static void check_says_ok_and_warns(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    expect(run(&s, &verb_policy, "check", NULL), 0, "ok\n", NULL);
    scene_write(&s, "home/work/p.yaml", "network: {mode: open}\nfiles: {read+: [/nowhere]}\n");
    expect(run(&s, &verb_policy, "check", "p.yaml", NULL), 0, "ok\nrisk: network.mode open (", NULL);
    expect(run(&s, &verb_policy, "check", "p.yaml", NULL), 0,
           "note: files.read: /nowhere does not exist now\n", NULL);
    scene_write(&s, "home/work/p.yaml", "network: {mode: opne}\n");
    expect(run(&s, &verb_policy, "check", "p.yaml", NULL), 125, NULL,
           "work/p.yaml:1:17: network.mode: unknown value");
    expect(run(&s, &verb_policy, "check", "--write", "gone", NULL), 125, NULL,
           "--write: files.write: gone does not exist");
    expect(run(&s, &verb_policy, "chekc", NULL), 125, NULL, "usage: bawn policy ");
    expect(run(&s, &verb_policy, "schema", "--help", NULL), 0, "usage: bawn policy schema\n", NULL);
    assert_lacks_risk(run(&s, &verb_policy, "check", NULL));
    expect(run(&s, &verb_policy, "check", "-C", s.home, NULL), 0, "risk: files.write . (profile workspace)",
           NULL);
    expect(run(&s, &verb_policy, "check", "-C", "/", NULL), 0, "the workspace / holds your whole home", NULL);
    expect(run(&s, &verb_policy, "check", "a", "b", NULL), 125, NULL, "one file at most, not also b");
    scene_deinit(&s);
}

static void show_names_the_origin_of_every_line(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/.config/bawn/policy.yaml", "limits: {wall: 1h}\n");
    expect(run(&s, &verb_policy, "show", "--read", "/srv", NULL), 0, "policy.yaml:1:16\n", NULL);
    expect(run(&s, &verb_policy, "show", "--read", "/srv", NULL), 0, "# --read\n", NULL);
    expect(run(&s, &verb_policy, "show", NULL), 0, "# profile workspace\n", NULL);
    scene_deinit(&s);
}

// Keys that the schema lists, at any depth.
static size_t count_properties(const json_t *schema)
{
    const json_t *properties = json_object_get(schema, "properties"), *value;
    const char *key;
    size_t n = 0;

    json_object_foreach((json_t *)(uintptr_t)properties, key, value)
    {
        assert_non_null(json_object_get(value, "description"));
        n += 1 + count_properties(value) + count_properties(json_object_get(value, "items")) +
             count_properties(json_object_get(value, "additionalProperties"));
    }
    return n;
}

static void schema_is_json_schema(void **state)
{
    AUTO_JSON json_t *schema = NULL;
    struct answer a;
    struct scene s;

    (void)state;
    scene_init(&s);
    a = run(&s, &verb_policy, "schema", NULL);
    assert_int_equal(a.status, 0);
    schema = json_parse(a.out, strlen(a.out), &s.err);
    if (!schema)
        fail_msg("%s", s.err.msg);
    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
    assert_true(count_properties(schema) > 80);
    done(&a);
    scene_deinit(&s);
}

static void explain_answers_in_words_and_in_json(void **state)
{
    AUTO_JSON json_t *o = NULL;
    struct answer a;
    struct scene s;

    (void)state;
    scene_init(&s);
    expect(run(&s, &verb_explain, "path", "a.c", NULL), 0, "allow: read /", NULL);
    expect(run(&s, &verb_explain, "path", "write", "/usr/x", NULL), 0, "deny: write /usr/x\n", NULL);
    expect(run(&s, &verb_explain, "path", "read", "~/.ssh/id", NULL), 0,
           "files.deny: @secrets (profile workspace)", NULL);
    scene_link(&s, "/etc/passwd", "home/work/link");
    expect(run(&s, &verb_explain, "path", "write", "link", NULL), 0, "deny: write /etc/passwd\n", NULL);
    a = run(&s, &verb_explain, "--json", "path", "write", ".git/hooks/x", NULL);
    assert_int_equal(a.status, 0);
    o = json_parse(a.out, strlen(a.out), &s.err);
    assert_non_null(o);
    assert_string_equal(json_string_value(json_object_get(o, "verdict")), "deny");
    assert_string_equal(json_string_value(json_object_get(o, "rule")),
                        "files.protect: @hooks (profile workspace)");
    assert_true(strlen(json_string_value(json_object_get(o, "reason"))) > 10);
    done(&a);
    expect(run(&s, &verb_explain, "url", "https://a.org", NULL), 0, "deny: GET https://a.org", NULL);
    expect(run(&s, &verb_explain, "command", "ls", NULL), 125, NULL, "explain command is not in this build");
    expect(run(&s, &verb_explain, "package", "npm:x", NULL), 125, NULL,
           "explain package is not in this build");
    expect(run(&s, &verb_explain, "path", NULL), 125, NULL, "usage: bawn explain");
    expect(run(&s, &verb_explain, "path", "erase", "x", NULL), 125, NULL,
           "\"erase\" is neither read nor write");
    scene_deinit(&s);
}

static void a_denied_name_stays_denied_through_a_link(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/work/plain", "");
    scene_link(&s, "plain", "home/work/.env");
    expect(run(&s, &verb_explain, "--deny", ".env", "path", ".env", NULL), 0, "deny: read ", NULL);
    scene_deinit(&s);
}

static void trust_shows_asks_and_remembers(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    expect(run(&s, &verb_trust, NULL), 125, NULL, "there is no bawn.yaml or bawn.json in ");
    scene_write(&s, "home/work/bawn.yaml", "nested: true\nlimits: {wall: 1h}\n");
    expect(run(&s, &verb_trust, NULL), 125, "  loosens: nested true\n", "there is no terminal to ask on");
    assert_true(scene_load(&s, NULL));
    assert_false(s.policy->nested);
    expect(run(&s, &verb_trust, "--yes", NULL), 0, "trusted\n", NULL);
    assert_true(scene_load(&s, NULL));
    assert_true(s.policy->nested);
    expect(run(&s, &verb_trust, "--list", NULL), 0, "/home/work/bawn.yaml\n", NULL);
    expect(run(&s, &verb_trust, NULL), 0, "trusted already\n", NULL);
    expect(run(&s, &verb_trust, "--revoke", "bawn.yaml", NULL), 0, "revoked\n", NULL);
    assert_true(scene_load(&s, NULL));
    assert_false(s.policy->nested);
    expect(run(&s, &verb_trust, "--revoke", NULL), 125, NULL, "was trusted");
    expect(run(&s, &verb_trust, "other.yaml", NULL), 125, NULL,
           "only a workspace's bawn.yaml or bawn.json needs trust");
    expect(run(&s, &verb_trust, "--what", NULL), 125, NULL, "unknown argument --what");
    scene_deinit(&s);
}

static void names_cannot_forge_lines_on_the_terminal(void **state)
{
    struct answer a;
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "home/work/bawn.yaml", "files: {read: [\"a\\e[2J\\nallow: all\"]}\n");
    a = run(&s, &verb_trust, NULL);
    assert_int_equal(a.status, 125);
    assert_null(strchr(a.out, '\033'));
    assert_lacks(a.out, "\nallow: all");
    done(&a);
    scene_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_says_ok_and_warns),
        cmocka_unit_test(show_names_the_origin_of_every_line),
        cmocka_unit_test(schema_is_json_schema),
        cmocka_unit_test(explain_answers_in_words_and_in_json),
        cmocka_unit_test(a_denied_name_stays_denied_through_a_link),
        cmocka_unit_test(trust_shows_asks_and_remembers),
        cmocka_unit_test(names_cannot_forge_lines_on_the_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
