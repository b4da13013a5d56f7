// SPDX-License-Identifier: Apache-2.0
// Bad policies and the exact words that a person gets. A message is part of the interface: it must name the
// place, the key, what is wrong and what to write instead.
#include "scene.h"

#include <stdio.h>
#include <string.h>

struct bad {
    const char *policy;
    const char *message; // after "FILE:"
};

static const struct bad bad[] = {
    // syntax
    {"files: [", "2:1: did not find expected node content"},
    {"a: b: c\n", "1:5: mapping values are not allowed in this context"},
    {"files:\n\tread: []\n", "2:1: a tab cannot indent YAML; use spaces"},
    {"files: {read: [@system]}\n", "1:16: a text that starts with @ must be quoted"},
    {"files: &a {read: []}\n", "1:8: anchors (&name) are not accepted; write the value out, or quote it"},
    {"files: *a\n", "1:8: aliases (*name) are not accepted; quote a text that starts with *"},
    {"version: !!int 1\n", "1:10: tags (!name) are not accepted; quote the value if it starts with !"},
    {"files: {<<: {read: []}}\n", "1:9: merge keys (<<) are not accepted; write the entries out"},
    {"version: 1\n---\nversion: 1\n", "2:1: a second document; one file holds one document"},
    {"%YAML 1.2\n---\nversion: 1\n", "1:1: directives (%) are not accepted; remove the line"},
    {"version: 1\nversion: 1\n", "2:1: the key \"version\" is there twice, first in line 1"},
    {"{\"version\": 1, \"version\": 1}", "1:16: the key \"version\" is there twice, first in line 1"},
    {"? [a]\n: b\n", "1:3: a key must be a name, not a list or a mapping"},
    {"\xef\xbb\xbfversion: 1\n", "1:1: starts with a byte order mark; save it as UTF-8 without one"},
    {"version: 1\n# \xff\n", "2:3: a byte that is not UTF-8; the file must be UTF-8 text"},
    {"version: \"1\\0\"\n", "1:10: a NUL (\\0) in a text"},
    {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "1:33: nested too deeply"},
    {"- a\n", "1:1: must be a mapping (name: value), not a list"},
    {"just text\n", "1:1: must be a mapping (name: value), not text"},
    // keys
    {"version: 1\nfiels: {}\n",
     "2:1: fiels: unknown key; did you mean \"files\"? known here: version, extends, degrade, "
     "nested, as_root, notes, files, network, env, secrets, limits, commands, packages, flow, "
     "approval, monitor, overlay"},
    {"files: {wirte: []}\n",
     "1:9: files.wirte: unknown key; did you mean \"write\"? known here: read, write, deny, "
     "protect, ask, inside, state, strict"},
    {"network:\n  allow:\n    - host: a.org\n      prots: [1]\n",
     "4:7: network.allow[0].prots: unknown key; did you mean \"ports\"? known here: host, preset, ports, "
     "methods, paths, "
     "protocol, tls, upgrade, watch, max_upload, upload_rate, because"},
    {"limits: {zzzzzzz: 1}\n",
     "1:10: limits.zzzzzzz: unknown key; known here: wall, after_input, cpu, memory, processes, disk, "
     "open_files, output"},
    {"overlay+: off\n", "1:1: overlay+: only lists can be appended to; write \"overlay\""},
    {"files: {read: [a], read+: [b]}\n",
     "1:20: files.read+: \"read\" and \"read+\" in one place; write one of them"},
    // types
    {"version: 2\n", "1:10: version: version \"2\" is not known to this build; it reads version 1"},
    {"files: []\n", "1:8: files: must be a mapping (name: value), not a list"},
    {"files: {read: .}\n", "1:15: files.read: must be a list, like [a, b], not text"},
    {"files: {read: [[a]]}\n", "1:16: files.read[0]: must be a single value, not a list"},
    {"files:\n", "1:7: files: is empty; write a mapping (name: value) or remove the key"},
    {"files: {strict: yes}\n", "1:17: files.strict: \"yes\" is neither true nor false; did you mean true?"},
    {"nested: maybe\n", "1:9: nested: \"maybe\" is neither true nor false"},
    {"network: {mode: opne}\n",
     "1:17: network.mode: unknown value \"opne\"; did you mean \"open\"? allowed: off, guarded, open"},
    {"degrade: sometimes\n", "1:10: degrade: unknown value \"sometimes\"; allowed: refuse, allow"},
    {"extends: worksapce\n",
     "1:10: extends: unknown profile \"worksapce\"; did you mean \"workspace\"? allowed: "
     "read-only, workspace, computer, open, mcp, agent:NAME"},
    {"env: {set: {1X: a}}\n", "1:13: env.set.1X: \"1X\" is not a variable's name"},
    {"env: {pass: [A=b]}\n", "1:14: env.pass[0]: \"A=b\" is not a variable's name; values go into env.set"},
    // amounts
    {"limits: {wall: 30}\n",
     "1:16: limits.wall: \"30\" is not a duration; write a whole number with ms, s, m, h or d, "
     "like 30m"},
    {"limits: {wall: 1h30m}\n",
     "1:16: limits.wall: \"1h30m\" is not a duration; write a whole number with ms, s, m, h "
     "or d, like 30m"},
    {"limits: {wall: 0s}\n", "1:16: limits.wall: \"0s\" must be above 0; \"none\" sets no limit"},
    {"limits: {wall: 99999999999999999999d}\n", "1:16: limits.wall: \"99999999999999999999d\" is too large"},
    {"limits: {wall: 9999999d}\n", "1:16: limits.wall: \"9999999d\" is too large"},
    {"limits: {memory: 4GB}\n",
     "1:18: limits.memory: \"4GB\" is not a size; write a whole number of bytes or with K, M, "
     "G or T, like 4G"},
    {"limits: {memory: 99999999T}\n", "1:18: limits.memory: \"99999999T\" is too large"},
    {"limits: {memory: -1}\n",
     "1:18: limits.memory: \"-1\" is not a size; write a whole number of bytes or with K, M, G "
     "or T, like 4G"},
    {"limits: {cpu: 0}\n",
     "1:15: limits.cpu: \"0\" must be above 0 and at most 4096; \"none\" sets no limit"},
    {"limits: {cpu: inf}\n", "1:15: limits.cpu: \"inf\" is not a number, like 2 or 0.5"},
    {"limits: {cpu: 2.}\n", "1:15: limits.cpu: \"2.\" is not a number, like 2 or 0.5"},
    {"limits: {processes: 1e3}\n", "1:21: limits.processes: \"1e3\" is not a whole number, like 512"},
    {"limits: {processes: 99999999999}\n", "1:21: limits.processes: \"99999999999\" is too large"},
    // paths
    {"files: {read: [\"@sytem\"]}\n",
     "1:16: files.read[0]: unknown set \"@sytem\"; did you mean \"@system\"? allowed: "
     "@system, @toolchains, @program, @caches"},
    {"files: {read: [\"@tmp\"]}\n",
     "1:16: files.read[0]: the set @tmp has no meaning here; allowed: paths and @system, "
     "@toolchains, @program, @caches"},
    {"files: {write: [\"**/x\"]}\n",
     "1:17: files.write[0]: \"**/x\" has a glob character; globs are for deny and protect only"},
    {"files: {deny: [\"a**/x\"]}\n",
     "1:16: files.deny[0]: \"a**/x\": ** must be a whole component, like **/*.pem"},
    {"files: {read: [~bob/x]}\n",
     "1:16: files.read[0]: \"~bob/x\": only ~ and ~/… are known; write another user's home in full"},
    {"files: {read: [\"\"]}\n", "1:16: files.read[0]: an empty path"},
    {"files: {write: [out], deny: [.]}\n",
     "1:17: files.write: \"out\" lies in \".\", which files.deny names; deny is "
     "stronger, so remove one of the two"},
    {"files: {write: [~/a/b], deny: [~/a/b]}\n",
     "1:17: files.write: \"~/a/b\" lies in \"~/a/b\", which files.deny names; "
     "deny is stronger, so remove one of the two"},
    // network
    {"network: {allow: [{ports: [1]}]}\n", "1:19: network.allow[0]: needs a host or a preset"},
    {"network: {allow: [{host: a.org, preset: none}]}\n",
     "1:19: network.allow[0]: has both host and preset; write one"},
    {"network: {mode: off, allow: [{host: a.org}]}\n",
     "1:29: network.allow: has entries beside network.mode: off, which lets nothing through; remove one of "
     "the two"},
    {"network: {mode: open, allow: [{host: a.org}]}\n",
     "1:30: network.allow: has entries beside network.mode: open, which lets everything through; remove one "
     "of the two"},
    {"network: {mode: open, deny: [{host: a.org}]}\n",
     "1:30: network.deny: has entries, but network.mode is open, which "
     "refuses nothing; set network.mode: guarded"},
    {"network: {allow: [{host: \"https://a.org\"}]}\n",
     "1:26: network.allow[0].host: \"https://a.org\" is a URL; write the host alone, and `paths` for what "
     "follows it"},
    {"network: {allow: [{host: \"a.org:443\"}]}\n",
     "1:26: network.allow[0].host: \"a.org:443\" has a port; write the host alone, and `ports: [N]`"},
    {"network: {allow: [{host: \"a.org/x\"}]}\n",
     "1:26: network.allow[0].host: \"a.org/x\" has a path; write the host alone, and `paths`"},
    {"network: {allow: [{host: \"*\"}]}\n",
     "1:26: network.allow[0].host: \"*\" is every host; name domains, or set network.mode: open"},
    {"network: {allow: [{host: \"a.*.org\"}]}\n",
     "1:26: network.allow[0].host: \"a.*.org\": a wildcard can only stand first, as *. or **."},
    {"network: {allow: [{host: \"*a.org\"}]}\n",
     "1:26: network.allow[0].host: \"*a.org\": a wildcard stands for whole labels: *.example.org"},
    {"network: {allow: [{host: 127.1}]}\n",
     "1:26: network.allow[0].host: \"127.1\" looks like an address in an unusual "
     "spelling; write it as 192.0.2.1"},
    {"network: {allow: [{host: 0x7f000001}]}\n",
     "1:26: network.allow[0].host: \"0x7f000001\" looks like an address in an "
     "unusual spelling; write it as 192.0.2.1"},
    {"network: {allow: [{host: bücher.example}]}\n",
     "1:26: network.allow[0].host: \"bücher.example\" is not ASCII; write the name in its xn-- form"},
    {"network: {allow: [{host: 10.0.0.1/8}]}\n",
     "1:26: network.allow[0].host: \"10.0.0.1/8\" has bits set beyond /8; "
     "write 10.0.0.0/8 for the range"},
    {"network: {allow: [{host: a.org, ports: [0]}]}\n",
     "1:41: network.allow[0].ports[0]: \"0\" is not a port; write a number from 1 to 65535"},
    {"network: {allow: [{host: a.org, ports: [65536]}]}\n",
     "1:41: network.allow[0].ports[0]: \"65536\" is not a port; write a number from 1 to 65535"},
    {"network: {allow: [{host: a.org, methods: []}]}\n",
     "1:42: network.allow[0].methods: an empty list would admit "
     "nothing; remove it to admit the default"},
    {"network: {allow: [{host: a.org, methods: [get]}]}\n",
     "1:43: network.allow[0].methods[0]: \"get\": methods are written in capitals, like GET"},
    {"network: {allow: [{host: a.org, paths: [pub]}]}\n",
     "1:41: network.allow[0].paths[0]: \"pub\" is not a path; it starts with /, like /pub/**"},
    {"network: {allow: [{host: a.org, protocol: tcp, paths: [/x]}]}\n",
     "1:19: network.allow[0]: protocol tcp has no methods, paths, max_upload or upgrade; remove them, or the "
     "protocol"},
    {"network: {allow: [{host: a.org, tls: pass, methods: [GET]}]}\n",
     "1:19: network.allow[0]: tls: pass hides methods, paths and sizes; use tls: auto, or remove them"},
    {"network: {mode: off\n", "2:1: did not find expected ',' or '}', while parsing a flow mapping"},
    {"network: {mode: off}}\n", "1:21: did not find expected key, while parsing a block mapping"},
    {"network: {addresses: [ten]}\n",
     "1:23: network.addresses[0]: \"ten\" is not an address; write 10.1.2.3, 10.0.0.0/8, "
     "fd00::1 or fd00::/8"},
    // secrets, commands, approval
    {"secrets: {T: {from: \"abc\", hosts: [a.org], header: A}}\n",
     "1:21: secrets.T.from: a secret comes from env:NAME, file:PATH or json:PATH#POINTER, it is not written "
     "here"},
    {"secrets: {T: {hosts: [a.org], header: A}}\n",
     "1:14: secrets.T: needs from: env:NAME, file:PATH or json:PATH#POINTER"},
    {"secrets: {T: {from: \"env:T\", header: A}}\n",
     "1:14: secrets.T: needs hosts: the list of where it may go"},
    {"secrets: {T: {from: \"env:T\", hosts: [a.org]}}\n",
     "1:14: secrets.T: needs header, query or body: where it may stand in a request"},
    {"commands: [{match: [git]}]\n", "1:12: commands[0]: needs a decision: deny, ask or allow"},
    {"commands: [{decision: ask}]\n", "1:12: commands[0]: needs a match"},
    {"commands: [{match: [], decision: ask}]\n", "1:20: commands[0].match: is empty; name at least one word"},
    {"commands: [{match: [git, [push]], decision: ask, like: [git pull]}]\n",
     "1:57: commands[0]: the rule does not match this line, which `like` says it must"},
    {"commands: [{match: [git, [push]], decision: ask, unlike: [git push x]}]\n",
     "1:59: commands[0]: the rule matches this line, which `unlike` says it must not"},
    {"approval: {reviewer: {}}\n", "1:22: approval.reviewer: needs a command: [PROGRAM, ARG…]"},
    {"approval: {reviewer: ttty}\n",
     "1:22: approval.reviewer: unknown value \"ttty\"; did you mean \"tty\"? allowed: tty, web, model, none"},
    {"files: {inside: [{keep: [/a]}]}\n", "1:18: files.inside[0]: needs a path"},
    {"files: {inside: [{path: a, text: x, head: y}]}\n",
     "1:18: files.inside[0]: text is the whole file; remove keep, fake, put and head, or the text"},
    {"files: {inside: [{path: a, keep: [/x], head: y}]}\n",
     "1:18: files.inside[0]: head is for files of lines, keep, fake and put are for JSON; remove one of "
     "them"},
    {"files: {inside: [{path: a, keep: [x]}]}\n",
     "1:35: files.inside[0].keep[0]: \"x\" is not a JSON pointer, like /tokens/access"},
    {"secrets: {A: {from: \"json:~/x\", hosts: [a.org], header: b}}\n",
     "1:21: secrets.A.from: json:~/x has no #POINTER, like json:~/.tool/auth.json#/token"},
    {"network: {quiet: [{paths: [/a]}]}\n", "1:19: network.quiet[0]: needs a host"},
    {"monitor: {on: [network]}\n", "1:10: monitor: needs a model"},
};

static const struct bad unsupported[] = {
    {"as_root: true\n", "1:10: as_root: true is not in this build; run as yourself: as_root: false"},
    {"extends: agent:none\n", NULL}, // its words name a directory of the scene: test_profiles.c
    {"extends: computer\n", NULL},   // by its overlay, which the profile asks for
    {"files: {ask: [~/x]}\n",
     "1:14: files.ask is not in this build; grant the path in files.write, or leave it out"},
    {"commands: [{match: [git], decision: ask}]\n", "1:11: commands is not in this build; remove it"},
    {"packages: {known_bad: deny}\n", "1:11: packages is not in this build; remove it"},
    {"flow: {untrusted: [\"**\"]}\n", "1:7: flow is not in this build; remove it"},
    {"monitor: {model: m}\n", "1:10: monitor is not in this build; remove it"},
    {"approval: {reviewer: web}\n", "1:22: approval.reviewer: web is not in this build; use tty or none"},
    {"approval: {reviewer: {command: [x]}}\n",
     "1:22: approval.reviewer is not in this build; use tty or none"},
    {"overlay: review\n",
     "1:10: overlay: review is not in this build; set overlay: off, so that writes go to the files "
     "themselves"},
};

static void check(struct scene *s, const struct bad *b, enum err_kind kind)
{
    AUTO_FREE char *want = NULL;

    if (scene_load_file(s, b->policy, NULL))
        fail_msg("accepted: %s", b->policy);
    if (s->err.kind != kind)
        fail_msg("%s: kind %d: %s", b->policy, (int)s->err.kind, s->err.msg);
    if (!b->message)
        return;
    want = xasprintf("%s/p.yaml:%s", s->top, b->message);
    assert_string_equal(s->err.msg, want);
}

static void every_mistake_is_told_in_these_words(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        check(&s, &bad[i], ERR_INPUT);
    scene_deinit(&s);
}

static void what_this_build_lacks_is_refused_and_not_ignored(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    for (size_t i = 0; i < ARRAY_LEN(unsupported); i++)
        check(&s, &unsupported[i], ERR_UNSUPPORTED);
    scene_deinit(&s);
}

static void harmless_values_of_missing_features_load(void **state)
{
    struct scene s;

    (void)state;
    scene_init(&s);
    assert_true(
        scene_load_file(&s,
                        "as_root: false\noverlay: off\nfiles: {ask: []}\nsecrets: {}\ncommands: []\n"
                        "network: {mode: off, ask: true, scan: false, deny: [{host: a.org}], ca: [x.pem], "
                        "addresses: [10.0.0.0/8], proxy_env: true, publish: [], sockets: []}\n"
                        "approval: {reviewer: none}\n",
                        NULL));
    assert_int_equal(s.policy->network.ndeny, 1);
    assert_string_equal(s.policy->approval.reviewer, "none");
    scene_deinit(&s);
}

static void hostile_sizes_end_quickly_with_an_error(void **state)
{
    struct scene s;
    size_t n = 10u << 20;
    char *big = xmalloc(n + 1);

    (void)state;
    scene_init(&s);
    memset(big, '[', n);
    big[n] = '\0';
    assert_false(scene_load_file(&s, big, NULL));
    assert_int_equal(s.err.kind, ERR_LIMIT);
    assert_has(s.err.msg, "larger than 1048576 bytes");
    for (size_t i = 0; i < POLICY_FILE_MAX - 1; i++)
        big[i] = "a: {\n"[i % 5];
    big[POLICY_FILE_MAX - 1] = '\0';
    assert_false(scene_load_file(&s, big, NULL));
    assert_int_equal(s.err.kind, ERR_INPUT);
    free(big);
    scene_deinit(&s);
}

static void a_nul_byte_in_the_file_is_an_error(void **state)
{
    static const char text[] = "version: 1\nov\0erlay: off\n";
    struct scene s;

    (void)state;
    scene_init(&s);
    scene_write(&s, "p.yaml", "");
    {
        AUTO_FREE char *path = xasprintf("%s/p.yaml", s.top);
        FILE *f = fopen(path, "w");
        struct policy_options o = {.file = path};

        assert_non_null(f);
        assert_int_equal(fwrite(text, 1, sizeof text - 1, f), sizeof text - 1);
        fclose(f);
        assert_false(scene_load(&s, &o));
    }
    assert_has(s.err.msg, "p.yaml:2:3: a NUL byte; the file must be UTF-8 text");
    scene_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mistake_is_told_in_these_words),
        cmocka_unit_test(what_this_build_lacks_is_refused_and_not_ignored),
        cmocka_unit_test(harmless_values_of_missing_features_load),
        cmocka_unit_test(hostile_sizes_end_quickly_with_an_error),
        cmocka_unit_test(a_nul_byte_in_the_file_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
