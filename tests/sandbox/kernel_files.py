# SPDX-License-Identifier: Apache-2.0
"""The kernel's own files: /proc, /sys, /dev and the control group tree. Nothing there changes the machine or shows more
of it than programs need."""
import os

from probe import ROOT, SEE_ALL, escapes, python
from yard import check, skip, test

# Opened for writing without truncation and closed at once: harmless where it works, which is with root outside.
TRY_WRITE = """
for p in {PATHS}:
    try: os.close(os.open(p, os.O_WRONLY)); print('OPENED', p)
    except OSError as e: pass
"""
DANGEROUS = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug",
             "/proc/sys/kernel/poweroff_cmd",
             "/proc/sys/vm/panic_on_oom", "/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/randomize_va_space",
             "/proc/sys/fs/suid_dumpable", "/proc/sys/fs/binfmt_misc/register", "/proc/sys/kernel/yama/ptrace_scope",
             "/proc/sys/kernel/unprivileged_bpf_disabled", "/proc/sys/kernel/sysrq", "/proc/sysrq-trigger",
             "/proc/kcore",
             "/proc/sys/kernel/panic", "/proc/sys/kernel/ns_last_pid", "/proc/sys/kernel/hostname",
             "/proc/sys/net/ipv4/ip_forward",
             "/proc/sys/user/max_user_namespaces", "/proc/irq/default_smp_affinity", "/proc/acpi/wakeup",
             "/proc/scsi/scsi", "/proc/mtrr",
             "/sys/kernel/uevent_helper", "/sys/power/state", "/sys/kernel/mm/transparent_hugepage/enabled",
             "/sys/kernel/profiling",
             "/sys/module/kernel/parameters/panic", "/sys/fs/cgroup/release_agent",
             "/sys/fs/cgroup/memory/release_agent",
             "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/tasks", "/sys/kernel/debug/sched/debug",
             "/sys/kernel/tracing/trace_marker",
             "/sys/kernel/security/apparmor/.load", "/sys/firmware/efi/vars", "/proc/timer_list", "/proc/latency_stats"]


@test
def no_switch_of_the_kernel_opens_for_writing(yard):
    line = python(TRY_WRITE, PATHS=DANGEROUS)
    if ROOT:  # for others these are closed outside too, and there is no control
        escapes(yard, line, lambda r: "OPENED" in r.out, (), SEE_ALL)
    for options in ((), SEE_ALL, ("--set", "nested=true")):
        r = yard.run(line, *options)
        check(r.rc == 0 and "OPENED" not in r.out, "kernel switches open for writing inside", r)


@test
def nothing_below_proc_sys_and_sys_opens_for_writing(yard):
    walk = """
n = 0
for top in ('/proc/sys', '/sys'):
    for d, dirs, files in os.walk(top):
        for f in files:
            n += 1
            try: os.close(os.open(d + '/' + f, os.O_WRONLY | os.O_NONBLOCK)); print('OPENED', d + '/' + f)
            except OSError: pass
print('SEEN', n)
"""
    r = yard.run(python(walk))
    check("SEEN" in r.out and int(r.out.split("SEEN ")[1]) > 100, "the walk saw next to nothing", r)
    check("OPENED" not in r.out, "files of the kernel open for writing inside", r)


@test
def the_modes_of_kernel_files_cannot_be_changed(yard):
    r = yard.run("chmod 666 /proc/sys/kernel/core_pattern /sys/kernel/uevent_seqnum && echo CHANGED; touch /proc/sys/x "
                 "/sys/x && echo CHANGED;"
                 "mkdir /proc/x /sys/x /dev/x/y && echo CHANGED; true")
    check(r.rc == 0 and "CHANGED" not in r.out, "kernel files can be changed", r)


@test
def kernel_memory_keys_and_logs_are_not_read(yard):
    paths = ["/proc/kcore", "/proc/kmsg", "/dev/kmsg", "/dev/mem", "/dev/port", "/proc/keys", "/proc/timer_list",
             "/proc/sched_debug",
             "/proc/vmallocinfo", "/proc/slabinfo", "/proc/pagetypeinfo", "/sys/kernel/debug", "/sys/kernel/tracing",
             "/sys/kernel/slab",
             "/sys/kernel/notes", "/sys/kernel/btf/../debug", "/proc/kpagecount", "/proc/kpageflags"]
    read = python("""
for p in {PATHS}:
    try: d = os.listdir(p) if os.path.isdir(p) else os.read(os.open(p, os.O_RDONLY | os.O_NONBLOCK), 64)
    except OSError: continue
    if d: print('READ', p, d)
""", PATHS=paths[:9] + paths[11:13] + paths[16:])
    escapes(yard, read, lambda r: "READ" in r.out, (), SEE_ALL,
            optional="nothing of this can be read outside either, as this user")


@test
def what_is_roots_alone_is_not_roots_inside(yard):
    """Root inside owns the files of /proc and /sys; their modes are for others."""
    if not ROOT:
        skip("needs root: for others the kernel's own modes hold")
    look = python("""
tops = ['/proc/' + n for n in os.listdir('/proc') if not n.isdigit() and n != 'sys' and not os.path.islink('/proc/' + n)]
below = [d + '/' + f for t in tops if t != '/proc/bus' for d, _, files in os.walk(t) for f in files]
for p in tops + below:
    if os.path.isdir(p): continue
    try: os.close(os.open(p, os.O_WRONLY | os.O_NONBLOCK)); print('WRITE', p)
    except OSError: pass
    if p in tops and not os.stat(p).st_mode & 0o004:
        try: os.close(os.open(p, os.O_RDONLY | os.O_NONBLOCK)); print('READ', p)
        except OSError: pass
for p in ('/sys/firmware', '/sys/kernel/slab', '/sys/kernel/debug', '/sys/kernel/tracing', '/sys/devices/virtual/powercap'):
    if os.path.isdir(p) and os.access(p, os.R_OK) and os.listdir(p): print('LIST', p)
""")
    for options in ((), SEE_ALL, ("--set", "network.mode=open")):
        escapes(yard, look, lambda r: "WRITE" in r.out or "READ" in r.out or "LIST" in r.out, options)
    r = yard.run("cat /proc/cpuinfo /proc/meminfo /proc/mounts /proc/version /sys/kernel/mm/transparent_hugepage/enabled "
                 ">/dev/null && ls /sys/class/net && echo works")
    check("works" in r.out, "what everybody may read is not there", r)


@test
def kernel_addresses_are_hidden(yard):
    r = yard.run("cut -d' ' -f1 /proc/kallsyms 2>/dev/null | sort -u | head -2; cat /proc/modules 2>/dev/null | grep "
                 "-o '0x[0-9a-f]*' | sort -u")
    words = set(r.out.split())
    check(r.rc != 125 and all(int(w, 16) == 0 for w in words), "kernel addresses are shown", r)


@test
def devices_are_the_harmless_few(yard):
    r = yard.run("for f in $(find /dev); do { test -b $f || test -c $f; } && echo $f; done; true")
    harmless = {"/dev/" + n for n in ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts/ptmx", "console",
                                      "pts/0")}
    check(r.rc == 0 and "/dev/null" in r.out, "/dev is not there", r)
    check(set(r.out.split()) <= harmless, "other devices in /dev: %s" % (set(r.out.split()) - harmless), r)
    check("/dev/console" not in r.out or not os.path.exists("/dev/console") or
          yard.run("test -w /dev/console && echo x > /dev/console").rc != 0, "the host's console can be written")


@test
def device_nodes_cannot_be_made(yard):
    make = python("""
import stat
for where in ('{W}', '/tmp', '/dev', '/dev/shm', os.environ['HOME']):
    for kind, major, minor in ((stat.S_IFBLK, 8, 0), (stat.S_IFBLK, 254, 0), (stat.S_IFCHR, 1, 1),
                               (stat.S_IFCHR, 10, 200), (stat.S_IFCHR, 5, 1)):
        p = '%s/node-%d-%d' % (where, major, minor)
        try: os.mknod(p, kind | 0o600, os.makedev(major, minor)); print('MADE', p); os.unlink(p)
        except OSError: pass
""", W=yard.workspace)
    if ROOT:
        escapes(yard, make, lambda r: "MADE" in r.out)
    r = yard.run(make)
    check(r.rc == 0 and "MADE" not in r.out, "device nodes can be made", r)


@test
def device_nodes_in_the_workspace_do_not_open(yard):
    if not ROOT:
        skip("needs root, to make a device node in the workspace")
    yard.call(["mknod", "zero", "c", "1", "5"])
    escapes(yard, "head -c 1 zero | wc -c | grep -q 1 && echo READ", lambda r: "READ" in r.out)


@test
def control_groups_cannot_be_left_or_made(yard):
    def groups():
        return [d for top, dirs, _ in os.walk("/sys/fs/cgroup") for d in dirs if "bawn-pwn" in d]

    r = yard.run("for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/bawn-pwn; echo $$ > $d/cgroup.procs && echo "
                 "MOVED; "
                 "echo 0 > $d/tasks && echo MOVED; done 2>/dev/null; find /sys/fs/cgroup -name cgroup.procs -writable "
                 "| head -3; true", *SEE_ALL)
    check(r.rc == 0 and r.out == "", "the control group tree can be written", r)
    check(not groups(), "a control group was made on the host", r)


@test
def the_control_group_of_the_host_is_not_named(yard):
    r = yard.run("cat /proc/self/cgroup")
    check(r.rc == 0 and all(line.split(":", 2)[2] == "/" for line in r.out.splitlines()),
          "paths of the host's groups are shown", r)


@test
def the_oom_score_cannot_be_lowered(yard):
    r = yard.run("before=$(cat /proc/self/oom_score_adj); echo -1000 > /proc/self/oom_score_adj; echo -500 > "
                 "/proc/$$/oom_score_adj;"
                 "test $(cat /proc/self/oom_score_adj) -ge $before && echo HELD")
    check("HELD" in r.out, "a process inside can shield itself from the kernel's killer", r)


@test
def the_hosts_mounts_run_and_shared_directories_are_not_seen(yard):
    marks = ["/dev/shm/bawn-test-%d" % os.getpid(), "/tmp/bawn-test-%d" % os.getpid(),
             "/var/tmp/bawn-test-%d" % os.getpid()]
    for m in marks:
        with open(m, "w") as f:
            f.write("HOSTMARK")
    try:
        escapes(yard, "cat %s 2>/dev/null" % " ".join(marks), lambda r: "HOSTMARK" in r.out, (), SEE_ALL)
    finally:
        for m in marks:
            os.unlink(m)


@test
def what_is_written_to_tmp_shm_and_run_stays_inside(yard):
    names = ["/tmp/bawn-pwn-%d" % os.getpid(), "/var/tmp/bawn-pwn-%d" % os.getpid(),
             "/dev/shm/bawn-pwn-%d" % os.getpid()]

    def clean():
        for n in names:
            if os.path.lexists(n):
                os.unlink(n)

    try:
        escapes(yard, "for f in %s; do echo x > $f; done" % " ".join(names),
                lambda r: any(os.path.lexists(n) for n in names), (), SEE_ALL, setup=clean)
        r = yard.run("for f in %s; do echo x > $f && cat $f; done" % " ".join(names))
        check(r.rc == 0 and r.out == "x\nx\nx\n", "the private directories are not usable inside", r)
    finally:
        clean()


@test
def the_system_is_not_written(yard):
    line = ("for d in / /etc /usr /usr/bin /usr/local/bin /opt /var /var/lib /home /root /boot /lib /srv; do touch "
            "$d/bawn-pwn 2>/dev/null && echo WROTE $d; done; true")
    if ROOT:
        try:
            escapes(yard, line, lambda r: any(os.path.exists(d + "/bawn-pwn") for d in ("/etc", "/usr", "/usr/bin",
                "/opt", "/")), (), SEE_ALL,
                    setup=lambda: [os.unlink(d + "/bawn-pwn") for d in ("/", "/etc", "/usr", "/usr/bin",
                    "/usr/local/bin", "/opt", "/var", "/var/lib", "/home",
                                                                       "/root", "/boot", "/usr/lib",
                                                                       "/srv") if os.path.exists(d + "/bawn-pwn")])
        finally:
            pass
    for options in ((), SEE_ALL):
        r = yard.run(line, *options)
        check(r.rc == 0, "the attempt did not run", r)
        check(not any(os.path.exists(d + "/bawn-pwn") for d in ("/", "/etc", "/usr", "/usr/bin", "/opt", "/var",
            "/home")), "the system was written", r)


@test
def the_programs_that_started_bawn_cannot_be_changed(yard):
    where = os.path.dirname(os.path.realpath(yard.binary))
    r = yard.run("for f in %s/bawn %s/bawn-init; do test -w $f && echo WRITABLE $f; (: >> $f) 2>/dev/null && echo "
                 "OPENED $f; done; "
                 "(: >> /proc/self/exe) 2>/dev/null && echo OPENED exe; (: >> /proc/1/exe) 2>/dev/null && echo OPENED "
                 "init; true" % (where, where), *SEE_ALL)
    check(r.rc == 0 and r.out == "", "bawn's own programs can be opened for writing", r)
