# SPDX-License-Identifier: Apache-2.0
"""A stage for tests of bawn-guard: a network namespace with servers on loopback, names for them, and guard_yard to run
programs behind the real guard. Needs no root: it re-executes the test in a user, mount and network namespace."""
import atexit
import ctypes
import fcntl
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading

BUILD = os.environ.get("BUILD", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build"))
YARD = os.path.join(BUILD, "guard_yard")
GUARD = os.path.join(BUILD, "bawn-guard")
HTTP, HTTPS, TCP, OTHER = 8080, 8443, 2222, 9999
RESOLVER = "127.0.0.7"  # nobody, unless a test puts a server there
NAMES = "open.test sub.open.test methods.test paths.test cred.test ask.test tcp.test small.test up.test pass.test " \
        "wrong.test gone.test"


def enter():
    """Once, before anything else: everything below happens in namespaces of the test's own."""
    if os.environ.get("GUARD_STAGE") != "1":
        os.environ["GUARD_STAGE"] = "1"
        os.environ["PYTHONWARNINGS"] = "ignore::ResourceWarning"  # servers' sockets live as long as the test
        os.execvp("unshare", ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "--net", "--fork",
                              "--kill-child", sys.executable] + sys.argv)
    libc = ctypes.CDLL(None, use_errno=True)

    def cover(path, text):
        with tempfile.NamedTemporaryFile("w", delete=False) as f:
            f.write(text)
        os.chmod(f.name, 0o644)
        if libc.mount(f.name.encode(), path.encode(), None, 4096, None) != 0:
            raise OSError(ctypes.get_errno(), "cannot cover " + path)
        atexit.register(os.unlink, f.name)  # not before: nothing can be mounted over a name that is gone

    cover("/etc/hosts", "127.0.0.1 localhost\n127.0.0.1 %s\n127.0.0.9 second.test\n192.0.2.77 own.test\n" % NAMES +
          "169.254.169.254 meta.test\n::ffff:10.0.0.1 mapped.test\n127.0.0.1 loop.test\n")
    cover(os.path.realpath("/etc/resolv.conf"), "nameserver %s\noptions timeout:1 attempts:1\n" % RESOLVER)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 0x41))  # SIOCSIFFLAGS: UP, RUNNING
    for i, own in enumerate(("192.0.2.77", "93.184.216.77")):  # SIOCSIFADDR
        fcntl.ioctl(s, 0x8916, struct.pack("16sHH4s8x", b"lo:%d" % (i + 1), socket.AF_INET, 0, socket.inet_aton(own)))


class Origin:
    """Logs what arrives, raw and parsed; answers by path."""

    def __init__(self, directory):
        self.requests, self.raw, self.lock = [], [], threading.Lock()
        self.routes = {}  # path: what a test wants sent, as bytes or as a function of (fields, body)
        self.cert, self.key = directory + "/cert.pem", directory + "/key.pem"
        sans = ",".join("DNS:" + n for n in NAMES.split() if n != "wrong.test")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                        self.key, "-out", self.cert, "-days", "2", "-subj", "/CN=origin", "-addext",
                        "subjectAltName=" + sans], check=True, stderr=subprocess.DEVNULL)
        self.ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ctx.load_cert_chain(self.cert, self.key)
        self.listen(HTTP, self.http)
        self.listen(OTHER, self.http)
        self.listen(HTTPS, self.https)
        self.listen(TCP, self.greeter)

    def listen(self, port, fn):
        s = socket.create_server(("0.0.0.0", port), backlog=512)

        def loop():
            while True:
                c, _ = s.accept()
                threading.Thread(target=self.guarded, args=(fn, c), daemon=True).start()

        threading.Thread(target=loop, daemon=True).start()

    @staticmethod
    def guarded(fn, c):
        try:
            with c:
                fn(c)
        except (OSError, ValueError, ssl.SSLError):
            pass

    def greeter(self, c):
        c.sendall(b"SSH-2.0-greeter\r\n")
        while True:
            d = c.recv(65536)
            if not d:
                c.sendall(b"bye")
                return
            c.sendall(d)

    def https(self, c):
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.http(self.ctx.wrap_socket(c, server_side=True))

    def http(self, c):
        f = c.makefile("rb", 65536)
        while True:
            line = f.readline()
            if not line:
                return
            head = [line]
            while True:
                h = f.readline()
                head.append(h)
                if h in (b"\r\n", b""):
                    break
            fields = {}
            for h in head[1:-1]:
                k, v = h.decode("latin1").rstrip("\r\n").split(":", 1)
                fields[k.lower()] = v.strip()
            body = b""
            if "chunked" in fields.get("transfer-encoding", ""):
                while True:
                    n = int(f.readline().split(b";")[0], 16)
                    body += f.read(n)
                    f.readline()
                    if n == 0:
                        break
            elif "content-length" in fields:
                body = f.read(int(fields["content-length"]))
            method, target, _ = line.decode("latin1").split(" ", 2)
            with self.lock:
                self.requests.append((method, target, fields, body))
                self.raw.append(b"".join(head) + body)
            if not self.answer(c, method, target, fields, body):
                return

    def answer(self, c, method, target, fields, body):
        path = target.split("?")[0]
        if path in self.routes:
            route = self.routes[path]
            c.sendall(route(fields, body) if callable(route) else route)
            return True
        if fields.get("upgrade") == "websocket":
            c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframe")
            while True:
                d = c.recv(65536)
                if not d:
                    return False
                c.sendall(d.upper())
        if path == "/events":
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            for i in range(3):
                c.sendall(b"data: %d\n\n" % i)
                threading.Event().wait(0.3)
            return False
        if path == "/gzip":
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc")
            return True
        if path == "/drop":
            return False
        text = body if path == "/echo" else ("%s %s\n" % (method, target)).encode()
        if path == "/headers":
            text = "\n".join("%s: %s" % kv for kv in fields.items()).encode()
        if path.startswith("/big/"):
            n = int(path.split("/")[2])
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % n)
            while n:
                piece = min(n, 1 << 20)
                c.sendall(b"x" * piece)
                n -= piece
            return True
        if path == "/length":
            text = b"%d" % len(body)
        if path == "/chunked":
            c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Got: %s\r\n\r\n" % fields.get("authorization", "").encode())
            for i in range(0, len(body), 7):
                c.sendall(b"%x\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7]))
            c.sendall(b"0\r\n\r\n")
            return True
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + (b"" if method == "HEAD" else text))
        return fields.get("connection", "").lower() != "close"


class Stage:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="guard-e2e.")
        atexit.register(shutil.rmtree, self.dir, True)
        self.origin = Origin(self.dir)
        self.count = 0

    def config(self, **changes):
        both = [HTTP, HTTPS]
        c = {
            "allow": [
                {"host": "**.open.test", "ports": both},
                {"host": "methods.test", "ports": both, "methods": ["GET", "HEAD"]},
                {"host": "paths.test", "ports": both, "paths": ["/pub/**"]},
                {"host": "cred.test", "ports": both},
                {"host": "tcp.test", "ports": [TCP], "protocol": 1},
                {"host": "small.test", "ports": both, "max_upload": 1000},
                {"host": "up.test", "ports": both, "upgrade": True, "tls": 1},
                {"host": "pass.test", "ports": both, "tls": 2},
                {"host": "wrong.test", "ports": both, "tls": 1},
                {"host": "own.test", "ports": both}, {"host": "meta.test", "ports": both},
                {"host": "mapped.test", "ports": both}, {"host": "second.test", "ports": both},
            ],
            "mode": 1,
            "deny": [{"host": "gone.test"}],
            "addresses": ["127.0.0.1"],
            "ca": [open(self.origin.cert).read()],
            "proxy_port": 3128,
            "scan": True,
        }
        c.update(changes)
        return c

    def start(self, config, command, options=()):
        """Popen of the command behind the guard, and the path of its records."""
        self.count += 1
        base = "%s/%d" % (self.dir, self.count)
        with open(base + ".json", "w") as f:
            json.dump(config, f)
        p = subprocess.Popen([YARD, GUARD, base + ".json", base + ".log", *options, "--", *command], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return p, base + ".log"

    def run(self, config, command, options=(), timeout=60):
        """(exit status, output, records)"""
        p, log = self.start(config, command, options)
        out, _ = p.communicate(timeout=timeout)
        with open(log) as f:
            return p.returncode, out, [json.loads(line) for line in f]

    def inside(self, config, code, options=(), timeout=60):
        """Runs Python code inside; what it gives to done() comes back, with the records."""
        rc, out, records = self.run(config, [sys.executable, "-c", INSIDE + code], options, timeout)
        line = [x for x in out.splitlines() if x.startswith("RESULT ")]
        assert line, "rc %d: %s" % (rc, out)
        return json.loads(line[-1][7:]), records


# What code inside has at hand.
INSIDE = r'''
import base64, http.client, json, os, socket, ssl, struct, sys, threading, time
HTTP, HTTPS, TCP, OTHER = 8080, 8443, 2222, 9999
PROXY = ("192.0.2.1", 3128)
def done(x): print("RESULT " + json.dumps(x)); sys.stdout.flush(); sys.exit(0)
def text(b): return b.decode("latin1")
def everything(s, wait=5):
    s.settimeout(wait); b = b""
    try:
        while True:
            d = s.recv(65536)
            if not d: return b
            b += d
    except OSError: return b
def raw(host, port, data, wait=2):
    s = socket.create_connection((host, port), 5); s.sendall(data); return text(everything(s, wait))
def ask(host, port, method="GET", path="/", body=None, headers={}, tls=None, wait=20):
    tls = port == HTTPS if tls is None else tls
    if tls:
        ctx = ssl.create_default_context(cafile=os.environ["BAWN_CA"]); c = http.client.HTTPSConnection(host, port, context=ctx, timeout=wait)
    else: c = http.client.HTTPConnection(host, port, timeout=wait)
    try:
        c.request(method, path, body, headers); r = c.getresponse(); return [r.status, text(r.read()), dict(r.getheaders())]
    except Exception as e: return [0, type(e).__name__ + ": " + str(e), {}]
def refused(r): return json.loads(r[1]) if r[0] >= 400 else None
def resolves(name):
    try: return sorted({a[4][0] for a in socket.getaddrinfo(name, 1)})
    except OSError as e: return str(e)
'''
