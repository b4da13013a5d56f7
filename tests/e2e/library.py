# SPDX-License-Identifier: Apache-2.0
"""libbawn from outside: examples/run.c as the build links it, with the public header and libbawn.a alone."""
import os
import re

from yard import check, need, skip, test


def built(yard, name):
    path = os.path.join(os.path.dirname(yard.binary), name)
    if not os.path.exists(path):
        skip("no %s beside the bawn under test; run the tests on a build directory" % name)
    return path


@test
def a_program_has_a_session_with_pipes_a_terminal_and_refusals(yard):
    r = yard.call([built(yard, "example_run"), yard.workspace])
    check(r.rc == 0 and not r.err, "the example fails", r)
    check("hello\nwith a pipe: exit status 3\n" in r.out, "a command with pipes does not work", r)
    check("24 80" in r.out and "on a terminal: exit status 0\n" in r.out, "a command on a terminal does not work", r)
    check("refused: write /etc/planted (files.read: @system" in r.out, "a refusal is no event", r)
    check(not os.path.exists("/etc/planted"), "the crossing was made", r)
    run = re.match(r"session (\S+)\n", r.out)
    check(run, "the session has no id", r)
    log = yard.bawn("log", run.group(1), "--verify")
    check(log.rc == 0, "the session's record does not hold", log)


@test
def a_session_that_cannot_be_opened_says_why(yard):
    r = yard.call([built(yard, "example_run"), yard.workspace + "/nowhere"])
    check(r.rc == 1 and "nowhere" in r.err and r.err.count("\n") == 1, "not one line that names the directory", r)


@test
def sessions_in_one_process_do_not_mind_each_others_failures_and_ends(yard):
    r = yard.call([built(yard, "library_sessions")], timeout=90)
    check(r.rc == 0 and r.out == "5 137 4 3 -1 137, 0 descriptors more\n" * 3, "several sessions", r)


@test
def commands_of_a_closed_session_are_gone(yard):
    # The example leaves without waiting for what its command put into the background.
    yard.write("bin/sh", "#!/bin/dash\ntouch ran\nsetsid sleep 4321 >/dev/null 2>&1 <&- &\nexec dash \"$@\"\n", 0o755)
    r = yard.call([built(yard, "example_run"), yard.workspace], env={"PATH": yard.workspace + "/bin:" + yard.env["PATH"]})
    check(yard.exists("ran"), "control: nothing was put into the background", r)
    check(r.rc == 0, "the example fails", r)  # and the harness fails the test for any process that is left


@test(sandbox=False)
def the_library_shows_no_names_but_its_own(yard):
    need("nm")
    r = yard.call(["nm", "--defined-only", "--extern-only", built(yard, "libbawn.a")])
    names = [line.split()[-1] for line in r.out.splitlines() if len(line.split()) == 3]
    check("bawn_open" in names and all(n.startswith("bawn_") for n in names), "names beside bawn_*", r)
