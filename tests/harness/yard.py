# SPDX-License-Identifier: Apache-2.0
"""What a test in tests/sandbox or tests/e2e is written with.

Each test gets a Yard: a home and a workspace of its own in a fresh directory below build/yards, and an environment
built from nothing. `yard.run` runs a shell line inside the envelope, `yard.outside` the same line without it. An attack
is tried both ways (`yard.attack`): the test fails when it does not work outside, for then it would prove nothing.

    from yard import test

    @test
    def a_denied_file_cannot_be_read(yard):
        yard.attack("cat ~/.ssh/id_rsa", lambda r: "KEY" in r.out, setup=lambda: yard.write("~/.ssh/id_rsa", "KEY"))
"""
import os
import pty
import select
import shutil
import signal
import subprocess
import tempfile
import time

TESTS = []  # what @test collected from the file that is being loaded


class Skip(Exception):
    """The test cannot run here; the text says why and how it could."""


class Failure(AssertionError):
    """What must hold does not hold."""


class Case:
    def __init__(self, fn, timeout, sandbox, alone):
        self.fn, self.name = fn, fn.__name__
        self.timeout = timeout  # seconds; then the test and all it started are killed and it has failed
        self.sandbox = sandbox  # needs `bawn run` to work; a counted skip where the kernel does not let it
        self.alone = alone  # no other test meanwhile: it may write to the whole machine, so that what others make is its business


def test(fn=None, *, timeout=60, sandbox=True, alone=False):
    if fn is None:
        return lambda f: test(f, timeout=timeout, sandbox=sandbox, alone=alone)
    TESTS.append(Case(fn, timeout, sandbox, alone))
    return fn


def skip(reason):
    raise Skip(reason)


def check(condition, text, result=None):
    if not condition:
        raise Failure(text if result is None else "%s\n%s" % (text, result))


def need(*programs):
    """Skips unless all of these are installed where an ordinary user finds them."""
    for name in programs:
        if not shutil.which(name, path=PATH):
            skip("needs %s, which is not installed" % name)


PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


class Result:
    def __init__(self, argv, rc, out, err, seconds):
        self.argv, self.rc, self.seconds = argv, rc, seconds
        self.raw_out, self.raw_err = out, err
        self.out, self.err = out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    def __str__(self):
        cut = lambda s: s if len(s) < 4000 else s[:2000] + "\n[…]\n" + s[-2000:]
        return "command: %s\nexit status: %d\nstdout: %s\nstderr: %s" % (self.argv, self.rc, cut(self.out), cut(self.err))


class Yard:
    def __init__(self, bawn, base):
        os.makedirs(base, exist_ok=True)
        self.binary = bawn
        self.root = tempfile.mkdtemp(dir=base, prefix="y")
        self.home, self.workspace = self.root + "/home", self.root + "/ws"
        self.state = self.home + "/.local/state/bawn"
        os.mkdir(self.home)
        os.mkdir(self.workspace)
        # Yards lie below a checkout: a git that finds no repository in its yard must not climb up and work on that one.
        self.env = {"GIT_CEILING_DIRECTORIES": self.root, "HOME": self.home, "PATH": PATH, "LANG": "C.UTF-8", "TERM": "dumb", "USER": "yard"}

    # --- files ------------------------------------------------------------------------------------------------

    def path(self, name):
        """~ is the yard's home; a relative name lies in the workspace."""
        return self.home + name[1:] if name == "~" or name.startswith("~/") else os.path.join(self.workspace, name)

    def write(self, name, text="", mode=None):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(text.encode() if isinstance(text, str) else text)
        if mode is not None:
            os.chmod(path, mode)
        return path

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read().decode("utf-8", "replace")

    def exists(self, name):
        return os.path.lexists(self.path(name))

    # --- running ----------------------------------------------------------------------------------------------

    def call(self, argv, stdin=b"", timeout=30, env=None, cwd=None, pass_fds=()):
        began = time.monotonic()
        p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd or self.workspace,
                             env=dict(self.env, **(env or {})), start_new_session=True, pass_fds=pass_fds)
        try:
            out, err = p.communicate(stdin.encode() if isinstance(stdin, str) else stdin, timeout)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            out, err = p.communicate()
            raise Failure("no end after %d s\n%s" % (timeout, Result(argv, -1, out, err, timeout)))
        rc = 128 - p.returncode if p.returncode < 0 else p.returncode
        return Result(argv, rc, out, err, time.monotonic() - began)

    def bawn(self, *args, **how):
        return self.call([self.binary, *args], **how)

    def run(self, line, *options, **how):
        """A shell line inside the envelope."""
        return self.bawn("run", *options, "--", "sh", "-c", line, **how)

    def outside(self, line, **how):
        """The same shell line without bawn: the positive control."""
        return self.call(["sh", "-c", line], **how)

    def git(self, *args):
        identity = ["-c", "user.name=yard", "-c", "user.email=yard@example.org", "-c", "init.defaultBranch=main"]
        r = self.call(["git", *identity, *args])
        check(r.rc == 0, "git %s does not work outside" % args[0], r)
        return r.out

    def attack(self, line, landed, *options, setup=None, **how):
        """`landed(result)` tells whether the attack got what it wanted. It must outside, and must not inside."""
        if setup:
            setup()
        r = self.outside(line, **how)
        check(landed(r), "positive control: the attack does not work even without the sandbox", r)
        if setup:
            setup()
        r = self.run(line, *options, **how)
        check(r.rc != 125, "bawn did not start the attack at all", r)
        check(not landed(r), "the attack works inside", r)
        return r

    def terminal(self, argv, keys=(), timeout=30):
        """Runs argv on a terminal of its own; `keys` are (wait for this text, then type that) pairs."""
        pid, master = pty.fork()
        if pid == 0:
            os.chdir(self.workspace)
            os.execve(argv[0], argv, self.env)
        seen, keys, end = b"", list(keys), time.monotonic() + timeout
        mark = 0
        while time.monotonic() < end:
            if keys and keys[0][0].encode() in seen[mark:]:
                mark = len(seen)
                os.write(master, keys.pop(0)[1].encode())
            if not select.select([master], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(master, 65536)
            except OSError:  # EIO: the last process on the terminal is gone
                data = b""
            if not data:
                break
            seen += data
        else:
            os.kill(pid, signal.SIGKILL)
        os.close(master)
        status = os.waitpid(pid, 0)[1]
        r = Result(argv, os.waitstatus_to_exitcode(status) if not os.WIFSIGNALED(status) else 128 + os.WTERMSIG(status),
                   seen, b"", 0)
        check(time.monotonic() < end, "no end after %d s" % timeout, r)
        check(not keys, "the terminal never showed %r" % (keys and keys[0][0]), r)
        return r

    def remove(self):
        def retry(fn, path, _):
            os.chmod(os.path.dirname(path), 0o700)
            if os.path.isdir(path) and not os.path.islink(path):
                os.chmod(path, 0o700)
            if fn not in (os.rmdir, os.unlink):  # a directory that could not be opened, and can be now
                return shutil.rmtree(path, ignore_errors=True)
            try:
                fn(path)
            except OSError:
                pass
        shutil.rmtree(self.root, onerror=retry)
