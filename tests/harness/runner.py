# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of tests/sandbox and tests/e2e.

Each test runs in a process of its own that is the subreaper of all it starts. So a test that hangs is killed whole, and
a process that is left over when the test is done is seen, killed, and counted as the test's failure: nothing outlives
a run, in every test and not only in the one about it.
"""
import concurrent.futures
import contextlib
import ctypes
import fcntl
import importlib.util
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import time
import traceback

import yard as yard_module

PR_SET_CHILD_SUBREAPER = 36
LEFTOVER_SECONDS = 3.0  # a janitor may still be cleaning


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def line(self):
        return "%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped)


def load(path):
    """The cases of one file, in the order written. ALONE = True in it makes each of them one that is alone."""
    yard_module.TESTS = []
    name = os.path.basename(os.path.dirname(path)) + "/" + os.path.basename(path)[:-3]
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for case in yard_module.TESTS:
        case.alone = case.alone or getattr(module, "ALONE", False)
    return name, yard_module.TESTS


def children():
    """Direct children of this process, orphans of the test among them (zombies do not count)."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                state, parent = f.read().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if int(parent) == os.getpid() and state != "Z":
            found.append(int(pid))
    return found


def command_of(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return f.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return "?"


def leftovers():
    end = time.monotonic() + LEFTOVER_SECONDS
    left = children()
    while left and time.monotonic() < end:
        time.sleep(0.02)
        left = children()
    return left


def kill_all(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass


def inside_child(case, y):
    """Returns (word, text); runs in the test's own process."""
    try:
        case.fn(y)
        word, text = "ok", ""
    except yard_module.Skip as s:
        word, text = "skip", str(s)
    except yard_module.Failure as f:
        word, text = "FAIL", str(f)
    except Exception:
        word, text = "FAIL", traceback.format_exc()
    left = leftovers()
    if left:
        word, text = "FAIL", text + "\nprocesses left over: " + ", ".join("%d (%s)" % (p, command_of(p)) for p in left)
        while left:  # killing one hands its own children to us
            kill_all(left)
            time.sleep(0.02)
            left = children()
    return word, text


@contextlib.contextmanager
def turn(base, alone):
    """Many at once, or one alone. Who waits to be alone holds the queue, so that those who come later wait behind it."""
    os.makedirs(os.path.dirname(base), exist_ok=True)
    with open(base + ".queue", "w") as queue, open(base + ".turn", "w") as lock:
        fcntl.flock(queue, fcntl.LOCK_EX)
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(queue, fcntl.LOCK_UN)
        yield


def run_case(case, bawn, base):
    with turn(base, case.alone):
        y = yard_module.Yard(bawn, base)
        try:
            return run_in_child(case, y)
        finally:
            y.remove()


def run_in_child(case, y):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(r)
        os.setsid()
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        word, text = inside_child(case, y)
        with os.fdopen(w, "wb") as f:
            f.write(("%s\n%s" % (word, text)).encode("utf-8", "replace"))
        os._exit(0)
    os.close(w)
    data, end = b"", time.monotonic() + case.timeout + LEFTOVER_SECONDS
    while True:
        ready = select.select([r], [], [], max(0, end - time.monotonic()))[0]
        chunk = os.read(r, 65536) if ready else b""
        data += chunk
        if not chunk:
            break
    os.close(r)
    if not ready:
        kill_tree(pid)
        data = b"FAIL\nno end after %d s" % case.timeout
    os.waitpid(pid, 0)
    word, _, text = data.decode("utf-8", "replace").partition("\n")
    return (word, text) if word else ("FAIL", "the test's process died without a result")


def kill_tree(pid):
    """Stops the test first, so that nothing escapes to a new parent while its descendants are collected."""
    os.kill(pid, signal.SIGSTOP)
    parents = {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % p) as f:
                parents.setdefault(int(f.read().rsplit(")", 1)[1].split()[1]), []).append(int(p))
        except OSError:
            pass
    todo, victims = [pid], []
    while todo:
        p = todo.pop()
        victims.append(p)
        todo += parents.get(p, [])
    kill_all(reversed(victims))


def why_no_sandbox(bawn, base):
    """None when `bawn run` works here, or is broken in a way that the tests should show; else doctor's first line."""
    y = yard_module.Yard(bawn, base)
    try:
        if y.bawn("run", "-q", "--", "true").rc != 125:
            return None
        doctor = y.bawn("doctor")
        return doctor.out.splitlines()[0] if doctor.rc == 1 and doctor.out else None
    finally:
        y.remove()


def run_file(path, bawn, base, missing, no_sandbox, pattern, quiet):
    """One file's tests in the order written: their counts, and what is to be printed of them."""
    counts, lines = Counts(), []
    try:
        file, cases = load(path)
        if not cases:
            raise ValueError("no @test in it")
    except Exception:
        counts.failed += 1
        return counts, ["FAIL    %s: cannot be loaded\n%s" % (path, traceback.format_exc())]
    for case in cases:
        if pattern and pattern not in file + ":" + case.name:
            continue
        began = time.monotonic()
        if missing:
            word, text = "FAIL", missing
        elif case.sandbox and no_sandbox:
            word, text = "skip", no_sandbox
        else:
            word, text = run_case(case, bawn, base)
        counts.passed += word == "ok"
        counts.skipped += word == "skip"
        counts.failed += word not in ("ok", "skip")
        if not quiet or word != "ok":
            lines.append("%-7s %s: %s (%.1f s)%s" % (word, file, case.name, time.monotonic() - began,
                                                     ": " + text if word == "skip" else ""))
        if word not in ("ok", "skip"):
            lines.append("        " + text.replace("\n", "\n        "))
    return counts, lines


def run_files(files, bawn, base, pattern=None, quiet=False, jobs=1):
    """`jobs` files at once; each file's lines are printed when it is through."""
    total = Counts()
    missing = None if os.access(bawn, os.X_OK) else "no %s; build it with make" % bawn
    no_sandbox = None if missing or not files else why_no_sandbox(bawn, base)
    rest = (bawn, base, missing, no_sandbox, pattern, quiet)

    def take(result):
        counts, lines = result
        total.add(counts)
        for line in lines:
            print(line)
        sys.stdout.flush()

    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("fork")) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run_file, f, *rest) for f in files]):
            take(done.result())
    return total
