# SPDX-License-Identifier: Apache-2.0
"""The record of a run and the policies that judge the next one are out of reach of what runs inside."""
import glob
import hashlib
import json
import os

from probe import ROOT, SEE_ALL, escapes
from yard import check, test


def lines_of(yard):
    files = sorted(glob.glob(yard.state + "/runs/*/audit.jsonl"), key=os.path.getmtime)
    check(files, "no record was written below %s" % yard.state)
    with open(files[-1], encoding="utf-8") as f:
        return files[-1], f.read().splitlines()


def all_state(yard):
    seen = {}
    for top, _, files in os.walk(yard.state):
        for f in files:
            with open(os.path.join(top, f), "rb") as h:
                seen[os.path.join(top, f)] = hashlib.sha256(h.read()).hexdigest()
    return seen


@test
def a_record_is_written_and_holds(yard):
    yard.run("true")
    path, lines = lines_of(yard)
    check(len(lines) >= 2 and all(isinstance(json.loads(l), dict) for l in lines),
          "the record is not JSON lines: %s" % lines)
    check(os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700, "others can read the record")
    r = yard.bawn("log", "--verify")
    check(r.rc == 0, "a fresh record does not verify", r)


@test
def records_cannot_be_changed_from_inside(yard):
    yard.run("true")
    before = all_state(yard)
    line = ("for f in {S}/runs/*/* {S}/trust {S}/x; do echo forged >> $f; echo '{}' > $f; rm -f $f; chmod 777 $f; "
            "done; rm -rf {S}; mv {S} {S}2; mv ~/.local l; mkdir -p {S}/runs; "
            "cd {S} && echo x > new; true").replace("{S}", yard.state)
    for options in ((), SEE_ALL, ("--write", "~"), ("--write", "~/.local"), ("--write", yard.root), ("-C", yard.home),
                    ("--set", "nested=true", "--write", "~")):
        r = yard.run(line + " 2>/dev/null", *options)
        check(r.rc != 125 or "-C" in options or "--write" in options, "did not start", r)
        after = all_state(yard)
        changed = [p for p in before if after.get(p) != before[p]]
        check(not changed, "changed with %s: %s" % (list(options), changed), r)
        check(not os.path.exists(yard.state + "/new") and not os.path.exists(yard.state + "/x"),
              "made in the state directory with %s" % list(options), r)
    check(yard.outside("echo forged >> $(ls %s/runs/*/audit.jsonl | head -1)" % yard.state).rc == 0,
          "positive control: it cannot be written outside either")


@test
def records_cannot_be_read_from_inside(yard):
    yard.run("echo MARKER-OF-THE-FIRST-RUN >/dev/null")
    escapes(yard, "cat %s/runs/*/audit.jsonl; grep -rh MARKER %s" % (yard.state, yard.state),
            lambda r: "MARKER-OF" in r.out, (), SEE_ALL, ("--write", "~"))


@test
def a_name_with_a_line_break_forges_no_record(yard):
    forged = '{"seq":1,"decision":"allow","forged":1}'
    for line in ("cat \"$(printf '/etc/a\\n%s')\"; echo x > \"$(printf '/etc/b\\n%s\\n')\"",
                 "mkdir \"$(printf '%s\\n%s')\"", "printf 'x\\n%s\\n' >&2"):
        yard.run(line.replace("%s", forged))
    yard.bawn("run", "--", "sh", "-c", "true", "x\n" + forged + "\n")
    yard.bawn("run", "--", "/nonexistent\n" + forged)
    for path in glob.glob(yard.state + "/runs/*/*"):
        if os.path.isfile(path):
            with open(path, errors="replace") as f:
                check(forged not in f.read().splitlines(), "a line was forged in %s" % path)
    r = yard.bawn("log", "--verify")
    check(r.rc == 0, "the record does not verify", r)


@test
def escape_sequences_from_inside_do_not_reach_the_terminal_through_bawn(yard):
    r = yard.run("echo x > \"$(printf '/etc/\\033]0;owned\\007\\033[2Jx')\" 2>/dev/null; cat \"$(printf "
                 "'/etc/\\033[31mx')\" 2>/dev/null; true")
    own = r.err.partition("bawn:")[2]  # what comes before is the shell's
    check(r.rc == 0 and "\x1b" not in own and "\x07" not in own, "escape sequences in bawn's own messages", r)
    r = yard.bawn("log")
    check("\x1b" not in r.out, "escape sequences in the log", r)
    r = yard.bawn("run", "--", "/no\x1b[31mthing")
    check(r.rc == 127 and "\x1b" not in r.err, "escape sequences in the message about a command", r)


@test
def policies_of_the_user_are_not_changed_from_inside(yard):
    yard.write("~/.config/bawn/policy.yaml", "version: 1\nextends: workspace\n")
    escapes(yard, "mkdir -p ~/.config/bawn; echo 'extends: open' >> ~/.config/bawn/policy.yaml; rm -rf ~/.config/bawn; "
            "mv ~/.config c; true",
            lambda r: not yard.exists("~/.config/bawn/policy.yaml")
            or "open" in yard.read("~/.config/bawn/policy.yaml"), (), SEE_ALL, ("--write", "~"), ("--write",
            "~/.config"),
            setup=lambda: yard.call(["sh", "-c", "rm -rf ~/.config; mkdir -p ~/.config/bawn; printf 'version: "
                                     "1\\nextends: workspace\\n' > ~/.config/bawn/policy.yaml"]))


@test
def a_policy_is_not_trusted_from_inside(yard):
    yard.write("bawn.yaml", "version: 1\nextends: workspace\nnested: true\nfiles: {write+: ['~/x']}\n")
    yard.write("~/x/f")
    r = yard.run("%s trust --yes 2>/dev/null; mkdir -p ~/.local/state/bawn; sha256sum bawn.yaml > "
                 "~/.local/state/bawn/trust; true" % yard.binary, *SEE_ALL)
    check(r.rc == 0, "the attempt did not run", r)
    check(not yard.exists("~/.local/state/bawn/trust"), "something was trusted from inside", r)
    r = yard.run("echo x > ~/x/f; cat ~/x/f")
    check(yard.read("~/x/f") == "", "an untrusted policy loosens", r)


@test
def the_policy_in_the_workspace_cannot_loosen_the_next_run(yard):
    """Written by the first run, read by the second: it must not be there, or count for nothing."""
    yard.write("~/secret", "CANARY")
    yard.run("printf 'version: 1\\nextends: open\\nfiles: {read: [/], deny: []}\\n' > bawn.yaml; printf '{\"version\": "
             "1, \"extends\": \"open\"}' > bawn.json")
    r = yard.run("cat %s" % yard.path("~/secret"))
    check("CANARY" not in r.out, "the first run gave the second one more", r)


@test
def bawn_inside_bawn_gives_nothing(yard):
    yard.write("~/secret", "CANARY")
    where = os.path.dirname(os.path.realpath(yard.binary))
    r = (yard.run("%s run --profile open -- cat %s; %s run --read / --write / -- sh -c 'echo x > %s/pwn'; true" % (yard.binary,
        yard.path("~/secret"), yard.binary, yard.root), "--read", where))
    check(r.rc == 0 and "CANARY" not in r.out and not os.path.exists(yard.root + "/pwn"), "a bawn inside gave more", r)
    check(ROOT or "uid=0" not in r.out, "root inside", r)


@test
def a_long_name_does_not_flood_the_list(yard):
    deep = "/".join(["d" * 200] * 8)
    r = yard.run("mkdir -p %s; mkdir %s/.vscode 2>/dev/null" % (deep, deep))
    lines = [line for line in r.err.splitlines() if "ddd" in line]
    check(lines and all(len(line) < 700 for line in lines), "a name fills the screen", r)
    check(deep in yard.bawn("log").out, "the whole name is not on record")


@test
def the_record_of_the_first_run_of_all_stays_where_it_is(yard):
    """Its place is not there before, and HOME can be written."""
    check(not yard.exists("~/.local"), "control: the state is there already")
    yard.outside("mkdir -p ~/.local/state && mv ~/.local ~/elsewhere")
    check(yard.exists("~/elsewhere/state"), "positive control: the directory above cannot be moved outside either")
    yard.call(["rm", "-rf", yard.path("~/elsewhere")])
    r = yard.run("mv ~/.local ~/elsewhere; rm -rf ~/.local; ls ~/.local/state/bawn; true", "--write", "~")
    check(r.rc == 0 and not yard.exists("~/elsewhere"), "the record was moved away", r)
    check(yard.bawn("log", "--verify").rc == 0, "the record does not hold")
