# SPDX-License-Identifier: Apache-2.0
"""System calls that no program inside needs answer EPERM or ENOSYS, whatever their arguments; others go on working."""
import errno
import os

from probe import compile_c, named, python
from yard import check, skip, test

REFUSED = {errno.EPERM, errno.ENOSYS}
# name: (x86-64, arm64, arguments as Python text); None where the architecture has no such call.
CALLS = {
    "userfaultfd": (323, 282, "0"), "bpf": (321, 280, "0, None, 0"), "perf_event_open": (298, 241,
        "None, 0, -1, -1, 0"),
    "io_uring_setup": (425, 425, "4, ctypes.create_string_buffer(120)"), "io_uring_enter": (426, 426,
        "0, 0, 0, 0, None, 0"),
    "io_uring_register": (427, 427, "0, 0, None, 0"),
    "add_key": (248, 217, "b'user', b'k', b'v', 1, -3"), "request_key": (249, 218, "b'user', b'k', None, 0"),
        "keyctl": (250, 219, "0, -3, 0"),
    "keyctl_join": (250, 219, "1, b'x'"),
    "mount": (165, 40, "b'x', b'/tmp', b'tmpfs', 0, None"), "mount_bind": (165, 40, "b'/', b'/tmp', None, 4096, None"),
        "umount2": (166, 39, "b'/tmp', 2"),
    "pivot_root": (155, 41, "b'/', b'/'"), "chroot": (161, 51, "b'/'"), "open_tree": (428, 428, "-100, b'/', 1"),
        "open_tree_plain": (428, 428, "-100, b'/', 0"),
    "move_mount": (429, 429, "-1, b'', -1, b'', 0"), "fsopen": (430, 430, "b'tmpfs', 0"), "fsconfig": (431, 431,
        "-1, 0, None, None, 0"), "fsmount": (432, 432, "-1, 0, 0"),
    "fspick": (433, 433, "-100, b'/', 0"), "mount_setattr": (442, 442, "-100, b'/', 0, None, 0"),
        "open_tree_attr": (467, 467, "-100, b'/', 1, None, 0"),
    "statmount": (457, 457, "None, None, 0, 0"), "listmount": (458, 458, "None, None, 0, 0"),
    "setns": (308, 268, "0, 0"), "unshare_user": (272, 97, "0x10000000"), "unshare_mount": (272, 97, "0x20000"),
        "unshare_network": (272, 97, "0x40000000"),
    "unshare_pid": (272, 97, "0x20000000"), "unshare_ipc": (272, 97, "0x8000000"), "unshare_names": (272, 97,
        "0x4000000"), "unshare_cgroup": (272, 97, "0x2000000"),
    "unshare_time": (272, 97, "0x80"),
    "swapon": (167, 224, "b'/x', 0"), "swapoff": (168, 225, "b'/x'"), "reboot": (169, 142,
        "0xfee1dead, 672274793, 0, None"), "reboot_cad": (169, 142, "0xfee1dead, 0x28121969, 0x89abcdef, None"),
    "kexec_load": (246, 104, "0, 0, None, 0"), "kexec_file_load": (320, 294, "-1, -1, 0, None, 0"), "init_module": (175,
        105, "None, 0, b''"),
    "finit_module": (313, 273, "-1, b'', 0"), "delete_module": (176, 106, "b'x', 0"), "quotactl": (179, 60,
        "0, None, 0, None"), "quotactl_fd": (443, 443, "-1, 0, 0, None"),
    "acct": (163, 89, "None"), "syslog": (103, 116, "3, ctypes.create_string_buffer(64), 64"), "syslog_size": (103, 116,
        "10, None, 0"), "vhangup": (153, 58, ""),
    "settimeofday": (164, 170, "ctypes.create_string_buffer(16), None"), "clock_settime": (227, 112,
        "0, ctypes.create_string_buffer(16)"),
    "clock_adjtime": (305, 266, "0, ctypes.create_string_buffer(256)"), "adjtimex": (159, 171,
        "ctypes.create_string_buffer(256)"),
    "sethostname": (170, 161, "b'x', 1"), "setdomainname": (171, 162, "b'x', 1"), "iopl": (172, None, "3"),
        "ioperm": (173, None, "0, 1, 1"), "modify_ldt": (154, None, "0, None, 0"),
    "name_to_handle_at": (303, 264, "-100, b'/', None, None, 0"), "name_to_handle_at_for_real": (303, 264,
        "-100, b'/', (ctypes.c_uint32 * 40)(128), (ctypes.c_int * 1)(), 0"),
    "open_by_handle_at": (304, 265, "-100, None, 0"), "open_by_handle_at_for_real": (304, 265,
        "os.open('.', 0), (ctypes.c_uint32 * 4)(8, 1, 2, 0), 0"),
    "move_pages": (279, 239, "0, 0, None, None, None, 0"), "migrate_pages": (256, 238, "0, 0, None, None"),
        "process_madvise": (440, 440, "0, None, 0, 0, 0"),
    "process_mrelease": (448, 448, "-1, 0"), "process_vm_readv": (310, 270, "os.getpid(), None, 0, None, 0, 0"),
        "process_vm_writev": (311, 271, "os.getpid(), None, 0, None, 0, 0"),
    "kcmp": (312, 272, "os.getpid(), os.getpid(), 0, 0, 0"), "pidfd_getfd": (438, 438, "-1, 0, 0"),
        "fanotify_init": (300, 262, "0x200, 0"),
    "fanotify_mark": (301, 263, "-1, 0, 0, 0, None"), "lookup_dcookie": (212, 18, "0, None, 0"), "uselib": (134, None,
        "b'/x'"), "ustat": (136, None, "0, None"),
    "sysfs": (139, None, "3"), "_sysctl": (156, None, "None"), "nfsservctl": (180, 42, "0, None, None"),
    "personality_of_other_systems": (135, 92, "0x0006"), "personality_read_implies_exec": (135, 92, "0x0400000"),
        "personality_page_zero": (135, 92, "0x0100000"),
    "ptrace_of_the_first_process": (101, 117, "16, 1, None, None"), "clone_user": (56, 220, "0x10000011, 0, 0, 0, 0"),
        "clone_mount": (56, 220, "0x20011, 0, 0, 0, 0"),
    "a_call_of_the_future": (600, 600, "0"), "a_call_out_of_range": (5000, 5000, "0"),
}
WITHOUT_NESTED = {n for n in CALLS if n.startswith(("unshare_", "clone_")) or n in (
    "mount", "mount_bind", "umount2", "pivot_root", "chroot", "open_tree", "open_tree_plain", "move_mount", "fsopen",
    "fsconfig", "fsmount", "fspick", "mount_setattr",
    "open_tree_attr", "statmount", "listmount", "setns")}


def line_of(name):
    x86, arm, args = CALLS[name]
    number = x86 if os.uname().machine == "x86_64" else arm
    if number is None:
        skip("this architecture has no such call")
    return python("r = call({N}{A})\nif r == 0 and {C}: os._exit(0)\nprint('RET', r)", N=number, A=", "
                  + args if args else "", C=name.startswith("clone_"))


def answer(r):
    check("RET " in r.out, "the call did not come back", r)
    return int(r.out.split("RET ")[1].split()[0])


def define(name):
    def it_is_refused(yard):
        line = line_of(name)
        for options in ((),) if name in WITHOUT_NESTED else ((), ("--set", "nested=true")):
            r = yard.run(line, *options)
            check(r.rc == 0, "the call ended the program", r)
            check(-answer(r) in REFUSED or (name.startswith("ptrace") and answer(r) == -errno.ESRCH),
                  "answered %d" % answer(r), r)
    named("the_call_%s_is_refused" % name.lstrip("_"), it_is_refused)


for name in CALLS:
    define(name)


# Those that root can try without harm to the machine.
HARMLESS = ("userfaultfd bpf perf_event_open io_uring_setup keyctl open_tree_plain fsconfig mount_setattr statmount "
            "listmount setns quotactl quotactl_fd modify_ldt "
            "name_to_handle_at name_to_handle_at_for_real process_madvise process_vm_readv kcmp pidfd_getfd move_pages "
            "migrate_pages").split()


@test
def many_of_these_calls_answer_otherwise_outside(yard):
    """The control of the tests above, for the calls with which it can be told without privilege."""
    different = []
    for name in HARMLESS:
        r = yard.outside(line_of(name))
        if -answer(r) not in REFUSED:
            different.append(name)
    check(len(different) >= 12, "only %s answer otherwise outside" % different)


@test
def the_32_bit_abi_is_closed(yard):
    if os.uname().machine != "x86_64":
        skip("x86 only")
    program = compile_c(yard, "old", r"""
#include <stdio.h>
int main(void)
{
    long r;
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(20L), "b"(0L) : "memory", "r8", "r9", "r10", "r11");
    printf("pid %d\n", (int)r);
    return (int)r <= 0;
}
""")
    if yard.outside(program).rc:
        skip("this kernel has no 32-bit calls")
    r = yard.run(program)
    check(r.rc not in (0, 125), "a 32-bit call works", r)


@test
def the_x32_abi_is_closed(yard):
    if os.uname().machine != "x86_64":
        skip("x86 only")
    r = ((yard.run(python("print('RET', call(0x40000000 + 39), call(0x40000000 + 165, b'x', b'/tmp', b'tmpfs', 0, "
                          "None))"))))
    check(r.rc == 0 and r.out.strip() == "RET -38 -38", "x32 calls are answered", r)


@test
def clone3_makes_no_namespace(yard):
    for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x8000000, 0x4000000, 0x2000000, 0x80):
        r = yard.run(python("a = (ctypes.c_uint64 * 11)({F}, 0, 0, 0, 17)\nr = call(435, a, 88)\nif r == 0: "
                            "os._exit(0)\nprint('RET', r)", F=flag))
        check(r.rc == 0 and answer(r) < 0, "clone3 made a namespace with flags %#x" % flag, r)


@test
def upper_halves_of_arguments_do_not_pass_the_filter(yard):
    """The kernel looks at 32 bits of an int argument; a filter that compares 64 is passed by a bit above
    (CVE-2019-10063)."""
    r = yard.run(python("""
x86 = os.uname().machine == 'x86_64'
high = 1 << 32
print('RET', call(16 if x86 else 29, 0, high | 0x5412, b'x'), call(272 if x86 else 97, high | 0x10000000),
      call(41 if x86 else 198, high | 38, 5, 0), call(53 if x86 else 199, high | 1, 2, 0, (ctypes.c_int * 2)()))
"""))
    values = [int(n) for n in r.out.split()[1:]]
    check(r.rc == 0 and len(values) == 4 and all(v < 0 for v in values) and -values[0] in (1, 38),
          "a call passed with high bits set", r)


@test
def terminal_injection_calls_are_refused_on_any_descriptor(yard):
    for request in ("0x5412", "0x541c", "0x5423"):
        r = yard.run(python("print('RET', call(16 if os.uname().machine == 'x86_64' else 29, 0, {R}, b'x'))",
                            R=request))
        check(answer(r) == -errno.EPERM, "ioctl %s is not refused" % request, r)


@test
def what_programs_need_goes_on_working(yard):
    r = yard.run(python("""
x86 = os.uname().machine == 'x86_64'
assert os.memfd_create('x') >= 0
assert call(157 if x86 else 167, 39, 0, 0, 0, 0) in (0, 1)               # prctl
assert call(237 if x86 else 235, None, 0, 0, 0, 0, 0) != -1              # mbind
assert call(135 if x86 else 92, 0xffffffff) >= 0                         # asking for the personality
assert call(135 if x86 else 92, 0x0040000) >= 0                          # gdb and setarch -R
assert call(444, None, 0, 1) != -1                                       # landlock: nested sandboxes
assert call(317 if x86 else 277, 2, 0, (ctypes.c_uint32 * 1)(0x7fff0000)) != -1  # seccomp
assert socket.socket(1, 2) and socket.socket(16, 3, 0)
import multiprocessing as m, threading
t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()
print(sum(m.Pool(2).map(abs, [-1, -2, -3])))
import select; e = select.epoll(); os.eventfd(0); os.pidfd_open(os.getpid())
print('FINE')
"""))
    check(r.rc == 0 and "FINE" in r.out and "\n6\n" in r.out, "calls that programs need are refused", r)
