# SPDX-License-Identifier: Apache-2.0
"""bawn runs, log, --verify: every run is on record, and a changed line is found."""
import glob
import json
import os

from yard import check, test


def record(yard):
    return max(glob.glob(yard.state + "/runs/*/audit.jsonl"), key=os.path.getmtime)


@test
def every_run_is_on_record(yard):
    yard.run("exit 3")
    yard.bawn("run", "--", "/no/such")
    yard.run("sleep 5", "--wall", "200ms")
    r = yard.bawn("runs", "--json")
    text = r.out.strip()
    runs = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    runs = runs.get("runs", runs) if isinstance(runs, dict) else runs
    check(r.rc == 0 and len(runs) == 3, "three runs", r)
    ids = sorted(os.listdir(yard.state + "/runs"))
    check(len(ids) == 3 and all(any(i in json.dumps(x) for x in runs) for i in ids), "the runs' names", r)
    r = yard.bawn("runs")
    check(r.rc == 0 and all(i in r.out for i in ids), "the table of runs", r)
    for i in ids:
        check(yard.bawn("log", i).rc == 0 and yard.bawn("log", i, "--verify").rc == 0, "log of %s" % i)
        check(sorted(os.listdir(yard.state + "/runs/" + i)) >= ["audit.jsonl", "policy.yaml"], "what a run leaves")
        check("result.json" in os.listdir(yard.state + "/runs/" + i), "a finished run has no result")


@test
def lines_have_what_is_promised(yard):
    yard.run("echo x > /etc/nope; true")
    with open(record(yard)) as f:
        lines = [json.loads(line) for line in f]
    names = {"seq", "time", "run", "kind", "verdict", "rule", "subject", "detail", "by", "prev", "hash"}
    check(all(set(l) == names for l in lines), "fields: %s" % [set(l) ^ names for l in lines if set(l) != names])
    check([l["seq"] for l in lines] == list(range(lines[0]["seq"], lines[0]["seq"] + len(lines))),
          "numbers do not follow")
    check(all(a["hash"] == b["prev"] for a, b in zip(lines, lines[1:])), "the chain does not hold")
    check(any("/etc/nope" in str(l["subject"]) and l["verdict"] == "deny" for l in lines),
          "the refusal is not on record: %s" % lines)


def verify(yard, change):
    path = record(yard)
    with open(path, "rb") as f:
        whole = f.read()
    lines = whole.splitlines(keepends=True)
    with open(path, "wb") as f:
        f.write(b"".join(change(lines)))
    r = yard.bawn("log", "--verify")
    with open(path, "wb") as f:
        f.write(whole)
    return r


@test
def a_changed_line_is_named(yard):
    yard.run("echo x > /etc/nope; echo y > /usr/nope; true")
    n = len(open(record(yard)).readlines())
    check(n >= 4, "too few lines to test with")
    check(yard.bawn("log", "--verify").rc == 0, "the record as it is")
    for k in range(n):
        r = verify(yard, lambda l: l[:k] + [l[k].replace(b'"kind"', b'"kinD"', 1)] + l[k + 1:])
        check(r.rc != 0 and str(k + 1) in r.out + r.err, "a change in line %d" % (k + 1), r)
    check(verify(yard, lambda l: l[:1] + l[2:]).rc != 0, "a line that was taken out")
    check(verify(yard, lambda l: l[:1] + [l[2], l[1]] + l[3:]).rc != 0, "lines that changed places")
    check(verify(yard, lambda l: l[1:]).rc != 0, "a first line that was taken out")
    check(verify(yard, lambda l: l + [l[-1]]).rc != 0, "a line that was put in twice")
    check(verify(yard, lambda l: l[:2] + [b"garbage\n"] + l[2:]).rc != 0, "garbage")
    check(verify(yard, lambda l: l[:2] + [b"\n"] + l[2:]).rc != 0, "an empty line")
    check(verify(yard, lambda l: l[:-1]).rc != 0, "an end that was cut off a finished run")


@test
def a_torn_last_line_is_told_as_such(yard):
    yard.run("echo x > /etc/nope; true")
    r = verify(yard, lambda l: l[:-1] + [l[-1][:30]])
    check(r.rc != 0 and ("torn" in r.out + r.err or "incomplete" in r.out + r.err), "a torn last line", r)


@test(sandbox=False)
def no_runs_yet_is_no_crash(yard):
    r = yard.bawn("runs")
    check(r.rc == 0, "runs without any", r)
    r = yard.bawn("log")
    check(r.rc == 125 and len(r.err.strip().splitlines()) == 1, "log without any run", r)
    for name in ("no-such-run", "../..", "/etc/passwd", ""):
        r = yard.bawn("log", name)
        check(r.rc == 125 and len(r.err.strip().splitlines()) == 1, "log of %r" % name, r)


@test
def a_state_directory_that_cannot_be_written_starts_nothing(yard):
    if os.geteuid() == 0:
        from yard import skip
        skip("root writes everywhere")
    os.makedirs(yard.home + "/.local")
    os.chmod(yard.home + "/.local", 0o555)
    r = yard.bawn("run", "--", "touch", "started")
    os.chmod(yard.home + "/.local", 0o755)
    check(r.rc == 125 and not yard.exists("started") and len(r.err.strip().splitlines()) == 1, "a run without a record",
          r)


@test
def the_state_directory_can_be_elsewhere(yard):
    env = {"XDG_STATE_HOME": yard.root + "/state"}
    r = yard.run("true", env=env)
    check(r.rc == 0 and glob.glob(yard.root + "/state/bawn/runs/*/audit.jsonl") and not os.path.exists(yard.state),
          "XDG_STATE_HOME", r)
    env = {"XDG_STATE_HOME": yard.workspace + "/state"}
    r = yard.run("ls state/bawn; rm -rf state; echo x > state/bawn/x; true", env=env)
    check(r.rc == 125 or glob.glob(yard.workspace + "/state/bawn/runs/*/audit.jsonl")
          and not os.path.exists(yard.workspace + "/state/bawn/x"), "a state directory within the workspace", r)
