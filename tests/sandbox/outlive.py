# SPDX-License-Identifier: Apache-2.0
"""Nothing outlives the run: not by daemonising, not by stopping or hiding, and not when the supervisor is killed."""
import os
import signal
import subprocess
import time

from probe import descendants, processes_with, python, wait_until
from yard import check, test

BEAT = "while :; do date +%N > beat; sleep 0.03; done"
DETACH = {
    "setsid": "setsid sh -c '%s' >/dev/null 2>&1 & sleep 0.2" % BEAT,
    "nohup": "nohup sh -c '%s' >/dev/null 2>&1 & sleep 0.2" % BEAT,
    "a_double_fork": "(setsid sh -c '(%s) &' &) >/dev/null 2>&1; sleep 0.2" % BEAT,
    "a_daemon_in_python": python("""
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    os.chdir('/'); [os.close(i) for i in range(3)]
    import signal
    for s in range(1, 65):
        try: signal.signal(s, signal.SIG_IGN)
        except (OSError, ValueError): pass
    while True:
        open('{W}/beat', 'w').write('x'); time.sleep(0.03)
time.sleep(0.3)
"""),
    "ignoring_signals": "sh -c 'trap \"\" TERM INT HUP QUIT USR1 USR2 PIPE; %s' >/dev/null 2>&1 & sleep 0.2" % BEAT,
    "clearing_its_death_signal": python("""
if os.fork() == 0:
    call(157 if os.uname().machine == 'x86_64' else 167, 1, 0, 0, 0, 0)
    os.setsid()
    while True: open('{W}/beat', 'w').write('x'); time.sleep(0.03)
time.sleep(0.3)
"""),
    "becoming_a_subreaper": python("""
libc.prctl(36, 1, 0, 0, 0)
if os.fork() == 0:
    libc.prctl(36, 1, 0, 0, 0)
    if os.fork() == 0:
        while True: open('{W}/beat', 'w').write('x'); time.sleep(0.03)
    os._exit(0)
time.sleep(0.3)
"""),
    "killing_its_parent": "sh -c '%s' >/dev/null 2>&1 & sleep 0.2; kill -9 $PPID; kill -9 1; sleep 0.1" % BEAT,
    "stopping_everybody": "sh -c '%s' >/dev/null 2>&1 & sleep 0.2; kill -STOP 1 $PPID; true" % BEAT,
    "a_thousand_children": "for i in $(seq 100); do sleep 60 & done; sh -c '%s' >/dev/null 2>&1 & sleep 0.2" % BEAT,
    "being_stopped": "sh -c '%s' >/dev/null 2>&1 & sleep 0.2; kill -STOP $!" % BEAT,
    "being_traced": "command -v strace >/dev/null && (strace -f -o /dev/null sh -c '%s' >/dev/null 2>&1 &); sleep 0.3" % BEAT,
}


def beats(yard):
    """Whether something still writes to the workspace."""
    yard.call(["rm", "-f", "beat"])
    time.sleep(0.25)
    return yard.exists("beat")


def define(name, line):
    def it_does_not_outlive_the_run(yard):
        here = line.replace("{W}", yard.workspace)
        r = yard.run(here)
        check(yard.exists("beat") or name == "being_stopped", "it never lived inside", r)
        check(not beats(yard), "it lives after the run", r)
        check(r.seconds < 10, "the run waited for it", r)
    it_does_not_outlive_the_run.__name__ = "nothing_outlives_the_run_by_" + name
    test(it_does_not_outlive_the_run)


for name, line in DETACH.items():
    define(name, line)


@test
def detaching_works_without_bawn(yard):
    """The control of all the above: the harness must see what is left, so it is ended here."""
    p = subprocess.Popen(["sh", "-c", DETACH["setsid"]], cwd=yard.workspace, env=yard.env)
    p.wait()
    check(beats(yard), "a detached process does not live on even without bawn")
    for pid in processes_with(BEAT[:20]):
        try:
            if os.readlink("/proc/%d/cwd" % pid) == os.path.realpath(yard.workspace):
                os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    check(wait_until(lambda: not beats(yard), 3), "cannot end the control")


STATES = {
    "running": BEAT,
    "daemons": "for i in 1 2 3 4 5; do setsid sh -c '%s' >/dev/null 2>&1 & done; sleep 30" % BEAT,
    "stopped": "sh -c '%s' & kill -STOP $$" % BEAT,
    "ignoring": "trap '' TERM HUP INT; %s" % BEAT,
    "forking": "while :; do sh -c 'date +%N > beat' & wait; done",
    "deep": "sh -c 'sh -c \"sh -c \\\"setsid sh -c \\\\\\\"while :; do date > beat; sleep 0.03; done\\\\\\\" & sleep "
        "30\\\" & sleep 30\" & sleep 30'",
}


def define_killed(name, line):
    def they_die_with_the_supervisor(yard):
        for sig in (signal.SIGKILL, signal.SIGSEGV) if name == "running" else (signal.SIGKILL,):
            p = subprocess.Popen([yard.binary, "run", "--", "sh", "-c", line], cwd=yard.workspace, env=yard.env,
                                 stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            check(wait_until(lambda: yard.exists("beat"), 10), "it never ran inside")
            inside = descendants(p.pid)
            check(len(inside) >= 2, "control: the processes inside are not seen below the supervisor")
            os.kill(p.pid, sig)
            p.wait()
            check(wait_until(lambda: not any(os.path.exists("/proc/%d" % q)
                                             and "Z" not in open("/proc/%d/stat" % q).read().rsplit(")",
                1)[1].split()[0] for q in inside if os.path.exists("/proc/%d" % q)), 3),
                  "processes live after the supervisor")
            check(not beats(yard), "something still writes to the workspace")
    they_die_with_the_supervisor.__name__ = "when_the_supervisor_is_killed_nothing_lives_of_" + name
    test(they_die_with_the_supervisor)


for name, line in STATES.items():
    define_killed(name, line)


@test
def a_stopped_supervisor_that_is_killed_leaves_nothing(yard):
    p = subprocess.Popen([yard.binary, "run", "--", "sh", "-c", BEAT], cwd=yard.workspace, env=yard.env,
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    check(wait_until(lambda: yard.exists("beat"), 10), "it never ran inside")
    os.kill(p.pid, signal.SIGSTOP)
    os.kill(p.pid, signal.SIGKILL)
    p.wait()
    check(not beats(yard), "something still writes to the workspace")


@test
def a_protected_name_does_not_stay_when_the_supervisor_is_killed(yard):
    """The janitor sweeps what the supervisor cannot any more."""
    yard.git("init", "-q")
    p = subprocess.Popen([yard.binary, "run", "--", "sh", "-c", "trap '' TERM; touch up; while :; do mkdir -p .vscode; "
                          "echo '{}' > .vscode/tasks.json; echo e > .envrc; done 2>/dev/null"], cwd=yard.workspace,
                         env=yard.env,
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    check(wait_until(lambda: yard.exists("up"), 10), "it never ran inside")
    time.sleep(0.1)
    os.kill(p.pid, signal.SIGKILL)
    p.wait()
    check(wait_until(lambda: not yard.exists(".vscode/tasks.json") and not yard.exists(".envrc"), 5),
          "a protected name is left when the supervisor was killed")
    time.sleep(0.3)
    check(not yard.exists(".vscode/tasks.json") and not yard.exists(".envrc"), "a protected name came back")


@test
def descriptors_of_the_caller_do_not_keep_the_run_alive(yard):
    """A daemon inside holds standard output open: the caller's pipe must still end with the run."""
    began = time.monotonic()
    r = yard.run("setsid sh -c 'sleep 30' & echo out")
    check(r.rc == 0 and r.out == "out\n" and time.monotonic() - began < 5, "the caller waited for a daemon inside", r)
