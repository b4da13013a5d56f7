// SPDX-License-Identifier: Apache-2.0
// Settings of other sandboxes as a policy, on a machine that exists only in a table.
#include "../test.h"

#include <string.h>

#include "base/path.h"
#include "policy/import.h"

// Paths with what they lead to; a directory ends in '/'.
static const struct {
    const char *path, *target;
} machine[] = {
    {"/", NULL},
    {"/bin", "/usr/bin"},
    {"/etc/", NULL},
    {"/home/", NULL},
    {"/home/other/", NULL},
    {"/home/u/", NULL},
    {"/home/u/.ssh/", NULL},
    {"/home/u/data/", NULL},
    {"/home/u/data/a/", NULL},
    {"/home/u/data/b/", NULL},
    {"/home/u/data/b/open/", NULL},
    {"/home/u/in", "/home/u/data/a"},
    {"/home/u/w/", NULL},
    {"/home/u/w/secrets/", NULL},
    {"/home/u/w/secrets/k", NULL},
    {"/home/u/w/link", "/home/u/data/a"},
    {"/home/u/w/src/", NULL},
    {"/home/u/.npm/_logs/", NULL},
    {"/proc/", NULL},
    {"/tmp/", NULL},
    {"/usr/", NULL},
    {"/usr/bin/", NULL},
};

static const char *entry(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(machine); i++) {
        size_t n = strlen(machine[i].path);

        if (!strncmp(machine[i].path, path, strlen(path)) &&
            (n == strlen(path) || (n == strlen(path) + 1 && machine[i].path[n - 1] == '/')))
            return machine[i].target ? machine[i].target : machine[i].path;
    }
    return NULL;
}

static char *real(void *ctx, const char *path)
{
    const char *e = entry(path);

    (void)ctx;
    return e ? path_normal("/", e) : NULL;
}

static enum import_kind kind(void *ctx, const char *path)
{
    AUTO_FREE char *r = real(ctx, path);
    const char *e = r ? entry(r) : NULL;

    return !e ? IMPORT_NOTHING : e[strlen(e) - 1] == '/' ? IMPORT_DIRECTORY : IMPORT_FILE;
}

static bool list(void *ctx, const char *dir, struct strlist *ret, struct err *err)
{
    (void)ctx;
    (void)err;
    for (size_t i = 0; i < ARRAY_LEN(machine); i++) {
        AUTO_FREE char *path = path_normal("/", machine[i].path), *parent = path_parent(path);

        if (!strcmp(parent, dir) && strcmp(path, "/") != 0)
            strlist_add(ret, path_base(path));
    }
    return true;
}

static bool variable(void *ctx, const char *name)
{
    (void)ctx;
    return !strcmp(name, "SET");
}

struct job {
    struct arena arena;
    struct imported made;
    struct buf text;
    struct err err;
    bool ok;
};

static void make_in(struct job *j, const char *settings, struct import_place place)
{
    struct yaml_node *root = NULL;
    enum import_source source;

    *j = (struct job){0};
    buf_init(&j->text, 1 << 20);
    place.workspace = "/home/u/w";
    place.home = "/home/u";
    place.eyes = (struct import_eyes){NULL, kind, real, list, variable};
    j->ok = import_read(&j->arena, settings, strlen(settings), &root, &source, &j->err) &&
            (source == IMPORT_SRT ? import_srt : import_claude)(&j->arena, root, &place, &j->made, &j->err);
    if (j->ok)
        import_write(&j->made, "settings.json", &j->text);
}

static void end(struct job *j)
{
    imported_deinit(&j->made);
    buf_deinit(&j->text);
    arena_deinit(&j->arena);
}

#define NETWORK(allow, deny) "\"network\": {\"allowedDomains\": [" allow "], \"deniedDomains\": [" deny "]}"
#define FILES(deny_read, allow_read, allow_write, deny_write)                                                \
    "\"filesystem\": {\"denyRead\": [" deny_read "], \"allowRead\": [" allow_read                            \
    "], \"allowWrite\": [" allow_write "], \"denyWrite\": [" deny_write "]}"
#define NO_FILES FILES("", "", "", "")
#define NO_NETWORK NETWORK("", "")

// The list's entries, by their order, and no others.
static void assert_entries(struct job *j, const char *key, const char *const *want)
{
    AUTO_FREE char *head = xasprintf("\n  %s:", key);
    const char *at = strstr(buf_cstr(&j->text), head);

    if (!j->ok)
        fail_msg("%s", j->err.msg);
    if (!at)
        fail_msg("no %s in\n%s", key, buf_cstr(&j->text));
    at = strchr(at + 1, '\n');
    for (; *want; want++) {
        AUTO_FREE char *line = xasprintf("\n    - \"%s\"", *want);

        if (strncmp(at, line, strlen(line)) != 0)
            fail_msg("%s: wanted %s in\n%s", key, *want, buf_cstr(&j->text));
        at = strchr(at + 1, '\n');
    }
    if (!strncmp(at, "\n    - ", 7))
        fail_msg("%s has more in\n%s", key, buf_cstr(&j->text));
}

#define ENTRIES(j, key, ...) assert_entries(j, key, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void assert_text(struct job *j, const char *part)
{
    if (!j->ok)
        fail_msg("%s", j->err.msg);
    if (!strstr(buf_cstr(&j->text), part))
        fail_msg("no \"%s\" in\n%s", part, buf_cstr(&j->text));
}

static void assert_no_text(struct job *j, const char *part)
{
    if (strstr(buf_cstr(&j->text), part))
        fail_msg("\"%s\" is in\n%s", part, buf_cstr(&j->text));
}

static void assert_note(struct job *j, const char *part)
{
    for (size_t i = 0; i < j->made.notes.n; i++)
        if (strstr(j->made.notes.items[i], part))
            return;
    fail_msg("no note of %s in\n%s", part, buf_cstr(&j->text));
}

static void make(struct job *j, const char *settings)
{
    make_in(j, settings, (struct import_place){0});
}

static void the_defaults_read_all_and_write_nothing(void **state)
{
    struct job j;

    (void)state;
    make(&j, "{" NO_NETWORK "," NO_FILES "}");
    ENTRIES(&j, "read", "/", ".");
    ENTRIES(&j, "write", "~/.npm/_logs", "@tmp");
    ENTRIES(&j, "protect", "@hooks");
    assert_text(&j, "deny: []");
    assert_text(&j, "mode: off");
    assert_int_equal(j.made.notes.n, 0);
    end(&j);
}

static void denials_without_anything_open_in_them_are_denials(void **state)
{
    struct job j;

    (void)state;
    make(&j, "{" NO_NETWORK "," FILES("\"~/.ssh\", \"secrets/**\", \"certs/*.pem\", \"a**b\", \"**.key\", "
                                      "\"[!a]x\", \"@odd\", \"~odd\"",
                                      "", "\".\"", "\"kept/\"") "}");
    ENTRIES(&j, "deny", "~/.ssh", "secrets", "certs/*.pem", "a*b", "a*/**/*b", "**/*.key", "?x", "./@odd",
            "./~odd");
    ENTRIES(&j, "read", "/", ".");
    ENTRIES(&j, "write", ".", "~/.npm/_logs", "@tmp");
    assert_text(&j, "- \"kept\"");
    assert_text(&j, "# filesystem.denyRead, line 1");
    end(&j);
}

static void a_denial_with_something_open_in_it_is_a_hole(void **state)
{
    struct job j;

    (void)state;
    make(&j, "{" NO_NETWORK "," FILES("\"~/data\"", "\"~/data/b/open\"", "", "") "}");
    // Not /proc and /tmp, which are the yard's own, nor the link that leads into the hole.
    ENTRIES(&j, "read", "/bin", "/etc", "/home/other", "/home/u/.ssh", "/home/u/w", "/usr",
            "/home/u/data/b/open", ".");
    assert_text(&j, "deny: []");
    end(&j);
}

static void a_link_of_the_workspace_opens_nothing(void **state)
{
    struct job j;

    (void)state;
    make(&j, "{" NO_NETWORK "," FILES("\"~/data\"", "\"link\"", "", "") "}");
    ENTRIES(&j, "deny", "~/data");
    ENTRIES(&j, "read", "/", ".");
    assert_note(&j, "link is or goes through a link");
    end(&j);
}

static void a_denied_home_is_a_private_one(void **state)
{
    struct job j;

    (void)state;
    make(&j, "{" NO_NETWORK "," FILES("\"~\"", "\".\"", "\".\"", "") "}");
    ENTRIES(&j, "read", "/bin", "/etc", "/home/other", "/usr", "/home/u/w", ".");
    ENTRIES(&j, "write", ".", "@tmp", "@home");
    end(&j);
}

static void what_both_name_is_open_and_what_lies_in_a_writable_directory_stays_denied(void **state)
{
    struct job j;

    (void)state;
    make(&j, "{" NO_NETWORK "," FILES("\"src\", \"secrets\"", "\"secrets/k\"", "\".\", \"src\"", "") "}");
    ENTRIES(&j, "deny", "secrets");
    ENTRIES(&j, "write", ".", "~/.npm/_logs", "@tmp");
    assert_note(&j, "secrets/k");
    end(&j);
    make(&j, "{" NO_NETWORK "," FILES("\"secrets\"", "\"secrets\"", "", "") "}");
    assert_text(&j, "deny: []");
    end(&j);
}

static void writes_that_cannot_be_are_left_out_with_a_word(void **state)
{
    struct job j;

    (void)state;
    make(&j, "{" NO_NETWORK "," FILES("\"/**/*.pem\"", "",
                                      "\"nowhere\", \"*.x\", \"/tmp\", \"/dev/null\", \"src/**\"", "") "}");
    ENTRIES(&j, "write", "src", "~/.npm/_logs", "@tmp");
    assert_text(&j, "deny: []");
    assert_note(&j, "nowhere");
    assert_note(&j, "*.x");
    assert_note(&j, "/tmp is a private one");
    assert_note(&j, "/**/*.pem starts with a wildcard");
    end(&j);
}

static void no_rules_of_files_at_all(void **state)
{
    struct job j;

    (void)state;
    make(&j, "{" NO_NETWORK ", \"filesystem\": {\"disabled\": true, \"denyRead\": [\"x\"], "
             "\"allowWrite\": [], \"denyWrite\": []}}");
    ENTRIES(&j, "read", "/", ".");
    ENTRIES(&j, "write", "/", ".", "@tmp");
    assert_text(&j, "deny: []");
    assert_text(&j, "protect: []");
    end(&j);
}

static void hosts_have_the_ports_of_all_entries_that_cover_them(void **state)
{
    struct job j;

    (void)state;
    make(&j, "{" NETWORK("\"*.corp.org\", \"api.corp.org:5432\", \"one.org:9443\", \"One.org:22\"",
                         "\"*:8080\", \"bad.corp.org:443\"") "," NO_FILES "}");
    assert_text(&j, "- host: \"api.corp.org\"                        # network.allowedDomains, line 1\n      "
                    "ports: [80, 443, 8443, 9443]\n      upgrade: true");
    assert_text(&j, "- host: \"api.corp.org\"                        # network.allowedDomains, line 1\n      "
                    "ports: [22, 5432]\n      protocol: tcp");
    assert_text(&j, "- host: \"one.org\"                             # network.allowedDomains, line 1\n      "
                    "ports: [9443]\n");
    assert_text(&j, "- host: \"bad.corp.org\"                        # network.deniedDomains, line 1\n      "
                    "ports: [443]\n");
    end(&j);
}

static void everything_denied_is_no_network(void **state)
{
    struct job j;

    (void)state;
    make(&j, "{" NETWORK("\"x.org\"", "\"*\"") "," NO_FILES "}");
    assert_text(&j, "mode: off");
    end(&j);
    make_in(&j, "{" NO_NETWORK "," NO_FILES "}", (struct import_place){.keep_network = true});
    assert_text(&j, "mode: guarded");
    end(&j);
}

static void names_may_lead_to_listed_addresses_at_their_ports(void **state)
{
    struct job j;

    (void)state;
    make(&j, "{" NETWORK("\"x.org\", \"127.0.0.1:3000\", \"[::1]\", \"localhost\"", "") "," NO_FILES "}");
    assert_text(&j, "- \"127.0.0.1\"");
    assert_text(&j, "- host: \"127.0.0.1\"                           # network.allowedDomains, line 1\n      "
                    "ports: [22, 80, 443, 8080, 8443]\n");
    assert_text(&j, "- \"::1\"");
    assert_text(&j, "- \"10.0.0.0/8\"");
    assert_no_text(&j, "host: \"localhost\"");
    assert_note(&j, "localhost is the run's own loopback");
    end(&j);
}

static void masked_variables_are_secrets_where_there_is_a_network(void **state)
{
    static const char creds[] =
        "\"credentials\": {\"envVars\": [{\"name\": \"SET\", \"mode\": \"mask\"}, {\"name\": \"UNSET\", "
        "\"mode\": \"mask\"}, {\"name\": \"NO\", \"mode\": \"deny\"}, {\"name\": "
        "\"PART\", \"mode\": \"mask\", \"extract\": \"(x)\"}], \"files\": [{\"path\": \"~/.ssh\", \"mode\": "
        "\"mask\"}]}";
    AUTO_FREE char *with = xasprintf("{%s, %s, %s}", NETWORK("\"x.org\"", ""), NO_FILES, creds),
                   *without = xasprintf("{%s, %s, %s}", NO_NETWORK, NO_FILES, creds);
    struct job j;

    (void)state;
    make(&j, with);
    assert_text(&j, "from: \"env:SET\"");
    assert_text(&j, "hosts: [\"x.org\"]");
    assert_no_text(&j, "UNSET");
    assert_text(&j, "NO: \"\"");
    assert_text(&j, "PART: \"\"");
    ENTRIES(&j, "deny", "~/.ssh");
    end(&j);
    make(&j, without);
    assert_text(&j, "SET: \"\"");
    assert_no_text(&j, "secrets:");
    end(&j);
    make_in(&j, with, (struct import_place){.for_keeps = true});
    assert_text(&j, "from: \"env:UNSET\"");
    end(&j);
}

static void another_proxy_is_refused_and_shuts_what_is_kept(void **state)
{
    static const char text[] = "{\"network\": {\"allowedDomains\": [\"x.org\"], \"deniedDomains\": "
                               "[],\n\"parentProxy\": {\"http\": \"http://p\"}}," NO_FILES "}";
    struct job j;

    (void)state;
    make(&j, text);
    assert_false(j.ok);
    assert_int_equal(strncmp(j.err.msg, "2:16: network.parentProxy: ", 27), 0);
    end(&j);
    make_in(&j, text, (struct import_place){.for_keeps = true});
    assert_text(&j, "mode: off");
    assert_note(&j, "parentProxy");
    end(&j);
}

static void paths_of_permission_rules(void **state)
{
    static const char text[] =
        "{\"permissions\": {\"deny\": [\"Read(//etc)\", \"Read(~/x)\", \"Read(/y)\", \"Read(./z)\", "
        "\"Read(name)\", \"Read(a/b)\", \"Read(dir/)\"], \"defaultMode\": \"plan\"}, \"sandbox\": "
        "{\"enabled\": true, \"filesystem\": {\"denyRead\": [\"//abs\", \"/abs2\", \"./rel\"]}}}";
    struct job j;

    (void)state;
    make_in(&j, text, (struct import_place){.file = "/home/u/w/.claude/settings.json"});
    ENTRIES(&j, "deny", "/etc", "~/x", "y", "z", "**/name", "a/b", "**/dir", "/abs", "/abs2", "rel");
    ENTRIES(&j, "write", "~/.npm/_logs", "@tmp"); // plan
    end(&j);
    make_in(&j, text, (struct import_place){.file = "/home/u/.claude/settings.json"});
    ENTRIES(&j, "deny", "/etc", "~/x", "/home/u/.claude/y", "z", "**/name", "a/b", "**/dir", "/abs", "/abs2",
            "/home/u/.claude/rel");
    end(&j);
}

static void a_whole_tool_that_may_not_edit_leaves_nothing_to_write(void **state)
{
    struct job j;

    (void)state;
    make(&j, "{\"permissions\": {\"deny\": [\"Edit\"], \"allow\": [\"Edit(src/**)\"]}}");
    ENTRIES(&j, "write", "src", "~/.npm/_logs", "@tmp");
    assert_note(&j, "sandbox.enabled is not true");
    end(&j);
}

static void credentials_of_claude_code_are_those_of_its_sandbox(void **state)
{
    struct job j;

    (void)state;
    make(&j, "{\"sandbox\": {\"enabled\": true, \"credentials\": {\"files\": [{\"path\": \"~/.ssh\", "
             "\"mode\": \"deny\"}]}}}");
    ENTRIES(&j, "deny", "~/.ssh");
    end(&j);
    make(&j, "{\"sandbox\": {\"credentials\": {\"fils\": []}}}");
    assert_false(j.ok);
    assert_non_null(strstr(j.err.msg, "did you mean \"files\""));
    end(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_read_all_and_write_nothing),
        cmocka_unit_test(denials_without_anything_open_in_them_are_denials),
        cmocka_unit_test(a_denial_with_something_open_in_it_is_a_hole),
        cmocka_unit_test(a_link_of_the_workspace_opens_nothing),
        cmocka_unit_test(a_denied_home_is_a_private_one),
        cmocka_unit_test(what_both_name_is_open_and_what_lies_in_a_writable_directory_stays_denied),
        cmocka_unit_test(writes_that_cannot_be_are_left_out_with_a_word),
        cmocka_unit_test(no_rules_of_files_at_all),
        cmocka_unit_test(hosts_have_the_ports_of_all_entries_that_cover_them),
        cmocka_unit_test(everything_denied_is_no_network),
        cmocka_unit_test(names_may_lead_to_listed_addresses_at_their_ports),
        cmocka_unit_test(masked_variables_are_secrets_where_there_is_a_network),
        cmocka_unit_test(another_proxy_is_refused_and_shuts_what_is_kept),
        cmocka_unit_test(paths_of_permission_rules),
        cmocka_unit_test(a_whole_tool_that_may_not_edit_leaves_nothing_to_write),
        cmocka_unit_test(credentials_of_claude_code_are_those_of_its_sandbox),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
