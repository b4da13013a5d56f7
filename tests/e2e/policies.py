# SPDX-License-Identifier: Apache-2.0
"""Policy files: a bad one starts nothing and says in one line what is wrong where; layers; trust; explain; show."""
import json
import os

from yard import check, test

GOOD = "version: 1\nextends: workspace\n"


def refused(yard, text, *words, name="p.yaml", use=True):
    yard.write(name, text)
    yard.call(["rm", "-f", "started"])
    r = yard.bawn("run", *(("-p", name) if use else ()), "--", "touch", "started")
    check(r.rc == 125, "exit status %d for the policy %r" % (r.rc, text[:200]), r)
    check(not yard.exists("started"), "something was started with the policy %r" % text[:200], r)
    check(len(r.err.strip().splitlines()) == 1 and len(r.err) < 1000, "not one line for the policy %r" % text[:200], r)
    missing = [w for w in words if w not in r.err]
    check(not missing, "the message does not name %s" % missing, r)
    return r


@test
def a_typo_is_named_with_the_nearest_key(yard):
    refused(yard, GOOD + "fiels: {}\n", "p.yaml:3:1", "fiels", "files")
    refused(yard, GOOD + "files:\n  raed: [.]\n", "p.yaml:4:3", "raed", "read")
    refused(yard, GOOD + "limits: {memry: 1G}\n", "p.yaml:3:", "memry", "memory")
    refused(yard, GOOD + "network: {mdoe: off}\n", "mdoe", "mode")
    refused(yard, GOOD + "files: {write+: [.], dney: [x]}\n", "dney", "deny")
    refused(yard, "version: 1\nextends: worksapce\n", "worksapce", "workspace")


@test
def a_wrong_type_or_value_is_named_with_what_is_allowed(yard):
    refused(yard, GOOD + "files: [a]\n", "p.yaml:3:", "files")
    refused(yard, GOOD + "files: {read: x}\n", "files.read")
    refused(yard, GOOD + "files: {read: {a: b}}\n", "files.read")
    refused(yard, GOOD + "nested: maybe\n", "nested", "true")
    refused(yard, GOOD + "network: {mode: sometimes}\n", "network.mode", "off")
    refused(yard, GOOD + "limits: {memory: lots}\n", "limits.memory", "lots")
    refused(yard, GOOD + "limits: {wall: -3s}\n", "limits.wall")
    refused(yard, GOOD + "limits: {processes: 1.5}\n", "limits.processes")
    refused(yard, "version: 2\n", "version")
    refused(yard, "version: one\n", "version")
    refused(yard, GOOD + "env: {set: [A]}\n", "env.set")


@test
def what_is_not_the_subset_of_yaml_is_refused(yard):
    for text in (GOOD + "files: &a {read: [x]}\n", GOOD + "x: *a\n", GOOD + "files: !!map {}\n", GOOD
                 + "nested: !!bool true\n", GOOD + "<<: {a: b}\n",
                 GOOD + "nested: false\nnested: true\n", GOOD + "files: {read: [a], read: [b]}\n", GOOD
                 + "--- \nversion: 1\n", "just text\n", "- a\n- list\n", "version: 1\n\tfiles: x\n",
                 "{", "\x00\x01\x02", "version: 1\nextends: 'unterminated\n",
                 "\xff\xfe".encode("latin1").decode("latin1"), GOOD + "files: {read: [null]}\nfiles2: ~\n",
                 "? [a]\n: b\n", "version: 1\nfiles: {? a}\n"):
        refused(yard, text, "p.yaml")


@test
def contradictions_are_named(yard):
    refused(yard, GOOD + "files: {write: ['/no/such/root']}\n", "/no/such/root")
    refused(yard, GOOD + "files: {write: ['src/*']}\n", "src/*")
    refused(yard, GOOD + "files: {read: ['**/x']}\n", "**/x")
    refused(yard, GOOD + "network: {mode: off, allow: [{host: example.org}]}\n", "network")
    refused(yard, GOOD + "files: {write: ['@nosuchset']}\n", "@nosuchset")


@test
def what_this_build_lacks_is_refused_and_not_ignored(yard):
    for text in ("network: {mode: guarded}\n", "overlay: review\n", "as_root: true\n", "files: {ask: [x]}\n",
                 "commands: [{match: [git], decision: ask}]\n", "packages: {near_name: ask}\n",
                 "secrets: {T: {from: 'env:T', hosts: [a.example], header: Authorization}}\n",
                 "flow: {untrusted: ['**']}\n"):
        yard.write("p.yaml", GOOD + text)
        r = yard.bawn("run", "-p", "p.yaml", "--", "true")
        if r.rc != 0:  # a build that has it
            check(r.rc == 125 and "not in this build" in r.err and len(r.err.strip().splitlines()) == 1,
                  "refused otherwise: %s" % text, r)


@test
def garbage_is_refused_quickly(yard):
    for text in ("x" * (10 << 20), "a: " * 100000, "[" * 100000, "{a: " * 100000, "- " * 1000000, "\n" * (10 << 20),
                 "version: 1\n" + "".join("k%d: 1\n" % i for i in range(50000)),
                 "version: 1\nfiles: {read: [%s]}\nfiels: 1\n" % ", ".join("p%d" % i for i in range(20000)),
                 "\0" * (10 << 20), bytes(range(256)) * 40000):
        r = refused(yard, text)
        check(r.seconds < 5, "it took %g s" % r.seconds)


@test
def a_policy_that_is_no_plain_file_is_refused(yard):
    os.mkfifo(yard.path("fifo"))
    yard.write("secret", GOOD, 0o000)
    for name in (".", "fifo", "/dev/zero", "/dev/stdin", "no-such") + (("secret",) if os.geteuid() else ()):
        r = yard.bawn("run", "-p", name, "--", "touch", "started", timeout=15)
        check(r.rc == 125 and not yard.exists("started") and len(r.err.strip().splitlines()) == 1, "policy %s" % name,
              r)


@test
def a_bad_policy_of_the_workspace_or_the_user_starts_nothing(yard):
    refused(yard, "version: 1\nfiels: {}\n", "bawn.yaml:2:1", "files", name="bawn.yaml", use=False)
    os.unlink(yard.path("bawn.yaml"))
    yard.write("~/.config/bawn/policy.yaml", "version: 1\nfiels: {}\n")
    r = yard.bawn("run", "--", "touch", "started")
    check(r.rc == 125 and "policy.yaml:2:1" in r.err and not yard.exists("started"), "a bad policy of the user's", r)


@test
def messages_show_no_control_characters_of_a_policy(yard):
    r = refused(yard, GOOD + "\"fi\\e[31mles\": {}\n")
    check("\x1b" not in r.err, "an escape sequence of the file is printed", r)
    r = refused(yard, GOOD + "\"" + "k" * 5000 + "\": 1\n")


@test
def json_is_a_policy_too(yard):
    yard.write("../beside/f", "B")
    yard.write("p.json", json.dumps({"version": 1, "extends": "workspace", "files": {"read+": [yard.root
        + "/beside"]}}))
    check(yard.run("cat ../beside/f", "-p", "p.json").out == "B", "a policy in JSON")


@test
def layers_merge_in_their_order(yard):
    for n in ("u", "w", "o"):
        yard.write("../%s/f" % n, n)
    line = "cat ../u/f ../w/f ../o/f 2>/dev/null; true"
    yard.write("~/.config/bawn/policy.yaml", GOOD
               + "files: {read+: ['%s/u']}\nenv: {set: {A: user, B: user}}\n" % yard.root)
    check(yard.run(line).out == "u", "the user's policy")
    check(yard.run(line, "--read", "../o").out == "uo", "the user's policy and the command line")
    yard.write("bawn.yaml", "version: 1\nfiles: {read+: ['%s/w']}\nenv: {set: {B: workspace}}\n" % yard.root)
    check(yard.run(line).out == "u", "an untrusted workspace widened")
    r = yard.bawn("trust", "--yes")
    check(r.rc == 0, "bawn trust", r)
    check(yard.run(line).out == "uw", "a trusted workspace")
    check(yard.run("echo $A $B").out == "user workspace\n", "mappings merge by key")
    check(yard.run(line, "--set", "files.read=['@system', '%s/o']" % yard.root).out == "o", "--set replaces")
    yard.write("p.yaml", GOOD)
    check(yard.run(line, "-p", "p.yaml").out == "", "-p stands in place of both")


@test
def an_untrusted_workspace_policy_only_narrows(yard):
    yard.write("~/data/f", "D")
    yard.write("../beside/f", "B")
    yard.write("bawn.yaml", "version: 1\nextends: open\nnested: true\ndegrade: allow\nenv: {set: {EVIL: '1'}, pass: "
               "[MY_TOKEN]}\nnetwork: {mode: open}\n"
               "files: {read: [/], write: [/, '~'], deny: [], protect: []}\nlimits: {wall: 100h}\n")
    r = yard.run("cat ~/data/f ../beside/f; echo x > ../beside/new; echo $EVIL$MY_TOKEN; unshare -U true && echo "
                 "NESTED; ls /sys/class/net; mkdir -p .git/hooks; cat ~/.ssh/id_rsa; true", env={"MY_TOKEN": "t"})
    check(r.rc == 0 and r.out.split() == ["lo"], "an untrusted policy loosened", r)
    check(not os.path.exists(yard.root + "/beside/new"), "an untrusted policy let it write outside")
    check("bawn trust" in r.err, "nothing names the remedy", r)
    yard.write("bawn.yaml", "version: 1\nfiles: {deny+: [private]}\nlimits: {wall: 400ms}\n")
    yard.write("private/x", "P")
    r = yard.run("cat private/x; sleep 5")
    check(r.rc == 124 and "P" not in r.out, "an untrusted policy does not narrow", r)


@test
def trust_is_for_that_very_content_and_place(yard):
    yard.write("../beside/f", "B")
    text = "version: 1\nextends: workspace\nfiles: {read+: ['%s/beside']}\n" % yard.root
    yard.write("bawn.yaml", text)
    check(yard.run("cat ../beside/f").out == "", "before trust")
    check(yard.bawn("trust", "--yes").rc == 0 and yard.run("cat ../beside/f").out == "B", "after trust")
    yard.write("bawn.yaml", text + "# changed\n")
    check(yard.run("cat ../beside/f").out == "", "trust holds for another content")
    yard.write("bawn.yaml", text)
    check(yard.run("cat ../beside/f").out == "B", "trust is lost for the same content")
    yard.write("sub/bawn.yaml", text)
    check(yard.run("cat ../../beside/f", "-C", "sub").out == "", "trust holds for another place")
    r = yard.bawn("trust", "--yes", "no-such.yaml")
    check(r.rc == 125 and len(r.err.strip().splitlines()) == 1, "trust of a missing file", r)


@test(sandbox=False)
def the_policy_can_be_checked_and_shown(yard):
    yard.write("good.yaml", GOOD + "files: {read+: [/opt]}\nlimits: {wall: 5m}\n")
    yard.write("bad.yaml", GOOD + "fiels: {}\n")
    check(yard.bawn("policy", "check", "good.yaml").rc == 0, "check of a good file")
    r = yard.bawn("policy", "check", "bad.yaml")
    check(r.rc == 125 and "bad.yaml:3:1" in r.err, "check of a bad file", r)
    r = yard.bawn("policy", "show", "-p", "good.yaml")
    check(r.rc == 0 and "/opt" in r.out and "good.yaml:3" in r.out and "profile workspace" in r.out,
          "show names the origins", r)
    yard.write("again.yaml", yard.bawn("policy", "show", "-p", "good.yaml").out)
    check(yard.bawn("policy", "check", "again.yaml").rc == 0, "what show prints is no policy")
    schema = json.loads(yard.bawn("policy", "schema").out)
    check({"version", "files", "network", "limits"} <= set(schema["properties"]), "the schema")


@test(sandbox=False)
def explain_answers_for_paths(yard):
    yard.git("init", "-q")
    yard.write("~/.ssh/id_rsa", "k")
    yard.write("f", "F")
    for access, path, verdict in (("read", "f", "allow"), ("write", "f", "allow"), ("write", "new/file", "allow"),
                                  ("read", yard.path("~/.ssh/id_rsa"), "deny"), ("read", "~/.ssh/id_rsa", "deny"),
                                  ("write", ".git/hooks/pre-commit", "deny"), ("read", ".git/config", "allow"),
                                  ("write", ".git/config", "deny"), ("write", "/etc/passwd", "deny"),
                                  ("read", "/usr/bin/env", "allow"), ("write", "/usr/bin/env", "deny"), ("read",
                                  "/etc/shadow", "deny"), ("write", "/tmp/x", "allow"), ("write", "../x", "deny"),
                                  ("write", "bawn.yaml", "deny"), ("write", "/sys/power/state", "deny"), ("read",
                                  yard.state + "/runs", "deny")):
        r = yard.bawn("explain", "--json", "path", access, path)
        try:
            answer = json.loads(r.out)
        except ValueError:
            check(False, "not one object", r)
        check(answer["verdict"] == verdict and answer["rule"] and answer["reason"], "%s %s" % (access, path), r)
    os.symlink("/etc/passwd", yard.path("link"))
    check(json.loads(yard.bawn("explain", "--json", "path", "write", "link").out)["verdict"] == "deny",
          "explain does not follow a link")
    r = yard.bawn("explain", "path", "read", "~/.ssh/id_rsa")
    check("@secrets" in r.out and "\n" in r.out, "explain for people", r)


@test
def explain_and_run_agree(yard):
    yard.git("init", "-q")
    outside = yard.root + "/beside"
    yard.write(outside + "/f", "x")
    yard.write("d/secret.pem", "x")
    yard.write("~/.aws/credentials", "x")
    for path in ("f", "d/secret.pem", ".git/config", ".git/index.new", "/etc/hostname", "/etc/x", outside + "/f",
                 yard.home + "/.aws/credentials", yard.home + "/new", "/tmp/x", "/var/tmp/x", "/dev/shm/x",
                 "/usr/lib/x"):
        for access, probe in (("read", "cat {P} >/dev/null 2>&1"), ("write", "(: >> {P}) 2>/dev/null")):
            if access == "read" and not os.path.exists(os.path.join(yard.workspace, path)):
                continue
            options = ("--deny", "**/*.pem")
            verdict = json.loads(yard.bawn("explain", *options, "--json", "path", access, path).out)["verdict"]
            r = yard.run(probe.replace("{P}", path), *options)
            check((r.rc == 0) == (verdict == "allow"), "explain says %s for %s %s, the run says otherwise" % (verdict,
                access, path), r)


@test(sandbox=False)
def doctor_answers_in_a_table_and_in_json(yard):
    r = yard.bawn("doctor", "--json")
    check(r.rc in (0, 1), "status", r)
    check(isinstance(json.loads(r.out), dict), "not one object", r)
    r = yard.bawn("doctor")
    check(r.rc in (0, 1) and len(r.out.splitlines()) > 5, "the table", r)


@test
def a_denied_link_is_not_said_to_be_open_when_its_target_is_shut(yard):
    yard.write("~/d/x", "KEPT\n")
    os.symlink("d", yard.path("~/link"))
    check("KEPT" in yard.run("cat ~/d/x", "--read", "~/d").out, "positive control")
    r = yard.run("cat ~/d/x ~/link/x", "--read", "~/d", "--deny", "~/link")
    check("KEPT" not in r.out and "not covered" not in r.err, "a denied link", r)
