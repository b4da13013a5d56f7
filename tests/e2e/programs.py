# SPDX-License-Identifier: Apache-2.0
"""Real programs work inside as they do outside."""
import os
import shutil

from yard import check, need, skip, test

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def works(yard, line, *options, timeout=90, expect=None):
    r = yard.run(line, *options, timeout=timeout)
    check(r.rc == 0, "it does not work inside", r)
    check(expect is None or expect in r.out, "not what was expected: %r" % expect, r)
    return r


@test
def python_starts_processes_threads_and_pools(yard):
    works(yard, """python3 -c '
import multiprocessing as m, concurrent.futures as c, asyncio, subprocess, tempfile, ssl, sqlite3, threading
def f(x): return x * x
if __name__ == "__main__":
    print(sum(m.Pool(3).map(f, range(10))), m.Manager().list([1])[0])
    q = m.Queue(); p = m.Process(target=q.put, args=(7,)); p.start(); print(q.get()); p.join()
    s = m.shared_memory.SharedMemory(create=True, size=9) if hasattr(m, "shared_memory") else None
    with c.ProcessPoolExecutor(2) as e: print(list(e.map(f, [2, 3])))
    async def g():
        p = await asyncio.create_subprocess_shell("echo async", stdout=-1); return (await p.communicate())[0]
    print(asyncio.run(g()))
    d = sqlite3.connect("x.db"); d.execute("create table t(a)"); d.commit(); d.close()
    l = m.Lock(); v = m.Value("i", 0); print(v.value, tempfile.mkdtemp()[:5])
'""", expect="285 1\n7\n[4, 9]\nb'async\\n'\n0 /tmp/")


@test
def python_makes_a_virtual_environment(yard):
    if yard.outside("python3 -c 'import ensurepip, venv'").rc:
        skip("needs python3-venv")
    works(yard, "python3 -m venv v && v/bin/python -c 'import sys; print(sys.prefix)' && v/bin/pip --version && "
          "v/bin/pip list", expect="/v\n")
    check(yard.outside("v/bin/python -c 'print(6 * 7)'").out == "42\n",
          "the environment does not work outside afterwards")


@test
def a_c_program_is_built_and_debugged(yard):
    need("gcc", "make")
    yard.write("a.c", "#include <stdio.h>\nint f(int x) { return x * 2; }\nint main(void) { printf(\"%d\\n\", f(21)); "
               "return 0; }\n")
    yard.write("Makefile", "a: a.o\n\t$(CC) -o $@ $^\n%.o: %.c\n\t$(CC) -g -O0 -c -o $@ $<\ncheck: a\n\t./a\n")
    works(yard, "make -j2 check", expect="42")
    need("gdb")
    works(yard, "gdb -q -nx -batch -ex 'break f' -ex run -ex bt -ex 'print x' -ex finish ./a 2>&1", expect="$1 = 21")


@test
def strace_follows_its_own_child(yard):
    need("strace")
    works(yard, "strace -f -o log sh -c 'echo hello; cat /dev/null'; grep -q execve log && grep -c 'hello' log")


@test
def a_debugger_attaches_to_a_program_of_the_same_run(yard):
    need("gdb")
    r = yard.outside("sleep 5 & sleep 0.2; gdb -q -nx -batch -p $! -ex bt 2>&1; kill $!")
    if "ptrace" in r.out.lower() or "not permitted" in r.out:
        skip("Yama forbids attaching here")
    r = yard.run("sleep 5 & sleep 0.2; gdb -q -nx -batch -p $! -ex bt 2>&1; kill $!", timeout=60)
    check("not permitted" not in r.out and "#0" in r.out, "attaching", r)


@test
def cmake_configures_and_builds(yard):
    need("cmake", "gcc", "make")
    yard.write("CMakeLists.txt", "cmake_minimum_required(VERSION 3.10)\nproject(p C)\nadd_executable(p "
               "p.c)\nenable_testing()\nadd_test(NAME t COMMAND p)\n")
    yard.write("p.c", "int main(void) { return 0; }\n")
    works(yard, "cmake -S . -B out >/dev/null && cmake --build out -j2 >/dev/null && ctest --test-dir out",
          expect="100% tests passed")


@test
def node_runs_servers_workers_and_children(yard):
    need("node")
    yard.write("t.js", """
const http = require('http'), os = require('os'), fs = require('fs'), cp = require('child_process');
const { Worker } = require('worker_threads');
if (!os.cpus().length || !os.totalmem()) throw new Error('no machine');
const w = new Worker('require("worker_threads").parentPort.postMessage(42)', { eval: true });
w.on('message', m => {
  const s = http.createServer((q, r) => r.end('served ' + m)).listen(0, '127.0.0.1', () =>
    http.get({ port: s.address().port }, r => r.on('data', d => {
      fs.writeFileSync('out.txt', d);
      const code = cp.spawnSync(process.execPath, ['-e', 'process.exit(3)']).status;
      console.log(String(d), cp.execSync('echo child').toString().trim(), code);
      fs.watch('.', () => {}).close();
      s.close();
    })));
});
""")
    works(yard, "node t.js", expect="served 42 child 3")


@test
def the_test_suite_of_an_npm_package_passes(yard):
    """A package that was installed beforehand: its directory is named by BAWN_TEST_NPM_PACKAGE."""
    need("node", "npm")
    package = os.environ.get("BAWN_TEST_NPM_PACKAGE")
    if not package:
        skip("BAWN_TEST_NPM_PACKAGE names no directory of an npm package with its tests and dependencies installed")
    shutil.copytree(package, yard.path("package"), symlinks=True)
    works(yard, "cd package && npm test --offline", timeout=80)


@test
def a_server_and_a_client_talk_on_the_loopback(yard):
    yard.write("net.py", NET)
    r = yard.run("python3 net.py 2>/dev/null")
    check(r.rc == 0 and r.out.split("\n")[:7] == ["b'served'", "six", "unix", "abstract", "b'dgram'", "b'udp'", "done"],
          "loopback and UNIX sockets of the run's own", r)


NET = """
import http.server, threading, urllib.request, socket
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=s.serve_forever, daemon=True).start()
open("f", "w").write("served")
print(urllib.request.urlopen("http://localhost:%d/f" % s.server_port).read())
v6 = socket.create_server(("::1", 0), family=socket.AF_INET6)
c = socket.create_connection(v6.getsockname()[:2]); print("six")
def pair(address, show):
    u = socket.socket(socket.AF_UNIX); u.bind(address); u.listen()
    socket.socket(socket.AF_UNIX).connect(address); print(show)
pair("u.sock", "unix")
pair("\\0mine", "abstract")
g = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); g.bind("g.sock")
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"dgram", "g.sock"); print(g.recv(9))
x = socket.socket(2, 2); x.bind(("127.0.0.1", 0)); socket.socket(2, 2).sendto(b"udp", x.getsockname()); print(x.recv(9))
print("done")
"""


@test
def common_tools_see_a_machine(yard):
    r = yard.run("ps aux | head -1; free -m | head -1; uptime; nproc; df -h . | tail -1; id; date; uname -a; cat "
                 "/proc/cpuinfo | head -1; cat /proc/meminfo | head -1; ls -la /; top -bn1 | head -1; getent passwd "
                 "$(id -u)")
    check(r.rc == 0 and r.err == "", "common tools complain", r)


@test
def files_behave_like_files(yard):
    r = yard.run("""set -e; mkdir -p a/b; echo x > a/b/f; ln a/b/f a/g; ln -s b/f a/s; mv a/b a/c; cp -a a z; chmod 600 a/g
        touch -d @1000000000 a/g; mkfifo p; flock a/g true; mktemp ./XXXX >/dev/null
        test "$(stat -c %a:%h:%Y a/g)" = 600:2:1000000000; rm -r a z p
        tar cf t.tar /usr/share/common-licenses 2>/dev/null; tar xf t.tar; find usr -type f | head -1 | grep -q .
        rm -rf usr t.tar; truncate -s 1G sparse; rm sparse; echo fine""")
    check(r.out == "fine\n", "files", r)


@test(timeout=120)
def the_unit_tests_of_bawn_pass_inside(yard):
    """The unit test programs that were built with this bawn, or none."""
    built = os.path.join(os.path.dirname(os.path.realpath(yard.binary)), "tests", "unit", "base")
    programs = [os.path.join(built, n) for n in sorted(os.listdir(built))] if os.path.isdir(built) else []
    programs = [p for p in programs if os.path.isfile(p) and os.access(p, os.X_OK)]
    if not programs:
        skip("no unit test programs beside this bawn")
    for p in programs:
        works(yard, p + " 2>&1", "--read", os.path.dirname(os.path.dirname(os.path.dirname(built))), timeout=60)


@test(timeout=170)
def bawn_builds_inside(yard):
    need("meson", "ninja", "gcc", "pkg-config")
    if not os.environ.get("CI"):
        skip("a whole build takes a minute: only with CI set")
    if not os.path.exists(TOP + "/src/cli"):
        skip("no sources beside the tests")
    for name in os.listdir(TOP):
        if not name.startswith(("build", ".git")):
            (shutil.copytree if os.path.isdir(os.path.join(TOP, name)) else shutil.copy)(os.path.join(TOP, name),
                yard.path(name))
    line = "(meson setup build && nice ninja -C build bawn bawn-init) >log 2>&1 || { tail -30 log; exit 1; }"
    works(yard, line + "; build/bawn --version", timeout=165, expect="bawn ")


def heavy(*programs):
    if not os.environ.get("CI"):
        skip("heavy: only with CI set")
    need(*programs)


@test(timeout=90)
def a_java_program_runs(yard):
    heavy("java", "javac")
    yard.write("T.java", "public class T { public static void main(String[] a) throws Exception { var t = new "
               "Thread(() -> System.out.println(\"thread\")); t.start(); t.join(); System.gc(); "
               "System.out.println(Runtime.getRuntime().availableProcessors() > 0 ? \"java fine\" : \"\"); new "
               "ProcessBuilder(\"true\").start().waitFor(); } }")
    works(yard, "javac T.java && java T", timeout=85, expect="java fine")


@test(timeout=90)
def a_browser_runs_when_nested_namespaces_are_allowed(yard):
    heavy("chromium")
    if os.geteuid() == 0:
        skip("Chromium does not start as root unless its own sandbox is off, which is what this test is about")
    yard.write("page.html", "<html><body><script>document.write('sum ' + (40 + 2))</script></body></html>")
    works(yard,
          "chromium --headless --disable-gpu --disable-dev-shm-usage --dump-dom file://$PWD/page.html 2>/dev/null",
          "--set", "nested=true", timeout=85, expect="sum 42")
