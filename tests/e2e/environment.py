# SPDX-License-Identifier: Apache-2.0
"""The world inside: environment, home, temporary directories, identity, places of the workspace."""
import os
import shutil
import tempfile

from probe import ROOT
from yard import check, skip, test


@test
def the_environment_is_built_from_nothing(yard):
    r = yard.run("env | cut -d= -f1 | sort | tr '\\n' ' '", env={"FOO": "1", "LD_LIBRARY_PATH": "/x",
        "PYTHONPATH": "/x", "EDITOR": "vi", "MY_TOKEN": "x", "LC_TIME": "C", "http_proxy": "http://x"})
    names = set(r.out.split())
    check({"PATH", "HOME", "LANG", "TERM"} <= names, "names that programs need are missing", r)
    check(names <= {"PATH", "HOME", "LANG", "TERM", "USER", "LOGNAME", "SHELL", "LC_TIME", "XDG_RUNTIME_DIR", "BAWN",
                    "BAWN_GUIDE", "PWD", "OLDPWD", "SHLVL", "_", "TMPDIR"}, "more is passed: %s" % names, r)


@test
def variables_are_passed_and_set_when_asked(yard):
    r = yard.run("echo $FOO $BAR $BAZ", "--env", "FOO", "--env", "BAR=b=c", env={"FOO": "f", "BAR": "x", "BAZ": "z"})
    check(r.out == "f b=c\n", "--env", r)
    yard.write("p.yaml",
               "version: 1\nextends: workspace\nenv: {pass: [FOO, 'MY_*'], set: {CI: \"1\", ONE: two words}}\n")
    r = yard.run("echo $FOO $MY_A $MY_B $OTHER $CI $ONE", "-p", "p.yaml", env={"FOO": "f", "MY_A": "a", "MY_B": "b",
        "OTHER": "o"})
    check(r.out == "f a b 1 two words\n", "env.pass and env.set", r)
    r = yard.run("echo ${FOO-unset}", "--env", "FOO")
    check(r.rc in (0, 125) and "f" not in r.out.replace("unset", ""), "a variable that is not there", r)
    for bad in ("=x", "A B=c", "1A=2", ""):
        check(yard.run("true", "--env", bad).rc in (0, 125), "a bad name crashes: %r" % bad)


@test
def the_home_is_private_writable_and_empty(yard):
    yard.write("~/private", "x")
    r = yard.run("cd ~ && ls -A; echo $HOME; echo x > f && cat f && df -h . >/dev/null")
    check(r.out.split()[-2:] == [yard.home, "x"] and "private" not in r.out, "the home inside", r)
    check(not yard.exists("~/f"), "what is written to the private home is on the host")
    check(yard.run("ls ~/f 2>/dev/null; true").out == "", "the private home of the run before is still there")


@test
def git_configuration_of_the_user_is_readable(yard):
    yard.write("~/.gitconfig", "[user]\n\tname = Me\n\temail = me@example.org\n")
    yard.write("~/.config/git/ignore", "*.bak\n")
    yard.git("init", "-q")
    yard.write("x.bak")
    r = yard.run("git config user.name; git status --short; echo x >> ~/.gitconfig && echo WROTE; git config --global "
                 "a.b c && echo WROTE; true")
    check(r.out == "Me\n", "the user's git configuration", r)
    check("[user]" in yard.read("~/.gitconfig") and "a" not in yard.read("~/.gitconfig").replace("name",
        "").replace("email", "").replace("example", "").split("\n")[-1], "it was changed")


@test
def tools_on_the_path_below_the_home_work(yard):
    yard.write("~/.local/bin/mytool", "#!/bin/sh\ncat $(dirname $0)/../lib/mytool/data\n", 0o755)
    yard.write("~/.local/lib/mytool/data", "data\n")
    yard.write("~/tools/bin/other", "#!/bin/sh\necho other\n", 0o755)
    yard.write("~/private/secret", "x")
    env = {"PATH": "%s/.local/bin:%s/tools/bin:%s" % (yard.home, yard.home, yard.env["PATH"])}
    r = yard.run("mytool; other; cat ~/private/secret; (echo x > ~/tools/bin/other) 2>/dev/null; other", env=env)
    check(r.out == "data\nother\nother\n", "tools of the home", r)


@test
def version_managers_of_the_home_work(yard):
    """A shim on PATH that leads by links to an installation elsewhere below the home."""
    yard.write("~/.vm/versions/1.2/bin/lang", "#!/bin/sh\n. $(dirname $(readlink -f $0))/../share/lang.sh\n", 0o755)
    yard.write("~/.vm/versions/1.2/share/lang.sh", "echo lang 1.2\n")
    os.symlink(yard.path("~/.vm/versions/1.2"), yard.path("~/.vm/current"))
    r = yard.run("lang", env={"PATH": "%s/.vm/current/bin:%s" % (yard.home, yard.env["PATH"])})
    check(r.out == "lang 1.2\n", "a version manager's tool", r)


@test
def temporary_directories_are_private_and_usable(yard):
    for d in ("/tmp", "/var/tmp", "/dev/shm"):
        r = (yard.run("ls -A %s | wc -l; stat -c %%a %s; echo x > %s/f && cat %s/f; mktemp -p %s >/dev/null && echo "
                      "made" % ((d,) * 5)))
        check(r.out.split() in (["0", "1777", "x", "made"], ["0", "777", "x", "made"]), "%s inside" % d, r)
    r = yard.run("cp /bin/true /tmp/t && /tmp/t && echo runs")
    check(r.out == "runs\n", "programs in /tmp run", r)


@test
def identity_stays_ones_own(yard):
    r = yard.run("id -u; id -g; whoami; echo x > f; stat -c '%u %g' f; cat /proc/self/loginuid >/dev/null; hostname "
                 ">/dev/null")
    check(r.out.split()[:2] == [str(os.geteuid()), str(os.getegid())] and r.out.split()[-2:] == [str(os.geteuid()),
        str(os.getegid())], "identity inside", r)
    check(os.stat(yard.path("f")).st_uid == os.geteuid(), "a file of the workspace belongs to somebody else")


@test
def the_umask_the_directory_and_the_niceness_are_kept(yard):
    yard.write("sub/x")
    r = (yard.call(["sh", "-c",
                    "umask 027; nice -n 5 %s run -- sh -c 'umask; nice; pwd; touch made'; stat -c %%a made" % yard.binary]))
    check(r.out.split() == ["0027", "5", os.path.realpath(yard.workspace), "640"], "inherited state", r)


@test
def another_workspace_is_named_with_c(yard):
    yard.write("proj/a", "A")
    r = yard.run("pwd; cat a; echo b > b; (echo x > ../pwn) 2>/dev/null; ls ..", "-C", "proj")
    check(r.out.split()[:2] == [os.path.realpath(yard.path("proj")), "A"]
          or r.out.startswith(os.path.realpath(yard.path("proj")) + "\nA"), "-C", r)
    check(yard.read("proj/b") == "b\n" and not yard.exists("pwn"), "-C is the workspace", r)


def in_place(yard, workspace, line="echo made > f && cat f && pwd -P", **how):
    """A run in another workspace directory; returns the result."""
    return yard.call([yard.binary, "run", "--", "sh", "-c", line], cwd=workspace, **how)


@test
def odd_names_of_the_workspace_work(yard):
    for name in ("with space", "ünïcödé 漢字", "new\nline", "quote'\"", "tab\there", "back\\slash", "$HOME", "a,b:c=d",
                 "-dash", "#hash", "100%", "[glob]*?", b"bytes\xff\xfe"):
        path = os.path.join(os.fsencode(yard.root), os.fsencode(name) if isinstance(name, str) else name)
        os.mkdir(path)
        r = in_place(yard, path)
        check(r.rc == 0 and r.out.startswith("made\n") and os.fsencode(r.raw_out)[5:-1] == path, "workspace %r" % name,
              r)
        check(os.path.exists(path + b"/f"), "nothing was written in %r" % name, r)


@test
def a_workspace_reached_through_a_link_works(yard):
    os.symlink(yard.workspace, yard.root + "/link")
    r = in_place(yard, yard.root + "/link")
    check(r.rc == 0 and yard.read("f") == "made\n", "a linked workspace", r)
    r = yard.bawn("run", "-C", yard.root + "/link", "--", "cat", "f")
    check(r.out == "made\n", "a linked workspace with -C", r)


@test
def a_workspace_below_tmp_works(yard):
    d = tempfile.mkdtemp(dir="/tmp")
    other = tempfile.mkdtemp(dir="/tmp")
    try:
        r = in_place(yard, d, "echo made > f && pwd && ls /tmp && ls %s 2>/dev/null; true" % other)
        check(r.rc == 0 and os.path.exists(d + "/f"), "a workspace below /tmp", r)
        check(os.path.basename(other) not in r.out, "its neighbours are seen", r)
    finally:
        shutil.rmtree(d)
        shutil.rmtree(other)


@test
def a_home_as_the_workspace_works(yard):
    yard.write("~/.bashrc", "ours")
    yard.write("~/.ssh/id_rsa", "CANARY")
    r = in_place(yard, yard.home, "ls -A; cat .bashrc; echo x > file; cat .ssh/id_rsa")
    check(".bashrc" in r.out and "ours" in r.out and "CANARY" not in r.out and yard.exists("~/file"),
          "the home as workspace", r)


@test
def a_workspace_in_the_home_hides_its_siblings(yard):
    yard.write("~/proj/a", "A")
    yard.write("~/other/b", "B")
    r = in_place(yard, yard.home + "/proj", "cat a; ls ~; cat ~/other/b; cat ../other/b")
    check(r.out == "Aproj\n", "a workspace in the home", r)


@test
def a_workspace_that_cannot_be_written_is_readable(yard):
    if ROOT:
        skip("root writes everywhere")
    yard.write("f", "F")
    os.chmod(yard.workspace, 0o555)
    try:
        r = yard.run("cat f; touch new 2>/dev/null || echo no")
        check(r.out == "Fno\n", "a read-only workspace", r)
    finally:
        os.chmod(yard.workspace, 0o755)
    r = in_place(yard, "/usr/share", "ls >/dev/null && echo listed; touch x 2>/dev/null || echo no")
    check(r.rc in (0, 125) and ("listed\nno" in r.out or r.rc == 125), "a workspace of the system's", r)


@test(alone=True, timeout=200)
def the_root_as_the_workspace_is_answered(yard):
    """It looks at every directory of the machine, which from a cold disk takes its time."""
    r = in_place(yard, "/", "ls /usr >/dev/null && echo ok", timeout=180)
    check(r.rc in (0, 125) and (r.rc == 0 or len(r.err.strip().splitlines()) >= 1), "/ as the workspace", r)


@test
def a_workspace_that_was_removed_is_an_error(yard):
    gone = yard.root + "/gone"
    os.mkdir(gone)
    r = yard.call(["sh", "-c", "cd %s && rmdir %s && %s run -- true" % (gone, gone, yard.binary)])
    check(r.rc == 125 and len(r.err.strip().splitlines()) == 1, "a workspace that is not there any more", r)


@test
def grants_on_the_command_line_hold(yard):
    for n in ("r", "w", "n"):
        yard.write("../%s/f" % n, n)
    at = lambda n: yard.root + "/" + n
    line = "cat %s/f %s/f %s/f; echo x > %s/new; echo x > %s/new; rm -f %s/f" % (at("r"), at("w"), at("n"), at("r"),
        at("w"), at("r"))
    r = yard.run(line, "--read", at("r"), "--write", at("w"))
    check(r.out == "rw", "--read and --write", r)
    check(os.path.exists(at("w") + "/new") and not os.path.exists(at("r") + "/new") and os.path.exists(at("r") + "/f"),
          "what may be written", r)
    r = yard.run("cat ../r/f", "--read", "../r")
    check(r.out == "r", "a relative path", r)
    yard.write("~/data/f", "d")
    check(yard.run("cat ~/data/f", "--read", "~/data").out == "d", "a path with ~")
    yard.write("sub/x", "x")
    r = yard.run("cat sub/x; echo y", "--deny", "sub")
    check(r.out == "y\n", "--deny", r)
    r = yard.run("echo STARTED", "--write", "/no/such/place")
    check(r.rc == 125 and "/no/such/place" in r.err and "STARTED" not in r.out, "a write root that does not exist", r)
    r = yard.run("echo STARTED", "--read", "/no/such/place")
    check(r.rc == 0 and "/no/such/place" in r.err, "a read path that does not exist is a note", r)


@test
def the_processors_are_those_of_the_caller(yard):
    line = "python3 -c 'import os; print(sorted(os.sched_getaffinity(0)))'"
    have = sorted(os.sched_getaffinity(0))
    for cpus in (have, have[:1]):
        r = yard.call(["taskset", "-c", ",".join(map(str, cpus)), yard.binary, "run", "-q", "--", "sh", "-c", line])
        check(r.out == "%s\n" % cpus, "inside are not the processors %s" % cpus, r)


@test
def profiles_are_what_they_say(yard):
    yard.write("f", "F")
    yard.write("../beside/f", "B")
    r = yard.run("cat f; touch new 2>/dev/null || echo ro; echo x > /tmp/t && echo tmp", "--profile", "read-only")
    check(r.out == "Fro\ntmp\n", "read-only", r)
    r = yard.run("cat ../beside/f; echo o > ../beside/new", "--profile", "open", timeout=60)
    check(r.out == "B" and os.path.exists(yard.root + "/beside/new") and "open" in r.err, "open", r)


@test
def another_users_tools_do_not_matter(yard):
    """An odd PATH: empty parts, relative ones, missing ones, files."""
    r = yard.run("true && echo ok", env={"PATH": ":.:/no/such:/etc/passwd::%s:relative/bin" % yard.env["PATH"]})
    check(r.rc == 0 and r.out == "ok\n", "an odd PATH", r)
