# SPDX-License-Identifier: Apache-2.0
"""Nothing outside the writable roots changes, by whatever system call.

Each attack is tried outside, where the place beside the workspace must change in some way (content, names, mode,
owner, times, links, attributes); then inside, under the plain policy and with the whole host readable, where nothing of
it may. {O} is that place, {W} the workspace and current directory."""
import os

from probe import ROOT, SEE_ALL, changed, compile_c, escapes, fill, named, outside_dir, python, snapshot
from yard import check, test

SHELL = {
    "a_new_file_is_not_made_outside": "echo x > {O}/pwn",
    "a_file_outside_is_not_overwritten": "echo x > {O}/canary",
    "a_file_outside_is_not_appended_to": "echo x >> {O}/canary",
    "a_directory_is_not_made_outside": "mkdir {O}/pwn",
    "a_directory_outside_is_not_removed": "rm -r {O}/d",
    "a_file_outside_is_not_unlinked": "rm -f {O}/canary",
    "a_file_is_not_moved_out": "echo x > a; mv a {O}/pwn",
    "a_file_outside_is_not_renamed": "mv {O}/canary {O}/other",
    "a_file_outside_is_not_moved_in": "mv {O}/canary stolen",
    "a_hard_link_outside_is_not_made": "echo x > a; ln a {O}/pwn",
    "a_file_outside_is_not_hard_linked_in": "ln {O}/canary h && echo x >> h",
    "a_hard_link_of_a_symbolic_link_does_not_lead_out": "ln -s {O}/canary s; ln -L s h; echo x >> h",
    "a_symbolic_link_is_not_made_outside": "ln -s /etc/passwd {O}/pwn",
    "a_fifo_is_not_made_outside": "mkfifo {O}/pwn",
    "a_mode_outside_is_not_changed": "chmod 777 {O}/canary",
    "a_directorys_mode_outside_is_not_changed": "chmod 700 {O}/d",
    "an_owner_outside_is_not_changed": "chown $(id -u):$(id -g) {O}/canary",
    "a_links_owner_outside_is_not_changed": "chown -h $(id -u):$(id -g) {O}/canary",
    "a_time_outside_is_not_forged": "touch -d @1 {O}/canary",
    "a_time_outside_is_not_forged_without_following": "touch -h -d @1 {O}/canary",
    "a_planted_link_to_a_directory_does_not_lead_out": "ln -s {O} lnk; echo x > lnk/pwn",
    "a_planted_link_to_a_file_does_not_lead_out": "ln -s {O}/canary lnk; echo x > lnk",
    "a_dangling_link_does_not_create_outside": "ln -s {O}/pwn lnk; echo x > lnk",
    "a_chain_of_links_does_not_lead_out": "ln -s {O} 1; ln -s 1 2; ln -s 2/d 3; echo x > 3/pwn",
    "a_relative_link_does_not_lead_out": "mkdir -p a/b; ln -s ../../../outside a/b/lnk; echo x > a/b/lnk/pwn",
    "dot_dot_does_not_lead_out": "mkdir -p a/b; echo x > a/b/../../../outside/pwn",
    "proc_self_root_does_not_lead_out": "echo x > /proc/self/root{O}/pwn",
    "proc_self_cwd_does_not_lead_out": "echo x > /proc/self/cwd/../outside/pwn",
    "proc_thread_self_does_not_lead_out": "echo x > /proc/thread-self/root{O}/pwn",
    "proc_self_fd_of_a_directory_does_not_lead_out": "exec 5< {W}; echo x > /proc/self/fd/5/../outside/pwn",
    "dev_fd_does_not_reopen_for_writing": "exec 5< {O}/canary; echo x > /dev/fd/5",
    "cp_does_not_copy_out": "echo x > a; cp a {O}/pwn",
    "dd_does_not_write_in_place": "dd if=/dev/zero of={O}/canary bs=1 count=1 conv=notrunc status=none",
    "tar_does_not_extract_outside": "mkdir t; echo x > t/pwn; tar cf t.tar t; tar xf t.tar -C {O}",
    "git_does_not_init_outside": "git init -q {O}/repo",
    "git_does_not_write_through_its_directory_option": "git init -q --separate-git-dir={O}/gitdir r",
    "a_user_extended_attribute_outside_is_not_set": "python3 -c 'import os; os.setxattr(\"{O}/canary\", \"user.pwn\", "
        "b\"x\")'",
    "an_access_list_outside_is_not_set": "setfacl -m u:0:rw {O}/canary",
    "attributes_outside_are_not_set": "chattr +d {O}/canary",
}
NEEDS = {
    "an_access_list_outside_is_not_set": "setfacl is missing or the file system here has no access lists",
    "attributes_outside_are_not_set": "chattr is missing or the file system here has no such attributes",
    "a_user_extended_attribute_outside_is_not_set": "the file system here has no user extended attributes",
    "a_descriptors_extended_attribute_is_not_set": "the file system here has no user extended attributes",
    "fchmodat2_does_not_change_a_mode": "the kernel has no fchmodat2 (6.6)",
    "setxattrat_does_not_set_an_attribute": "the kernel has no setxattrat (6.13)",
    "file_setattr_does_not_set_attributes": "the kernel or the file system has no file_setattr (6.17)",
    "a_clone_range_does_not_write": "the file system here cannot share blocks",
    "an_unnamed_file_is_not_linked_in": "the file system here has no O_TMPFILE",
    "inode_flags_are_not_set_through_a_descriptor": "the file system here has no inode flags",
}
# Numbers are the same on all architectures from 424 on.
PYTHON = {
    "truncate_by_path_does_nothing": "os.truncate('{O}/canary', 0)",
    "opening_read_only_does_not_truncate": "os.open('{O}/canary', os.O_RDONLY | os.O_TRUNC)",
    "opening_for_both_does_not_write": "f = os.open('{O}/canary', os.O_RDWR); os.write(f, b'x')",
    "creat_makes_nothing": "libc.creat(b'{O}/pwn', 0o644)",
    "openat2_makes_nothing": "call(437, -100, b'{O}/pwn', (ctypes.c_uint64 * 3)(os.O_CREAT | os.O_WRONLY, 0o644, 0), "
        "24)",
    "a_path_descriptor_does_not_lead_up": "d = os.open('{W}', os.O_PATH); os.open('../outside/pwn', os.O_CREAT | "
        "os.O_WRONLY, dir_fd=d)",
    "a_path_descriptor_of_the_parent_does_not_write": "d = os.open('..', os.O_PATH); os.mkdir('outside/pwn', dir_fd=d)",
    "a_path_descriptor_is_not_reopened_for_writing":
        "f = os.open('{O}/canary', os.O_PATH); os.write(os.open('/proc/self/fd/%d' % f, os.O_WRONLY), b'x')",
    "fchdir_does_not_lead_out": "os.fchdir(os.open('{O}', os.O_RDONLY)); open('pwn', 'w')",
    "mkdirat_makes_nothing": "os.mkdir('pwn', dir_fd=os.open('{O}', os.O_PATH))",
    "symlinkat_makes_nothing": "os.symlink('x', 'pwn', dir_fd=os.open('{O}', os.O_PATH))",
    "linkat_of_an_open_file_makes_nothing": "open('a', 'w'); f = os.open('a', 0); libc.linkat(-100, "
        "b'/proc/self/fd/%d' % f, -100, b'{O}/pwn', 0x400)",
    "linkat_of_an_open_outside_file_does_not_bring_it_in":
        "f = os.open('{O}/canary', 0); libc.linkat(-100, b'/proc/self/fd/%d' % f, -100, b'h', 0x400); open('h', "
        "'a').write('x')",
    "linkat_through_a_path_descriptor_does_not_bring_it_in":
        "f = os.open('{O}/canary', os.O_PATH); libc.linkat(-100, b'/proc/self/fd/%d' % f, -100, b'h', 0x400); "
        "open('h', 'a').write('x')",
    "an_unnamed_file_is_not_linked_in":
        "f = os.open('{O}', os.O_TMPFILE | os.O_RDWR, 0o600); libc.linkat(-100, b'/proc/self/fd/%d' % f, -100, "
        "b'{O}/pwn', 0x400)",
    "an_unnamed_file_of_the_workspace_is_not_linked_out":
        "f = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o600); libc.linkat(-100, b'/proc/self/fd/%d' % f, -100, "
        "b'{O}/pwn', 0x400)",
    "rename_exchange_does_not_swap": "open('a', 'w'); libc.renameat2(-100, b'a', -100, b'{O}/canary', 2)",
    "rename_exchange_does_not_swap_outside": "libc.renameat2(-100, b'{O}/canary', -100, b'{O}/second', 2)",
    "rename_without_replacing_does_not_move": "libc.renameat2(-100, b'{O}/canary', -100, b'{O}/pwn', 1)",
    "rename_of_a_directory_does_not_move_it_out": "os.mkdir('a'); os.rename('a', '{O}/pwn')",
    "mknod_makes_no_regular_file": "os.mknod('{O}/pwn', 0o100644)",
    "a_unix_socket_is_not_bound_outside": "socket.socket(socket.AF_UNIX).bind('{O}/pwn')",
    "a_datagram_socket_is_not_bound_outside": "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).bind('{O}/pwn')",
    "a_unix_socket_is_not_bound_through_a_link": "os.symlink('{O}', 'l'); socket.socket(socket.AF_UNIX).bind('l/pwn')",
    "copy_file_range_does_not_write":
        "open('a', 'w').write('x'); os.copy_file_range(os.open('a', 0), os.open('{O}/canary', os.O_WRONLY), 1)",
    "a_clone_range_does_not_write":
        "import fcntl; open('a', 'w').write('x' * 8192); fcntl.ioctl(os.open('{O}/canary', os.O_WRONLY), 0x40049409, "
        "os.open('a', 0))",
    "sendfile_does_not_write":
        "open('a', 'w').write('x'); os.sendfile(os.open('{O}/canary', os.O_WRONLY), os.open('a', 0), 0, 1)",
    "splice_does_not_write":
        "r, w = os.pipe(); os.write(w, b'x'); os.splice(r, os.open('{O}/canary', os.O_WRONLY), 1)",
    "fallocate_does_not_grow": "os.posix_fallocate(os.open('{O}/canary', os.O_WRONLY), 0, 9999)",
    "a_shared_mapping_does_not_write":
        "import mmap; m = mmap.mmap(os.open('{O}/canary', os.O_RDWR), 4); m[0] = 33; m.flush()",
    "fchmod_through_a_read_descriptor_changes_nothing": "os.fchmod(os.open('{O}/canary', os.O_RDONLY), 0o777)",
    "chmod_through_proc_changes_nothing": "f = os.open('{O}/canary', os.O_RDONLY); os.chmod('/proc/self/fd/%d' % f, "
        "0o777)",
    "chmod_through_a_path_descriptor_changes_nothing": "f = os.open('{O}/canary', os.O_PATH); "
        "os.chmod('/proc/self/fd/%d' % f, 0o777)",
    "chmod_through_a_planted_link_changes_nothing": "os.symlink('{O}/canary', 'l'); os.chmod('l', 0o777)",
    "fchmodat2_does_not_change_a_mode": "f = os.open('{O}/canary', os.O_PATH); call(452, f, b'', 0o777, 0x1000)",
    "fchown_through_a_read_descriptor_changes_nothing": "os.fchown(os.open('{O}/canary', os.O_RDONLY), os.getuid(), "
        "os.getgid())",
    "fchownat_with_an_empty_path_changes_nothing":
        "f = os.open('{O}/canary', os.O_PATH); libc.fchownat(f, b'', os.getuid(), os.getgid(), 0x1000)",
    "futimens_through_a_read_descriptor_changes_nothing": "os.utime(os.open('{O}/canary', os.O_RDONLY), (1, 1))",
    "utimensat_through_a_planted_link_changes_nothing": "os.symlink('{O}/canary', 'l'); os.utime('l', (1, 1))",
    "utime_to_now_changes_nothing": "os.utime('{O}/canary')",
    "a_descriptors_extended_attribute_is_not_set": "os.setxattr(os.open('{O}/canary', os.O_RDONLY), 'user.pwn', b'x')",
    "setxattrat_does_not_set_an_attribute":
        "v = ctypes.create_string_buffer(b'x'); call(463, -100, b'{O}/canary', 0, b'user.pwn', (ctypes.c_uint64 * "
        "2)(ctypes.addressof(v), 1), 16)",
    "inode_flags_are_not_set_through_a_descriptor":
        "import fcntl; fcntl.ioctl(os.open('{O}/canary', os.O_RDONLY), 0x40086602, (0x40).to_bytes(8, 'little'))",
    "file_setattr_does_not_set_attributes":
        "call(469, -100, b'{O}/canary', (ctypes.c_uint64 * 3)(0x40, 0, 0), 24, 0)",
    "a_moved_working_directory_does_not_climb_out":
        "os.makedirs('a/b'); os.chdir('a/b'); os.rename('{W}/a/b', '{W}/c'); open('../../outside/pwn', 'w')",
    "a_racing_link_does_not_lead_out": """
open('fine', 'w'); end = time.time() + 1.5
if os.fork() == 0:
    while time.time() < end:
        for target in ('fine', '{O}/canary'):
            try: os.symlink(target, 'n'); os.rename('n', 't')
            except OSError: pass
    os._exit(0)
while time.time() < end:
    try: os.write(os.open('t', os.O_WRONLY | os.O_APPEND), b'x')
    except OSError: pass
os.wait()
""",
}


def define(name, line):
    def nothing_outside_changes(yard):
        state = {}

        def setup():
            yard.call(["find", ".", "-mindepth", "1", "-delete"])
            state["before"] = snapshot(outside_dir(yard))

        line_here = fill(line, O=yard.root + "/outside", W=yard.workspace)
        escapes(yard, line_here, lambda r: changed(state["before"], snapshot(yard.root + "/outside")), (), SEE_ALL,
                setup=setup,
                optional=NEEDS.get(name))
    named(name, nothing_outside_changes)


for attack, line in SHELL.items():
    define(attack, line)
for attack, code in PYTHON.items():
    define(attack, python(code))


@test
def a_file_outside_is_not_moved_in_with_its_directory(yard):
    before = {}

    def setup():
        before["s"] = snapshot(outside_dir(yard))
        yard.call(["rm", "-rf", "d"])

    escapes(yard, "mv ../outside/d . && echo x >> d/inner", lambda r: changed(before["s"], snapshot(yard.root
        + "/outside")),
            (), SEE_ALL, setup=setup)


@test
def a_workspace_that_is_only_readable_is_not_written(yard):
    yard.write("f", "F")
    for line in ("echo x > pwn", "echo x >> f", "rm -f f", "mkdir pwn", "chmod 777 f", "touch f", "ln f g", "mv f g"):
        before = snapshot(yard.workspace)
        r = yard.run(line, "--profile", "read-only")
        check(r.rc != 125 and not changed(before, snapshot(yard.workspace)), "read-only is not: %s" % line, r)
    check(yard.outside("touch f && rm f").rc == 0, "positive control: the workspace cannot be written outside either")


@test
def a_writable_root_is_no_way_to_its_neighbours(yard):
    before = {}

    def setup():
        before["s"] = snapshot(outside_dir(yard))

    escapes(yard, "echo x > ../outside/canary; rm -f ../outside/second; echo x > ../outside/d/inner",
            lambda r: changed({k: v for k, v in before["s"].items() if "/d" not in k and not k.endswith("outside")},
                              {k: v for k, v in snapshot(yard.root + "/outside").items() if "/d" not in k
                               and not k.endswith("outside")}),
            ("--write", yard.root + "/outside/d"), setup=setup)
    check(yard.run("echo y > ../outside/d/inner", "--write", yard.root + "/outside/d").rc == 0,
          "a granted root cannot be written")
    with open(yard.root + "/outside/d/inner") as f:
        check(f.read() == "y\n", "what was written to a granted root is not on the host")


@test
def a_single_writable_file_does_not_open_its_directory(yard):
    before = {}

    def setup():
        before["s"] = snapshot(outside_dir(yard))

    escapes(yard, "echo x > ../outside/pwn; echo x >> ../outside/second; chmod 777 ../outside",
            lambda r: changed(before["s"], snapshot(yard.root + "/outside")), ("--write", yard.root
            + "/outside/canary"), setup=setup)


@test
def shell_start_up_files_of_the_home_are_not_written(yard):
    names = (".bashrc", ".profile", ".bash_profile", ".zshrc", ".ssh/authorized_keys", ".gitconfig",
             ".config/git/config",
             ".config/autostart/x.desktop", ".config/systemd/user/x.service", ".local/bin/ls",
             ".config/fish/config.fish",
             ".npmrc", ".vimrc", ".tmux.conf", ".pam_environment", ".xprofile")

    def setup():
        for name in names:
            yard.write("~/" + name, "ours\n")

    line = "cd ~; " + "; ".join("mkdir -p $(dirname %s) && echo pwn >> %s" % (n, n) for n in names)
    escapes(yard, line, lambda r: any(yard.read("~/" + n) != "ours\n" for n in names), (), SEE_ALL, setup=setup)


@test
def new_files_in_the_home_stay_private(yard):
    escapes(yard, "mkdir -p ~/.config ~/bin; echo x > ~/.new; echo x > ~/bin/new; echo x > ~/.config/new",
            lambda r: yard.exists("~/.new") or yard.exists("~/bin/new") or yard.exists("~/.config/new"), (), SEE_ALL,
            setup=lambda: yard.call(["rm", "-rf", yard.home + "/.new", yard.home + "/bin", yard.home + "/.config"]))


@test
def a_compiled_attack_with_threads_does_not_write_outside(yard):
    outside_dir(yard)
    program = compile_c(yard, "swap", SWAP, "-pthread")
    escapes(yard, "echo ok > fine; %s fine ../outside/pwn" % program,
            lambda r: yard.exists("../outside/pwn"), (), SEE_ALL, setup=lambda: outside_dir(yard))


SWAP = r"""
// Flips the path buffer between two names while another thread opens it for writing.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
static volatile char path[256];
static char a[256], b[256];
static volatile int stop;
static void *flip(void *x)
{
    while (!stop) {
        memcpy((void *)path, a, sizeof a);
        memcpy((void *)path, b, sizeof b);
    }
    return x;
}
int main(int argc, char **argv)
{
    pthread_t t;
    strncpy(a, argv[1], 255);
    strncpy(b, argv[2], 255);
    pthread_create(&t, 0, flip, 0);
    while (!path[0])
        sched_yield();
    for (int i = 0; i < 60000; i++) {
        int fd = open((char *)path, O_WRONLY | O_CREAT, 0644);
        if (fd >= 0)
            close(fd);
        if (i % 256 == 0)
            sched_yield();
    }
    stop = 1;
    return 0;
}
"""


def lent(yard, line, redirection, *options):
    """Runs the line with a file of the caller's as standard descriptor; without options: outside."""
    bawn = "%s run %s -- " % (yard.binary, " ".join(options)) if options else ""
    return yard.call(["sh", "-c", "%ssh -c '%s' %s" % (bawn, line, redirection)])


LENT = (("-q",), ("-q", *SEE_ALL), ("-q", "--set", "nested=true"))


@test
def a_file_that_was_given_as_input_is_not_written(yard):
    """/proc/self/fd opens the caller's file anew, on the caller's mount, which is writable."""
    for line in ("echo x >> /proc/self/fd/0", "echo x > /dev/stdin", "python3 -c \"import os; os.truncate(\\\"/proc/self/fd/0\\\", 0)\""):
        o = outside_dir(yard)
        check(lent(yard, line, "< %s/canary" % o).rc == 0 and yard.read(o + "/canary") != "OUTSIDE\n",
              "positive control: it is not written outside either")
        for options in LENT:
            o = outside_dir(yard)
            r = lent(yard, "cat; " + line, "< %s/canary" % o, *options)
            check(r.out == "OUTSIDE\n", "the input does not come", r)
            check(yard.read(o + "/canary") == "OUTSIDE\n", "the input was written, with %s" % list(options), r)


@test
def a_protected_file_of_the_workspace_that_was_given_as_input_is_not_written(yard):
    for name in (".vscode/settings.json", ".envrc"):
        for options in ((), *LENT, ("-q", "--set", "files.strict=true")):
            yard.write(name, "sound\n")
            r = lent(yard, "cat; echo x >> /proc/self/fd/0", "< " + name, *options)
            check(r.out == "sound\n", "the input does not come", r)
            check((yard.read(name) == "sound\n") == bool(options), "the input was written, with %s" % list(options) if options else
                  "positive control: it is not written outside either", r)


@test
def a_file_that_was_given_for_output_is_not_read(yard):
    yard.write("read.py", "import os\n"
               "print('more', flush=True)\n"
               "fd = os.open('/proc/self/fd/1', os.O_RDONLY | os.O_NONBLOCK)\n"
               "os.write(2, b'<' + os.read(fd, 99) + b'>')\n")
    line = "python3 read.py"
    o = outside_dir(yard)
    check("<OUTSIDE" in lent(yard, line, ">> %s/canary" % o).err, "positive control: it is not read outside either")
    for options in (LENT[0], LENT[2]):  # it can be read by its own name in the other
        o = outside_dir(yard)
        # From a pipe, which stands in its place with nested, it reads its own output.
        r = lent(yard, line, ">> %s/canary" % o, *options)
        check("OUTSIDE" not in r.err, "what the file held was read, with %s" % list(options), r)
        check(yard.read(o + "/canary").startswith("OUTSIDE\n"), "the file was not appended to", r)


@test
def a_named_pipe_that_was_given_for_output_is_not_read(yard):
    yard.write("read.py", "import os\n"
               "fd = os.open('/proc/self/fd/1', os.O_RDONLY | os.O_NONBLOCK)\n"
               "os.write(2, b'<' + os.read(fd, 99) + b'>')\n")
    for options in ((), LENT[0]):  # with nested a named pipe is passed as it is
        path = outside_dir(yard) + "/pipe"
        os.mkfifo(path)
        ours = os.open(path, os.O_RDWR)
        os.write(ours, b"OUTSIDE\n")
        r = lent(yard, "python3 read.py", "> " + path, *options)
        os.close(ours)
        check(("OUTSIDE" in r.err) == (not options), "what others wrote into the pipe was read, with %s" % list(options) if options else
              "positive control: it is not read outside either", r)


@test
def the_devices_of_the_caller_are_the_yards_inside(yard):
    """Root inside owns the host's device nodes; a mount that is read-only keeps their modes and times."""
    line = "python3 -c \"import os; print(*(os.fstatvfs(i).f_flag & os.ST_RDONLY for i in (0, 2)))\""
    r = lent(yard, line, "< /dev/null 2> /dev/zero", "-q")
    check(r.out == "1 1\n", "the caller's devices are on the host's mount inside", r)
    if ROOT:
        node = yard.root + "/null"
        for options in ((), *LENT):
            yard.call(["sh", "-c", "rm -f %s; mknod -m 666 %s c 1 3" % (node, node)])
            lent(yard, "chmod 600 /proc/self/fd/0; python3 -c \"import os; os.fchmod(0, 0o600)\"", "< " + node, *options)
            mode = os.stat(node).st_mode & 0o777
            check(mode == (0o666 if options else 0o600), "the mode is %o with %s" % (mode, list(options)))
