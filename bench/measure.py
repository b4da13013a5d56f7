# SPDX-License-Identifier: Apache-2.0
"""What bench/start and bench/steady share: build the timer, time commands in pairs, print ratios.

The figures of two machines do not compare, and those of one machine drift. So everything is a ratio of two commands timed
in turn in one run: the median over the rounds of (ours / theirs in that round).
"""
import os
import pwd
import statistics
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(base, "bawn-bench")
    os.makedirs(path, exist_ok=True)
    return path


def timer():
    source, program = os.path.join(TOP, "bench", "pair.c"), os.path.join(cache(), "pair")
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-D_GNU_SOURCE", "-o", program, source], check=True)
    return program


class Broken(Exception):
    """A command does not work here; the text is what it said."""


def rounds_of(commands, rounds, warmups, cwd, env):
    """A list with one tuple of microseconds a round."""
    argv = [timer(), str(rounds), str(warmups)]
    for command in commands:
        argv += [":::", *command]
    p = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True)
    if p.returncode:
        raise Broken(" ".join(p.stderr.split()) or "ended with %d" % p.returncode)
    return [tuple(map(float, line.split("\t"))) for line in p.stdout.splitlines()]


def median(samples, column):
    return statistics.median(s[column] for s in samples)


def ratio(samples, ours, theirs):
    return statistics.median(s[ours] / s[theirs] for s in samples)


def drop_root(user):
    """Figures are those of an ordinary user: as root, goes on as `user` or says that it does not."""
    if os.getuid() != 0:
        return
    if not user:
        print("note: running as root; --user NAME measures as that user", file=sys.stderr)
        return
    who = pwd.getpwnam(user)
    os.initgroups(user, who.pw_gid)
    os.setgid(who.pw_gid)
    os.setuid(who.pw_uid)
    os.environ.update(HOME=who.pw_dir, USER=user)
    os.environ.pop("XDG_CACHE_HOME", None)


def environment():
    """The same small environment for every contestant."""
    keep = {k: os.environ[k] for k in ("HOME", "USER", "LANG", "TERM") if k in os.environ}
    return dict(keep, PATH="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")


def print_table(rows):
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(str(cell).ljust(width) if i == 0 else str(cell).rjust(width)
                        for i, (cell, width) in enumerate(zip(row, widths))).rstrip())
