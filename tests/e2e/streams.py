# SPDX-License-Identifier: Apache-2.0
"""Standard descriptors: every byte both ways, back-pressure, early ends, odd kinds."""
import hashlib
import os
import select
import signal
import socket
import subprocess
import time

from yard import check, test

BIG = 50 << 20
COPIED = ((), ("--set", "limits.output=1M"), ("--set", "nested=true"))  # files passed; outputs copied; both copied


def start(yard, argv, **how):
    return subprocess.Popen([yard.binary, "run", *argv], cwd=yard.workspace, env=yard.env, **how)


def pattern(n):
    block = bytes(range(256)) * 4096
    return (block * (n // len(block) + 1))[:n]


@test(timeout=90)
def fifty_megabytes_pass_both_ways_unchanged(yard):
    data = pattern(BIG)
    for options in ((), ("--set", "limits.output=1G")):
        r = yard.bawn("run", *options, "--", "cat", stdin=data, timeout=60)
        check(r.rc == 0 and len(r.raw_out) == BIG, "%d of %d bytes came back" % (len(r.raw_out), BIG))
        check(hashlib.sha256(r.raw_out).digest() == hashlib.sha256(data).digest(), "the bytes were changed")


@test
def standard_error_is_kept_apart_and_unchanged(yard):
    yard.write("data", pattern(5 << 20))
    r = yard.run("cat data >&2; echo out", "-q")
    check(r.raw_err == pattern(5 << 20) and r.out == "out\n",
          "standard error was changed or mixed: %d bytes, %r … %r, and %r" % (
        len(r.raw_err), r.raw_err[:60], r.raw_err[-200:], r.out))


@test
def files_pass_as_they_are(yard):
    yard.write("in", pattern(1 << 20))
    with open(yard.path("in"), "rb") as i, open(yard.path("out"), "wb") as o:
        check(start(yard, ["--", "cat"], stdin=i, stdout=o).wait(20) == 0, "cat of a file failed")
    check(yard.call(["cmp", "in", "out"]).rc == 0, "files differ")
    for options in COPIED:
        with open(yard.path("out"), "ab") as o:
            check(start(yard, [*options, "--", "echo", "more"], stdout=o).wait(20) == 0, "appending failed")
    check(yard.call(["tail", "-c", "15", "out"]).out == "more\n" * 3
          and os.path.getsize(yard.path("out")) == (1 << 20) + 15, "appending overwrote")
    r = yard.call(["sh", "-c", "{ echo first; %s run --set limits.output=1M -- echo second; echo third; } > out" % yard.binary])
    check(yard.read("out") == "first\nsecond\nthird\n", "the caller and the command do not share the position", r)


@test
def the_position_in_an_input_file_is_shared(yard):
    yard.write("in", "one\ntwo\nthree\n")
    for options in COPIED:
        r = yard.call(["sh", "-c", "{ head -c 4 >/dev/null; %s run %s -- head -c 4; cat; } < in"
                       % (yard.binary, " ".join(options))])
        check(r.out == "two\nthree\n", "the caller and the command do not share the position", r)
        r = yard.call(["sh", "-c", "{ %s run %s -- sh -c 'read a; echo $a; exec <&-'; cat; } < in"
                       % (yard.binary, " ".join(options))])
        check(r.out == "one\ntwo\nthree\n", "what was not read is lost", r)


@test
def large_files_are_copied_whole(yard):
    yard.write("in", pattern(5 << 20))
    with open(yard.path("in"), "rb") as i, open(yard.path("out"), "wb") as o:
        check(start(yard, ["--set", "nested=true", "--", "cat"], stdin=i, stdout=o).wait(20) == 0, "cat of a file failed")
    check(yard.call(["cmp", "in", "out"]).rc == 0, "files differ")
    with open(yard.path("in"), "rb") as i:
        check(start(yard, ["--set", "nested=true", "--", "true"], stdin=i).wait(20) == 0 and i.tell() == 0,
              "what nobody read is not given back")


@test
def a_slow_reader_holds_the_writer_back(yard):
    for options in ((), ("--set", "limits.output=1G"), ("--json",)):
        p = start(yard, [*options, "--", "sh", "-c", "head -c 20000000 /dev/zero; touch done"], stdout=subprocess.PIPE,
                  stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        check(not yard.exists("done"), "nobody read, and yet all was written: %s" % list(options))
        with open("/proc/%d/statm" % p.pid) as f:
            check(int(f.read().split()[1]) * 4096 < 64 << 20, "the supervisor keeps it in memory")
        n = 0
        while True:
            chunk = p.stdout.read(1 << 16)
            if not chunk:
                break
            n += len(chunk)
        p.stdout.close()
        check(p.wait(20) == 0 and n >= 20000000 and yard.exists("done"), "not all came: %d" % n)
        os.unlink(yard.path("done"))


@test
def a_reader_that_leaves_ends_the_writer(yard):
    for options in ((), ("--set", "limits.output=1G")):
        p = start(yard, [*options, "--", "yes"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        p.stdout.read(100)
        p.stdout.close()
        check(p.wait(10) in (128 + signal.SIGPIPE, 1), "yes did not end of a broken pipe")
    r = yard.call(["bash", "-c", "%s run -- yes | head -1; echo ${PIPESTATUS[0]}" % yard.binary])
    check(r.out == "y\n141\n", "yes | head", r)


@test
def a_command_that_does_not_read_ends_all_the_same(yard):
    r = yard.bawn("run", "--", "true", stdin=pattern(1 << 20))
    check(r.rc == 0, "a command that reads nothing", r)
    p = start(yard, ["--", "sh", "-c", "exit 5"], stdin=subprocess.PIPE)
    check(p.wait(10) == 5, "it waits for input that nobody reads")
    p.stdin.close()


@test
def end_of_input_reaches_the_command(yard):
    r = yard.bawn("run", "--", "sh", "-c", "cat; echo end", stdin=b"")
    check(r.out == "end\n", "end of file", r)
    p = start(yard, ["--", "sh", "-c", "read a; echo $a; read b || echo eof"], stdin=subprocess.PIPE,
              stdout=subprocess.PIPE)
    p.stdin.write(b"line\n")
    p.stdin.flush()
    check(p.stdout.readline() == b"line\n", "input does not come line by line")
    p.stdin.close()
    check(p.stdout.read() == b"eof\n" and p.wait(10) == 0, "no end of file")
    p.stdout.close()


@test
def output_comes_at_once(yard):
    p = start(yard, ["--", "sh", "-c", "echo now; sleep 5"], stdout=subprocess.PIPE)
    began = time.monotonic()
    check(p.stdout.readline() == b"now\n" and time.monotonic() - began < 2, "output is held back")
    p.terminate()
    p.wait(10)
    p.stdout.close()


@test
def a_closed_output_is_an_error_of_the_commands(yard):
    r = yard.call(["sh", "-c", "%s run -- sh -c 'echo x 2>/dev/null; echo $?>rc' >&-; cat rc" % yard.binary])
    check(r.rc == 0 and r.out.strip() in ("0", "1", "2"), "standard output closed", r)
    r = yard.call(["sh", "-c", "%s run -- sh -c 'echo x > f; cat f >&2' >&-" % yard.binary])
    check(r.rc == 0 and "x" in r.err, "standard output closed", r)


@test
def descriptors_closed_at_the_start_hurt_nobody(yard):
    for closed in ("<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", "<&- >&- 2>&-"):
        yard.call(["rm", "-f", "made"])
        r = yard.call(["sh", "-c", "%s run -- sh -c 'echo ok > made; exit 6' %s" % (yard.binary, closed)])
        check(r.rc == 6 and yard.read("made") == "ok\n", "with %s" % closed, r)
    # What bawn opens must not take the place of a closed one and so reach the command.
    r = yard.call(["sh", "-c", "%s run -- sh -c 'for i in 0 1 2; do readlink /proc/self/fd/$i; done > seen' <&- >&- "
                   "2>&-; cat seen" % yard.binary])
    check(all(line.startswith(("/dev/null", "pipe:", "/")) and ".jsonl" not in line for line in r.out.splitlines()),
          "descriptors of bawn's are the command's", r)


@test
def a_directory_as_input_is_refused_or_harmless(yard):
    d = os.open(yard.root, os.O_RDONLY)
    p = subprocess.run([yard.binary, "run", "--", "cat"], stdin=d, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       cwd=yard.workspace, env=yard.env, timeout=20)
    os.close(d)
    check(p.returncode in (1, 125) and b"irectory" in p.stderr, "cat of a directory: %r" % p)


@test
def odd_kinds_of_descriptors_work(yard):
    a, b = socket.socketpair()
    p = start(yard, ["--", "cat"], stdin=b, stdout=b)
    b.close()
    a.sendall(b"through a socket")
    a.shutdown(socket.SHUT_WR)
    check(a.recv(99) == b"through a socket" and p.wait(10) == 0, "a socket as standard input and output")
    a.close()
    os.mkfifo(yard.path("fifo"))
    r = yard.call(["sh", "-c", "(echo fifo > fifo) & %s run -- cat < fifo" % yard.binary])
    check(r.out == "fifo\n", "a FIFO", r)
    with open("/dev/null", "r+b") as null:
        check(start(yard, ["--", "sh", "-c", "cat; echo x; echo y >&2"], stdin=null, stdout=null,
                    stderr=null).wait(10) == 0, "/dev/null")
    r = yard.call(["sh", "-c", "%s run -- sh -c 'echo a; echo b >&2' 2>&1 | sort" % yard.binary])
    check(r.out == "a\nb\n", "both on one pipe", r)


@test
def the_callers_descriptors_stay_blocking(yard):
    r, w = os.pipe()
    p = start(yard, ["--set", "limits.output=1M", "--", "echo", "x"], stdout=w)
    p.wait(10)
    check(os.get_blocking(w) and os.get_blocking(r), "the caller's pipe was made non-blocking")
    check(select.select([r], [], [], 0)[0] and os.read(r, 9) == b"x\n", "no output")
    os.close(r)
    os.close(w)


@test
def commands_may_reopen_their_standard_files(yard):
    r = yard.run("echo a > /dev/stdout; echo b > /dev/stderr; echo c > /dev/fd/1; echo d > /proc/self/fd/1; cat "
                 "/dev/stdin", "-q", stdin=b"in\n")
    check(r.out == "a\nc\nd\nin\n" and r.err == "b\n", "/dev/stdout and the like", r)
