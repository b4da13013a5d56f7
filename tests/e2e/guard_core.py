#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bawn-guard end to end: real guard, real gate namespace, real TLS; as an ordinary user or as root."""
import base64
import json
import os
import signal
import ssl
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guard_stage  # noqa: E402

STAGE = None
SECRET, PLACEHOLDER = "tok_R3alS3cretValue0123", "tok_Pl4ceH0lderXyzw9876"


def setUpModule():
    global STAGE
    STAGE = guard_stage.Stage()


class Case(unittest.TestCase):
    def setUp(self):
        STAGE.origin.requests.clear()
        STAGE.origin.raw.clear()

    def inside(self, code, options=(), timeout=60, **changes):
        return STAGE.inside(STAGE.config(**changes), code, options, timeout)

    def events(self, records, event):
        return [r for r in records if r["event"] == event]

    def arrived(self, needle):
        return any(needle.encode() in raw for raw in STAGE.origin.raw)


class Plain(Case):
    def test_a_named_host_is_served_and_on_record(self):
        r, records = self.inside('done(ask("open.test", HTTP, path="/hello"))')
        self.assertEqual(r[:2], [200, "GET /hello\n"])
        c = self.events(records, "connection")[0]
        self.assertEqual((c["host"], c["port"], c["address"], c["verdict"]), ("open.test", 8080, "127.0.0.1", "allow"))
        self.assertIn("open.test", c["rule"])
        self.assertTrue(c["client"])
        closed = self.events(records, "closed")[0]
        self.assertEqual(closed["requests"], 1)
        self.assertGreater(closed["received"], 40)

    def test_a_method_that_is_not_named_is_refused_with_all_the_fields(self):
        r, records = self.inside('done(ask("methods.test", HTTP, "DELETE", "/x"))')
        self.assertEqual(r[0], 403)
        body = json.loads(r[1])
        self.assertEqual((body["host"], body["port"], body["method"], body["path"]), ("methods.test", 8080, "DELETE", "/x"))
        self.assertTrue(body["reason"] and body["rule"] and body["allow_with"])
        self.assertFalse(STAGE.origin.requests)
        self.assertEqual(self.events(records, "denied")[0]["allow_with"], body["allow_with"])

    def test_paths_are_judged_in_normal_form(self):
        r, _ = self.inside('done([ask("paths.test", HTTP, path=p)[0] for p in ("/pub/a", "/priv", "/pub/../priv", "/pub/%2e%2e/priv")])')
        self.assertEqual(r[0], 200)
        self.assertTrue(all(s in (400, 403) for s in r[1:]), r)
        self.assertFalse(self.arrived("priv"))

    def test_requests_of_one_connection_are_each_judged(self):
        r, _ = self.inside(r'''done(raw("open.test", HTTP, b"GET /one HTTP/1.1\r\nHost: open.test:8080\r\n\r\nGET /two HTTP/1.1\r\nHost: methods.test:8080\r\n\r\n"
            b"GET /three HTTP/1.1\r\nHost: open.test:8080\r\nConnection: close\r\n\r\n"))''')
        self.assertIn("GET /one", r)
        self.assertIn(" 421 ", r)
        self.assertIn("GET /three", r)
        self.assertFalse(self.arrived("/two"))

    def test_bodies_and_expectations_pass(self):
        r, _ = self.inside('''
def chunks():
    for i in range(50): yield b"y" * 1000
a = ask("open.test", HTTP, "POST", "/length", b"x" * 3000000)
b = ask("open.test", HTTP, "POST", "/length", chunks())
c = raw("open.test", HTTP, b"POST /length HTTP/1.1\\r\\nHost: open.test:8080\\r\\nContent-Length: 5\\r\\nExpect: 100-continue\\r\\nConnection: close\\r\\n\\r\\nhello")
d = ask("open.test", HTTP, "HEAD", "/x"); e = ask("open.test", HTTP, path="/big/30000000"); done([a[1], b[1], c, d[0], len(e[1])])''')
        self.assertEqual(r[:2], ["3000000", "50000"])
        self.assertTrue(r[2].startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"), r[2])
        self.assertEqual(r[3:], [200, 30000000])

    def test_events_stream_as_they_come(self):
        r, _ = self.inside(r'''
s = socket.create_connection(("open.test", HTTP)); s.sendall(b"GET /events HTTP/1.1\r\nHost: open.test:8080\r\n\r\n"); start = time.time(); b = b""
while b"data: 0" not in b: b += s.recv(4096)
first = time.time() - start; b += everything(s, 2)
done([first, text(b)])''')
        self.assertLess(r[0], 0.5)
        self.assertIn("data: 2", r[1])

    def test_ambiguous_framing_is_refused(self):
        r, _ = self.inside(r'''h = b"POST /smug HTTP/1.1\r\nHost: open.test:8080\r\n"
done([raw("open.test", HTTP, h + x) for x in (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
    b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", b"Content-Length: 1\n\r\n\r\nx")])''')
        self.assertTrue(all(" 400 " in x for x in r), r)
        self.assertFalse(self.arrived("smug"))

    def test_plaintext_http2_is_refused_with_a_reason(self):
        r, records = self.inside(r'done(raw("open.test", HTTP, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 9))')
        self.assertIn("HTTP/1.1", r)
        self.assertIn("HTTP/2", self.events(records, "denied")[0]["reason"])

    def test_a_server_that_drops_the_connection_gives_502_and_is_not_a_denial(self):
        r, records = self.inside('done(ask("open.test", HTTP, path="/drop"))')
        self.assertEqual(r[0], 502)
        self.assertTrue(self.events(records, "failed"))
        self.assertFalse(self.events(records, "denied"))

    def test_upgrade_by_rule_only(self):
        r, _ = self.inside(r'''q = b"GET /ws HTTP/1.1\r\nHost: %s:8080\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
s = socket.create_connection(("up.test", HTTP)); s.sendall(q % b"up.test"); b = b""
while b"frame" not in b: b += s.recv(4096)
s.sendall(b"hello"); echo = s.recv(100); done([text(b), text(echo), raw("open.test", HTTP, q % b"open.test")])''')
        self.assertIn(" 101 ", r[0])
        self.assertEqual(r[1], "HELLO")
        self.assertNotIn(" 101 ", r[2])

    def test_an_upload_over_its_limit_ends(self):
        r, _ = self.inside('''
def chunks():
    for i in range(50): yield b"y" * 100
done([ask("small.test", HTTP, "POST", "/length", b"x" * n)[0] for n in (900, 1100)] + [ask("small.test", HTTP, "POST", "/length", chunks())[0]])''')
        self.assertEqual(r[:2], [200, 413])
        self.assertIn(r[2], (413, 0))
        self.assertEqual([len(q[3]) for q in STAGE.origin.requests], [900])


class Tls(Case):
    def test_it_is_passed_through_where_no_rule_must_see_inside(self):
        r, records = self.inside(r'''ctx = ssl._create_unverified_context(); s = ctx.wrap_socket(socket.create_connection(("open.test", HTTPS)), server_hostname="open.test")
done(base64.b64encode(s.getpeercert(True)).decode())''')
        self.assertEqual(base64.b64decode(r), ssl.PEM_cert_to_DER_cert(open(STAGE.origin.cert).read()))
        self.assertEqual(self.events(records, "connection")[0]["tls"], "passed")

    def test_it_is_terminated_where_one_must_and_rules_hold_inside(self):
        r, records = self.inside('done([ask("methods.test", HTTPS, m, "/in")[0] for m in ("GET", "PUT")])')
        self.assertEqual(r, [200, 403])
        self.assertEqual([q[0] for q in STAGE.origin.requests], ["GET"])
        self.assertEqual(self.events(records, "connection")[0]["tls"], "terminated")

    def test_the_system_store_inside_trusts_the_run(self):
        rc, out, _ = STAGE.run(STAGE.config(), ["curl", "-sS", "-m", "8", "https://methods.test:8443/curl"])
        self.assertEqual((rc, out), (0, "GET /curl\n"))

    def test_another_server_name_is_refused(self):
        r, records = self.inside(r'''out = []
for sni in ("evil.test", "sub.open.test", None):
    try: ssl._create_unverified_context().wrap_socket(socket.create_connection(("open.test", HTTPS)), server_hostname=sni); out.append("through")
    except (OSError, ssl.SSLError) as e: out.append(str(e))
done(out)''')
        self.assertNotIn("through", r)
        self.assertIn("ACCESS_DENIED", r[0].upper())
        self.assertEqual(len(self.events(records, "denied")), 3)

    def test_a_server_that_cannot_prove_its_name_is_refused(self):
        r, _ = self.inside('done(ask("wrong.test", HTTPS))')
        self.assertEqual(r[0], 502)
        self.assertIn("certificate", r[1])
        self.assertFalse(STAGE.origin.requests)

    def test_a_client_that_speaks_only_http2_is_told(self):
        r, records = self.inside(r'''ctx = ssl._create_unverified_context(); ctx.set_alpn_protocols(["h2"])
try: ctx.wrap_socket(socket.create_connection(("methods.test", HTTPS)), server_hostname="methods.test"); done("through")
except (OSError, ssl.SSLError) as e: done(str(e))''')
        self.assertNotEqual(r, "through")
        self.assertIn("HTTP/2", self.events(records, "denied")[0]["reason"])

    def test_a_websocket_goes_through_by_rule(self):
        r, _ = self.inside(r'''s = ssl.create_default_context(cafile=os.environ["BAWN_CA"]).wrap_socket(socket.create_connection(("up.test", HTTPS)), server_hostname="up.test")
s.sendall(b"GET /ws HTTP/1.1\r\nHost: up.test:8443\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\nearly")
b = b""
while b"EARLY" not in b: b += s.recv(4096)
s.sendall(b"late"); done([text(b), text(s.recv(100))])''')
        self.assertIn("101", r[0])
        self.assertIn("frame", r[0])
        self.assertEqual(r[1], "LATE")

    def test_large_bodies_both_ways(self):
        r, _ = self.inside('done([len(ask("methods.test", HTTPS, path="/big/20000000")[1]), ask("up.test", HTTPS, "POST", "/length", b"z" * 5000000)[1]])')
        self.assertEqual(r, [20000000, "5000000"])


class Explicit(Case):
    def test_connect_and_absolute_form(self):
        r, _ = self.inside(r'''a = raw(*PROXY, b"GET http://open.test:8080/abs HTTP/1.1\r\nHost: open.test:8080\r\nConnection: close\r\n\r\n")
b = raw(*PROXY, b"CONNECT open.test:8080 HTTP/1.1\r\nHost: open.test:8080\r\n\r\nGET /in HTTP/1.1\r\nHost: open.test:8080\r\nConnection: close\r\n\r\n")
c = raw(*PROXY, b"CONNECT evil.test:8080 HTTP/1.1\r\nHost: evil.test:8080\r\n\r\n")
d = raw(*PROXY, b"GET http://open.test:8080/a HTTP/1.1\r\nHost: open.test:8080\r\n\r\nGET http://evil.test/b HTTP/1.1\r\nHost: evil.test\r\n\r\nGET http://sub.open.test:8080/c HTTP/1.1\r\nHost: sub.open.test:8080\r\nConnection: close\r\n\r\n")
e = raw(*PROXY, b"GET http://open.test:8080/front HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n")
done([a, b, c, d, e])''')
        self.assertIn("GET /abs", r[0])
        self.assertIn("GET /in", r[1])
        self.assertIn(" 403 ", r[2])
        self.assertIn("GET /a\n", r[3])
        self.assertIn(" 403 ", r[3])
        self.assertIn("GET /c\n", r[3])
        self.assertFalse(any(q[2].get("host", "").startswith("evil") for q in STAGE.origin.requests))

    def test_socks(self):
        r, records = self.inside(r'''
def socks5(host, port, then):
    s = socket.create_connection(PROXY); s.sendall(b"\x05\x01\x00"); s.recv(2); h = host.encode()
    s.sendall(b"\x05\x01\0\x03" + bytes([len(h)]) + h + struct.pack(">H", port)); a = s.recv(10) # not what the server says next
    if a[1]: return a[1]
    s.sendall(then); return text(everything(s, 2))
def socks4a(host, port, then):
    s = socket.create_connection(PROXY); s.sendall(b"\x04\x01" + struct.pack(">H", port) + b"\0\0\0\1u\0" + host.encode() + b"\0"); a = s.recv(8)
    if a[1] != 0x5a: return a[1]
    s.sendall(then); return text(everything(s, 2))
q = b"GET /%s HTTP/1.1\r\nHost: open.test:8080\r\nConnection: close\r\n\r\n"
done([socks5("open.test", HTTP, q % b"s5"), socks5("evil.test", HTTP, b""), socks5("open.test", OTHER, b""), socks5("127.0.0.1", HTTP, b""), socks4a("open.test", HTTP, q % b"s4"), socks4a("evil.test", 80, b""),
      socks5("tcp.test", TCP, b"abc")])''')
        self.assertIn("GET /s5", r[0])
        self.assertEqual(r[1:4], [2, 2, 2])
        self.assertIn("GET /s4", r[4])
        self.assertEqual(r[5], 0x5b)
        self.assertIn("SSH-2.0-greeter", r[6])
        self.assertGreaterEqual(len(self.events(records, "denied")), 4)

    def test_it_is_no_server(self):
        r, _ = self.inside(r'done([raw(*PROXY, b"GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"), raw(*PROXY, b"\x16\x03\x01\0\x05hello")])')
        self.assertIn(" 400 ", r[0])
        self.assertEqual(r[1][:1], "\x15")


class Names(Case):
    def test_only_names_of_policy_resolve_and_map_back(self):
        r, records = self.inside('''v4 = [a for a in resolves("open.test") if ":" not in a][0]
done([resolves("open.test"), resolves("evil.test"), resolves("gone.test"), socket.gethostbyaddr(v4)[0], resolves("OPEN.test."), resolves("evilopen.test")])''')
        self.assertTrue(any(a.startswith("198.18.") or a.startswith("198.19.") for a in r[0]), r[0])
        self.assertIn("not known", r[1])
        self.assertIn("not known", r[2])
        self.assertEqual(r[3], "open.test")
        self.assertEqual(r[4], r[0])
        self.assertIn("not known", r[5])
        self.assertEqual({e["host"] for e in self.events(records, "dns")}, {"evil.test", "gone.test", "evilopen.test"})

    def test_any_server_address_answers_also_over_tcp(self):
        r, _ = self.inside(r'''q = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\4open\4test\0" + struct.pack(">HH", 1, 1)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(3); u.sendto(q, ("9.9.9.9", 53)); a, who = u.recvfrom(600)
t = socket.create_connection(("8.8.8.8", 53), 3); t.sendall(struct.pack(">H", len(q)) + q); n = struct.unpack(">H", t.recv(2))[0]; b = t.recv(n)
v6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); v6.settimeout(3); v6.sendto(q, ("2001:db8::53", 53)); c, who6 = v6.recvfrom(600)
done([who[0], text(a[-4:]), text(b[-4:]), who6[0], text(c[-4:])])''')
        self.assertEqual(r[0], "9.9.9.9")
        self.assertEqual(r[1], r[2])
        self.assertEqual(r[3], "2001:db8::53")
        self.assertEqual(r[4], r[1])

    def test_addresses_that_must_not_be_dialled(self):
        r, records = self.inside('done([ask(h, HTTP) for h in ("own.test", "meta.test", "mapped.test", "second.test")])')
        self.assertEqual([x[0] for x in r], [403] * 4, r)
        self.assertFalse(STAGE.origin.requests)

    def test_a_literal_address_needs_a_rule_that_names_it(self):
        code = 'done([ask("127.0.0.1", HTTP)[1][:20], ask("203.0.113.9", HTTP)[0], raw("203.0.113.9", HTTP, b"GET / HTTP/1.1\\r\\nHost: open.test:8080\\r\\n\\r\\n")[:12]])'
        r, _ = self.inside(code)
        self.assertIn("Refused", r[0])  # that is the sandbox's own loopback
        self.assertEqual(r[1:], [403, "HTTP/1.1 403"])


class Tcp(Case):
    def test_by_name_server_first_half_close(self):
        r, records = self.inside(r'''s = socket.create_connection(("tcp.test", TCP)); hello = s.recv(100); s.sendall(b"x" * 100000); s.shutdown(socket.SHUT_WR); b = everything(s)
done([text(hello), len(b), text(b[-3:])])''')
        self.assertEqual(r, ["SSH-2.0-greeter\r\n", 100003, "bye"])
        self.assertEqual(self.events(records, "connection")[0]["host"], "tcp.test")

    def test_other_ports_and_udp_are_refused_at_once_and_on_record(self):
        r, records = self.inside(r'''out = []; start = time.time()
for port in (OTHER, 25):
    try: socket.create_connection(("open.test", port), 5); out.append("open")
    except OSError as e: out.append(type(e).__name__)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect(("open.test", 443)); u.send(b"quic"); u.settimeout(3)
try: u.recv(1)
except OSError as e: out.append(type(e).__name__)
took = time.time() - start; time.sleep(0.2); done(out + [took])''')
        self.assertEqual(r[:3], ["ConnectionRefusedError"] * 3)
        self.assertLess(r[3], 2)
        seen = {(e["host"], e["port"], e["protocol"]) for e in self.events(records, "refused-port")}
        self.assertEqual(seen, {("open.test", 9999, "tcp"), ("open.test", 25, "tcp"), ("open.test", 443, "udp")})

    def test_other_protocols_on_an_http_port_are_refused(self):
        r, records = self.inside(r'done(raw("open.test", HTTP, b"\x00\x01binary"))')
        self.assertEqual(r, "")
        self.assertIn("protocol: tcp", self.events(records, "denied")[0]["allow_with"])


class Secrets(Case):
    def secrets(self, **changes):
        s = {"name": "TOKEN", "value": SECRET, "placeholder": PLACEHOLDER, "hosts": ["cred.test"], "header": "Authorization",
             "query": "key", "body": "token", "cleartext": False}
        s.update(changes)
        return {"secrets": [s]}

    def test_it_goes_into_its_places_toward_its_host_over_tls_only(self):
        code = r'''P = %r
def basic(x): return "Basic " + base64.b64encode(x.encode()).decode()
done([ask("cred.test", HTTPS, "GET", "/a", headers={"Authorization": "Bearer " + P}), ask("cred.test", HTTPS, "GET", "/b", headers={"Authorization": basic("me:" + P)}),
      ask("cred.test", HTTPS, "GET", "/c?x=1&key=" + P + "&other=" + P), ask("cred.test", HTTPS, "POST", "/d", json.dumps({"token": P, "note": P}), {"Content-Type": "application/json"}),
      ask("cred.test", HTTPS, "POST", "/e", "token=%%s&note=%%s" %% (P, P), {"Content-Type": "application/x-www-form-urlencoded"}),
      ask("cred.test", HTTPS, "POST", "/f", '{"note": "\\"token\\": \\"' + P + '"}', {"Content-Type": "application/json"}),
      ask("cred.test", HTTPS, "GET", "/g", headers={"X-Other": P}), ask("open.test", HTTP, "GET", "/h", headers={"Authorization": "Bearer " + P}),
      ask("cred.test", HTTP, "GET", "/i", headers={"Authorization": "Bearer " + P})])''' % PLACEHOLDER
        r, records = self.inside(code, **self.secrets())
        got = {q[1].split("?")[0]: q for q in STAGE.origin.requests}
        self.assertEqual(got["/a"][2]["authorization"], "Bearer " + SECRET)
        self.assertEqual(base64.b64decode(got["/b"][2]["authorization"][6:]).decode(), "me:" + SECRET)
        self.assertEqual(got["/c"][1], "/c?x=1&key=%s&other=%s" % (SECRET, PLACEHOLDER))
        self.assertIn(b'"token": "%s", "note": "%s"' % (SECRET.encode(), PLACEHOLDER.encode()), got["/d"][3])
        self.assertEqual(got["/e"][3].decode(), "token=%s&note=%s" % (SECRET, PLACEHOLDER))
        self.assertNotIn(SECRET.encode(), got["/f"][3])
        self.assertEqual(got["/g"][2]["x-other"], PLACEHOLDER)
        self.assertEqual(got["/h"][2]["authorization"], "Bearer " + PLACEHOLDER)
        self.assertNotIn("/i", got)
        self.assertEqual(r[8][0], 403)
        self.assertIn("cleartext", r[8][1])

    def test_it_is_scrubbed_from_what_comes_back(self):
        code = r'''P = %r; H = {"Authorization": "Bearer " + P, "Content-Type": "application/json"}
big = json.dumps({"pad": "p" * 5000, "token": P})
done([ask("cred.test", HTTPS, "GET", "/headers", headers=H), ask("cred.test", HTTPS, "POST", "/echo", big, H), ask("cred.test", HTTPS, "POST", "/chunked", big, H), ask("cred.test", HTTPS, "GET", "/gzip", headers=H)])''' % PLACEHOLDER
        r, _ = self.inside(code, **self.secrets())
        self.assertEqual([x[0] for x in r], [200, 200, 200, 502])
        self.assertIn("Bearer " + PLACEHOLDER, r[0][1])
        self.assertNotIn("accept-encoding", r[0][1])
        self.assertIn(PLACEHOLDER, r[1][1])
        self.assertIn(PLACEHOLDER, r[2][1])
        self.assertEqual(r[2][2]["X-Got"], "Bearer " + PLACEHOLDER)
        self.assertFalse(any(SECRET in x[1] or SECRET in str(x[2]) for x in r))
        self.assertTrue(self.arrived(SECRET))

    def test_a_known_secret_does_not_leave_in_any_form(self):
        code = r'''S = %r; b = S.encode(); H = dict
out = [ask("open.test", HTTP, "POST", "/1", b"x" * 40000 + f) for f in (b, base64.b64encode(b), base64.b64encode(b"a" + b), base64.b64encode(b"ab" + b), b.hex().encode(), base64.urlsafe_b64encode(b"zz" + b))]
def cut():
    yield b[:10]; time.sleep(0.1); yield b[10:]
out += [ask("open.test", HTTP, "GET", "/2?q=" + S), ask("open.test", HTTP, "GET", "/3", headers={"X-A": S}), ask("open.test", HTTP, "POST", "/4", cut()), ask("methods.test", HTTPS, "GET", "/5/" + S),
  ask("open.test", HTTP, "POST", "/6", "".join("%%%%%%02X" %% c for c in b))]
out.append(ask("open.test", HTTP, "POST", "/fine", b"nothing special"))
done([x[0] for x in out])''' % "env_An0therValueWorthKeeping"
        r, records = self.inside(code, known=["AWS_KEY=env_An0therValueWorthKeeping"])
        self.assertTrue(all(s in (403, 0) for s in r[:-1]), r)
        self.assertEqual(r[-1], 200)
        alerts = self.events(records, "alert")
        self.assertEqual(len(alerts), len(r) - 1)
        self.assertEqual({a["secret"] for a in alerts}, {"AWS_KEY"})
        self.assertFalse(self.arrived("An0therValueWorth"))

    def test_nothing_of_it_is_in_the_records(self):
        _, records = self.inside('done(ask("cred.test", HTTPS, "GET", "/c?key=%s", headers={"Authorization": "Bearer %s"}))' %
                                 (PLACEHOLDER, PLACEHOLDER), **self.secrets())
        self.assertNotIn(SECRET, str(records))
        self.assertTrue(self.arrived(SECRET))


class Live(Case):
    def test_a_removed_host_is_cut_and_refused(self):
        narrow = STAGE.dir + "/narrow.json"
        json.dump(STAGE.config(allow=[{"host": "methods.test", "ports": [8080, 8443]}]), open(narrow, "w"))
        r, records = self.inside(r'''s = socket.create_connection(("tcp.test", TCP)); s.recv(100); k = http.client.HTTPConnection("open.test", HTTP); k.request("GET", "/1"); a = k.getresponse(); a.read()
m = ask("methods.test", HTTP, "PUT", "/m")[0]; start = time.time(); s.settimeout(8)
try: end = text(s.recv(100))
except OSError as e: end = type(e).__name__
cut = time.time() - start
try: k.request("GET", "/2"); b = k.getresponse().status
except Exception as e: b = type(e).__name__
done([end, cut, b, m, ask("methods.test", HTTP, "PUT", "/m")[0], resolves("open.test")])''', options=["--update", narrow, "1.5"])
        self.assertIn(r[0], ("", "ConnectionResetError"))
        self.assertLess(r[1], 4)
        self.assertNotEqual(r[2], 200)
        self.assertEqual(r[3:5], [403, 200])
        self.assertIn("not known", r[5])
        self.assertFalse(self.arrived("GET /2"))

    def test_a_bad_update_keeps_the_old_rules(self):
        bad = STAGE.dir + "/bad.json"
        open(bad, "w").write('{"allow": [{"ports": [1]}]}')
        r, records = self.inside('time.sleep(1); done(ask("open.test", HTTP)[0])', options=["--update", bad, "0.3"])
        self.assertEqual(r, 200)
        self.assertTrue(self.events(records, "updated")[0]["error"])


class Held(Case):
    ASK = {"ask": True, "reviewer": True}

    def test_a_connection_waits_for_a_yes(self):
        r, records = self.inside('start = time.time(); a = ask("ask.test", HTTP, path="/held"); done([a[0], time.time() - start])', options=["--answer", "late:1"], **self.ASK)
        self.assertEqual(r[0], 200)
        self.assertGreater(r[1], 0.9)
        self.assertEqual(self.events(records, "asked")[0]["host"], "ask.test")
        self.assertEqual(self.events(records, "answered")[0]["verdict"], "allow")

    def test_a_no_and_nobody_refuse(self):
        for options, changes in ((["--answer", "deny"], {}), ([], {"ask_timeout_ms": 700})):
            r, records = self.inside('done(ask("ask.test", HTTP))', options=options, **self.ASK, **changes)
            self.assertEqual(r[0], 403)
            self.assertTrue(self.events(records, "denied"))
        r, records = self.inside('done(resolves("ask.test"))', ask=True)
        self.assertIn("not known", r)
        self.assertFalse(STAGE.origin.requests)

    def test_a_name_waits_where_names_are_held(self):
        r, records = self.inside('start = time.time(); a = resolves("ask.test"); done([a, time.time() - start])', options=["--answer", "late:1"], hold_names=True, **self.ASK)
        self.assertGreater(r[1], 0.9)
        self.assertTrue(any(x.startswith("198.1") for x in r[0]), r[0])

    def test_a_refused_host_is_never_asked_about(self):
        _, records = self.inside('done(resolves("gone.test"))', options=["--answer", "allow"], **self.ASK)
        self.assertFalse(self.events(records, "asked"))


class Abuse(Case):
    def guard_pid(self, yard):
        def text(path):
            with open(path) as f:
                return f.read()

        kids = text("/proc/%d/task/%d/children" % (yard, yard)).split()
        return [int(k) for k in kids if text("/proc/%s/comm" % k).strip() == "bawn-guard"][0]

    def test_the_guard_is_jailed(self):
        p, _ = STAGE.start(STAGE.config(), ["sleep", "3"])
        time.sleep(1)
        guard = self.guard_pid(p.pid)
        status = dict(line.split(":\t", 1) for line in open("/proc/%d/status" % guard).read().splitlines() if ":\t" in line)
        self.assertEqual((status["Seccomp"], status["NoNewPrivs"], int(status["CapEff"], 16), int(status["CapPrm"], 16)), ("2", "1", 0, 0))
        with self.assertRaises(OSError):  # not dumpable: its memory is closed to its own user
            if os.getuid() == 0:
                raise OSError("root may")
            open("/proc/%d/mem" % guard)
        p.terminate()
        p.communicate()

    def test_when_the_guard_dies_the_network_is_closed(self):
        p, log = STAGE.start(STAGE.config(), [sys.executable, "-c", guard_stage.INSIDE + '''
a = ask("open.test", HTTP)[0]; print("READY", flush=True); time.sleep(2)
try: socket.create_connection((PROXY[0], HTTP), 3); b = "open"
except OSError as e: b = type(e).__name__
done([a, b, ask("open.test", HTTP)[0]])'''])
        time.sleep(1.5)
        os.kill(self.guard_pid(p.pid), signal.SIGKILL)
        out, _ = p.communicate(timeout=40)
        self.assertRegex(out, r'RESULT \[200, "(ConnectionRefused|OS|Timeout)Error", 0\]')

    def test_half_open_clients_do_not_keep_others_out_and_memory_stays_bounded(self):
        p, log = STAGE.start(STAGE.config(), [sys.executable, "-c", guard_stage.INSIDE + r'''
import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]; n = min(9000, limit - 100); held = []
where = [a for a in resolves("open.test") if ":" not in a][0]
for i in range(n):
    s = socket.socket(); s.setblocking(False)
    try: s.connect((where, HTTP))
    except BlockingIOError: pass
    held.append(s)
    if i % 3 == 0:
        try: s.send(b"GET / HTTP/1.1\r\nX")
        except OSError: pass
start = time.time(); ok = [ask("open.test", HTTP)[0] for i in range(20)]; done([n, ok.count(200), time.time() - start])'''])
        peak = 0
        guard = None
        while p.poll() is None:
            time.sleep(0.1)
            try:
                guard = guard or self.guard_pid(p.pid)
                peak = max(peak, [int(x.split()[1]) for x in open("/proc/%d/status" % guard) if x.startswith("VmRSS")][0])
            except (OSError, IndexError):
                pass
        out = p.stdout.read()
        self.assertIn("RESULT [", out)
        n, ok, took = json.loads(out.split("RESULT ")[1].splitlines()[0])
        self.assertGreater(n, 900)
        self.assertEqual(ok, 20, out)
        self.assertLess(took, 10)
        self.assertLess(peak, 200 * 1024, "KiB resident")

    def test_slow_readers_cost_a_bounded_amount(self):
        p, log = STAGE.start(STAGE.config(), [sys.executable, "-c", guard_stage.INSIDE + r'''
held = []
for i in range(150):
    s = socket.create_connection(("open.test", HTTP)); s.sendall(b"GET /big/50000000 HTTP/1.1\r\nHost: open.test:8080\r\n\r\n"); held.append(s)
time.sleep(2); done(ask("open.test", HTTP)[0])'''])
        peak, guard = 0, None
        while p.poll() is None:
            time.sleep(0.1)
            try:
                guard = guard or self.guard_pid(p.pid)
                peak = max(peak, [int(x.split()[1]) for x in open("/proc/%d/status" % guard) if x.startswith("VmRSS")][0])
            except (OSError, IndexError):
                pass
        self.assertIn("RESULT 200", p.stdout.read())
        self.assertLess(peak, 120 * 1024, "KiB resident")

    def test_garbage_of_all_kinds(self):
        r, _ = self.inside(r'''import random; random.seed(7)
for i in range(300):
    first = random.choice([b"", b"GET ", b"\x16\x03\x01", b"\x05\x01", b"\x04\x01", b"CONNECT ", b"POST / HTTP/1.1\r\n"])
    s = socket.create_connection(random.choice([("open.test", HTTP), ("methods.test", HTTPS), PROXY]), 5)
    try: s.sendall(first + random.randbytes(random.randrange(3000)))
    except OSError: pass
    if i % 3: s.close()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(3000): u.sendto(random.randbytes(random.randrange(1, 600)), (PROXY[0], 53))
done(ask("open.test", HTTP)[0])''')
        self.assertEqual(r, 200)


if __name__ == "__main__":
    guard_stage.enter()
    unittest.main(verbosity=2)
