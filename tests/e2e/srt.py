# SPDX-License-Identifier: Apache-2.0
"""The `srt` entry by itself: its options, exit status, settings and what it says of them; and `bawn policy import`."""
import json
import os
import subprocess
import time

from srt_peer import ours
from stage import ADDRESS, Stage
from yard import check, need, test

NOTHING = {"network": {"allowedDomains": [], "deniedDomains": []}, "filesystem": {"denyRead": [], "allowWrite": [], "denyWrite": []}}
HOST, OTHER = "www.stage.test", "other.stage.test"


def settings(network=(), filesystem=(), **more):
    s = json.loads(json.dumps(NOTHING))
    s["network"].update(dict(network))
    s["filesystem"].update(dict(filesystem))
    s.update(more)
    return s


def srt(yard, s, *args, **how):
    path = yard.root + "/settings.json"
    with open(path, "w") as f:
        f.write(s if isinstance(s, str) else json.dumps(s))
    return yard.call([ours(yard), "-s", path, *args], **how)


def refused(yard, s, *words):
    """Nothing runs, the status is 1, and one line says where and what."""
    r = srt(yard, s, "-c", "touch ran; true")
    check(r.rc == 1 and not yard.exists("ran") and r.err.count("\n") == 1 and all(w in r.err for w in words), "wanted an error with %s" % (words,), r)


# --- options and exit status --------------------------------------------------------------------------------------------


@test
def a_line_and_plain_words_run_as_in_bash(yard):
    for args, out, rc in ((("-c", "echo one; exit 7"), "one\n", 7), (("echo", "a  b", "$HOME", "*"), "a  b $HOME *\n", 0), (("exit", "3"), "", 3),
                          (("FOO=1", "printenv", "FOO"), "1\n", 0), (("--", "echo", "-c"), "-c\n", 0), (("echo", "-c", "x", "-d"), "-c x -d\n", 0),
                          (("echo one two",), "one two\n", 0), (("nonesuch",), "", 127), (("./README",), "", 126),
                          (("-c", "kill -9 $$"), "", 137), (("-c", "kill -TERM $$"), "", 143)):
        yard.write("README", "text")
        r = srt(yard, NOTHING, *args)
        check(r.out == out and r.rc == rc, "srt %s: wanted %r and %d" % (args, out, rc), r)


@test
def input_and_output_are_the_callers(yard):
    r = srt(yard, NOTHING, "-c", "read x; echo out $x; echo err >&2", stdin="word\n")
    check(r.out == "out word\n" and r.err == "err\n", "streams", r)


@test
def bad_options_run_nothing(yard):
    for args, word in (((), "no command"), (("--bogus", "true"), "--bogus"), (("-s",), "needs a value"), (("--control-fd", "2", "true"), "3 or above"),
                       (("--control-fd", "x", "true"), "3 or above"), (("--control-fd", "77", "true"), "77")):
        r = srt(yard, NOTHING, *args)
        check(r.rc == 1 and word in r.err and r.err.count("\n") == 1, "srt %s" % (args,), r)
    r = yard.call([ours(yard), "--version"])
    check(r.rc == 0 and "bawn" in r.out, "--version", r)


@test
def the_default_settings_file_is_read_and_may_be_missing(yard):
    line = [ours(yard), "-c", "cat secret; echo x > f"]
    yard.write("secret", "WORD")
    r = yard.call(line)
    check(r.out == "WORD" and not yard.exists("f"), "the defaults: all is read, nothing written", r)
    yard.write("~/.srt-settings.json", json.dumps(settings(filesystem={"denyRead": ["secret"], "allowWrite": ["."]})))
    r = yard.call(line)
    check("WORD" not in r.out and yard.exists("f"), "~/.srt-settings.json is not read", r)
    for text, word in (("", "empty"), (" \n", "empty"), ("{", "2:"), ("[]", "not a JSON object")):
        yard.write("~/.srt-settings.json", text and text + "\n")
        r = yard.call([ours(yard), "true"])
        check(r.rc == 1 and word in r.err and ".srt-settings.json" in r.err, "settings of %r" % text, r)
    r = yard.call([ours(yard), "-s", yard.root + "/nonesuch", "true"])
    check(r.rc == 1 and "nonesuch" in r.err, "settings that were named and are not there", r)


@test
def debug_prints_the_policy_that_was_made(yard):
    r = srt(yard, settings(filesystem={"denyRead": ["~/.ssh"]}), "-d", "true")
    check(r.rc == 0 and '- "~/.ssh"' in r.err and "# filesystem.denyRead, line 1" in r.err, "-d", r)


@test
def a_refusal_names_the_line_of_the_settings(yard):
    text = json.dumps(settings(filesystem={"allowWrite": ["."], "denyWrite": ["kept"]}), indent=2)
    line = next(i for i, l in enumerate(text.split("\n"), 1) if "kept" in l)
    yard.write("kept", "x")
    r = srt(yard, text, "-c", "echo y > kept")
    check("settings.json:%d:" % line in r.err and yard.read("kept") == "x", "the refusal does not name line %d" % line, r)


@test
def the_settings_cannot_be_written_by_what_they_confine(yard):
    yard.write("s.json", json.dumps(settings(filesystem={"allowWrite": ["."]})))
    r = yard.call([ours(yard), "-s", "s.json", "-c", "echo x > s.json; mv s.json t.json; rm -f s.json; echo fine > f"])
    check("x" not in yard.read("s.json")[:2] and yard.exists("f"), "the settings were changed from inside", r)


@test
def the_managed_policy_of_this_machine_is_a_matter_of_run(yard):
    """What a bawn.yaml of the workspace or the user's policy says does not count, as with -p."""
    yard.write("bawn.yaml", "version: 1\nfiles: {deny: [seen]}\n")
    yard.write("~/.config/bawn/policy.yaml", "version: 1\nfiles: {deny: [seen]}\n")
    yard.write("seen", "SEEN")
    r = srt(yard, NOTHING, "cat", "seen")
    check(r.out == "SEEN", "another policy counts", r)


# --- settings -------------------------------------------------------------------------------------------------------------


@test
def wrong_settings_are_told_of_with_their_place(yard):
    n, f = NOTHING["network"], NOTHING["filesystem"]
    refused(yard, {"network": n}, ":1:1: filesystem: is missing")
    refused(yard, {"network": {"allowedDomains": []}, "filesystem": f}, ":1:13: network.deniedDomains: is missing")
    refused(yard, settings({"allowedDomains": "x.org"}), "network.allowedDomains: must be a list of texts")
    refused(yard, settings({"allowedDomains": ["*.com"]}), '"*.com"', ":1:")
    refused(yard, settings({"allowedDomains": ["https://x.org"]}), "https://x.org")
    refused(yard, settings({"allowedDomains": ["x.org:0"]}), "port")
    refused(yard, settings({"allowedDomains": ["2001:db8::1"]}), "brackets")
    refused(yard, settings({"deniedResolvedAddresses": ["10.0.0.0/99"], "allowedDomains": ["x.org"]}), "10.0.0.0/99")
    refused(yard, settings({"allowedDomain": []}), 'did you mean "allowedDomains"')
    refused(yard, settings(newKey=1), "newKey: unknown key")
    refused(yard, settings(filesystem={"denyRead": ["[a/b]"]}), "bracket")
    refused(yard, '{"network": {}, "network": {}}', "duplicate")
    refused(yard, {"permissions": {"allow": []}}, "policy import")


@test
def what_would_be_weaker_is_an_error(yard):
    for more in ({"httpProxyPort": 8080}, {"socksProxyPort": 1080}, {"parentProxy": {"http": "http://p.test:3128"}},
                 {"mitmProxy": {"socketPath": "/run/m.sock", "domains": ["x.org"]}}):
        refused(yard, settings(dict(more, allowedDomains=["x.org"])), next(iter(more)), "no equal")


@test
def what_has_no_equal_and_is_stricter_is_a_line(yard):
    s = settings({"allowAllUnixSockets": True, "allowUnixSockets": ["/run/x.sock"]}, {"allowGitConfig": True, "allowWrite": ["not-there", "a*"]},
                 enableWeakerNestedSandbox=True, ignoreViolations={"*": ["/usr"]})
    r = srt(yard, s, "true")
    for word in ("allowAllUnixSockets", "allowUnixSockets", "allowGitConfig", "not-there", "a*", "enableWeakerNestedSandbox", "ignoreViolations"):
        check(sum(word in line for line in r.err.splitlines()) >= 1, "nothing is said of %s" % word, r)
    check(r.rc == 0 and all(l.startswith("srt: ") for l in r.err.splitlines()), "and nothing else", r)
    r = srt(yard, settings({"allowLocalBinding": True}, allowPty=True, allowAppleEvents=False, mandatoryDenySearchDepth=5), "true")
    check(r.rc == 0 and not r.err, "what needs no word has none", r)


@test
def variables_come_in_but_those_that_are_denied(yard):
    s = settings(credentials={"envVars": [{"name": "HIDDEN", "mode": "deny"}, {"name": "MASKED", "mode": "mask"}], "allowPlaintextInject": True})
    r = srt(yard, s, "-c", "env; echo \"[$TMPDIR][$SANDBOX_RUNTIME]\"; : > $TMPDIR/x && echo temporary", env={"PLAIN": "p-value", "HIDDEN": "h-value", "MASKED": "m-value"})
    check("p-value" in r.out and "h-value" not in r.out and "m-value" not in r.out, "variables", r)
    check("[/tmp][1]" in r.out and "temporary" in r.out, "TMPDIR and SANDBOX_RUNTIME", r)


@test
def a_masked_variable_is_put_in_toward_its_host_only(yard):
    need("curl")
    with Stage(yard, HOST, OTHER) as stage:
        s = settings({"allowedDomains": [HOST, OTHER, ADDRESS + ":80"]},
                     credentials={"envVars": [{"name": "TOKEN", "mode": "mask", "injectHosts": [HOST]}], "allowPlaintextInject": True})
        r = srt(yard, s, "-c", "echo $TOKEN; for h in %s %s; do curl -sS -H \"Authorization: Bearer $TOKEN\" http://$h/; done" % (HOST, OTHER),
                env={"TOKEN": "the-real-value-0123456789"})
        sent = {q["host"]: q["headers"].get("Authorization") for q in stage.requests}
        check(sent.get(HOST) == "Bearer the-real-value-0123456789", "the value did not reach its host: %s" % sent, r)
        check("the-real-value-0123456789" not in r.out + str(sent.get(OTHER)) and sent.get(OTHER), "or went elsewhere: %s" % sent, r)


@test
def a_denied_directory_with_something_open_in_it(yard):
    yard.write("~/data/a/secret", "SECRET")
    yard.write("~/data/b/open/file", "OPEN")
    yard.write("~/data/b/open/deep/hidden", "HIDDEN")
    os.symlink("data/a", yard.path("~/way-in"))
    s = settings(filesystem={"denyRead": ["~/data", "~/data/b/open/deep"], "allowRead": ["~/data/b/open"]})
    line = "cat ~/data/a/secret ~/way-in/secret ~/data/b/open/deep/hidden ~/data/b/open/file"
    check("SECRET" in yard.outside(line).out, "positive control")
    r = srt(yard, s, "-c", line)
    check("OPEN" in r.out and "SECRET" not in r.out and "HIDDEN" not in r.out, "a hole", r)


@test
def a_link_that_an_earlier_run_made_opens_nothing(yard):
    yard.write("~/data/secret", "SECRET")
    s = settings(filesystem={"denyRead": ["~/data"], "allowRead": ["plan"], "allowWrite": ["."]})
    check(srt(yard, s, "-c", "ln -s ~/data plan").rc == 0 and "SECRET" in yard.outside("cat plan/secret").out, "positive control")
    r = srt(yard, s, "-c", "cat plan/secret ~/data/secret")
    check("SECRET" not in r.out and "link" in r.err, "the link opened what is denied", r)


@test
def settings_may_come_from_a_pipe(yard):
    r = yard.call(["bash", "-c", "%s -s <(echo '%s') -c 'echo ran; echo x > f'" % (ours(yard), json.dumps(NOTHING))])
    check(r.out == "ran\n" and not yard.exists("f"), "settings by process substitution", r)


@test
def a_denied_home_is_empty_and_can_be_written(yard):
    yard.write("~/.gitconfig", "[user]\n\tname = NAME\n")
    s = settings(filesystem={"denyRead": ["~"], "allowRead": ["."], "allowWrite": ["."]})
    r = srt(yard, s, "-c", "cat ~/.gitconfig; echo x > ~/cache && echo written; git init -q . && git status --short; ls -A ~")
    check("NAME" not in r.out and "written" in r.out and "fatal" not in r.err, "the home", r)
    check(not yard.exists("~/cache"), "it was written to the machine's", r)


@test
def ports_are_those_of_the_settings(yard):
    need("curl")
    with Stage(yard, HOST, OTHER, "a." + HOST) as stage:
        stage.serve(8080, None)
        stage.serve(9999, None)
        literals = ["%s:%d" % (ADDRESS, p) for p in (80, 8080)]
        fetch = "for u in %s; do curl -sS -m 10 $u; done"
        s = settings({"allowedDomains": [HOST + ":8080", "*." + HOST, *literals], "deniedDomains": ["*:22"]})
        r = srt(yard, s, "-c", fetch % " ".join("http://%s/%s" % u for u in ((HOST + ":8080", "one"), (HOST, "two"), ("a." + HOST, "three"),
                                                                            ("a." + HOST + ":8080", "four"), ("a." + HOST + ":9999", "five"), (OTHER, "six"))))
        check([w for w in ("one", "two", "three", "four", "five", "six") if "GET /" + w in r.out] == ["one", "three", "four"], "ports", r)
        r = srt(yard, settings({"allowedDomains": [HOST, ADDRESS + ":8080"]}), "-c", fetch % "http://%s:8080/one http://%s/two" % (HOST, HOST))
        check("GET /one" in r.out and "GET /two" not in r.out, "a name leads to a listed address at other ports", r)
        r = srt(yard, settings({"allowedDomains": [HOST, *literals], "deniedDomains": ["*"]}), "-c", fetch % "http://%s/one" % HOST)
        check("GET /one" not in r.out, "deniedDomains: *", r)
        r = srt(yard, settings({"allowedDomains": [HOST]}), "-c", fetch % "http://%s/one" % HOST)
        check("GET /one" not in r.out, "a name leads to an address of the machine that nobody lists", r)


@test
def settings_come_by_the_control_descriptor(yard):
    need("curl")
    with Stage(yard, HOST) as stage:
        path, (ours_end, theirs) = yard.root + "/settings.json", os.pipe()
        with open(path, "w") as f:
            json.dump(NOTHING, f)
        line = "for i in 1 2 3 4; do read go; curl -sS -o /dev/null -w '%%{http_code}\\n' http://%s/; done; test -e /proc/self/fd/%d && echo OPEN" % (HOST, ours_end)
        p = subprocess.Popen([ours(yard), "-s", path, "--control-fd", str(ours_end), "-c", line], cwd=yard.workspace, env=yard.env,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[ours_end])
        os.close(ours_end)

        def step(text):
            if text is not None:
                os.write(theirs, text.encode() + b"\n")
                time.sleep(0.5)
            p.stdin.write(b"go\n")
            p.stdin.flush()
            return p.stdout.readline().strip()

        opened = json.dumps(settings({"allowedDomains": [HOST, ADDRESS + ":80"]}))
        try:
            got = [step(None), step(opened), step('{"network": {}}'), step(json.dumps(NOTHING))]
        finally:
            os.close(theirs)
            out, err = p.communicate(timeout=20)
        check(got[1] == got[2] == b"200" and got[0] != b"200" and got[3] != b"200", "before, with, after a bad line, without: %s" % got)
        check(b"invalid settings" in err and b"network.allowedDomains" in err and b"OPEN" not in out, "stderr %s" % err)


@test
def a_control_descriptor_that_cannot_be_read_runs_nothing(yard):
    reading, writing = os.pipe()
    r = srt(yard, NOTHING, "--control-fd", str(writing), "-c", "touch ran", pass_fds=[writing])
    os.close(reading)
    os.close(writing)
    check(r.rc == 1 and "writing only" in r.err and not yard.exists("ran"), "the end that is written", r)


# --- bawn policy import -----------------------------------------------------------------------------------------------------


def imported(yard, name, s):
    """The policy made of it passes `policy check`, and every line of a value says where it is from."""
    yard.write(name, json.dumps(s, indent=2))
    out = yard.root + "/" + os.path.basename(name) + ".yaml"
    if os.path.exists(out):
        os.unlink(out)
    r = yard.bawn("policy", "import", name, "-o", out)
    check(r.rc == 0, "policy import", r)
    text = open(out).read()
    c = yard.bawn("policy", "check", out)
    check(c.rc == 0 and c.out.startswith("ok"), "policy check of\n" + text, c)
    return text, r, out


@test
def settings_become_a_policy_for_keeps(yard):
    yard.write("secrets/k", "SECRET")
    yard.write("kept", "x")
    s = settings({"allowedDomains": ["example.org", "*.example.org"], "deniedDomains": ["bad.example.org"],
                  "deniedDomainReasons": {"bad.example.org": "use the other"}, "httpProxyPort": 3128},
                 {"denyRead": ["secrets"], "allowWrite": ["."], "denyWrite": ["kept"]}, ignoreViolations={"*": ["/x"]})
    text, r, out = imported(yard, "srt.json", s)
    for word in ("secrets", "kept"):
        line = next(l for l in text.splitlines() if '- "%s"' % word in l)
        check("# filesystem.deny" in line and ", line " in line, "no origin: %s" % line)
    check("httpProxyPort" in r.err and "ignoreViolations" in r.err and "httpProxyPort" in text, "what has no equal is not listed", r)
    check("mode: off" in text, "a proxy that cannot be used must shut the network\n" + text)
    r = yard.run("cat secrets/k; echo y > kept; echo z > new", "-p", out)
    check("SECRET" not in r.out and yard.read("kept") == "x" and yard.exists("new"), "the policy does not hold", r)
    del s["network"]["httpProxyPort"]
    text, r, out = imported(yard, "srt.json", s)
    check('host: "*.example.org"' in text and 'because: "use the other"' in text, "hosts\n" + text)
    check(yard.bawn("policy", "import", "srt.json", "-o", out).rc == 125, "a file that is there is written over")


@test
def settings_of_claude_code_become_a_policy(yard):
    yard.write(".env", "DOT-ENV")
    yard.write("deep/.env.local", "DEEP-ENV")
    yard.write("package.json", "{}")
    yard.write("config/c", "C")
    yard.write("~/.kube/config", "K")
    yard.write("~/.aws/credentials", "AWS")
    os.makedirs(yard.root + "/other")
    s = {"$schema": "https://json.schemastore.test/settings.json", "model": "some", "hooks": {},
         "permissions": {"defaultMode": "acceptEdits", "additionalDirectories": ["//" + yard.root.lstrip("/") + "/other"],
                         "allow": ["Bash(npm run test:*)", "Edit(docs/**)", "WebFetch(domain:docs.example.org)", "Read(~/.zshrc)", "mcp__x__y"],
                         "deny": ["Read(./.env)", "Read(.env.*)", "Edit(package.json)", "Bash(curl:*)", "WebFetch(domain:bad.example.org)"],
                         "ask": ["Edit(/config/**)", "Bash(git push:*)"]},
         "sandbox": {"enabled": True, "autoAllowBashIfSandboxed": True, "excludedCommands": ["docker"], "someNewKey": True,
                     "filesystem": {"allowWrite": ["~/.kube"], "denyRead": ["~/.aws/credentials"]},
                     "network": {"allowedDomains": ["*.example.org"], "allowUnixSockets": ["/run/x.sock"], "allowLocalBinding": True}},
         "env": {"CI": "1", "MY_TOKEN": "abcdef"}}
    text, r, out = imported(yard, ".claude/settings.json", s)
    for word in ("excludedCommands", "allowUnixSockets", "someNewKey", "commands", "config", "MY_TOKEN", "model, hooks"):
        check(word in r.err and word in text, "nothing is said of %s" % word, r)
    check("abcdef" not in text and 'CI: "1"' in text and 'host: "docs.example.org"' in text and 'host: "bad.example.org"' in text, "hosts and variables\n" + text)
    r = yard.run("cat .env deep/.env.local ~/.aws/credentials; for f in package.json config/c ~/.kube/config new '%s/other/f'; do echo WROTE > $f; done" % yard.root, "-p", out)
    check(not [w for w in ("DOT-ENV", "DEEP-ENV", "AWS") if w in r.out], "reads", r)
    wrote = [f for f in ("package.json", "config/c", "~/.kube/config", "new", "../other/f") if yard.exists(f) and "WROTE" in yard.read(f)]
    check(wrote == ["~/.kube/config", "new", "../other/f"], "writes: %s" % wrote, r)


@test
def settings_that_are_none_are_told_of(yard):
    for text, words in (("{\n  \"a\": 1\n}", (":1:1:", "no settings known")), ("{\"network\": {},\n \"sandbox\": {}}", ("cannot tell",)), ("{\n  bad", ("s.json:2:",)),
                        ("[]", ("not a JSON object",)), ("{\"sandbox\": []}", ("sandbox: must be an object",)),
                        ("{\"permissions\": {\"allow\": \"Bash\"}}", ("permissions.allow: must be a list",))):
        yard.write("s.json", text)
        r = yard.bawn("policy", "import", "s.json", "-o", "out.yaml")
        check(r.rc == 125 and all(w in r.err for w in words) and not yard.exists("out.yaml"), "settings %r" % text, r)
    check(yard.bawn("policy", "import", "nonesuch.json").rc == 125, "a file that is not there")
    check(yard.bawn("policy", "import").rc == 125, "no file")
