# SPDX-License-Identifier: Apache-2.0
"""Other processes of this user on the host are neither seen, signalled, traced, read nor slowed. {V}: a victim's pid."""
import os

from probe import SEE_ALL, Victim, escapes, fill, python
from yard import check, test

# Number of the system call on x86-64 and arm64 where they differ.
NUMBERS = "x86 = os.uname().machine == 'x86_64'\n"
KILLS = {
    "kill": "kill -9 {V}",
    "kill_by_the_group": "kill -9 -{V}",
    "tgkill": python(NUMBERS + "call(234 if x86 else 131, {V}, {V}, 9)"),
    "tkill": python(NUMBERS + "call(200 if x86 else 130, {V}, 9)"),
    "sigqueue": python(NUMBERS + "b = ctypes.create_string_buffer(128); b[0] = 9; b[8] = 0xff; b[9] = 0xff; b[10] = "
                       "0xff; b[11] = 0xff; call(129 if x86 else 138, {V}, 9, b)"),
    "a_pidfd": python("f = call(434, {V}, 0); print(f); call(424, f, 9, None, 0)"),
    "a_pidfd_of_the_group": python("f = call(434, {V}, 0); print(f); call(424, f, 9, None, 4)"),
    "stopping": "kill -STOP {V}",
    "sigio_of_a_descriptor": python("""
import fcntl, signal
a, b = socket.socketpair()
fcntl.fcntl(a, 10, 9)  # F_SETSIG: SIGKILL
fcntl.fcntl(a, fcntl.F_SETOWN, {V})
fcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
b.send(b'x'); time.sleep(0.2)
"""),
}


def kills(name, line):
    def the_victim_lives(yard):
        state = {}

        def setup():
            if "v" in state:
                state["v"].stop()
            state["v"] = Victim().__enter__()

        def hit(_):
            return not state["v"].alive() or state["v"].state() in "TZX"

        # The victim is a new one each time, so the line is made at the last moment: it asks a file for the pid.
        try:
            def both(inside):
                setup()
                here = fill(line, V=state["v"].pid)
                r = yard.run(here, *inside) if inside is not None else yard.outside(here)
                import time
                time.sleep(0.15)
                return r
            r = both(None)
            check(hit(r), "positive control: the attack does not work outside", r)
            for options in ((), SEE_ALL, ("--set", "nested=true")):
                r = both(options)
                check(r.rc != 125, "bawn did not start the attack", r)
                check(not hit(r), "a process of the host was signalled", r)
        finally:
            state["v"].stop()
    the_victim_lives.__name__ = "a_host_process_survives_" + name
    test(the_victim_lives)


for name, line in KILLS.items():
    if line:
        kills(name, line)


@test
def killing_everybody_kills_nobody_outside(yard):
    with Victim() as v:
        for line in ("kill -9 -1; true", python("os.kill(-1, 9)"), "kill -TERM 0; sleep 0.1", python("os.killpg(0, 9)"),
                     "kill -9 1", "kill -9 $PPID"):
            r = yard.run(line)
            check(r.rc != 125, "bawn did not start it", r)
            check(v.alive(), "a process outside was killed by %s" % line, r)


READS = {
    "command_line": "tr '\\0' ' ' < /proc/{V}/cmdline",
    "environment": "tr '\\0' ' ' < /proc/{V}/environ",
    "environment_by_search": "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '",
    "command_lines_by_search": "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o '[V]ICTIMARG'",
    "root": "cat /proc/{V}/root{O}",
    "working_directory": "ls /proc/{V}/cwd/ && echo VICTIMARG",
    "executable": "readlink /proc/{V}/exe && echo VICTIMARG",
    "mappings": "grep -q stack /proc/{V}/maps && echo VICTIMARG",
    "memory": python("""
def scan(read):
    for line in open('/proc/{V}/maps'):
        a, rest = line.split(' ', 1)
        if rest[0] != 'r' or '[v' in line: continue
        lo, hi = (int(x, 16) for x in a.split('-'))
        if hi - lo < 1 << 25:
            try: s = read(lo, hi - lo)
            except OSError: continue
            if b'VICTIM' + b'MEMORY' in s: print('VICTIM' + 'ARG'); return
f = os.open('/proc/{V}/mem', 0)
scan(lambda lo, n: os.pread(f, n, lo))
"""),
    "stack_by_process_vm_readv": python("""
x86 = os.uname().machine == 'x86_64'
for line in open('/proc/{V}/maps'):
    if '[stack]' in line:
        lo, hi = (int(x, 16) for x in line.split()[0].split('-'))
        b = ctypes.create_string_buffer(hi - lo)
        local = (ctypes.c_uint64 * 2)(ctypes.addressof(b), hi - lo); far = (ctypes.c_uint64 * 2)(lo, hi - lo)
        n = call(310 if x86 else 270, {V}, local, 1, far, 1, 0)
        if b'VICTIMSECRET' in b.raw: print('VICTIM' + 'ARG')
"""),
    "descriptors": "ls -l /proc/{V}/fd | grep -q pipe && echo VICTIMARG",
    "descriptors_by_pidfd": python("f = call(434, {V}, 0); g = call(438, f, 1, 0); print('VICTIMARG' if g >= 0 else '')"),
    "status": "grep -q State /proc/{V}/status && echo VICTIMARG",
    "tasks": "ls /proc/{V}/task && echo VICTIMARG",
    "existence": "kill -0 {V} && echo VICTIMARG",
    "scheduling": python("try: os.sched_getaffinity({V}); print('VICTIMARG')\nexcept OSError: pass"),
    "session": python("try: print(os.getsid({V}), 'VICTIMARG')\nexcept OSError: pass"),
    "listing": "ps -ef | grep -o '[V]ICTIMARG'",
    "ptrace": python("x86 = os.uname().machine == 'x86_64'\nif call(101 if x86 else 117, 16, {V}, 0, 0) == 0: "
                     "print('VICTIMARG')"),
    "ptrace_seize": python("x86 = os.uname().machine == 'x86_64'\nif call(101 if x86 else 117, 0x4206, {V}, 0, 0) == "
                           "0: print('VICTIMARG')"),
    "kcmp": python("x86 = os.uname().machine == 'x86_64'\nif call(312 if x86 else 272, {V}, {V}, 0, 0, 0) == 0: "
                   "print('VICTIMARG')"),
    "limits": python("import resource\ntry: resource.prlimit({V}, resource.RLIMIT_FSIZE, (9, 9)); "
                     "print('VICTIMARG')\nexcept OSError: pass"),
}


def reads(name, line):
    def a_host_process_is_not_looked_at(yard):
        yard.write("../marked", "VICTIMSECRET")
        with Victim() as v:
            here = fill(line, V=v.pid, O=os.path.realpath(yard.root) + "/marked")
            escapes(yard, here, lambda r: "VICTIMARG" in r.out or "VICTIMSECRET" in r.out, (),
                    SEE_ALL if name != "root" else (),
                    optional="not allowed outside either (Yama, or a missing system call)")
    a_host_process_is_not_looked_at.__name__ = "a_host_process_hides_its_" + name
    test(a_host_process_is_not_looked_at)


for name, line in READS.items():
    reads(name, line)


@test
def priorities_and_affinities_of_host_processes_stay(yard):
    with Victim() as v:
        def now():
            return os.getpriority(os.PRIO_PROCESS, v.pid), sorted(os.sched_getaffinity(v.pid))
        before = now()
        line = python("""
for which, who in ((0, {V}), (1, {V}), (2, os.getuid())):
    try: os.setpriority(which, who, 19)
    except OSError: pass
try: os.sched_setaffinity({V}, {0})
except OSError: pass
""", V=v.pid)
        r = yard.run(line)
        check(r.rc == 0, "the attempt did not run", r)
        check(now() == before, "a process of the host got another priority or affinity: %s" % (now(),), r)
        r = yard.outside(python("os.setpriority(0, {V}, 19)", V=v.pid))
        check(now() != before, "positive control: it cannot be changed outside", r)


@test
def only_the_runs_own_processes_are_listed(yard):
    r = yard.run("ls /proc | grep -c '^[0-9]'; ps -e -o pid= | wc -l")
    check(r.rc == 0 and all(int(n) <= 8 for n in r.out.split()), "more processes than those inside are listed", r)


@test
def the_first_process_gives_nothing_away(yard):
    r = yard.run("for f in environ maps mem fd root cwd exe; do cat /proc/1/$f 2>/dev/null | grep -q . && echo READ "
                 "$f; ls /proc/1/$f/ 2>/dev/null | grep -q . && echo LISTED $f; done;"
                 "kill -9 1; kill -STOP 1; kill -TERM 1; echo alive", *SEE_ALL)
    check(r.rc == 0 and r.out == "alive\n", "pid 1 can be read or ended", r)
    r = yard.run(python("x86 = os.uname().machine == 'x86_64'\nprint('PTRACE', call(101 if x86 else 117, 16, 1, 0, 0), "
                        "call(101 if x86 else 117, 0x4206, 1, 0, 0), call(438, max(call(434, 1, 0), 0), 0, 0))"))
    check(r.out.startswith("PTRACE -") and all(int(n) < 0 for n in r.out.split()[1:]), "pid 1 can be traced", r)


@test
def the_supervisor_is_not_in_reach(yard):
    pid_file = yard.path("pid")
    r = yard.call(["sh", "-c", "echo $$ > pid; exec %s run -- sh -c 'P=$(cat pid); kill -0 $P 2>/dev/null && tr "
                   "\"\\0\" \" \" < /proc/$P/cmdline | grep -q \"bawn run\" && echo SEEN; "
                   "kill -9 $P 2>/dev/null; kill -9 $PPID 2>/dev/null; sleep 0.1; echo done'" % yard.binary])
    check(os.path.exists(pid_file) and r.out.endswith("done\n") and "SEEN" not in r.out and r.rc == 0,
          "the supervisor was reached", r)


@test
def processes_inside_do_not_read_each_others_memory_by_the_forbidden_calls(yard):
    line = python("""
x86 = os.uname().machine == 'x86_64'
b = ctypes.create_string_buffer(b'x' * 8); v = (ctypes.c_uint64 * 2)(ctypes.addressof(b), 8)
print('VM', call(310 if x86 else 270, os.getpid(), v, 1, v, 1, 0), call(311 if x86 else 271, os.getpid(), v, 1, v, 1, 0))
""")
    check("VM 8 8" in yard.outside(line).out, "positive control")
    r = yard.run(line)
    check(r.rc == 0 and all(int(n) in (-1, -38) for n in r.out.split()[1:]), "process_vm_* is not refused", r)


@test
def core_patterns_and_signals_of_a_crash_stay_inside(yard):
    r = yard.run("(ulimit -c unlimited) 2>/dev/null; sh -c 'kill -SEGV $$'; echo $?; ls core* 2>/dev/null; true")
    check(r.rc == 0 and r.out.startswith("139"), "a crash inside is not seen as one", r)
