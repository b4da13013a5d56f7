# SPDX-License-Identifier: Apache-2.0
"""The exit status is the command's own; 128+N for a signal; 125, 126, 127 for what never ran."""
import os
import signal

from yard import check, test


@test
def every_exit_status_is_passed_on(yard):
    for status in (0, 1, 2, 3, 37, 64, 77, 100, 123, 124, 125, 126, 127, 128, 129, 130, 137, 143, 200, 254, 255):
        r = yard.run("exit %d" % status)
        check(r.rc == status, "status %d became %d" % (status, r.rc), r)


@test
def a_signals_end_is_128_and_its_number(yard):
    for sig in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGILL, signal.SIGABRT, signal.SIGFPE,
                signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE, signal.SIGALRM, signal.SIGTERM,
                signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU, 40):
        r = yard.bawn("run", "--", "sh", "-c", "kill -%d $$; sleep 5" % sig)
        check(r.rc == 128 + sig, "signal %d became %d" % (sig, r.rc), r)


@test
def the_status_is_the_first_commands_not_a_childs(yard):
    check(yard.run("(exit 3) & wait; exit 9").rc == 9, "a child's status was taken")
    check(yard.run("(sleep 0.2; exit 3) & exit 9").rc == 9, "a child's status was taken that ended later")
    check(yard.run("kill -9 $(sh -c 'echo $$; exit' ) 2>/dev/null; exit 4").rc == 4, "an orphan's end was taken")


@test
def a_missing_command_is_127(yard):
    for name in ("no-such-command-here", "./no-such", "/no/such/command", "sub/x"):
        r = yard.bawn("run", "--", name)
        check(r.rc == 127 and r.out == "" and len(r.err.strip().splitlines()) == 1 and name in r.err,
              "not found: %s" % name, r)


@test
def a_command_that_cannot_be_executed_is_126(yard):
    yard.write("plain", "#!/bin/sh\n", 0o644)
    yard.write("binary", b"\x00\x01\x02not a program", 0o755)
    yard.write("d/x")
    for name in ("./plain", "./d", "/etc/passwd", "/"):
        r = yard.bawn("run", "--", name)
        check(r.rc == 126 and len(r.err.strip().splitlines()) == 1, "not executable: %s" % name, r)
    check(yard.bawn("run", "--", "./binary").rc in (126, 127), "a file of no known format")  # 127: from a shell, execvp(3)
    yard.write("noshebang", "exit 7\n", 0o755)
    check(yard.bawn("run", "--", "./noshebang").rc in (7, 126), "a script without first line")
    yard.write("badshebang", "#!/no/such/interpreter\n", 0o755)
    check(yard.bawn("run", "--", "./badshebang").rc in (126, 127), "a script with a missing interpreter")


@test
def wrong_usage_is_125_in_one_line_and_starts_nothing(yard):
    for args in (("run",), ("run", "--"), ("run", "--no-such-option", "--", "touch", "started"), ("run", "--wall", "--",
            "touch", "started"), ("run", "-C", "/no/such", "--", "touch", "started"),
                 ("run", "--set", "novalue", "--", "touch", "started"), ("run", "--json=99", "--", "touch", "started"),
                 ("run", "--json=x", "--", "touch", "started"),
                 ("run", "-p", "/no/such.yaml", "--", "touch", "started"), ("run", "--profile", "no-such", "--",
                 "touch", "started"), ("run", "--backend", "no-such", "--", "touch", "started"),
                 ("run", "-C", "f", "--", "touch", "started"), ("run", "--overlay=no-such", "--", "touch", "started"),
                 ("run", "--ask", "no-such", "--", "touch", "started")):
        yard.write("f")
        r = yard.bawn(*args)
        check(r.rc == 125, "status %d for %s" % (r.rc, " ".join(args)), r)
        check(len(r.err.strip().splitlines()) == 1 and r.out == "", "not one line on standard error", r)
        check(not yard.exists("started"), "something was started", r)


@test(sandbox=False)
def unknown_commands_and_help(yard):
    r = yard.bawn("no-such-verb")
    check(r.rc == 125 and "no-such-verb" in r.err, "an unknown verb", r)
    check(yard.bawn("--help").rc == 0 and "run" in yard.bawn("--help").out, "--help")
    r = yard.bawn("run", "--help")
    check(r.rc == 0 and "--read" in r.out and r.err == "", "run --help", r)
    check(yard.bawn("--version").out.startswith("bawn "), "--version")
    r = yard.bawn("run", "--raed", "x", "--", "true")
    check(r.rc == 125 and "--read" in r.err, "the nearest option is not named", r)


@test
def the_command_gets_its_arguments_as_they_are(yard):
    args = ["", " ", "a b", "*", "$HOME", "ü", "\n", "-n", "--", "--help", "'", "\"", "\\", "x" * 100000]
    r = yard.bawn("run", "--", "python3", "-c", "import sys; sys.stdout.write(repr(sys.argv[1:]))", *args)
    check(r.out == repr(args), "arguments were changed", r)
    r = yard.call([yard.binary.encode(), b"run", b"--", b"python3", b"-c",
                   b"import os, sys; print([os.fsencode(a) for a in sys.argv[1:]])", b"\xff\xfe"])
    check(r.out.strip() == repr([b"\xff\xfe"]), "bytes that are no UTF-8 were changed", r)
    r = yard.bawn("run", "--", "true", *["x" * 1000] * 1500)
    check(r.rc == 0, "a long command line", r)


@test
def without_the_dashes_options_of_the_command_stay_its_own(yard):
    r = yard.bawn("run", "echo", "-q", "--wall", "x")
    check(r.out == "-q --wall x\n", "options after the command were taken", r)


@test
def nothing_is_said_when_nothing_happened(yard):
    yard.write("~/.gitconfig", "")
    r = yard.run("true")
    check(r.out == "" and r.err == "", "a quiet run is not quiet", r)


@test
def a_run_without_a_home_says_so(yard):
    env = dict(yard.env)
    del env["HOME"]
    import subprocess
    p = subprocess.run([yard.binary, "run", "--", "true"], env=env, cwd=yard.workspace, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=20)
    check(p.returncode == 125 and b"HOME" in p.stderr, "HOME is not set: %r" % p.stderr)
    check(os.listdir(yard.home) == [], "something was made in the home all the same")


@test
def a_callers_limit_on_files_is_an_error_and_no_signal(yard):
    for options in ("", "--set network.mode=guarded"):
        r = yard.outside("ulimit -f 0; exec %s run %s -- true" % (yard.binary, options))
        check(r.rc == 125 and "File too large" in r.err, "RLIMIT_FSIZE 0", r)
