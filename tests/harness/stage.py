# SPDX-License-Identifier: Apache-2.0
"""A little internet for tests of the guarded network: names, a certificate authority, and servers that log what arrives.

    @test
    def what_must_hold(yard):
        with Stage(yard, "api.stage.test") as stage:
            r = yard.run("curl -sS https://api.stage.test/x", "-p", stage.policy([{"host": "api.stage.test"}]))
            check(stage.arrived("/x"), "it never came", r)

The test's own process moves into a network and mount namespace (an ordinary user's: also a user namespace) in which
the names lead to one address on the loopback interface, by a hosts file of their own. Nothing of it is on the host.
"""
import base64
import ctypes
import fcntl
import hashlib
import http.server
import json
import os
import socket
import ssl
import struct
import subprocess
import threading

from yard import Failure, check, need, skip

ADDRESS = "10.99.0.1"
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
LIBC = ctypes.CDLL(None, use_errno=True)


def enter_namespaces():
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWNS | CLONE_NEWNET | (CLONE_NEWUSER if uid else 0)
    if LIBC.unshare(flags) != 0:
        skip("needs namespaces of its own: %s" % os.strerror(ctypes.get_errno()))
    if uid:
        for name, text in (("setgroups", "deny"), ("uid_map", "%d %d 1" % (uid, uid)), ("gid_map", "%d %d 1" % (gid, gid))):
            with open("/proc/self/" + name, "w") as f:
                f.write(text)
    mount(None, "/", MS_REC | MS_PRIVATE)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 0x41))  # SIOCSIFFLAGS: UP, RUNNING
    add_address(b"lo:1", ADDRESS)


def add_address(label, address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8916, struct.pack("16sHH4s8x", label, socket.AF_INET, 0, socket.inet_aton(address)))  # SIOCSIFADDR


def mount(source, target, flags):
    if LIBC.mount(source and source.encode(), os.path.realpath(target).encode(), None, ctypes.c_ulong(flags), None) != 0:
        raise Failure("cannot mount over %s: %s" % (target, os.strerror(ctypes.get_errno())))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, address):
        pass  # a client that went away, which tests provoke


class Handler(http.server.BaseHTTPRequestHandler):
    """Logs the request, then the stage's routes answer by the path's beginning; without one, "METHOD PATH"."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def setup(self):
        if self.server.tls:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self):
        super().finish()
        if self.server.tls:
            self.request.settimeout(1)
            try:
                self.request.unwrap()  # an orderly end: some clients take any other for an attack
            except OSError:
                pass

    def read_body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while True:
            n = int(self.rfile.readline(), 16)
            body += self.rfile.read(n)
            self.rfile.readline()
            if not n:
                return body

    def any(self):
        self.body = self.read_body()
        entry = {"method": self.command, "path": self.path, "headers": {k.title(): v for k, v in self.headers.items()}, "body": self.body,
                 "host": self.headers.get("Host", "").split(":")[0], "tls": bool(self.server.tls)}
        self.server.stage.requests.append(entry)
        for prefix, route in self.server.stage.routes.items():
            if self.path.startswith(prefix):
                return route(self)
        self.reply(200, "%s %s\n" % (self.command, self.path))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = any

    def reply(self, status, body=b"", kind="text/plain", **fields):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Stage:
    handler = Handler

    def __init__(self, yard, *names):
        need("openssl")
        self.yard, self.names = yard, names
        self.dir = yard.root + "/stage"
        self.requests, self.routes, self.servers = [], {}, []
        os.mkdir(self.dir)

    def __enter__(self):
        enter_namespaces()
        self.file("hosts", "127.0.0.1 localhost\n%s %s\n" % (ADDRESS, " ".join(self.names)))
        self.file("resolv.conf", "nameserver 127.0.0.1\n")  # nobody there: a name that is not above does not exist
        mount(self.dir + "/hosts", "/etc/hosts", MS_BIND)
        mount(self.dir + "/resolv.conf", "/etc/resolv.conf", MS_BIND)
        self.make_certificates()
        self.serve(80, None)
        self.serve(443, self.tls_context())
        return self

    def __exit__(self, *_):
        for s in self.servers:
            s.shutdown()
            s.server_close()

    def file(self, name, text, mode=0o644):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, cwd=self.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def make_certificates(self):
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        self.openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=stage authority",
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self.openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=stage")
        self.file("ext", "subjectAltName=%s\nbasicConstraints=CA:FALSE\n" % ",".join("DNS:" + n for n in self.names))
        self.openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                     "-days", "2", "-extfile", "ext", "-out", "server.pem")
        self.ca = self.dir + "/ca.pem"

    def tls_context(self):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(self.dir + "/server.pem", self.dir + "/server.key")
        return c

    def serve(self, port, tls):
        s = Server((ADDRESS, port), self.handler)
        s.stage, s.tls = self, tls
        threading.Thread(target=s.serve_forever, daemon=True).start()
        self.servers.append(s)

    def also(self, address, port):
        """The same pages at another address of the machine."""
        add_address(b"lo:2", address)
        s = Server((address, port), Handler)
        s.stage, s.tls = self, None
        threading.Thread(target=s.serve_forever, daemon=True).start()
        self.servers.append(s)

    # --- the policy ---------------------------------------------------------------------------------------------

    def policy(self, allow, name="policy.json", network=(), **more):
        """A policy file outside the workspace; the stage's address and authority are the machine's own business."""
        rules = dict({"mode": "guarded", "ask": False, "allow": allow, "ca": [self.ca], "addresses": [ADDRESS]}, **dict(network))
        return self.file(name, json.dumps(dict({"version": 1, "extends": "workspace", "network": rules}, **more)))

    # --- what was seen ------------------------------------------------------------------------------------------

    def arrived(self, text, method=None):
        """Requests that have the text anywhere: path, a field, the body."""
        found = []
        for r in list(self.requests):
            whole = "%s %s %s" % (r["method"], r["path"], r["headers"])
            if (text in whole or text.encode() in r["body"]) and method in (None, r["method"]):
                found.append(r)
        return found

    def records(self, event=None):
        """Lines of the latest run's audit log that the guard wrote."""
        r = self.yard.bawn("log", "--json")
        check(r.rc == 0, "no record", r)
        lines = [json.loads(line) for line in r.out.splitlines()]
        return [l for l in lines if l["by"] == "guard" and event in (None, (l["detail"] or {}).get("event"))]


# --- servers for the clients that want more than a page -----------------------------------------------------------


def git_route(stage):
    """Smart HTTP by git http-backend (gitprotocol-http(5)) for https://…/git/NAME.git."""
    def route(h):
        path, _, query = h.path.partition("?")
        env = dict(os.environ, GIT_PROJECT_ROOT=stage.dir, GIT_HTTP_EXPORT_ALL="1", PATH_INFO=path, QUERY_STRING=query,
                   REQUEST_METHOD=h.command, CONTENT_TYPE=h.headers.get("Content-Type", ""), REMOTE_USER="tester",
                   HTTP_CONTENT_ENCODING=h.headers.get("Content-Encoding", ""), CONTENT_LENGTH=str(len(h.body)),
                   GIT_PROTOCOL=h.headers.get("Git-Protocol", ""), GIT_CONFIG_COUNT="1",
                   GIT_CONFIG_KEY_0="safe.directory", GIT_CONFIG_VALUE_0="*")
        out = subprocess.run(["git", "http-backend"], input=h.body, env=env, capture_output=True).stdout
        head, _, body = out.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        h.reply(int(fields.pop("Status", "200").split()[0]), body, fields.pop("Content-Type", "text/plain"))
    return route


def websocket_route(h):
    """RFC 6455, just enough: one text frame comes, the same in capitals goes back, then close."""
    accept = hashlib.sha1((h.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    h.send_response(101)
    for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"),
                        ("Sec-WebSocket-Accept", base64.b64encode(accept).decode())):
        h.send_header(name, value)
    h.end_headers()
    head = h.rfile.read(2)
    mask, data = h.rfile.read(4), h.rfile.read(head[1] & 127)
    text = bytes(b ^ mask[i % 4] for i, b in enumerate(data)).upper()
    h.wfile.write(bytes([0x81, len(text)]) + text + b"\x88\x00")
    h.close_connection = True
