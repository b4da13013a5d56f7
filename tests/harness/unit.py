# SPDX-License-Identifier: Apache-2.0
"""Runs the unit tests with Meson and counts the tests that cmocka ran, not the programs.

Meson knows programs only. Its JSON log keeps what each program printed; a test that cmocka announced and never
reported (a crash, a kill) counts as failed, and so does a program that fails without naming a test.
"""
import json
import os
import re
import subprocess

from runner import Counts

RESULT = re.compile(r"^\[\s*(OK|FAILED|SKIPPED|ERROR)\s*\] (\S+)$")


def count_program(entry):
    """Counts of one program, and (test, reason) of what it skipped. The reason is what the test printed last."""
    counts, skips, seen, last = Counts(), [], set(), ""
    announced = 0
    for line in entry.get("stdout", "").splitlines():
        start = re.match(r"^\[==========\] Running (\d+) test", line)
        m = RESULT.match(line)
        if start:
            announced += int(start.group(1))
        elif line.startswith("[ RUN"):
            last = ""
        elif m and m.group(2) not in seen:
            seen.add(m.group(2))
            counts.passed += m.group(1) == "OK"
            counts.failed += m.group(1) in ("FAILED", "ERROR")
            if m.group(1) == "SKIPPED":
                counts.skipped += 1
                skips.append((m.group(2), last or "no reason given"))
        elif line.strip():
            last = line.strip()
    counts.failed += max(0, announced - len(seen))
    if entry["result"] == "SKIP":
        counts.skipped += 1
        skips.append((entry["name"], last or "the whole program is skipped"))
    elif entry["result"] not in ("OK", "EXPECTEDFAIL") and not counts.failed:
        counts.failed += 1
    elif not announced:
        counts.passed += 1  # a program that is one test, not written with cmocka
    return counts, skips


def run_unit(build, timeout_multiplier=1):
    log = os.path.join(build, "meson-logs", "unit.json")
    if os.path.exists(log):
        os.unlink(log)
    p = subprocess.run(["meson", "test", "-C", build, "--logbase", "unit", "--print-errorlogs", "--no-rebuild",
                        "--timeout-multiplier", str(timeout_multiplier)], stdin=subprocess.DEVNULL)
    total, programs = Counts(), 0
    if os.path.exists(log):
        with open(log) as f:
            for line in f:
                entry = json.loads(line)
                counts, skips = count_program(entry)
                programs += 1
                total.add(counts)
                for name, reason in skips:
                    print("skip    %s: %s: %s" % (entry["name"], name, reason))
    if not programs or (p.returncode != 0 and not total.failed):
        total.failed += 1
        print("FAIL    unit: meson test ended with %d and named no failed test" % p.returncode)
    return total
