# SPDX-License-Identifier: Apache-2.0
"""--json: one object a line, complete and in order; the list of refusals; what the end says."""
import base64
import json
import os
import subprocess

from yard import check, test


def events(yard, *args, **how):
    r = yard.bawn("run", "--json", *args, **how)
    try:
        return r, [json.loads(line) for line in r.out.splitlines()]
    except ValueError:
        check(False, "not JSON lines", r)


def output(found, stream):
    parts = [e for e in found if e["type"] == "output" and e["stream"] == stream]
    return b"".join(e["data"].encode() if "data" in e else base64.b64decode(e["data_base64"]) for e in parts)


@test
def a_run_starts_and_ends_with_an_event(yard):
    r, found = events(yard, "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    check(r.rc == 3, "status", r)
    check(found[0]["type"] == "run.started" and found[0]["command"] == ["sh", "-c", "echo out; echo err >&2; exit 3"],
          "the first event", r)
    check(found[0]["workspace"] == os.path.realpath(yard.workspace) and found[0]["run"], "workspace and run", r)
    check(found[-1]["type"] == "run.ended" and found[-1]["exit"] == 3, "the last event", r)
    check(output(found, "stdout") == b"out\n" and output(found, "stderr") == b"err\n", "output", r)
    check(all("type" in e and "time" in e for e in found), "each event has type and time", r)


@test
def any_bytes_come_through_events(yard):
    yard.write("data", bytes(range(256)) * 5000 + "ü€𝄞".encode() * 3000)
    r, found = events(yard, "--", "cat", "data", timeout=60)
    check(output(found, "stdout") == open(yard.path("data"), "rb").read(), "bytes were changed")


@test
def events_on_a_descriptor_leave_the_output_alone(yard):
    r, w = os.pipe()
    p = subprocess.run([yard.binary, "run", "--json=%d" % w, "--", "echo", "plain"], cwd=yard.workspace, env=yard.env,
                       pass_fds=[w], stdout=subprocess.PIPE, timeout=20)
    os.close(w)
    with os.fdopen(r) as f:
        found = [json.loads(line) for line in f]
    check(p.stdout == b"plain\n", "output is not plain: %r" % p.stdout)
    check([e["type"] for e in found if e["type"].startswith("run.")] == ["run.started", "run.ended"]
          and not [e for e in found if e["type"] == "output"], "events: %s" % found)


@test
def an_end_by_a_signal_and_by_a_limit_is_told(yard):
    _, found = events(yard, "--", "sh", "-c", "kill -9 $$")
    check(found[-1]["exit"] == 137, "signal: %s" % found[-1])
    _, found = events(yard, "--wall", "300ms", "--", "sleep", "10")
    check(found[-1]["exit"] == 124 and found[-1].get("limit") == "wall", "limit: %s" % found[-1])
    check([e for e in found if e["type"] == "limit"], "no event of the limit: %s" % found)


@test
def a_command_that_is_not_found_ends_too(yard):
    r, found = events(yard, "--", "/no/such")
    check(r.rc == 127 and found[0]["type"] == "run.started" and found[-1]["type"] == "run.ended"
          and found[-1]["exit"] == 127, "events of a missing command", r)


@test
def refusals_are_events_and_a_list_at_the_end(yard):
    line = ("echo x > /etc/nope; echo x > /usr/nope; python3 -c 'import socket; "
            "socket.create_connection((\"127.0.0.1\", 9))'; true")
    _, found = events(yard, "--", "sh", "-c", line)
    refused = [e for e in found if e["type"] == "refused"]
    check({"/etc/nope", "/usr/nope"} <= {e["subject"] for e in refused}, "refused: %s" % found)
    check(all(e["rule"] for e in refused), "a refusal without its rule: %s" % refused)
    check(found[-1]["refused"] >= 2, "the count: %s" % found[-1])
    r = yard.run(line)
    check("/etc/nope" in r.err and "--write" in r.err, "the list at the end names what and the remedy", r)
    check(yard.run(line, "-q").err.count("bawn:") == 0, "-q is not quiet")


@test
def the_list_of_refusals_is_short_and_counts(yard):
    r = yard.run("for i in $(seq 50); do echo x > /etc/nope$i; done 2>/dev/null; for i in 1 2 3; do echo x > "
                 "/etc/same; done 2>/dev/null; true")
    lines = [l for l in r.err.splitlines() if l.strip()]
    check(10 <= len(lines) <= 40, "%d lines" % len(lines), r)
    check("more" in r.err and "bawn log" in r.err, "the rest is not counted", r)


@test
def a_protected_write_is_refused_with_its_rule(yard):
    yard.git("init", "-q")
    r = yard.run("echo x >> .git/config; echo x > .git/hooks/pre-commit; true")
    check("@hooks" in r.err and ".git/config" in r.err, "the rule is not named", r)


@test
def a_denied_read_is_refused_with_its_rule(yard):
    yard.write("sub/.env", "x")
    r = yard.run("cat sub/.env; true", "--deny", "**/.env")
    check("sub/.env" in r.err, "the file is not named", r)


@test
def programs_that_try_the_usual_are_not_reported(yard):
    """git, python and the shell probe many paths: a list that cries wolf is not read."""
    yard.write("~/.gitconfig", "")
    yard.git("init", "-q")
    r = yard.run("git status >/dev/null; python3 -c 'import json, socket'; ls >/dev/null; sh -c true; mkdir -p a/b; "
                 "cat /dev/null > /dev/null; tty >/dev/null; true")
    check(r.rc == 0 and "refused" not in r.err, "refusals that nobody asked for", r)
