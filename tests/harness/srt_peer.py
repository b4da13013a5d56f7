# SPDX-License-Identifier: Apache-2.0
"""Anthropic's sandbox-runtime, where it is installed, and our `srt` beside it: both are given the same settings and the
same operations, and what landed on the machine is compared."""
import json
import os
import shutil

from yard import PATH, Failure, check, need, skip


def peer():
    """The real one: `npm install @anthropic-ai/sandbox-runtime` in the cache directory of the benches, or on PATH."""
    need("bwrap", "socat", "rg", "node")
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "bawn-bench", "node_modules", ".bin")
    for found in (shutil.which("srt", path=cache), shutil.which("srt", path=PATH)):
        if found and "sandbox-runtime" in os.path.realpath(found):
            return found
    skip("needs @anthropic-ai/sandbox-runtime; `bench/start --install-peers` gets it")


def call_peer(yard, argv, **how):
    """With temporary files of its own, of which it leaves sockets behind."""
    tmp = yard.root + "/peer"
    os.makedirs(tmp, exist_ok=True)
    return yard.call([peer(), *argv], env={"TMPDIR": tmp}, **how)


def ours(yard):
    return os.path.join(os.path.dirname(yard.binary), "srt")


class Operation:
    """A shell line, and how one sees that it did what it wanted: `landed(yard, text)` with what it printed."""

    def __init__(self, name, line, landed):
        self.name, self.line, self.landed = name, line, landed


def shown(mark):
    return lambda yard, text: mark in text


def holds(mark, *paths):
    """On the machine, after the run, one of these files has the mark: a later operation may have moved it."""
    def look(yard, _):
        for path in paths:
            try:
                if mark in yard.read(path):
                    return True
            except OSError:
                pass
        return False
    return look


def there(*paths):
    return lambda yard, _: any(yard.exists(path) for path in paths)


def gone(path):
    return lambda yard, _: not yard.exists(path)


def run_all(yard, call, operations, setup, **how):
    """All operations in one run, in their order. Returns {name: landed}."""
    setup()
    script = yard.root + "/operations.sh"
    with open(script, "w") as f:
        for i, o in enumerate(operations):
            f.write("echo; echo @@%d\n(%s\n) </dev/null 2>/dev/null\n" % (i, o.line))
        f.write("echo; echo @@end\n")
    r = call(["bash", script], **how)
    parts = {}
    for part in r.out.split("\n@@")[1:]:
        number, _, text = part.partition("\n")
        parts[number.strip()] = text
    if "end" not in parts:
        raise Failure("the operations did not come to their end\n%s" % r)
    return {o.name: bool(o.landed(yard, parts[str(i)])) for i, o in enumerate(operations)}, r


def side_by_side(yard, settings, operations, setup, stricter=(), other=(), argv=None, **how):
    """`argv(yard)`: ours by another way than `srt`, called when the world is made. `stricter` {name: reason}: lands under theirs and must not under ours. `other`: the other way round, for what lets
    nothing through that the settings do not allow. All else must be the same."""
    peer()  # a skip before anything is made
    path = yard.root + "/settings.json"
    with open(path, "w") as f:
        json.dump(settings, f, indent=2)
    outside, r = run_all(yard, yard.call, operations, setup, **how)
    failed = [name for name, landed in outside.items() if not landed]
    check(not failed, "positive control: these do not work even without a sandbox: %s" % ", ".join(failed), r)
    theirs, r1 = run_all(yard, lambda a, **k: call_peer(yard, ["--settings", path, *a], **k), operations, setup, **how)
    mine, r2 = run_all(yard, lambda a, **k: yard.call([*(argv(yard) if argv else [ours(yard), "--settings", path]), *a], **k),
                       operations, setup, **how)
    table = "\n".join("%-44s %-7s %-7s %s" % (o.name, "theirs" if theirs[o.name] else "-", "ours" if mine[o.name] else "-",
                                              dict(stricter).get(o.name) or dict(other).get(o.name) or "") for o in operations)
    wrong = []
    for o in operations:
        name, t, m = o.name, theirs[o.name], mine[o.name]
        if t == m and not (m and name in stricter):
            continue
        if (t and not m and name in stricter) or (m and not t and name in other):
            continue
        wrong.append(name)
    check(not wrong, "not the same under both: %s\n%s\n%s" % (", ".join(wrong), table, r1), r2)
    return theirs, mine, table
