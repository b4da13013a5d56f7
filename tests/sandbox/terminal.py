# SPDX-License-Identifier: Apache-2.0
"""Nothing inside holds the caller's terminal: no keys typed, no output behind its back, no mode left changed."""
import os
import pty
import select
import signal
import termios
import time

from probe import python
from yard import check, test

INJECT = python("""
import fcntl, termios
def push(fd, how):
    try:
        for c in b'echo INJE''CTED\\n': fcntl.ioctl(fd, 0x5412, bytes([c]))
        print('PUSHED', how)
    except OSError: pass
for fd in (0, 1, 2): push(fd, fd)
for name in ('/dev/tty', '/dev/pts/0', '/dev/console', '/dev/tty0', '/proc/self/fd/0'):
    try: push(os.open(name, os.O_RDWR | os.O_NOCTTY), name)
    except OSError: pass
try: fcntl.ioctl(0, 0x541C, b'\\x03'); print('LINUX')
except OSError: pass
""")


@test
def keys_are_not_typed_into_the_callers_terminal(yard):
    """After the run a shell reads what waits in the terminal's input: there must be nothing."""
    script = "stty -echo; sleep 0.2; IFS= read -r -t 1 x; echo \"got=[$x]\""
    outside = yard.terminal(["/bin/bash", "-c", "%s; %s" % (INJECT, script)])
    inside = yard.terminal(["/bin/bash", "-c", "%s run -- sh -c '%s'; %s" % (yard.binary, INJECT.replace("'", "'\\''"),
        script)])
    check("got=[]" in inside.out and "PUSHED" not in inside.out and "LINUX" not in inside.out,
          "keys were typed into the caller's terminal", inside)
    check("PUSHED" not in outside.out or "INJECTED]" in outside.out,
          "positive control: neither refused by the kernel nor seen", outside)


@test
def the_callers_terminal_is_not_written_behind_its_back(yard):
    """Standard descriptors are elsewhere, but the caller has a controlling terminal: /dev/tty must not be that one."""
    line = "echo BEHIND > /dev/tty"
    outside = yard.terminal(["/bin/bash", "-c", "sh -c '%s' </dev/null >/dev/null 2>&1; echo end" % line])
    check("BEHIND" in outside.out, "positive control", outside)
    inside = yard.terminal(["/bin/bash", "-c",
                            "%s run -- sh -c '%s' </dev/null >/dev/null 2>&1; echo end" % (yard.binary, line)])
    check("BEHIND" not in inside.out and "end" in inside.out, "the caller's terminal was written through /dev/tty",
          inside)


@test
def other_terminals_of_the_host_are_not_seen(yard):
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    line = "for t in %s $(ls /dev/pts/* 2>/dev/null); do echo TYPED > $t; done 2>/dev/null; true" % name
    yard.outside(line)
    check(select.select([master], [], [], 1)[0] and b"TYPED" in os.read(master, 999), "positive control")
    r = yard.run(line)
    time.sleep(0.1)
    check(r.rc == 0 and not select.select([master], [], [], 0)[0], "a terminal of the host was written", r)
    os.close(master)
    os.close(slave)


@test
def the_callers_process_group_is_not_signalled(yard):
    r = (yard.terminal(["/bin/bash", "-c", "trap 'echo HIT' TERM INT HUP USR1; %s run -- sh -c 'trap \"\" TERM INT HUP "
                        "USR1; kill -TERM 0; kill -INT 0; kill -HUP 0; kill -USR1 0; sleep 0.2'; echo end" % yard.binary]))
    check("HIT" not in r.out and "end" in r.out, "a signal reached the caller's group", r)


@test
def the_callers_terminal_keeps_its_modes(yard):
    """Whatever the program does to its own terminal, and however it ends."""
    for line in ("stty raw -echo", "stty raw -echo; kill -9 $$", "stty -isig; exec true",
                 "tput reset >/dev/null; stty sane -echo intr x"):
        r = (yard.terminal(["/bin/bash", "-c",
                            "before=$(stty -g); %s run -- sh -c '%s'; test \"$(stty -g)\" = \"$before\" && echo SAME" % (yard.binary,
            line)]))
        check("SAME" in r.out, "the terminal's modes are changed after: %s" % line, r)


@test
def the_callers_terminal_keeps_its_modes_when_bawn_is_terminated(yard):
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        pid, master = pty.fork()
        if pid == 0:
            os.chdir(yard.workspace)
            os.execve(yard.binary, [yard.binary, "run", "--", "sh", "-c", "echo up; sleep 20"], yard.env)
        before, seen, end = termios.tcgetattr(master), b"", time.monotonic() + 10
        while b"up" not in seen and time.monotonic() < end:
            if select.select([master], [], [], 0.1)[0]:
                seen += os.read(master, 999)
        raw = not termios.tcgetattr(master)[3] & termios.ICANON
        os.kill(pid, sig)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        check(raw, "control: the terminal was not in raw mode meanwhile: %s" % seen)
        check(before[3] & termios.ICANON and termios.tcgetattr(master) == before, "raw mode is left after signal %d" % sig)
        check(status == 128 + sig, "exit status %d after signal %d" % (status, sig))
        os.close(master)


@test
def the_terminal_inside_is_not_the_callers(yard):
    r = yard.terminal(["/bin/bash", "-c", "tty; %s run -- tty" % yard.binary])
    names = [line.strip() for line in r.out.splitlines() if line.startswith("/dev")]
    check(len(names) == 2, "no terminal inside", r)
    r = yard.terminal(["/bin/bash", "-c", "%s run -- sh -c 'ls /dev/pts; ls -l /proc/self/fd'" % yard.binary])
    check("ptmx" in r.out, "no terminals directory inside", r)


@test
def a_controlling_terminal_cannot_be_stolen(yard):
    r = (yard.terminal(["/bin/bash", "-c",
                        "%s run -- setsid -c sh -c 'echo stolen > /dev/tty; tty'; tty > /dev/tty && echo still-ours" % yard.binary]))
    check("still-ours" in r.out, "the caller lost its terminal", r)
