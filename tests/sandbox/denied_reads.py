# SPDX-License-Identifier: Apache-2.0
"""Denied paths cannot be read, listed or asked about, by whatever name, call or moment.

SECRET is the content that must not come out. Policies under which each attack is tried: the plain one where the home is
private, and those where the directory around the denied name is readable or writable, where only the mask holds."""
import os
import subprocess
import threading
import time

from probe import SEE_ALL, ROOT, escapes, fill, named, outside_dir, python
from yard import check, skip, test

SECRET = "CANARY5f0b7e1d"
KEY = "~/.ssh/id_rsa"


def leaked(r):
    return SECRET in r.out


def secret_home(yard):
    yard.write(KEY, SECRET + "\n", 0o600)


def secret_glob(yard):
    yard.call(["sh", "-c", "find . -mindepth 1 -delete"])
    yard.write("sub/.env", SECRET + "\n")
    yard.write("fine", "ok\n")


# What is tried on a denied file in a readable home; {S} is the file, {D} its directory.
HOME_READS = {
    "plainly": "cat {S}",
    "by_proc_self_root": "cat /proc/self/root{S}",
    "by_proc_1_root": "cat /proc/1/root{S}; cat /proc/$PPID/root{S}; cat {S}",
    "by_proc_self_cwd": "cd ~; cat /proc/self/cwd/.ssh/id_rsa",
    "by_a_relative_path": "cd ~/.ssh/.. && cat .ssh/id_rsa",
    "by_dot_dot": "cat {D}/../.ssh/./id_rsa",
    "by_a_planted_link": "ln -s {S} l; cat l",
    "by_a_planted_directory_link": "ln -s ~ l; cat l/.ssh/id_rsa",
    "by_a_hard_link": "ln {S} h; cat h {S}",
    "by_moving_it": "cat {S}; mv {S} x; cat x",
    "by_moving_its_directory": "cat {S}; mv {D} x; cat x/id_rsa",
    "by_moving_its_parent": "cat {S}; mv ~/.ssh ~/.other; cat ~/.other/id_rsa",
    "by_copying_the_tree": "cp -r ~ copy; cat copy/.ssh/id_rsa",
    "by_tar": "tar cf - -C ~ .ssh | tr -d '\\0'",
    "by_find_and_grep": "grep -rh CANARY ~",
    "by_as_a_script": "sh {S} 2>&1; . {S} 2>&1",
    "by_mapping": "python3 -c 'import mmap,os; print(mmap.mmap(os.open(\"{S}\", 0), 0, prot=1)[:20])'",
    "by_sendfile": "python3 -c 'import os; os.sendfile(1, os.open(\"{S}\", 0), 0, 99)'",
    "by_a_path_descriptor": "python3 -c 'import os; f = os.open(\"{S}\", os.O_PATH); print(open(\"/proc/self/fd/%d\" % "
        "f).read())'",
    "by_a_directory_descriptor": "python3 -c 'import os; d = os.open(\"{D}\", os.O_PATH); "
        "print(os.read(os.open(\"id_rsa\", 0, dir_fd=d), 99))'",
    "by_the_parents_descriptor": "python3 -c 'import os; d = os.open(os.environ[\"HOME\"], os.O_PATH); "
        "print(os.read(os.open(\".ssh/id_rsa\", 0, dir_fd=d), 99))'",
    "by_git": "git init -q r; git --git-dir=r/.git --work-tree=$HOME add -f {S}; git -C r cat-file -p :.ssh/id_rsa",
    "by_chmod_first": "chmod 777 {D} {S}; cat {S}",
    "by_unsharing_and_unmounting": "unshare -Urm sh -c 'umount -l {D}; umount {S}; cat {S}' || cat {S}",
    "by_unsharing_and_binding": "mkdir m; unshare -Urm sh -c 'mount --bind '$HOME' m; cat m/.ssh/id_rsa' || cat {S}",
    "by_unsharing_and_recursive_binding": "mkdir m; unshare -Urm sh -c 'mount --rbind / m; umount -l m{D}; cat m{S}' "
        "|| cat {S}",
    "by_chroot": "unshare -Ur chroot / cat {S} || cat {S}",
    "by_the_loader": "/lib64/ld-linux-x86-64.so.2 $(command -v cat) {S} || cat {S}",
    "by_name_of_the_descriptor_of_the_root": "exec 5</; cat /proc/self/fd/5{S}; cat /dev/fd/5{S}",
    "by_map_files": "cat {S}; cat /proc/self/map_files/* 2>/dev/null | grep -a CANARY",
    "by_writing_and_reading": "cat {S}; echo >> {S} && cat {S}",
}


@test
def secrets_are_hidden_wherever_they_stand_in_the_alphabet(yard):
    """The start asks for the first names one by one and lists the directory for the others."""
    names = (".aws/credentials", ".azure/token", ".cargo/credentials.toml", ".netrc", ".ssh/id_rsa", ".zsh_history", "notes.txt")
    secrets = names[:-1]
    for name in names:
        yard.write("~/" + name, "%s of %s\n" % (SECRET, name))
    line = "cd; cat %s" % " ".join(secrets)
    r = yard.outside(line)
    check(all(n in r.out for n in secrets), "positive control: they cannot be read outside", r)
    for options in (SEE_ALL, ("--read", "~"), ("--write", "~")):
        r = yard.run(line + " notes.txt", *options)
        check(SECRET not in r.out.replace("%s of notes.txt" % SECRET, ""), "a secret was read, with %s" % list(options), r)
        check("of notes.txt" in r.out, "the search for secrets hides what is none", r)


@test
def a_denied_file_of_roots_that_everybody_may_read_is_not_read(yard):
    path = next(p for p in ("/etc/debian_version", "/etc/os-release", "/etc/passwd") if os.stat(os.path.realpath(p)).st_uid == 0)
    with open(path) as f:
        text = f.readline().strip()
    for options in ((), ("--set", 'files.deny+=["%s"]' % path)):
        r = yard.run("cat " + path, *options)
        check((text in r.out) == (not options), "the denied file was read" if options else "positive control: it is not read", r)


def define_home(name, line):
    def a_denied_file_is_not_read(yard):
        where = yard.home + "/.ssh"

        def setup():
            yard.call(["sh", "-c", "find . -mindepth 1 -delete; rm -rf ~/.ssh ~/.other"])
            secret_home(yard)

        # Profile open walks the whole machine for what it must cover, which takes its time: once is enough.
        more = (("--profile", "open"),) if name == "plainly" else ()
        escapes(yard, fill(line, S=where + "/id_rsa", D=where), leaked, (), SEE_ALL, ("--read", "~"), ("--write", "~"),
                *more, setup=setup)
    named("a_key_in_the_home_is_not_read_" + name, a_denied_file_is_not_read)


for name, line in HOME_READS.items():
    define_home(name, line)

# What is tried on a file that a glob denies inside the writable workspace.
GLOB_READS = {
    "plainly": "cat sub/.env",
    "after_renaming_it": "mv sub/.env sub/x; cat sub/x sub/.env",
    "after_renaming_its_directory": "mv sub other; cat other/.env",
    "after_renaming_its_directory_twice": "mkdir a; mv sub a/b; mv a c; cat c/b/.env",
    "after_exchanging_it": python("libc.renameat2(-100, b'fine', -100, b'sub/.env', 2)") + "; cat fine sub/.env",
    "after_exchanging_its_directory": "mkdir x; " + python("libc.renameat2(-100, b'x', -100, b'sub', 2)")
        + "; cat x/.env",
    "by_a_hard_link": "ln sub/.env x; cat x sub/.env",
    "by_a_link": "ln -s sub/.env x; cat x",
    "by_a_directory_link": "ln -s sub x; cat x/.env",
    "by_copying": "cp -r sub x; cat x/.env",
    "by_proc": "cat /proc/self/cwd/sub/.env; cat /proc/self/root$PWD/sub/.env",
    "by_git_add": "git init -q; git add -f sub/.env; git cat-file -p :sub/.env",
    "by_find": "find . -type f -exec cat {} +",
    "by_a_path_descriptor": "python3 -c 'import os; f = os.open(\"sub/.env\", os.O_PATH); "
        "print(open(\"/proc/self/fd/%d\" % f).read())'",
    "by_chmod": "chmod 777 sub/.env sub; cat sub/.env",
    "by_dot_segments": "cat ./sub/../sub//.env",
    "by_a_directory_descriptor_and_rename": "python3 -c 'import os; d = os.open(\"sub\", os.O_PATH); "
        "os.rename(\"sub\", \"o\"); print(os.read(os.open(\".env\", 0, dir_fd=d), 99))'",
    "by_removing_the_rest": "cp sub/.env /tmp/e; rm -rf sub; cat /tmp/e",
    "by_racing_links": """python3 -c '
import os, time
end = time.time() + 1
if os.fork() == 0:
    while time.time() < end:
        for t in ("fine", "sub/.env"):
            os.symlink(t, "n"); os.rename("n", "t")
    os._exit(0)
while time.time() < end:
    try: s = os.read(os.open("t", 0), 99)
    except OSError: continue
    finally: [os.close(f) for f in range(3, 6) if os.path.exists("/proc/self/fd/%d" % f)]
    if b"CANARY" in s: print(s); break
'""",
}


def define_glob(name, line):
    def a_globbed_file_is_not_read(yard):
        escapes(yard, line, leaked, ("--deny", "**/.env"), ("--deny", "**/.env", "--set", "files.strict=true"),
                ("--deny", "sub/.env"), ("--deny", "sub"),
                setup=lambda: secret_glob(yard))
    named("a_file_of_a_denied_glob_is_not_read_" + name, a_globbed_file_is_not_read)


for name, line in GLOB_READS.items():
    define_glob(name, line)


@test
def globs_match_what_they_say(yard):
    for pattern, path in (("*.pem", "a.pem"), ("**/*.key", "x/y/z.key"), ("**/secret/**", "p/secret/q/r"),
                          ("conf/[ab]?.txt", "conf/a1.txt"),
                          ("**/.env*", "d/.env.local"), ("sub/**", "sub/x/y"), ("with space/*.k", "with space/a.k"),
                          ("**/ключ", "ü/ключ")):
        yard.call(["sh", "-c", "find . -mindepth 1 -delete"])
        yard.write(path, SECRET)
        yard.write("free/file.txt", "free\n")
        escapes(yard, "cat '%s'; cat free/file.txt" % path, leaked, ("--deny", pattern))
        r = yard.run("cat free/file.txt", "--deny", pattern)
        check(r.out == "free\n", "the pattern %s denies too much" % pattern, r)


@test
def the_usual_places_of_secrets_are_denied(yard):
    names = [".ssh/id_rsa", ".ssh/config", ".aws/credentials", ".gnupg/private-keys-v1.d/k", ".netrc",
             ".config/gh/hosts.yml", ".docker/config.json",
             ".bash_history", ".git-credentials", ".kube/config", ".local/share/keyrings/login.keyring",
             ".mozilla/firefox/p/logins.json",
             ".config/google-chrome/Default/Login Data", ".config/chromium/Default/Cookies",
             ".config/gcloud/credentials.db", ".azure/accessTokens.json",
             ".pypirc", ".zsh_history", ".python_history", ".config/git/credentials", ".password-store/x.gpg",
             ".bitcoin/wallet.dat",
             ".config/bawn/policy.yaml", ".local/state/bawn/runs/x/audit.jsonl"]
    for n in names:
        yard.write("~/" + n, ("version: 1 # " if n.endswith("policy.yaml") else "") + SECRET + " " + n + "\n", 0o600)
    line = "cd ~; for f in %s; do cat \"$f\"; done" % " ".join("'%s'" % n for n in names)
    check(yard.outside(line).out.count(SECRET) == len(names), "positive control: not all can be read outside")
    for options in ((), SEE_ALL, ("--read", "~"), ("--write", "~")):
        r = yard.run(line, *options)
        check(r.rc != 125, "bawn did not start the attack at all", r)
        check(not leaked(r), "secrets are read with %s: %s" % (options, r.out.replace(SECRET, "")), r)
        listing = yard.run("cd ~; ls -la .ssh .aws .gnupg .kube .local/state/bawn 2>/dev/null | grep -c "
                           "'id_rsa\\|credentials\\|private\\|runs'", *options)
        check(listing.out.strip() == "0", "denied directories are listed", listing)


@test
def metadata_of_denied_paths_is_hidden(yard):
    yard.write(KEY, SECRET * 1000)
    os.utime(yard.path(KEY), (86400 * 365, 86400 * 365))
    yard.write("sub/.env", SECRET * 1000)
    os.utime(yard.path("sub/.env"), (86400 * 365, 86400 * 365))
    size = str(len(SECRET) * 1000)
    look = ("stat -c 'S=%s M=%Y' {P}; ls -la {P}; python3 -c 'import os; print(os.lstat(\"{P}\"))'; wc -c {P}; test -s "
            "{P} && echo S={N}; du -b {P}")
    for path, options in ((yard.path(KEY), SEE_ALL), (yard.path(KEY), ()), ("sub/.env", ("--deny", "**/.env"))):
        escapes(yard, fill(look, P=path, N=size), lambda r: size in r.out or "1971" in r.out or "31536000" in r.out,
                options)
    escapes(yard, "ls -A ~/.ssh; echo ~/.ssh/*; find ~/.ssh", lambda r: "id_rsa" in r.out, (), SEE_ALL, ("--write",
        "~"))
    escapes(yard, "ls sub/x 2>/dev/null; ls sub; cd sub", lambda r: ".env" in yard.outside("true").out
            or "deeper" in r.out,
            ("--deny", "sub"), setup=lambda: yard.write("sub/deeper/x"))


@test
def extended_attributes_and_access_of_denied_files_are_hidden(yard):
    yard.write(KEY, SECRET)
    try:
        os.setxattr(yard.path(KEY), "user.note", SECRET.encode())
    except OSError:
        skip("the file system here has no user extended attributes")
    escapes(yard, python("print(os.getxattr('{P}', 'user.note'), os.listxattr('{P}'))", P=yard.path(KEY)),
            lambda r: "CANARY" in r.out or "user.note" in r.out, (), SEE_ALL)


@test
def a_denied_file_is_not_changed_or_removed(yard):
    for line in ("echo x > sub/.env", "echo x >> sub/.env", "rm -f sub/.env", "rm -rf sub", "chmod 777 sub/.env",
                 "touch -d @1 sub/.env",
                 "echo x > n; mv -f n sub/.env", "truncate -s 0 sub/.env",
                 "python3 -c 'import os; os.truncate(\"sub/.env\", 0)'"):
        state = {}

        def setup():
            secret_glob(yard)
            st = os.stat(yard.path("sub/.env"))
            state["was"] = (st.st_ino, st.st_size, st.st_mode, st.st_mtime_ns)

        def hit(_):
            if not yard.exists("sub/.env"):
                return True
            st = os.stat(yard.path("sub/.env"))
            return (st.st_ino, st.st_size, st.st_mode, st.st_mtime_ns) != state["was"]

        escapes(yard, line, hit, ("--deny", "**/.env"), ("--deny", "**/.env", "--set", "files.strict=true"),
                setup=setup)


def later(yard, options, put, line):
    """The host puts the secret there while the run sleeps; then the run reads. Returns the run's result."""
    timer = threading.Timer(0.4, put)
    timer.start()
    r = yard.run(line, *options)
    timer.join()
    return r


@test
def a_file_of_a_denied_glob_that_appears_later_is_covered(yard):
    def put():
        yard.write("late/deep/.env", SECRET)

    def put_by_rename():
        yard.write("n", SECRET)
        os.makedirs(yard.path("late/deep"), exist_ok=True)
        os.rename(yard.path("n"), yard.path("late/deep/.env"))

    def put_by_tree():
        yard.write("../made/deep/.env", SECRET)
        os.rename(yard.root + "/made", yard.path("late"))

    line = "sleep 1; cat late/deep/.env"
    put()
    check(leaked(yard.outside("cat late/deep/.env")), "positive control: it cannot be read outside")
    for how in (put, put_by_rename, put_by_tree):
        for options in (("--deny", "**/.env"), ("--deny", "**/.env", "--set", "files.strict=true")):
            yard.call(["rm", "-rf", "late", "n"])
            r = later(yard, options, how, line)
            check(r.rc not in (0, 125) and not leaked(r), "read, put by %s with %s" % (how.__name__, options), r)


@test
def a_denied_file_that_the_host_replaces_stays_covered(yard):
    """What every editor does when it saves: a new file is renamed over the old name."""
    def replace():
        yard.write("sub/n", SECRET + "new\n")
        os.rename(yard.path("sub/n"), yard.path("sub/.env"))

    def recreate():
        os.unlink(yard.path("sub/.env"))
        yard.write("sub/.env", SECRET + "new\n")

    def in_place():
        yard.write("sub/.env", SECRET + "new\n")

    for how in (replace, recreate, in_place):
        for options in (("--deny", "**/.env"), ("--deny", "sub/.env"), ("--deny", "**/.env", "--set",
                "files.strict=true")):
            secret_glob(yard)
            r = later(yard, options, how, "sleep 1; cat sub/.env")
            check(r.rc not in (0, 125) and not leaked(r), "read after %s with %s" % (how.__name__, options), r)


@test
def strict_leaves_no_window_to_a_spinning_reader(yard):
    def put():
        for i in range(20):
            yard.write("n", SECRET)
            os.makedirs(yard.path("late"), exist_ok=True)
            os.rename(yard.path("n"), yard.path("late/.env"))
            time.sleep(0.03)
            os.unlink(yard.path("late/.env"))

    spin = python("""
end = time.time() + 2
while time.time() < end:
    try: s = os.read(os.open('late/.env', 0), 99)
    except OSError: continue
    print(s); break
""")
    t = threading.Timer(0.4, put)
    t.start()
    r = yard.outside(spin)
    t.join()
    check(leaked(r), "positive control: the reader sees nothing outside", r)
    r = later(yard, ("--deny", "**/.env", "--set", "files.strict=true"), put, spin)
    check(r.rc == 0 and not leaked(r), "a reader that spins saw it", r)


@test
def what_the_run_makes_itself_it_may_read(yard):
    r = yard.run("mkdir -p new && echo mine > new/.env && cat new/.env", "--deny", "**/.env")
    check(r.rc == 0 and r.out == "mine\n", "a run cannot read the file of a denied glob that it made itself", r)


@test
def a_hard_link_made_before_is_covered_or_warned_of(yard):
    secret_glob(yard)
    os.link(yard.path("sub/.env"), yard.path("alias"))
    check(leaked(yard.outside("cat alias")), "positive control: it cannot be read outside")
    r = yard.run("cat alias", "--deny", "**/.env")
    check(not leaked(r) or "link" in r.err, "a second name of a denied file is readable, and nothing says so", r)


@test
def a_denied_link_does_not_show_its_target(yard):
    outside_dir(yard)
    yard.write("../outside/real", SECRET)
    yard.call(["ln", "-s", "../outside/real", "secret.link"])
    escapes(yard, "cat secret.link; cat ../outside/real", leaked, ("--read", yard.root + "/outside", "--deny",
        "secret.link"))


@test
def denied_names_hold_by_way_of_a_linked_home(yard):
    """The same file by another path: the home itself is reached through a link."""
    secret_home(yard)
    link = yard.root + "/homelink"
    os.symlink(yard.home, link)
    escapes(yard, "cat %s/.ssh/id_rsa" % link, leaked, (), SEE_ALL, ("--read", link))
    env = {"HOME": link}
    r = yard.run("cat %s/.ssh/id_rsa %s/.ssh/id_rsa" % (link, yard.home), *SEE_ALL, env=env)
    check(r.rc != 125 and not leaked(r), "read when HOME is a link", r)


@test
def denied_names_hold_when_the_home_is_the_workspace(yard):
    secret_home(yard)
    r = yard.run("cat ~/.ssh/id_rsa; ls ~/.ssh; mv ~/.ssh ~/x; cat ~/x/id_rsa", "-C", yard.home)
    check(r.rc != 125 and not leaked(r) and "id_rsa" not in r.out, "read with HOME as the workspace", r)
    check(yard.exists(KEY), "the key was moved")


@test
def deny_beats_a_grant_below_it(yard):
    yard.write("d/e/f", SECRET)
    for options in (("--deny", "d", "--read", "d/e"), ("--deny", "d", "--write", "d/e"), ("--deny", "d/e/f", "--read",
            "d/e/f"), ("--write", "d/e", "--deny", "**/f")):
        escapes(yard, "cat d/e/f; ls -R d", leaked, options)


@test
def a_workspace_does_not_show_what_lies_beside_it(yard):
    outside_dir(yard)
    escapes(yard, "cat ../outside/canary; ls ..", lambda r: "OUTSIDE" in r.out or "outside" in r.out)


@test
def the_home_of_the_host_is_not_seen(yard):
    yard.write("~/notes/private.txt", SECRET)
    escapes(yard, "cat ~/notes/private.txt; grep -r CANARY ~; ls ~", lambda r: leaked(r) or "notes" in r.out)


@test
def system_files_with_secrets_are_not_read(yard):
    paths = "/etc/shadow /etc/gshadow /etc/ssh/ssh_host_*_key /etc/sudoers /var/lib/sss /root/.ssh /root/.bashrc"
    r = yard.run("for f in %s; do head -c 20 $f 2>/dev/null && echo READ $f; ls -A $f 2>/dev/null | grep -q . && test "
                 "-d $f && echo LISTED $f; done; true" % paths)
    if ROOT:
        check("READ" in yard.outside("head -c 20 /etc/shadow && echo READ").out,
              "positive control: root cannot read it either")
    check(r.rc == 0 and "READ" not in r.out and "LISTED" not in r.out, "private files of the system are read", r)


@test
def an_open_that_flips_its_name_reads_nothing(yard):
    """The path buffer changes while the call is being decided: the decision must be on what is opened."""
    from probe import compile_c
    secret_glob(yard)
    source = FLIP
    program = compile_c(yard, "flip", source, "-pthread")
    line = "%s fine sub/.env" % program
    check(leaked(yard.outside(line)), "positive control: the attack does not work outside")
    for options in (("--deny", "**/.env"), ("--deny", "**/.env", "--set", "files.strict=true")):
        r = yard.run(line, *options)
        check(r.rc == 0 and "done" in r.out and not leaked(r), "a flipping name was read with %s" % list(options), r)


FLIP = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
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
    time_t end = time(NULL) + 2;
    strncpy(a, argv[1], 255);
    strncpy(b, argv[2], 255);
    pthread_create(&t, 0, flip, 0);
    while (time(NULL) < end) {
        char text[100] = {0};
        int fd = open((char *)path, O_RDONLY);
        if (fd < 0)
            continue;
        if (read(fd, text, 99) > 0 && strstr(text, "CANARY")) {
            puts(text);
            break;
        }
        close(fd);
    }
    stop = 1;
    puts("done");
    return 0;
}
"""


@test
def standard_input_that_is_a_directory_is_no_way_out(yard):
    """The caller's own descriptor goes inside; what lies around it must not come with it."""
    secret_home(yard)
    before = outside_dir(yard)
    line = "exec 3<&0 </dev/null; " + python("""
for p in ('.ssh/id_rsa', 'home/.ssh/id_rsa', '../home/.ssh/id_rsa'):
    try: print(os.read(os.open(p, 0, dir_fd=3), 99))
    except OSError as e: pass
for p in ('pwn', 'outside/pwn', '../outside/pwn'):
    try: os.open(p, os.O_CREAT | os.O_WRONLY, dir_fd=3)
    except OSError: pass
try: os.fchdir(3); print(open('.ssh/id_rsa').read())
except OSError: pass
print('END')
""")

    def with_stdin(argv, where):
        with_dir = os.open(where, os.O_RDONLY)
        try:
            p = subprocess.run(argv, stdin=with_dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=yard.workspace,
                               env=yard.env, timeout=30)
        finally:
            os.close(with_dir)
        return p

    for where in (yard.home, yard.root, before):
        for options in ((), SEE_ALL):
            p = with_stdin([yard.binary, "run", *options, "--", "sh", "-c", line], where)
            refused = p.returncode == 125 and b"directory" in p.stderr  # to not start is an answer too, here
            check(b"END" in p.stdout or refused, "the attack did not run: %s" % p.stderr)
            check(SECRET.encode() not in p.stdout, "the key was read through standard input %s with %s" % (where,
                options))
            found = [f for f in (before + "/pwn", yard.home + "/pwn", yard.root + "/pwn") if os.path.exists(f)]
            check(not found, "made through standard input: %s" % found)
    p = with_stdin(["sh", "-c", line], yard.home)
    check(SECRET.encode() in p.stdout and os.path.exists(yard.home + "/pwn"), "positive control: does not work outside")
