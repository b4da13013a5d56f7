# SPDX-License-Identifier: Apache-2.0
"""Limits hold for the run as a whole: exit 124, nothing left, the host unharmed; what cannot be armed is refused."""
import os
import subprocess
import time

from probe import cgroup_dirs, owned_by_us, processes_with, python, wait_until
from yard import check, skip, test

ALONE = True  # it looks at all control groups of this user, and fills the machine


def armed(yard, *settings):
    """The options; a skip with bawn's own reason where this machine cannot hold them."""
    options = [o for s in settings for o in ("--set", "limits." + s)]
    r = yard.run("true", *options)
    if r.rc == 125:
        check(len(r.err.strip().splitlines()) == 1, "a limit that cannot be armed is refused, but not in one line", r)
        skip("bawn cannot arm it here: " + r.err.strip())
    check(r.rc == 0, "a run that keeps to its limits does not work", r)
    return options


def ended(yard, r, name):
    check(r.rc == 124, "a limit ended it, so the exit status is 124", r)
    check(name in r.err, "nothing says which limit it was", r)


@test
def wall_time_ends_the_run(yard):
    r = yard.run("sleep 20; echo LATE", "--wall", "700ms")
    ended(yard, r, "wall")
    check(r.seconds < 5 and "LATE" not in r.out, "the wall came late", r)
    check(yard.run("sleep 0.1; echo fits", "--wall", "20s").out == "fits\n", "what keeps to the wall does not run")


@test
def wall_time_ends_what_does_not_want_to_end(yard):
    for line in ("trap '' TERM INT HUP QUIT; while :; do sleep 0.1; done", "setsid sh -c 'sleep 30' & sleep 30",
                 "kill -STOP $$", "(kill -STOP $$) & sleep 20",
                 "python3 -c 'import signal, time\nfor s in range(1, 65):\n try: signal.signal(s, signal.SIG_IGN)\n "
                 "except (OSError, ValueError): pass\ntime.sleep(30)'",
                 "for i in $(seq 40); do sleep 20 & done; wait", "kill -ALRM 1; kill -USR1 1; kill -CONT 1; sleep 20",
                 "exec >/dev/null 2>&1 </dev/null; sleep 20"):
        r = yard.run(line, "--wall", "600ms")
        check(r.rc == 124 and r.seconds < 6, "the wall did not end: %s" % line, r)


@test
def wall_time_ends_the_run_while_nobody_reads(yard):
    """The supervisor waits for the reader of its events, and no timer of its own runs."""
    tag = "53%06d" % os.getpid()
    yard.write("script", "sleep %s & yes\n" % tag)
    r, w = os.pipe()
    p = subprocess.Popen([yard.binary, "run", "--json", "--wall", "1s", "--", "sh", "script"],
                         cwd=yard.workspace, env=yard.env, stdin=subprocess.DEVNULL, stdout=w, stderr=subprocess.DEVNULL)
    os.close(w)
    check(wait_until(lambda: processes_with(tag), 10), "it never ran inside")
    check(wait_until(lambda: not processes_with(tag), 20), "what is inside lives on after the wall")
    check(p.poll() is None, "control: the supervisor does not wait for the reader")
    with os.fdopen(r, "rb") as f:
        events = f.read()
    check(p.wait(10) == 124 and b'"name":"wall"' in events, "status %d, %r" % (p.returncode, events[-300:]))


@test
def wall_time_counts_for_what_stays_behind(yard):
    r = yard.run("setsid sh -c 'while :; do echo x > beat; sleep 0.05; done' >/dev/null 2>&1 & sleep 30", "--wall",
                 "500ms")
    ended(yard, r, "wall")
    yard.call(["rm", "-f", "beat"])
    time.sleep(0.3)
    check(not yard.exists("beat"), "a process outlived the wall", r)


@test
def processes_are_limited(yard):
    options = armed(yard, "processes=40")
    r = yard.run("for i in $(seq 200); do sleep 3 & done 2>/dev/null; echo $(ls /proc | grep -c '^[0-9]')", *options)
    n = int(r.out.split()[-1]) if r.out.split() else 0
    check(n <= 42, "%d processes with a limit of 40" % n, r)
    r = yard.outside("for i in $(seq 200); do sleep 30 & p=\"$p $!\"; done; kill -0 $p && echo all; kill $p")
    check("all" in r.out, "positive control: 200 processes cannot be had outside", r)


@test
def a_fork_bomb_is_held(yard):
    options = armed(yard, "processes=64")
    r = yard.run(python("while True:\n try: os.fork()\n except OSError: pass"), *options, "--wall", "2s", timeout=40)
    check(r.rc == 124 and r.seconds < 20, "a fork bomb was not ended", r)
    check(yard.outside("for i in 1 2 3; do sh -c true || exit 1; done").rc == 0, "the host cannot start processes")


@test
def threads_count_as_processes(yard):
    options = armed(yard, "processes=40")
    code = ("import threading\nn = 0\ntry:\n for i in range(200): t = threading.Thread(target=time.sleep, args=(1,), "
            "daemon=True); t.start(); n += 1\nexcept RuntimeError: pass\nprint('N', n)")
    check("N 200" in yard.outside(python(code)).out, "positive control")
    r = yard.run(python(code), *options)
    check(r.rc == 124 or "N 200" not in r.out, "threads are not limited", r)


@test
def processes_of_the_host_do_not_count(yard):
    options = armed(yard, "processes=30")
    import subprocess
    others = [subprocess.Popen(["sleep", "20"]) for _ in range(40)]
    try:
        r = yard.run("for i in 1 2 3 4 5; do sleep 0.1 & done; wait; echo fine", *options)
        check(r.rc == 0 and "fine" in r.out, "the host's processes count against the run", r)
    finally:
        for p in others:
            p.kill()
            p.wait()


MEMORY = {
    "heap": "b = [bytearray(16 << 20) for i in range(40)]",
    "an_unnamed_file": "f = os.memfd_create('x')\nfor i in range(40): os.write(f, bytes(16 << 20))",
    "many_unnamed_files": "f = [os.memfd_create('x%d' % i) for i in range(40)]\nfor g in f: os.write(g, bytes(16 << "
        "20))",
    "a_shared_mapping": "import mmap\nm = mmap.mmap(-1, 640 << 20)\nfor i in range(0, 640 << 20, 4096): m[i] = 1",
    "system_v_shared_memory": "libc.shmat.restype = ctypes.c_void_p\nfor i in range(40):\n s = libc.shmget(0, "
        "ctypes.c_size_t(16 << 20), 0o1600)\n p = libc.shmat(s, None, 0)\n if p and p < (1 << 63): ctypes.memset(p, 1, "
        "16 << 20)\n else: sys.exit(1)",
    "the_private_tmp": "f = open('/tmp/x', 'wb')\nfor i in range(40): f.write(bytes(16 << 20))",
    "the_private_shm": "f = open('/dev/shm/x', 'wb')\nfor i in range(40): f.write(bytes(16 << 20))",
    "the_private_home": "f = open(os.environ['HOME'] + '/x', 'wb')\nfor i in range(40): f.write(bytes(16 << 20))",
    "many_processes": "import subprocess\nc = [subprocess.Popen([sys.executable, '-c', 'import time; b = bytearray(80 "
        "<< 20); time.sleep(3)']) for i in range(8)]\nprint([p.wait() for p in c])\nassert not any(p.returncode for p "
        "in c)",
}


def define_memory(name, code):
    def memory_is_limited(yard):
        options = armed(yard, "memory=256M")
        r = yard.run(python(code + "\nprint('GOT640M')"), *options, "--wall", "25s", timeout=50)
        check("GOT640M" not in r.out, "more memory than the limit was had", r)
        check(r.rc != 125, "did not start", r)
    memory_is_limited.__name__ = "memory_is_limited_as_" + name
    test(memory_is_limited)


for name, code in MEMORY.items():
    define_memory(name, code)


@test
def what_keeps_to_its_memory_runs(yard):
    options = armed(yard, "memory=256M")
    r = yard.run(python("b = bytearray(100 << 20); print('fits')"), *options)
    check(r.rc == 0 and r.out == "fits\n", "100M do not fit into 256M", r)
    r = yard.run(python("b = [bytearray(16 << 20) for i in range(40)]"), *options)
    check(r.rc in (124, 1), "memory ran out, and the exit status does not say so", r)


@test
def output_is_limited(yard):
    for line in ("yes", "yes >&2", "yes & yes >&2; wait", "head -c 5000000 /dev/zero; sleep 20", "sh -c 'yes' | cat",
                 "cat /dev/zero"):
        r = yard.run(line, "--set", "limits.output=100K", "--wall", "20s")
        ended(yard, r, "output")
        check(len(r.raw_out) + len(r.raw_err) < 500000, "more came out than the limit: %d" % (len(r.raw_out)
            + len(r.raw_err)), None)
    r = yard.run("head -c 90000 /dev/zero", "--set", "limits.output=100K")
    check(r.rc == 0 and len(r.raw_out) == 90000, "what keeps to its output does not run", r)


@test
def the_largest_file_is_limited(yard):
    options = armed(yard, "disk=10M")
    for line in ("head -c 40000000 /dev/zero > big", "truncate -s 40M big; echo x >> big",
                 "dd if=/dev/zero of=big bs=1M seek=30 count=1", "trap '' XFSZ; head -c 40000000 /dev/zero > big",
                 "python3 -c 'import os; os.posix_fallocate(os.open(\"big\", 66), 0, 40000000)'",
                 "head -c 40000000 /dev/zero > ~/big; wc -c < ~/big > size; mv size big"):
        yard.call(["rm", "-f", "big"])
        r = yard.run(line, *options)
        size = os.path.getsize(yard.path("big")) if yard.exists("big") else 0
        check(size <= 10 << 20, "a file of %d bytes with a limit of 10M, by: %s" % (size, line), r)
    check(yard.run("head -c 9000000 /dev/zero > fits && wc -c < fits", *options).out.strip() == "9000000",
          "what keeps to the limit does not work")


@test
def private_directories_are_limited_in_disk(yard):
    options = armed(yard, "disk=10M")
    r = yard.run("for i in 1 2 3 4 5 6 7 8; do head -c 4000000 /dev/zero > /tmp/$i; done; du -sk /tmp | cut -f1",
                 *options)
    check(r.rc == 124 or int(r.out.split()[-1]) <= 11 << 10, "the private /tmp holds more than the limit", r)


@test
def open_files_are_limited(yard):
    r = yard.run(python("f = []\ntry:\n while True: f.append(os.open('/dev/null', 0))\nexcept OSError: print('N', "
                        "len(f))"), "--set", "limits.open_files=50")
    check(r.rc == 0 and int(r.out.split()[1]) <= 50, "more files are open than the limit", r)
    r = yard.run(python("import resource\ntry: resource.setrlimit(resource.RLIMIT_NOFILE, (99, 99)); "
                        "print('RAISED')\nexcept (OSError, ValueError): print('HELD')"), "--set",
                 "limits.open_files=50")
    check("HELD" in r.out, "the limit was raised from inside", r)


@test
def processor_time_is_shared(yard):
    options = armed(yard, "cpu=1")
    r = yard.run("sh -c 'while :; do :; done' & sh -c 'while :; do :; done' & sleep 1.5; kill %1 %2; times | tail -1; "
                 "true", *options)
    check(r.rc == 0, "a processor limit breaks the run", r)
    r = yard.run(python("import multiprocessing, time\nend = time.time() + 1.5\ndef f(_):\n    while time.time() < "
                        "end: pass\n    return time.process_time()\nprint('USED', sum(multiprocessing.Pool(4).map(f, "
                        "range(4), 1)))"), *options)
    check(float(r.out.split()[1]) < 2.6, "four processes used more than one processor's worth", r)


@test
def limits_leave_no_control_group(yard):
    before = {d for d in cgroup_dirs()}
    for s in ("memory=256M", "processes=40"):
        yard.run("true", "--set", "limits." + s)
        yard.run("sleep 5", "--set", "limits." + s, "--wall", "200ms")
    left = {d for d in cgroup_dirs() - before if os.path.exists(d) and owned_by_us(d)}
    check(wait_until(lambda: not any(os.path.exists(d) for d in left), 3), "control groups are left: %s" % sorted(left))


@test
def limits_inside_cannot_be_raised(yard):
    options = armed(yard, "processes=40")
    r = yard.run(python("""
import resource
for name in (resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
    soft, hard = resource.getrlimit(name)
    if hard == resource.RLIM_INFINITY: continue
    try: resource.setrlimit(name, (hard + 1, hard + 1)); print('RAISED', name)
    except (OSError, ValueError): pass
print('end')
"""), *options, "--set", "limits.open_files=100", "--set", "limits.disk=10M")
    check("end" in r.out and "RAISED" not in r.out, "a limit was raised from inside", r)


@test
def a_bad_limit_is_refused(yard):
    for s in ("memory=-1", "memory=lots", "processes=0x10", "wall=5 parsecs", "disk=99999999999999999999T", "cpu=many",
              "wall=", "output=1.5.2"):
        r = yard.run("echo STARTED", "--set", "limits." + s)
        check(r.rc == 125 and "STARTED" not in r.out, "the limit %s is taken" % s, r)


@test
def nothing_of_a_run_that_hit_a_limit_stays(yard):
    tag = "4%07d" % os.getpid()
    r = yard.run("for i in 1 2 3; do setsid sleep %s & done; sleep %s" % (tag, tag), "--wall", "400ms")
    check(r.rc == 124, "no limit", r)
    check(wait_until(lambda: not processes_with(tag), 2), "processes are left: %s" % processes_with(tag))
