# SPDX-License-Identifier: Apache-2.0
"""No privilege inside, none to be gained, also when root starts it."""
import os
import socket

from probe import ROOT, SEE_ALL, compile_c, escapes, python
from yard import check, need, skip, test

POLICIES = ((), SEE_ALL, ("--set", "nested=true"))


@test
def no_capability_is_left(yard):
    for options in POLICIES:
        r = yard.run("grep ^Cap /proc/self/status; setpriv --dump 2>/dev/null | grep -i 'ambient\\|inherit' || true",
                     *options)
        sets = [line.split()[1] for line in r.out.splitlines() if line.startswith("Cap")]
        check(len(sets) == 5 and all(int(s, 16) == 0 for s in sets), "capabilities inside, with %s" % list(options), r)


@test
def no_process_inside_but_the_first_has_a_capability(yard):
    r = yard.run("sleep 5 & for p in /proc/[0-9]*; do echo $p $(grep ^CapEff $p/status); done")
    seen = [line.split() for line in r.out.splitlines() if "CapEff" in line]
    check(len(seen) >= 2, "no process is seen", r)
    check(not [s for s in seen if s[0] != "/proc/1" and int(s[2], 16)], "a process has capabilities", r)


@test
def new_privileges_are_off_and_the_filter_is_on(yard):
    for options in POLICIES:
        r = yard.run("grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status", *options)
        check("NoNewPrivs:\t1" in r.out and "Seccomp:\t2" in r.out, "no_new_privs or seccomp is off", r)
    r = yard.run(python("print('RET', call(157 if os.uname().machine == 'x86_64' else 167, 38, 0, 0, 0, 0))")
                 + "; grep NoNewPrivs /proc/self/status")
    check("NoNewPrivs:\t1" in r.out, "no_new_privs was taken back", r)


@test
def capabilities_cannot_be_raised(yard):
    r = yard.run(python("""
x86 = os.uname().machine == 'x86_64'
h = (ctypes.c_uint32 * 2)(0x20080522, 0); d = (ctypes.c_uint32 * 6)(*[0xffffffff] * 6)
print('SET', call(126 if x86 else 91, h, d))
print('AMBIENT', call(157 if x86 else 167, 47, 2, 21, 0, 0))
print('UID', [call(n, 0) for n in ((105, 106) if x86 else (146, 144))], os.getuid())
"""))
    check("SET -" in r.out and "AMBIENT -" in r.out, "a capability was raised", r)
    check(ROOT or not [n for n in r.out.split("[")[1].split("]")[0].split(",") if int(n) >= 0], "the user was changed", r)


@test
def set_user_id_programs_give_nothing(yard):
    if ROOT:
        skip("root has nothing to gain; see no_capability_is_left")
    found = yard.outside("for p in su passwd mount newuidmap chsh; do command -v $p; done | while read p; do test -u "
                         "$p && readlink -f $p; done").out.split()
    if not found:
        skip("no set-user-id program is installed")
    # Whose it is while it waits for a password: the saved ids would show root.
    passwd = next((f for f in found if f.endswith("/passwd")), None)
    if not passwd:
        skip("needs passwd, which waits for input")
    line = ("(sleep 1 | %s >/dev/null 2>&1) & sleep 0.4; for p in /proc/[0-9]*; do grep -q '^Name:.passwd' $p/status "
            "2>/dev/null && grep ^Uid $p/status; done; wait" % passwd)
    escapes(yard, line, lambda r: any("0" in l.split()[1:] for l in r.out.splitlines() if l.startswith("Uid")),
            *POLICIES, optional="passwd did not stay to be looked at")


@test
def sudo_and_su_do_not_work(yard):
    r = yard.run("for c in 'su -c id' 'sudo -n id' 'pkexec id' 'newgrp root' 'mount -t tmpfs x /tmp' 'newuidmap $$ 0 0 "
                 "1'; do timeout 3 $c </dev/null 2>/dev/null | grep uid=0 && echo ROOT; done; true")
    check(ROOT or r.rc == 0 and "ROOT" not in r.out, "root was had", r)


@test
def set_group_id_bits_made_inside_are_dead_on_the_mount(yard):
    r = yard.run("cp $(command -v id) id4; chmod 2755 id4 2>/dev/null; grep -E ' %s | / ' /proc/self/mountinfo | grep "
                 "-vc nosuid" % os.path.realpath(yard.workspace))
    check(r.out.strip() == "0", "the workspace or the root is mounted without nosuid", r)


@test
def every_mount_is_nosuid_and_only_grants_are_writable(yard):
    r = yard.run("cat /proc/self/mountinfo")
    allowed = ("/tmp", "/var/tmp", "/dev", "/run", os.path.realpath(yard.workspace), os.path.realpath(yard.home),
               "/proc")
    for line in r.out.splitlines():
        where, flags = line.split()[4:6]
        check("nosuid" in flags.split(",") or where.startswith("/dev"), "a mount without nosuid: %s" % line)
        check("ro" in flags.split(",") or where.startswith(allowed),
              "a writable mount outside of what is granted: %s" % line)
    check(len(r.out.splitlines()) > 3, "no mounts are seen", r)


@test
def user_namespaces_cannot_be_made(yard):
    need("unshare")
    for flags in ("-U", "-Ur", "-Urm", "-Urn", "-Urp --fork", "-m", "-n", "-p --fork", "-i", "-u", "-C", "-T"):
        control = yard.outside("unshare %s true" % flags)
        r = yard.run("unshare %s true && echo MADE; true" % flags)
        check(r.rc == 0 and "MADE" not in r.out, "a namespace was made by unshare %s" % flags, r)
        check(flags != "-U" or control.rc == 0, "positive control: unshare -U does not work outside", control)
    r = yard.run("for f in /proc/sys/user/max_*_namespaces; do echo 1000 > $f; done 2>/dev/null; cat "
                 "/proc/sys/user/max_user_namespaces; cat /proc/self/uid_map")
    check(r.out.splitlines()[0].strip() == "0", "the limit of namespaces could be raised", r)
    check(len(r.out.splitlines()) == 2 and r.out.splitlines()[1].split()[2] == "1", "more than one user is mapped", r)


@test
def namespaces_of_others_cannot_be_entered(yard):
    need("nsenter")
    r = yard.run("for n in user mnt net pid ipc uts cgroup; do nsenter -t 1 --$n=/proc/1/ns/$n true && echo IN $n; "
                 "nsenter --$n=/proc/self/ns/$n true && echo SELF $n; done 2>/dev/null; true")
    check(r.rc == 0 and "IN" not in r.out, "a namespace was entered", r)


@test
def all_namespaces_are_its_own(yard):
    names = "user mnt net pid ipc uts cgroup".split()
    r = yard.run("for n in %s; do readlink /proc/self/ns/$n; done" % " ".join(names))
    host = [os.readlink("/proc/self/ns/" + n) for n in names]
    check(len(r.out.split()) == len(names) and not set(host) & set(r.out.split()),
          "a namespace is shared with the host", r)


@test
def nested_sandboxes_work_when_the_policy_says_so_and_hold_the_same_walls(yard):
    yard.write("~/.ssh/id_rsa", "CANARY")
    nested = ("--set", "nested=true")
    # Mapping the machine's root again wants CAP_SETFCAP (user_namespaces(7)), which nobody inside has.
    r = yard.run("unshare -U echo made" if ROOT else "unshare -Ur echo made", *nested)
    check(r.out == "made\n", "nested: true does not allow a user namespace", r)
    tricks = ["umount -l ~/.ssh; cat ~/.ssh/id_rsa", "umount ~/.ssh/id_rsa; umount -l ~; cat {H}/.ssh/id_rsa",
              "mkdir -p m; mount --bind {H} m; cat m/.ssh/id_rsa",
              "mkdir -p m; mount --rbind / m; umount -l m{H}/.ssh; cat m{H}/.ssh/id_rsa",
              "mount -o remount,rw /; echo x > {R}/pwn", "mount -o remount,bind,rw /; echo x > {R}/pwn",
              "mkdir -p m; mount --bind / m; mount -o remount,rw,bind m; echo x > m{R}/pwn",
              "mount -t proc p /proc; cat /proc/1/root{H}/.ssh/id_rsa",
              "umount -l /tmp; ls /tmp/* ; cat {H}/.ssh/id_rsa",
              "mount --move {H}/.ssh /tmp; cat {H}/.ssh/id_rsa",
              "mkdir -p m; mount -t overlay o -o lowerdir={H}:/usr m; cat m/.ssh/id_rsa",
              "pivot_root . .; cat {H}/.ssh/id_rsa", "chroot / cat {H}/.ssh/id_rsa"]
    for policy in ((*nested,), (*nested, *SEE_ALL), (*nested, "--write", "~")):
        for t in tricks:
            r = yard.run("unshare -Urmp --fork sh -c '%s' 2>/dev/null; true" % t.replace("{H}",
                yard.home).replace("{R}", yard.root), *policy)
            check(r.rc != 125, "did not start", r)
            check("CANARY" not in r.out and not os.path.exists(yard.root + "/pwn"), "got through with nested: %s" % t,
                  r)


@test
def a_nested_session_with_the_open_network_keeps_what_is_left_to_it(yard):
    """Landlock has no file rules and no network of its own to hold then: the scope, the filters and the covers are what
    stands, and the one must not be lost with the other."""
    yard.write("~/.ssh/id_rsa", "CANARY")
    both = ("--set", "nested=true", "--set", "network.mode=open")
    name = "bawn-test-%d" % os.getpid()
    host = socket.socket(socket.AF_UNIX)
    host.bind("\0" + name)
    host.listen(8)
    reach = python("s = socket.socket(socket.AF_UNIX); s.connect('\\0{NAME}'); print('REACHED')", NAME=name)
    with host:
        escapes(yard, reach, lambda r: "REACHED" in r.out, ("--set", "network.mode=open"), both)
    r = yard.run("grep -c '^Seccomp:.2$' /proc/self/status; unshare -U echo nested; cat ~/.ssh/id_rsa; readlink "
                 "/proc/self/ns/net", *both)
    check(r.out.split() == ["1", "nested", os.readlink("/proc/self/ns/net")], "nested with the open network", r)
    # quotactl_fd, io_uring_setup, pidfd_getfd: the same numbers everywhere, and none of them answers so by itself.
    call = python("print(call(443, -1, 0, 0, 0), call(425, 4, 0), call(438, -1, 0, 0))")
    check("-38" not in yard.outside(call).out.split()[1:], "control: the kernel itself has no such calls")
    check(yard.run(call, *both).out.split() == ["-1", "-38", "-38"], "refused system calls are not", r)


@test
def masks_cannot_be_moved_or_taken_off(yard):
    yard.write("~/.ssh/id_rsa", "CANARY")
    for options in (SEE_ALL, ("--write", "~")):
        r = yard.run("umount ~/.ssh; umount -l ~/.ssh; mount -o remount,rw ~/.ssh; mount --move ~/.ssh /tmp; rmdir "
                     "~/.ssh; rm -rf ~/.ssh; mv ~/.ssh ~/y; chmod 777 ~/.ssh; cat ~/.ssh/id_rsa ~/y/id_rsa; true",
                     *options)
        check(r.rc == 0 and "CANARY" not in r.out and yard.exists("~/.ssh/id_rsa"), "a mask was taken off", r)


@test
def groups_are_no_way_out(yard):
    r = yard.run(python("try: os.setgroups([0]); print('SET')\nexcept OSError: print('NO')\ntry: os.setresgid(0, 0, "
                        "0); print('GID' if {R} == 0 else '')\nexcept OSError: pass", R=int(ROOT)))
    check("NO" in r.out and ("GID" not in r.out or ROOT), "groups were changed", r)


@test
def file_capabilities_cannot_be_given(yard):
    if not ROOT:
        skip("needs root: file capabilities cannot be given outside either")
    program = compile_c(yard, "caps", "#include <unistd.h>\nint main(void) { return 0; }\n")
    escapes(yard, python("os.setxattr('{P}', 'security.capability', "
                         "bytes.fromhex('0100000200200000000000000000000000000000'))\nprint('GIVEN')", P=program),
            lambda r: "GIVEN" in r.out)


@test
def seccomp_and_landlock_cannot_be_loosened_by_adding_to_them(yard):
    r = yard.run(python("""
x86 = os.uname().machine == 'x86_64'
class F(ctypes.Structure): _fields_ = [('n', ctypes.c_ushort), ('p', ctypes.c_void_p)]
allow = ctypes.create_string_buffer(b'\\x06\\0\\0\\0\\0\\0\\xff\\x7f')
print('LOAD', call(317 if x86 else 277, 1, 0, ctypes.byref(F(1, ctypes.addressof(allow)))))
print('RET', call(321 if x86 else 280, 0, None, 0))
"""))
    check("LOAD 0" in r.out and "RET -1" in r.out, "a filter that allows all takes the other one off", r)


SET_USER_ID = {
    "with_chmod": "cp /bin/true s; chmod 4755 s",
    "with_its_descriptor": "os.close(os.open('s', os.O_CREAT | os.O_WRONLY)); os.fchmod(os.open('s', os.O_RDWR), 0o4755)",
    "when_it_is_made": "os.open('s', os.O_CREAT | os.O_WRONLY, 0o4755)",
    "without_a_name_first": "f = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o4755); libc.linkat(-100, b'/proc/self/fd/%d' % "
                            "f, -100, b's', 0x400)",
    "as_a_node": "os.mknod('s', 0o104755)",
    "with_openat2": "how = (ctypes.c_uint64 * 3)(os.O_CREAT | os.O_WRONLY, 0o4755, 0); r = call(437, -100, b's', how, 24); "
                    "sys.exit(r < 0)",
    "with_fchmodat2": "open('s', 'w'); r = call(452, -100, b's', 0o4755, 0); sys.exit(r < 0)",
}


def define_set_user_id(name, code):
    def no_set_user_id_file_is_left(yard):
        """It would run as us for others, outside, where no mount is nosuid."""
        line = code if name == "with_chmod" else python("os.umask(0)\n" + code)
        options = ((),) if name == "with_openat2" else ((), ("--set", "nested=true"), ("--set", "files.strict=true"))
        escapes(yard, line, lambda r: yard.exists("s") and os.stat(yard.path("s")).st_mode & 0o4000, *options,
                setup=lambda: yard.call(["rm", "-f", "s"]))
    no_set_user_id_file_is_left.__name__ = "no_set_user_id_file_is_made_" + name
    test(no_set_user_id_file_is_left)


for name, code in SET_USER_ID.items():
    define_set_user_id(name, code)


@test
def other_modes_are_set_as_they_were_meant(yard):
    r = yard.run("touch a; mkdir d; chmod 640 a; chmod 2775 d; stat -c %a a d; umask 0; python3 -c 'import os; "
                 "os.open(\"b\", os.O_CREAT, 0o2751); os.mkdir(\"e\", 0o1777)'; stat -c %a b e")
    check(r.out.split() == ["640", "2775", "2751", "1777"], "modes", r)


@test
def a_crash_starts_no_program_on_the_host(yard):
    """A core_pattern that is a pipe does, at any limit but 1: core(5), and the kernel's coredump.c."""
    r = yard.outside("ulimit -Hc")
    if r.out.strip() == "0":
        skip("the hard limit of core files is 0 here; 1 is more")
    # In blocks of 512 bytes 1 is 0: the number itself.
    read = python("import resource\ntry: resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nexcept OSError: pass\n"
                  "print(*resource.getrlimit(resource.RLIMIT_CORE))")
    check(yard.outside(read).out == "0 0\n", "positive control: the limit cannot be set outside either")
    for options in ((), ("--set", "nested=true")):
        r = yard.run("ulimit -c 0 && " + read, *options)
        check(r.out == "1 1\n", "the limit of core files", r)
    r = yard.run("sh -c 'kill -SEGV $$'; ls")
    check(r.out == "", "a core file was written", r)
