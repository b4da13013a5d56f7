# SPDX-License-Identifier: Apache-2.0
"""What attacks aim at and what tests look with: a place outside, victims, services, and views of the host.

`escapes` is yard.attack for several policies at once: the line must work outside, and inside under none of them.
"""
import os
import re
import shlex
import shutil
import socket
import subprocess
import threading
import time

from yard import Failure, check, need, skip

ROOT = os.geteuid() == 0
SEE_ALL = ("--read", "/")  # everything of the host that is not denied can be seen

# Before the code of each attack in Python: libc, and a raw system call that keeps 64-bit arguments.
PRELUDE = """
import ctypes, errno, os, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(number, *args):
    r = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return r if r >= 0 else -ctypes.get_errno()
"""


def python(code, **names):
    """A shell line that runs the code; {NAME} in it is replaced."""
    for name, value in names.items():
        code = code.replace("{%s}" % name, str(value))
    return "python3 -c %s" % shlex.quote(PRELUDE + code)


def fill(text, **names):
    for name, value in names.items():
        text = text.replace("{%s}" % name, str(value))
    return text


def escapes(yard, line, landed, *policies, setup=lambda: None, optional=None, **how):
    """optional: a reason for a skip when the attack does not work here even outside."""
    setup()
    r = yard.outside(line, **how)
    if optional and not landed(r):
        skip(optional)
    check(landed(r), "positive control: the attack does not work even without the sandbox", r)
    for options in policies or ((),):
        setup()
        r = yard.run(line, *options, **how)
        check(r.rc != 125, "bawn did not start the attack at all", r)
        check(not landed(r), "the attack works inside, with options %s" % (list(options) or "none"), r)
    setup()
    return r


def named(name, fn, **how):
    """A test made from a table."""
    from yard import test
    fn.__name__ = name
    return test(fn, **how)


# --- a place outside the workspace -----------------------------------------------------------------------------


def outside_dir(yard):
    """Beside the workspace: a file, a directory with a file, a FIFO-less place to make things. Made anew each time."""
    path = yard.root + "/outside"
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path + "/d")
    for name in ("canary", "second", "d/inner"):
        with open(path + "/" + name, "w") as f:
            f.write("OUTSIDE\n")
    return path


def snapshot(path):
    """All that a write can change, access times excepted."""
    seen = {}
    for top, dirs, files in os.walk(path):
        for name in [""] + dirs + files:
            p = os.path.join(top, name) if name else top
            st = os.lstat(p)
            regular = os.path.isfile(p) and not os.path.islink(p)
            try:
                attributes = {a: os.getxattr(p, a, follow_symlinks=False) for a in os.listxattr(p,
                    follow_symlinks=False)}
            except OSError:
                attributes = {}
            content = open(p, "rb").read() if regular and os.access(p, os.R_OK) else b""
            seen[p] = (st.st_mode, st.st_uid, st.st_gid, st.st_nlink, st.st_size, st.st_mtime_ns, st.st_ctime_ns,
                       content,
                       sorted(attributes.items()))
    return seen


def changed(before, after):
    """The paths that differ, as text."""
    return ", ".join(sorted(p for p in set(before) | set(after) if before.get(p) != after.get(p)))


# --- programs --------------------------------------------------------------------------------------------------


def compile_c(yard, name, source, *flags):
    """Builds ./NAME in the workspace."""
    need("gcc")
    yard.write(name + ".c", source)
    r = yard.call(["gcc", "-O1", "-o", name, name + ".c", *flags])
    if r.rc:
        raise Failure("cannot compile the attack\n%s" % r)
    os.unlink(yard.path(name + ".c"))
    return "./" + name


# --- things on the host that an attack reaches for --------------------------------------------------------------


class Victim:
    """A process of this user on the host, with a secret in its environment, arguments and memory."""

    CODE = "import sys, time\nsecret = ''.join(['VICTIM', 'MEMORY'])\nprint('up', flush=True)\ntime.sleep(1000)"

    def __enter__(self):
        self.process = subprocess.Popen(["python3", "-c", self.CODE, "VICTIMARG"], stdout=subprocess.PIPE,
                                        start_new_session=True,
                                        env={"PATH": "/usr/bin:/bin", "VICTIM_ENV": "VICTIMSECRET"})
        self.process.stdout.readline()
        self.pid = self.process.pid
        return self

    def alive(self):
        return self.process.poll() is None

    def state(self):
        with open("/proc/%d/stat" % self.pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0]

    def stop(self):
        if self.alive():
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __exit__(self, *_):
        self.stop()


class Service:
    """A server of the host that keeps what it was sent: stream, datagram or seqpacket, of any address family."""

    def __init__(self, family, kind, address, answer=b"HELLO\n"):
        self.got, self.answer, self.kind = [], answer, kind
        self.sock = socket.socket(family, kind)
        self.path = address if family == socket.AF_UNIX and isinstance(address, str) and address[0] != "\0" else None
        self.sock.bind(address)
        if self.path:
            os.chmod(self.path, 0o777)
        if kind != socket.SOCK_DGRAM:
            self.sock.listen(16)
        self.address = self.sock.getsockname()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                if self.kind == socket.SOCK_DGRAM:
                    self.got.append(self.sock.recv(4096))
                    continue
                peer, _ = self.sock.accept()
            except OSError:
                return
            self.got.append(b"CONNECTED")
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    def talk(self, peer):
        with peer:
            try:
                peer.settimeout(5)
                peer.sendall(self.answer)
                self.got.append(peer.recv(4096))
            except OSError:
                pass

    def reached(self):
        time.sleep(0.05)  # what was sent may still be on its way through the thread
        return bool(self.got)

    def forget(self):
        self.got.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        if self.path and os.path.lexists(self.path):
            os.unlink(self.path)


# --- views of the host ------------------------------------------------------------------------------------------


def own_processes():
    """Processes of this user that live, by pid."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat("/proc/" + pid).st_uid != os.geteuid():
                continue
            with open("/proc/%s/stat" % pid) as f:
                state = f.read().rsplit(")", 1)[1].split()[0]
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                command = f.read().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if state not in "ZX" and command:
            found[int(pid)] = command
    return found


def descendants(pid):
    """All living processes below pid, in any pid namespace below ours."""
    parents = {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % p) as f:
                state, parent = f.read().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if state not in "ZX":
            parents.setdefault(int(parent), []).append(int(p))
    todo, found = [pid], []
    while todo:
        for child in parents.get(todo.pop(), []):
            found.append(child)
            todo.append(child)
    return found


def processes_with(text):
    """Living processes whose arguments hold the text: a tag that only one test uses."""
    return {p: c for p, c in own_processes().items() if text in c and p != os.getpid()}


def mounts():
    with open("/proc/self/mountinfo") as f:
        return sorted(line.split(" ", 1)[1] for line in f)


def cgroup_dirs():
    found = []
    for top, dirs, _ in os.walk("/sys/fs/cgroup"):
        found += [os.path.join(top, d) for d in dirs]
    return set(found)


def temporary_names():
    """What bawn could leave in the shared places; compilers and unit tests of a build beside us come and go there."""
    others = re.compile(r"cc\w{6}\.\w+|bawn-test-[\w.]+")
    found = set()
    for d in ("/tmp", "/var/tmp", "/dev/shm", "/run/user/%d" % os.geteuid(), "/dev/mqueue"):
        try:
            found |= {d + "/" + n for n in os.listdir(d)
                      if not others.fullmatch(n) and os.lstat(d + "/" + n).st_uid == os.geteuid()}
        except OSError:
            pass
    return found


def wait_until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def owned_by_us(path):
    return os.lstat(path).st_uid == os.geteuid()
