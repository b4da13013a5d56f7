# SPDX-License-Identifier: Apache-2.0
"""The supervisor dies at any moment: nothing lives on, stays mounted or keeps a name. Many runs leak nothing."""
import os
import random
import signal
import subprocess
import time

from probe import (cgroup_dirs, descendants, mounts, own_processes, owned_by_us, processes_with, temporary_names,
                   wait_until)
from yard import check, test

ALONE = True  # it looks at all that this user has on the machine


def host(yard):
    """All that a run could leave behind, outside its own state directory."""
    names = set()
    for top, dirs, files in os.walk(yard.root):
        if "/.local/state/bawn" in top:
            continue
        names |= {os.path.join(top, n) for n in dirs + files}
    return {"mounts": mounts(), "groups": {d for d in cgroup_dirs() if os.path.exists(d) and owned_by_us(d)},
            "temporary": temporary_names(), "yard": names}


def nothing_left(before, yard, tag):
    check(wait_until(lambda: not processes_with(tag), 3), "processes are left: %s" % processes_with(tag))
    check(wait_until(lambda: not [p for p in descendants(os.getpid())], 3),
          "processes are left: %s" % [own_processes().get(p, p) for p in descendants(os.getpid())])
    after = host(yard)
    for what in before:
        left = set(after[what]) - set(before[what])
        check(not left, "%s left: %s" % (what, sorted(left)))


@test(timeout=100)
def fifty_kills_at_random_moments_leave_nothing(yard):
    yard.git("init", "-q")
    yard.run("true")
    tag = "51%06d" % os.getpid()
    before = host(yard)
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    for i in range(50):
        p = subprocess.Popen([yard.binary, "run", "--", "sh", "-c", "sleep %s & setsid sleep %s & sleep %s" % (tag, tag,
            tag)], cwd=yard.workspace, env=yard.env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.choice((0, 0.0005, 0.02)) + rng.random() * 0.02)
        p.send_signal(signal.SIGKILL)
        p.wait()
    nothing_left(before, yard, tag)
    r = yard.run("echo works")
    check(r.rc == 0 and r.out == "works\n", "after 50 kills (seed %d) a run does not work" % seed, r)
    nothing_left(before, yard, tag)


@test(timeout=60)
def kills_with_limits_leave_no_control_group(yard):
    options = ("--set", "limits.processes=60", "--set", "limits.memory=256M")
    if yard.run("true", *options).rc == 125:
        options = options[:2]
        yard.run("true", *options)
    tag = "52%06d" % os.getpid()
    before = host(yard)
    for i in range(10):
        p = subprocess.Popen([yard.binary, "run", *options, "--", "sh", "-c", "sleep %s & sleep %s" % (tag, tag)],
                             cwd=yard.workspace, env=yard.env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.004 * i)
        p.send_signal(signal.SIGKILL)
        p.wait()
    nothing_left(before, yard, tag)


@test(timeout=60)
def the_record_of_a_killed_run_is_whole_or_told_as_torn(yard):
    for i in range(5):
        p = subprocess.Popen([yard.binary, "run", "--", "sleep", "20"], cwd=yard.workspace, env=yard.env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.05)
        p.kill()
        p.wait()
        check(wait_until(lambda: not descendants(os.getpid()), 3), "processes are left")
        r = yard.bawn("log", "--verify")
        check(r.rc in (0, 1), "the record of a killed run cannot be looked at", r)
    check(yard.bawn("runs").rc == 0, "runs after kills")


@test(timeout=100)
def two_hundred_runs_leak_nothing(yard):
    yard.git("init", "-q")
    yard.run("true")
    fds = len(os.listdir("/proc/self/fd"))
    before = host(yard)
    for i in range(200):
        r = yard.bawn("run", "--", "true")
        check(r.rc == 0 and r.err == "", "run %d of 200" % i, r)
    nothing_left(before, yard, "no such tag")
    check(len(os.listdir("/proc/self/fd")) == fds, "descriptors were leaked to the caller")
    check(len(os.listdir(yard.state + "/runs")) == 201, "runs on record: %d" % len(os.listdir(yard.state + "/runs")))


@test(timeout=60)
def twenty_runs_at_once_work(yard):
    runs = [subprocess.Popen([yard.binary, "run", "--", "sh", "-c", "echo %d > f%d; sleep 0.3; cat f%d" % (i, i, i)],
                             cwd=yard.workspace, env=yard.env, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE) for i in range(20)]
    for i, p in enumerate(runs):
        out, err = p.communicate(timeout=40)
        check(p.returncode == 0 and out == b"%d\n" % i, "run %d: %d %r %r" % (i, p.returncode, out, err))
    check(len(os.listdir(yard.state + "/runs")) == 20, "not each run has its record")


@test
def init_that_is_killed_from_outside_ends_the_run_with_a_reason(yard):
    p = subprocess.Popen([yard.binary, "run", "--", "sh", "-c", "touch up; sleep 20"], cwd=yard.workspace, env=yard.env,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check(wait_until(lambda: yard.exists("up"), 10), "it did not start")
    victims = [q for q in descendants(p.pid) if "bawn-init" in own_processes().get(q, "")]
    check(victims, "no init is seen: %s" % [own_processes().get(q) for q in descendants(p.pid)])
    os.kill(victims[0], signal.SIGKILL)
    out, err = p.communicate(timeout=10)
    check(p.returncode in (125, 137) and err, "status %d, %r" % (p.returncode, err))


@test
def a_janitor_that_is_killed_is_replaced(yard):
    """Else a supervisor that is killed next would leave what its run planted."""
    p = subprocess.Popen([yard.binary, "run", "--", "sh", "-c", "touch up; while :; do mkdir -p .vscode; echo x > "
                          ".vscode/t; done 2>/dev/null"], cwd=yard.workspace, env=yard.env, stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    name = lambda q: open("/proc/%d/comm" % q).read().strip() if os.path.exists("/proc/%d" % q) else ""
    janitors = lambda: [q for q in descendants(p.pid) if name(q) == "bawn-janitor"]
    check(wait_until(lambda: yard.exists("up") and janitors(), 10), "it did not start")
    for _ in range(3):
        old = janitors()
        os.kill(old[0], signal.SIGKILL)
        check(wait_until(lambda: janitors() and janitors() != old, 5), "no other janitor came")
    p.kill()
    p.wait()
    check(wait_until(lambda: not descendants(os.getpid()), 5), "processes are left")
    check(not yard.exists(".vscode"), "a protected name is left")


@test
def no_name_of_bawns_is_ever_seen_in_the_workspace(yard):
    """No stub, not even for a moment: a watcher outside looks all the time."""
    yard.git("init", "-q")
    yard.write("README", "r")
    seen = set()
    known = None

    for _ in range(5):
        p = subprocess.Popen([yard.binary, "run", "--", "true"], cwd=yard.workspace, env=yard.env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while p.poll() is None:
            now = {os.path.join(t, n) for t, d, f in os.walk(yard.workspace) for n in d + f}
            known = known or now
            seen |= now - known
    check(not seen, "names appeared: %s" % seen)
