#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The test harness tested: what is broken must be counted as failed, what cannot run as skipped, with its reason."""
import contextlib
import io
import os
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runner  # noqa: E402
import unit  # noqa: E402

# A stand-in for bawn, so that the harness can be tried without a build: `run` runs the command as it is.
PASSTHROUGH = """#!/bin/sh
[ "$1" = run ] && { while [ "$1" != -- ]; do shift; done; shift; exec "$@"; }
exit 125
"""
NO_NAMESPACES = """#!/bin/sh
[ "$1" = doctor ] && { echo "bawn run does not work here: no user namespaces"; exit 1; }
exit 125
"""
CASES = """
import subprocess, time
from yard import test, skip, check
@test
def holds(yard): check(yard.run("echo hi").out == "hi\\n", "no output")
@test
def does_not_hold(yard): check(yard.run("exit 3").rc == 0, "exit 3")
@test
def raises(yard): {}["x"]
@test
def cannot_run(yard): skip("needs the moon")
@test(timeout=1)
def hangs(yard): yard.run("sleep 98765", timeout=90)
@test
def leaves_a_daemon(yard): yard.outside("setsid sleep 98766 >/dev/null 2>&1 <&- &")
@test
def an_attack_that_never_works(yard): yard.attack("false", lambda r: r.rc == 0)
@test
def an_attack_that_works_inside(yard): yard.attack("true", lambda r: r.rc == 0)
@test
def git_does_not_climb(yard): check(yard.outside("git rev-parse --git-dir").rc == 128, "found the repository around the yard")
@test(sandbox=False)
def needs_no_namespaces(yard): pass
"""
WANTED = {"holds": "ok", "does_not_hold": "FAIL", "raises": "FAIL", "cannot_run": "skip", "hangs": "FAIL",
          "leaves_a_daemon": "FAIL", "an_attack_that_never_works": "FAIL", "an_attack_that_works_inside": "FAIL",
          "git_does_not_climb": "ok", "needs_no_namespaces": "ok"}
# Two files at once: one test that must be alone, and others; each says from when to when it ran.
SPANS = """
import time
from yard import test
def span(name):
    began = time.monotonic()
    time.sleep(0.05)
    with open(%r, "a") as f:
        f.write("%%s %%f %%f\\n" %% (name, began, time.monotonic()))
"""
TOGETHER = "".join("@test\ndef t%d(yard): span('together')\n" % i for i in range(6))
ALONE = "@test(alone=True)\ndef t(yard): span('alone')\n"
CRASHED = {"name": "x", "result": "ERROR", "returncode": -9,
           "stdout": "[==========] Running 3 test(s).\n[ RUN      ] a\n[       OK ] a\n[ RUN      ] b\n"}
SKIPPING = {"name": "x", "result": "OK", "returncode": 0,
            "stdout": "[==========] Running 1 test(s).\n[ RUN      ] a\nneeds root\n[  SKIPPED ] a\n"}


def script(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o755)
    return path


def run(cases, bawn, base):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        counts = runner.run_files([cases], bawn, base)
    words = {}
    for line in out.getvalue().splitlines():
        if line[:7].strip() in ("ok", "FAIL", "skip") and ": " in line:
            words[line.split(": ")[1].split(" ")[0]] = line[:7].strip()
    return counts, words, out.getvalue()


def alive(text):
    return any(text in runner.command_of(int(p)) for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid())


def main():
    failures, checks = [], []

    def must(condition, text):
        checks.append(text)
        if not condition:
            failures.append(text)

    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(folder + "/.git/objects")  # a repository around the yards, as a checkout is
        os.makedirs(folder + "/.git/refs")
        script(folder, ".git/HEAD", "ref: refs/heads/main\n")
        cases = script(folder, "cases.py", CASES)
        counts, words, text = run(cases, script(folder, "bawn", PASSTHROUGH), folder + "/yards")
        must(words == WANTED, "verdicts: wanted %s, got %s\n%s" % (WANTED, words, text))
        must(counts.line() == "3 passed, 6 failed, 1 skipped", "counts: " + counts.line())
        must("needs the moon" in text, "a skip does not show its reason")
        time.sleep(0.1)
        must(not alive("sleep 98765") and not alive("sleep 98766"), "a process of a test is still there")
        must(not os.listdir(folder + "/yards"), "yards are left over")
        counts, words, _ = run(cases, script(folder, "bawn2", NO_NAMESPACES), folder + "/yards")
        must(counts.line() == "1 passed, 0 failed, 9 skipped", "without namespaces: " + counts.line())
        counts, words, _ = run(cases, folder + "/nowhere", folder + "/yards")
        must(counts.line() == "0 passed, 10 failed, 0 skipped", "without a binary: " + counts.line())
        counts, _, _ = run(script(folder, "empty.py", ""), folder + "/bawn", folder + "/yards")
        must(counts.failed == 1, "a file without tests passes")
        spans = folder + "/spans"
        files = [script(folder, "together.py", SPANS % spans + TOGETHER), script(folder, "together2.py", SPANS % spans + TOGETHER),
                 script(folder, "alone.py", SPANS % spans + ALONE)]
        with contextlib.redirect_stdout(io.StringIO()):
            counts = runner.run_files(files, folder + "/bawn", folder + "/yards", jobs=3)
        must(counts.line() == "13 passed, 0 failed, 0 skipped", "several files at once: " + counts.line())
        with open(spans) as f:
            ran = sorted((float(b), float(e), name) for name, b, e in map(str.split, f))
        over = {(a[2], b[2]) for a, b in zip(ran, ran[1:]) if b[0] < a[1]}
        must(over == {("together", "together")}, "ran at the same time: %s" % over)
    must(unit.count_program(CRASHED)[0].line() == "1 passed, 2 failed, 0 skipped", "a crash hides tests")
    counts, skips = unit.count_program(SKIPPING)
    must(counts.skipped == 1 and skips == [("a", "needs root")], "a unit test's skip loses its reason")
    for text in failures:
        print("FAIL    harness: " + text)
    print("%d passed, %d failed, 0 skipped" % (len(checks) - len(failures), len(failures)))
    return 1 if failures else 0


sys.exit(main())
