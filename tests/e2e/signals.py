# SPDX-License-Identifier: Apache-2.0
"""Signals that a person or a service manager sends to bawn go to the program."""
import os
import signal
import subprocess
import time

from probe import wait_until
from yard import check, test

FORWARDED = ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2")


def start(yard, line, **how):
    p = subprocess.Popen([yard.binary, "run", "--", "sh", "-c", line], cwd=yard.workspace, env=yard.env,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         start_new_session=True, **how)
    check(wait_until(lambda: yard.exists("up"), 10), "it did not start")
    return p


@test
def signals_reach_a_program_that_handles_them(yard):
    for name in FORWARDED:
        yard.call(["rm", "-f", "up"])
        p = start(yard, "trap 'echo got %s; exit 9' %s; touch up; while :; do sleep 0.02; done" % (name, name))
        p.send_signal(getattr(signal, "SIG" + name))
        out, err = p.communicate(timeout=10)
        check(p.returncode == 9 and out == b"got %s\n" % name.encode(), "SIG%s: %r %r %d" % (name, out, err,
            p.returncode))


@test
def signals_end_a_program_that_does_not_handle_them(yard):
    for name in FORWARDED:
        yard.call(["rm", "-f", "up"])
        p = start(yard, "touch up; exec sleep 20")
        p.send_signal(getattr(signal, "SIG" + name))
        p.communicate(timeout=10)
        number = getattr(signal, "SIG" + name)
        check(p.returncode == 128 + number, "SIG%s: %d" % (name, p.returncode))


@test
def signals_that_a_program_ignores_do_not_end_it(yard):
    p = start(yard, "trap '' TERM INT HUP; touch up; for i in $(seq 25); do sleep 0.02; done; echo whole")
    for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        p.send_signal(s)
    out, _ = p.communicate(timeout=10)
    check(p.returncode == 0 and out == b"whole\n", "an ignored signal ended it: %d %r" % (p.returncode, out))


@test
def a_second_signal_arrives_too(yard):
    p = start(yard,
              "n=0; trap 'n=$((n+1)); echo $n; test $n = 3 && exit 3' USR1; touch up; while :; do sleep 0.02; done")
    for expected in (b"1\n", b"2\n", b"3\n"):
        p.send_signal(signal.SIGUSR1)
        check(p.stdout.readline() == expected, "a signal was lost")
    p.communicate(timeout=10)
    check(p.returncode == 3, "status %d" % p.returncode)


@test
def a_signal_during_the_start_ends_the_run(yard):
    for delay in (0, 0.001, 0.002, 0.004, 0.008, 0.016):
        p = subprocess.Popen([yard.binary, "run", "--", "sleep", "20"], cwd=yard.workspace, env=yard.env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        p.send_signal(signal.SIGTERM)
        try:
            code = p.wait(10)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
            check(False, "a SIGTERM %g s after the start was lost" % delay)
        check(code in (128 + 15, -15, 125), "status %d" % code)


@test
def an_ignored_signal_at_the_start_stays_ignored_or_default_inside(yard):
    """The program starts with default dispositions and an empty mask, whatever bawn does for itself."""
    r = yard.run("grep -E '^Sig(Blk|Ign)' /proc/self/status")
    blocked, ignored = (int(line.split()[1], 16) for line in r.out.splitlines())
    check(blocked == 0, "signals are blocked inside", r)
    check(not ignored & ~(1 << (signal.SIGPIPE - 1)) or ignored == 0, "signals are ignored inside", r)
    r = yard.call(["sh", "-c", "%s run -- sh -c 'yes | head -1'" % yard.binary])
    check(r.out == "y\n" and "roken pipe" not in r.err, "SIGPIPE is ignored inside", r)


@test
def stop_and_continue_of_the_supervisor_lose_nothing(yard):
    p = start(yard, "touch up; for i in 1 2 3 4 5; do echo $i; sleep 0.05; done")
    os.kill(p.pid, signal.SIGSTOP)
    time.sleep(0.4)
    os.kill(p.pid, signal.SIGCONT)
    out, _ = p.communicate(timeout=10)
    check(p.returncode == 0 and out == b"1\n2\n3\n4\n5\n", "status %d, %r" % (p.returncode, out))
