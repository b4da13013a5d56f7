# SPDX-License-Identifier: Apache-2.0
"""With a terminal outside there is one inside: detection, sizes, keys, job control."""
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time

from yard import check, need, test


class Terminal:
    """bawn on a terminal of its own, driven step by step."""

    def __init__(self, yard, argv, rows=24, cols=80):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(yard.workspace)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
            os.execve(argv[0], argv, yard.env)
        self.seen = b""

    def until(self, text, seconds=10):
        end = time.monotonic() + seconds
        while text.encode() not in self.seen:
            check(time.monotonic() < end, "the terminal never showed %r but %r" % (text, self.seen[-2000:]))
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError:
                    check(text.encode() in self.seen, "it ended before %r: %r" % (text, self.seen[-2000:]))
        before, self.seen = self.seen.split(text.encode(), 1)
        return before

    def type(self, text):
        os.write(self.master, text.encode())

    def shell(self):
        """Until the outer shell answers: what is typed before bawn has ended goes with it."""
        for _ in range(50):
            self.type("echo sh''ell\n")
            time.sleep(0.3)
            if select.select([self.master], [], [], 0)[0]:
                self.seen += os.read(self.master, 65536)
            if b"shell" in self.seen:
                return
        check(False, "the outer shell does not answer: %r" % self.seen[-2000:])

    def resize(self, rows, cols):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def end(self, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.master)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        check(False, "no end; the terminal showed %r" % self.seen[-2000:])


def run(yard, line, **how):
    return Terminal(yard, [yard.binary, "run", "--", "sh", "-c", line], **how)


@test
def each_standard_descriptor_is_a_terminal_when_the_callers_is(yard):
    look = "a=; for i in 0 1 2; do test -t $i && a=${a}T || a=${a}n; done; printf $a > seen"
    for redirect, expected in (("", "TTT"), ("</dev/null", "nTT"), (">/dev/null", "TnT"), ("2>/dev/null", "TTn"),
                               ("</dev/null >/dev/null", "nnT"), (">/dev/null 2>&1", "Tnn")):
        r = yard.terminal(["/bin/sh", "-c", "%s run -- sh -c '%s' %s" % (yard.binary, look, redirect)])
        check(r.rc == 0 and yard.read("seen") == expected, "with %r it is %s" % (redirect, yard.read("seen")), r)
    r = yard.run("for i in 0 1 2; do test -t $i && printf T || printf n; done; test -e /dev/tty && (: < /dev/tty) "
                 "2>/dev/null && printf TTY")
    check(r.out == "nnn", "a terminal inside without one outside", r)


@test
def the_terminal_has_the_callers_size_and_follows_it(yard):
    t = run(yard, "stty size; trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done", rows=33, cols=111)
    t.until("33 111")
    t.until("ready")
    t.resize(50, 140)
    t.until("50 140")
    t.resize(10, 20)
    t.until("10 20")
    t.type("\x03")
    check(t.end() == 128 + signal.SIGINT, "^C did not end it")


@test
def control_c_is_the_programs(yard):
    t = run(yard, "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.05; done")
    t.until("ready")
    t.type("\x03")
    t.until("caught")
    check(t.end() == 7, "^C")
    t = run(yard, "trap '' INT; echo ready; sleep 0.5; echo whole")
    t.until("ready")
    t.type("\x03")
    t.until("whole")
    check(t.end() == 0, "an ignored ^C ended it")


@test
def control_d_control_backslash_and_control_z(yard):
    t = run(yard, "echo ready; cat; echo after")
    t.until("ready")
    t.type("text\n")
    t.until("text")
    t.type("\x04")
    t.until("after")
    check(t.end() == 0, "^D")
    t = run(yard, "echo ready; exec sleep 20")
    t.until("ready")
    t.type("\x1c")
    check(t.end() == 128 + signal.SIGQUIT, "^\\")


@test
def an_interactive_shell_has_job_control(yard):
    need("bash")
    t = Terminal(yard, [yard.binary, "run", "--", "bash", "--norc", "-i"])
    t.type("PS1='> '; echo sta''rted $-\n")
    flags = t.until("started")
    check(b"no job control" not in flags and b"cannot set terminal" not in flags, "no job control: %r" % flags)
    t.type("sleep 100\n")
    time.sleep(0.3)
    t.type("\x1a")
    t.until("Stopped")
    t.type("jobs; bg; kill %1; wait; echo ne''xt\n")
    t.until("next")
    t.type("sleep 100\n")
    time.sleep(0.3)
    t.type("\x03")
    t.type("echo st''ill $?\n")
    t.until("still 130")
    t.type("exit 5\n")
    check(t.end() == 5, "exit of the shell")


@test
def a_program_is_stopped_and_continued_with_bawn(yard):
    """^Z for a program that is no shell: the outer shell gets the job, and what is inside stands still meanwhile."""
    need("bash")
    yard.write("loop", "echo rea''dy; while :; do date +%N > beat; sleep 0.03; done\n")
    yard.write("ask", "echo rea''dy; read line; echo got-$line\n")
    beats = lambda: (time.sleep(0.1), yard.call(["rm", "-f", "beat"]), time.sleep(0.4), yard.exists("beat"))[-1]
    t = Terminal(yard, ["/bin/bash", "--norc", "-i"])
    t.type("PS1='> '; set -b; before=$(stty -g); %s run -- sh loop\n" % yard.binary)
    t.until("ready")
    check(beats(), "control: it does not run")
    t.type("\x1a")
    t.until("Stopped")
    check(not beats(), "it runs on while stopped")
    t.type("test \"$(stty -g)\" = \"$before\" && echo sa''me\n")
    t.until("same")
    t.type("bg; echo in-the''-background\n")
    t.until("in-the-background")
    check(beats(), "it does not go on in the background")
    t.type("fg\n")
    time.sleep(1)
    t.type("\x1a")
    t.until("Stopped")
    check(not beats(), "it runs on while stopped for the second time")
    t.type("fg\n")
    time.sleep(1)
    check(beats(), "it does not go on in the foreground")
    t.type("\x03")
    t.shell()
    t.type("%s run -- sh ask\n" % yard.binary)
    t.until("ready")
    t.type("lost\x1a")
    t.until("Stopped")
    t.type("fg\n")
    time.sleep(1)
    t.type("typed\n")
    t.until("got-typed")
    t.seen = b""
    t.shell()
    t.type("exit\n")
    t.end()


@test
def a_key_that_would_stop_a_job_nobody_could_continue_does_nothing(yard):
    t = run(yard, "echo ready; read line; echo got-$line")
    t.until("ready")
    t.type("\x1a")
    time.sleep(0.3)
    t.type("typed\n")
    t.until("got-typed")
    check(t.end() == 0, "status")


@test
def modes_that_a_program_sets_at_once_stay(yard):
    """They are the caller's before it runs, and nobody sets them again while it does."""
    for _ in range(20):
        r = yard.terminal([yard.binary, "run", "--", "sh", "-c", "stty -echo -icanon; sleep 0.05; stty -a"])
        check(" -echo " in r.out and "-icanon" in r.out, "the program's own modes were changed", r)
    t = Terminal(yard, ["/bin/sh", "-c", "stty erase ^H -ixon; exec %s run -- stty -a" % yard.binary])
    check(t.end() == 0 and b"erase = ^H" in t.seen and b"-ixon" in t.seen, "not the caller's modes: %r" % t.seen)


@test
def lines_are_edited_and_echoed(yard):
    t = run(yard, "echo ready; read x; echo \"<$x>\"; stty -echo; echo silent; read y; echo \"<$y>\"")
    t.until("ready")
    t.type("ab\x7fc\n")
    t.until("<ac>")
    t.until("silent")
    t.type("secret\n")
    before = t.until("<secret>")
    check(b"secret" not in before, "echo could not be switched off")
    check(t.end() == 0, "status")


@test
def much_output_through_a_terminal_is_whole(yard):
    t = run(yard, "stty -onlcr; seq 100000; echo done")
    got = t.until("done", 20).decode()
    lines = got.split()
    check(lines[-1] == "100000" and len([x for x in lines if x.isdigit()]) == 100000, "%d lines came" % len(lines))
    check(t.end() == 0, "status")


@test
def much_input_through_a_terminal_is_whole(yard):
    t = run(yard, "stty -echo -icanon; echo ready; head -c 60000 | md5sum")
    t.until("ready")
    data = "0123456789" * 6000
    for i in range(0, len(data), 500):
        t.type(data[i:i + 500])
        time.sleep(0.001)
    import hashlib
    t.until(hashlib.md5(data.encode()).hexdigest())
    check(t.end() == 0, "status")


@test
def the_end_of_the_terminal_ends_the_run(yard):
    """The window is closed: SIGHUP, and nothing lives on."""
    t = run(yard, "echo ready; while :; do date +%N > beat; sleep 0.03; done")
    t.until("ready")
    os.close(t.master)
    end = time.monotonic() + 10
    while os.waitpid(t.pid, os.WNOHANG)[0] == 0:
        if time.monotonic() > end:
            os.kill(t.pid, signal.SIGKILL)
            os.waitpid(t.pid, 0)
            check(False, "bawn lives on without its terminal")
        time.sleep(0.02)
    yard.call(["rm", "-f", "beat"])
    time.sleep(0.2)
    check(not yard.exists("beat"), "the program lives on without its terminal")


@test
def a_background_run_does_not_stop_for_the_terminal(yard):
    r = yard.terminal(["/bin/bash", "-c",
                       "set -m; %s run -- sh -c 'echo from-behind' & wait $!; echo rc=$?" % yard.binary])
    check("from-behind" in r.out and "rc=0" in r.out, "a run in the background was stopped", r)


@test
def stopping_bawn_itself_gives_the_terminal_back(yard):
    r = yard.terminal(["/bin/bash", "-c", "before=$(stty -g); %s run -- sh -c 'exit 3'; echo rc=$?; test \"$(stty "
                       "-g)\" = \"$before\" && echo SAME" % yard.binary])
    check("rc=3" in r.out and "SAME" in r.out, "the terminal is not as before", r)


@test
def messages_at_the_end_are_not_staircased(yard):
    r = yard.terminal(["/bin/bash", "-c", "%s run -- sh -c 'echo x > /etc/nope; true'; echo end" % yard.binary])
    check("end" in r.out and "\n" in r.out and not [l for l in r.raw_out.split(b"\n")[:-1] if not l.endswith(b"\r")],
          "a line ends without carriage return", r)


@test
def programs_that_take_the_whole_screen_work(yard):
    need("vi")
    t = Terminal(yard, [yard.binary, "run", "--", "vi", "-u", "NONE", "-n", "f.txt"])
    time.sleep(1)
    t.type("ihello\x1b:wq\n")
    check(t.end() == 0 and yard.read("f.txt") == "hello\n", "vi: %r" % t.seen)


@test
def script_inside_makes_terminals_of_its_own(yard):
    need("script")
    r = yard.run("script -qec 'test -t 0 && echo TTYOK' /dev/null")
    check("TTYOK" in r.out, "no terminal can be made inside", r)
    r = yard.run("python3 -c 'import pty; pty.spawn([\"tty\"])'")
    check("/dev/pts/" in r.out, "no terminal can be made inside", r)


@test
def output_that_is_counted_reaches_the_terminal(yard):
    """Only its input is the terminal then: the outputs are pipes, and what goes to the terminal shows all the same."""
    t = Terminal(yard, [yard.binary, "run", "--set", "limits.output=1M", "--", "sh", "-c",
                        "echo to-output; echo to-error >&2; read line; echo got-$line; echo to-tty > /dev/tty"])
    t.until("to-output")
    t.until("to-error")
    t.type("typed\n")
    t.until("got-typed")
    t.until("to-tty")
    check(t.end() == 0, "the exit status")
    r = yard.terminal([yard.binary, "run", "--set", "limits.output=10K", "--", "sh", "-c", "yes > /dev/tty"])
    check(r.rc == 124 and len(r.raw_out) < 200000, "what goes to the terminal by its name is not counted: %d bytes, status "
          "%d" % (len(r.raw_out), r.rc))
