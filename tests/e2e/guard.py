# SPDX-License-Identifier: Apache-2.0
"""The guard's own tests (guard_core.py, and attacks in guard_hostile.py), one test here for each of their cases.

They are unittest programs of their own because the cases of one share a stage: a network namespace with servers and
names, which would cost more than the tests if each made it anew.
"""
import os
import re
import sys

from yard import check, need, test

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = [os.path.join(HERE, name) for name in ("guard_core.py", "guard_hostile.py")]


def cases(program):
    """Its classes; read and not imported, for it needs namespaces to be loaded."""
    with open(program, encoding="utf-8") as f:
        return re.findall(r"^class (\w+)\(Case\)", f.read(), re.M)


def run_case(yard, program, name):
    need("openssl", "unshare")
    r = yard.call([sys.executable, "-B", program, "-v", name], timeout=170, cwd=HERE,
                  env={"BUILD": os.path.dirname(yard.binary), "TMPDIR": yard.root})
    ran = re.search(r"^Ran (\d+) tests? in", r.err, re.M)
    check(r.rc == 0 and ran and int(ran.group(1)) > 0, "the guard's case %s fails" % name, r)


def add(program, name):
    def fn(yard):
        run_case(yard, program, name)
    fn.__name__ = "the_guard_in_the_case_of_" + name.lower()
    test(fn, timeout=180)


for path in PROGRAMS:
    for case in cases(path):
        add(path, case)
