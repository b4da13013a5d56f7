# SPDX-License-Identifier: Apache-2.0
"""A program inside that abuses the network with all it has: ten thousand connections, half-open ones, idle tunnels, slow
readers and writers, endless heads, floods of names, bodies of a gigabyte. The guard's memory stays under its bound, whoever behaves
is served meanwhile, and nothing is left afterwards."""
import os
import socket
import subprocess
import threading
import time

from stage import ADDRESS, Handler, Stage
from yard import check, test

ALONE = True  # it takes what the machine has
HOST, MANY = "www.stage.test", "*.many.stage.test"
GUARD_MOST = 128 << 20  # bytes; docs/guard.md says so
WAITING_MOST = 0.3      # seconds of the processor for a guard that has nothing to do for 1.5 s
BODY = 1 << 30
ECHO = 7                # a server that takes connections and says nothing


class Origin(Handler):
    """Makes and counts bodies, keeps none."""

    def setup(self):
        # A server elsewhere would not share the machine's memory for TCP with the guard.
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        super().setup()

    def read_body(self):
        self.received, left = 0, int(self.headers.get("Content-Length", 0))
        while left:
            piece = self.rfile.read1(min(left, 1 << 20))
            if not piece:
                break
            left -= len(piece)
            self.received += len(piece)
        return b""

    def any(self):
        self.read_body()
        if self.path.startswith("/big"):
            self.send_response(200)
            self.send_header("Content-Length", str(BODY))
            self.end_headers()
            for _ in range(BODY >> 20):
                self.wfile.write(MIB)
        else:
            self.reply(200, "%d" % self.received)

    do_GET = do_POST = any


MIB = b"x" * (1 << 20)

INSIDE = r'''
import http.client, os, random, resource, socket, ssl, struct, sys, time
HOST, BODY = "%(host)s", %(body)d
ADDRESS = socket.getaddrinfo(HOST, 80, socket.AF_INET)[0][4][0]
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
CONTEXT = ssl.create_default_context()

def good(what):
    """Ten requests of somebody who behaves, each on a connection of its own."""
    worst = 0
    for i in range(10):
        start = time.monotonic()
        kind = http.client.HTTPSConnection if i %% 2 else http.client.HTTPConnection
        c = kind(HOST, timeout=20, **({"context": CONTEXT} if i %% 2 else {}))
        c.request("GET", "/good")
        r = c.getresponse()
        assert r.status == 200 and r.read() == b"0", (what, r.status)
        c.close()
        worst = max(worst, time.monotonic() - start)
    print("good while", what, "%%.3f" %% worst, flush=True)

def children(total, work):
    """Processes that hold connections, as many as one may have in each; they end with this one."""
    each, n = hard - 64, 0
    while n < total:
        r, w = os.pipe()
        if os.fork() == 0:
            os.close(r)
            for s in held:
                s.close()  # the parent has it
            mine = work(min(each, total - n))
            os.write(w, struct.pack("i", len(mine)))
            os.close(w)
            time.sleep(600)
            os._exit(0)
        os.close(w)
        n += struct.unpack("i", os.read(r, 4))[0]
        os.close(r)
    return n

def dial(port, wait=30):
    s = socket.socket()
    s.settimeout(wait)
    s.connect((ADDRESS, port))
    return s

FIRST = (b"", b"GET / HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\nX", b"\x16\x03\x01\x02\x00\x01", b"CONNECT ",
         b"GET / HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n")

def connections(n):
    mine = []
    for i in range(n):
        s = socket.socket()
        s.setblocking(False)
        try:
            s.connect((ADDRESS, 80 if i %% 3 else 443))
        except BlockingIOError:
            pass
        mine.append(s)
        if i >= 200:  # the older ones are established by now, and say as much as they are to
            try:
                mine[i - 200].send(FIRST[i %% 5])
            except OSError:
                pass  # it made room
    return mine

def half_open(n):
    mine = []
    for i in range(n):
        s = dial(443 if i %% 2 else 80)
        s.send(FIRST[2] if i %% 2 else FIRST[1])
        mine.append(s)
    return mine

def tls(s):
    return CONTEXT.wrap_socket(s, server_hostname=HOST)

def tunnels(n):
    mine = []
    for i in range(n):
        mine.append(dial(%(echo)d))
    return mine

def slow_readers(n):
    for i in range(n):
        s = dial(443 if i %% 2 else 80)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s = tls(s) if i %% 2 else s
        s.sendall(b"GET /big HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n")
        held.append(s)

def slow_writers(n):
    mine = []
    for i in range(n):
        s = dial(443 if i %% 2 else 80)
        s = tls(s) if i %% 2 else s
        s.sendall(b"POST /sink HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\nContent-Length: 1000000\r\n\r\nx")
        mine.append(s)
    for _ in range(5):
        time.sleep(0.2)
        for s in mine:
            try:
                s.sendall(b"x")
            except OSError:
                pass  # it made room, where few descriptors are to be had
    held.extend(mine)

def heads(n):
    """Without end: each is refused, and none is read for long."""
    for i in range(n):
        s = dial(80)
        line, sent = (b"X-%%d: " + b"y" * 1000 + b"\r\n" if i %% 2 else b"z" * 1000) , 0
        try:
            s.sendall(b"GET / HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n")
            while sent < 50 << 20:
                s.sendall(line * 100)
                sent += len(line) * 100
            raise SystemExit("a head of 50 MB was taken")
        except OSError:
            pass
        s.close()

def query(name, i):
    labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split("."))
    return struct.pack(">6H", i & 65535, 256, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"

def names(n):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(("192.0.2.1", 53))
    s.settimeout(0.2)
    for i in range(n):
        s.send(query("n%%d.many.stage.test" %% i if i %% 2 else "r%%d.refused.test" %% i, i))
        try:
            for _ in range(0 if (i + 1) %% 256 else 256):
                s.recv(2048)
        except OSError:
            pass  # some were dropped on the way
    for i in range(300):
        t = socket.create_connection(("192.0.2.1", 53), 20)
        t.send(b"\x00\xff\x00")
        held.append(t)

def down():
    s = tls(dial(443))
    s.sendall(b"GET /big HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\nConnection: close\r\n\r\n")
    f = s.makefile("rb", 0)
    while f.readline() != b"\r\n": pass
    buffer, n = memoryview(bytearray(1 << 20)), 0
    while n < BODY:
        r = s.recv_into(buffer)
        assert r, "the answer ended after %%d bytes" %% n
        n += r
    s.close()

def up():
    s = dial(80, 60)
    s.sendall(b"POST /sink HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\nContent-Length: %%d\r\nConnection: close\r\n\r\n" %% BODY)
    piece = b"y" * (1 << 20)
    for _ in range(BODY >> 20):
        s.sendall(piece)
    assert s.makefile("rb").read().endswith(b"\r\n\r\n%%d" %% BODY), "the body did not arrive whole"
    s.close()

good("nobody disturbs")
slow_readers(300)
print("quiet", flush=True)
time.sleep(1.5)
print("quiet", flush=True)
good("300 read slowly")
slow_writers(300)
good("300 write slowly")
heads(60)
good("heads never ended")
names(40000)
good("names are asked without end")
down()
up()
good("bodies of a gigabyte came and went")
print("tunnels", children(3000, tunnels), flush=True)
good("3000 tunnels stand still")
print("half-open", children(2000, half_open), flush=True)
good("2000 are half-open")
print("connections", children(10000, connections), flush=True)
good("10000 are there")
print("survived", flush=True)
os._exit(0)
'''


def guard_of(bawn):
    """The pid of the guard that this process started, or None."""
    try:
        with open("/proc/%d/task/%d/children" % (bawn, bawn)) as f:
            for pid in f.read().split():
                with open("/proc/%s/comm" % pid) as c:
                    if c.read().strip() == "bawn-guard":
                        return int(pid)
    except OSError:
        pass
    return None


def most_memory(pid):
    """The most that ever was resident, in bytes; None once the process is gone."""
    try:
        with open("/proc/%d/status" % pid) as f:
            for line in f:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) << 10
    except OSError:
        pass
    return None


def processor_time(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@test(timeout=240)
def abuse_is_bounded_and_others_are_served(yard):
    stage = Stage(yard, HOST)
    stage.handler = Origin
    with stage, socket.create_server((ADDRESS, ECHO), backlog=4096):
        yard.write("abuse.py", INSIDE % {"host": HOST, "body": BODY, "echo": ECHO})
        policy = stage.policy([{"host": HOST, "methods": ["GET", "POST"]}, {"host": HOST, "ports": [ECHO], "protocol": "tcp"}, {"host": MANY}])
        p = subprocess.Popen([yard.binary, "run", "-p", policy, "--", "python3", "abuse.py"], cwd=yard.workspace, env=yard.env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, err, quiet, most, guard = [], [], [], 0, None

        def hear():
            for line in p.stdout:
                out.append(line)
                if line == "quiet\n":
                    quiet.append(processor_time(guard))

        readers = [threading.Thread(target=hear), threading.Thread(target=lambda: err.append(p.stderr.read()))]
        for t in readers:
            t.start()
        while p.poll() is None:
            guard = guard or guard_of(p.pid)
            most = max(most, guard and most_memory(guard) or 0)
            time.sleep(0.02)
        for t in readers:
            t.join()
        text = "".join(out)
        said = "exit status %d, guard's most %d MiB\n%s\n%s" % (p.returncode, most >> 20, text, err[0][-3000:])
        check(p.returncode == 0 and "survived" in text and text.count("good while") == 9, "who behaves was not served: %s" % said)
        for line in ("tunnels 3000\n", "half-open 2000\n", "connections 10000\n"):
            check(line in text, "not all connections were made: %s" % said)
        check(4 << 20 < most < GUARD_MOST, "the guard took %d MiB" % (most >> 20))
        check(len(quiet) == 2 and quiet[1] - quiet[0] < WAITING_MOST, "the guard does not rest: %s" % quiet)
        check(not os.path.exists("/proc/%d" % guard), "the guard is still there")
        crowded = stage.records("crowded")
        check(crowded and crowded[0]["verdict"] == "deny", "that connections made room is not on record")
        check(any("room for" in l["detail"].get("reason", "") for l in stage.records("dns")), "that names ran out is not on record")
        r = yard.bawn("log", "--verify")
        check(r.rc == 0, "the record does not hold", r)
