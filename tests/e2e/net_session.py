# SPDX-License-Identifier: Apache-2.0
"""The session's side of the network: who is on record, ports published to this machine, sockets let in, live policy,
and what `explain url` says of it all."""
import json
import os
import re
import socket
import subprocess
import threading
import time

from probe import Service, wait_until
from stage import ADDRESS, Stage
from yard import Failure, check, need, skip, test

HOST, OTHER = "www.stage.test", "other.stage.test"


# --- who --------------------------------------------------------------------------------------------------------------


def program_of(record):
    return os.path.basename((record["detail"] or {}).get("program", ""))


@test
def connections_and_refusals_name_the_process(yard):
    need("curl")
    with Stage(yard, HOST, OTHER) as stage:
        p = stage.policy([{"host": HOST, "methods": ["GET"]}])
        line = """curl -sS https://{0}/a; curl -sS -X POST https://{0}/b; curl -sS https://{1}/c
                  python3 -c 'import urllib.request as u; u.urlopen("http://198.51.100.7/")'; true""".format(HOST, OTHER)
        r = yard.run(line, "-p", p)
        for event, subject, program in (("connection", HOST, "curl"), ("denied", "POST", "curl"), ("dns", OTHER, "curl"),
                                        ("denied", "198.51.100.7", "python3")):
            found = [l for l in stage.records(event) if subject in l["subject"]]
            check(found, "no %s of %s" % (event, subject), r)
            check(program_of(found[0]).startswith(program) and found[0]["detail"]["pid"] > 0, "who: %s" % found[0], r)


@test
def an_allowed_host_that_cannot_be_reached_is_listed_with_that_reason(yard):
    need("curl")
    with Stage(yard, HOST) as stage:
        p = stage.policy([{"host": HOST, "ports": [81], "methods": ["GET"]}])
        r = yard.run("curl -s http://{0}:81/; curl -s -X POST http://{0}:81/".format(HOST), "-p", p)
        listed = r.err.split("network  ")
        check(len(listed) == 3 and "port 81: Connection refused" in listed[1], "the reason is not told", r)
        check("Connection" not in listed[2] and "to allow it: " in listed[2], "a refusal by rule has its remedy alone", r)


@test
def a_process_deep_inside_is_found(yard):
    need("curl")
    with Stage(yard, HOST) as stage:
        r = yard.run("sh -c '(sh -c \"(curl -sS -X PUT -d x https://%s/x) & wait\") & wait'" % HOST, "-p", stage.policy([{"host": HOST, "methods": ["GET"]}]))
        check([program_of(l) for l in stage.records("denied")] == ["curl"], "who: %s" % stage.records("denied"), r)


@test(timeout=120)
def many_refusals_are_all_on_record(yard):
    """Finding out who costs time; the record is complete all the same, and the run is not held up for long."""
    with Stage(yard, HOST) as stage:
        code = """
import http.client
c = http.client.HTTPConnection("%s")
for i in range(2000):
    c.request("DELETE", "/%%d" %% i); r = c.getresponse(); r.read()
    assert r.status == 403
    if r.will_close: c.close()
""" % HOST
        yard.write("flood.py", code)
        r = yard.run("python3 flood.py", "-p", stage.policy([{"host": HOST, "methods": ["GET"]}]), timeout=60)
        check(r.rc == 0 and r.seconds < 30, "2000 refusals", r)
        lines = stage.records("denied")
        check(len(lines) == 2000, "%d of 2000 refusals are on record" % len(lines))


# --- publish ------------------------------------------------------------------------------------------------------------

SERVER = """
import http.server, os, sys
class H(http.server.SimpleHTTPRequestHandler):
    def do_POST(self):
        n = int(self.headers["Content-Length"]); body = self.rfile.read(n)
        self.send_response(200); self.send_header("Content-Length", str(n)); self.end_headers(); self.wfile.write(body)
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), H)
import threading; threading.Thread(target=s.serve_forever, daemon=True).start()
print("up", flush=True); sys.stdin.readline()
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class Inside:
    """A server inside, published; ends when the test is done with it."""

    def __init__(self, yard, port, bind="127.0.0.1", *options):
        yard.write("server.py", SERVER)
        argv = [yard.binary, "run", "--set", 'network.publish=["%d"]' % port, *options, "--", "python3", "server.py", bind, str(port)]
        self.process = subprocess.Popen(argv, cwd=yard.workspace, env=yard.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        check(self.process.stdout.readline() == b"up\n", "the server inside did not start: %s" % self.process.stderr.read(2000)
              if self.process.poll() is not None else "no server")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate(b"\n", timeout=20)


def http(port, address="127.0.0.1", body=b"", timeout=10):
    with socket.create_connection((address, port), timeout) as s:
        s.sendall(b"POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        s.shutdown(socket.SHUT_WR)  # half-closed: the answer comes all the same
        data = b""
        while True:
            part = s.recv(65536)
            if not part:
                return data.partition(b"\r\n\r\n")[2]
            data += part


@test
def a_published_port_is_reached_on_both_loopbacks(yard):
    for options in ((), ("--set", "network.mode=guarded")):
        port = free_port()
        with Inside(yard, port, "127.0.0.1", *options):
            for address in ("127.0.0.1", "::1") if os.path.exists("/proc/net/if_inet6") else ("127.0.0.1",):
                check(http(port, address, b"hello") == b"hello", "%s does not lead inside" % address)


@test
def a_server_on_the_ipv6_loopback_inside_is_reached_too(yard):
    yard.write("v6.py", SERVER.replace("ThreadingHTTPServer((", "ThreadingHTTPServer((").replace(
        "s = http", "import socket; http.server.ThreadingHTTPServer.address_family = socket.AF_INET6\ns = http"))
    port = free_port()
    inside = subprocess.Popen([yard.binary, "run", "--set", 'network.publish=["%d"]' % port, "--", "python3", "v6.py", "::1", str(port)],
                              cwd=yard.workspace, env=yard.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        check(inside.stdout.readline() == b"up\n", "no server inside")
        check(http(port, body=b"six") == b"six", "::1 inside is not reached")
    finally:
        inside.communicate(b"\n", timeout=20)


@test(timeout=120)
def bodies_pass_whole_and_many_at_once(yard):
    port, body = free_port(), os.urandom(3000000)
    with Inside(yard, port):
        wrong = []
        threads = [threading.Thread(target=lambda: http(port, body=body, timeout=60) == body or wrong.append(1)) for _ in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        check(not wrong, "%d of 16 bodies came back wrong" % len(wrong))
        for _ in range(300):  # connections end and make room
            check(http(port, body=b"x") == b"x", "a later connection")


@test
def nothing_listens_inside_is_refused_and_not_held(yard):
    port = free_port()
    with Inside(yard, port) as inside:
        other = free_port()
        check(http(port, body=b"x") == b"x", "the published one")
        try:
            socket.create_connection(("127.0.0.1", other), 2).close()
            raise Failure("a port that is not published is open")
        except ConnectionRefusedError:
            pass
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
        raise Failure("the port is still open after the run")
    except ConnectionRefusedError:
        pass
    r = yard.bawn("run", "--set", 'network.publish=["%d"]' % port, "--", "python3", "-c",
                  "import sys; print('up', flush=True); sys.stdin.read()", stdin="")
    check(r.rc == 0, "a run that never listens", r)


@test
def a_port_in_use_starts_nothing(yard):
    with socket.create_server(("127.0.0.1", 0)) as s:
        r = yard.run("touch ran", "--set", 'network.publish=["%d"]' % s.getsockname()[1])
        check(r.rc == 125 and "in use" in r.err and not yard.exists("ran"), "a port that is in use", r)


@test
def publish_beside_an_open_network_is_refused(yard):
    r = yard.run("true", "--profile", "open", "--set", 'network.publish=["%d"]' % free_port())
    check(r.rc == 125 and "network.publish" in r.err, "publish with an open network", r)


@test
def visits_are_on_record(yard):
    port = free_port()
    with Inside(yard, port):
        http(port, body=b"x")
    lines = [json.loads(l) for l in yard.bawn("log", "--json").out.splitlines()]
    check(any(l["rule"] == "network.publish" and str(port) in l["subject"] and l["detail"]["from"].startswith("127.0.0.1:") for l in lines),
          "no visit on record: %s" % lines)


@test
def what_listens_inside_cannot_be_reached_unpublished(yard):
    port = free_port()
    with Inside(yard, port):
        pass
    r = yard.run("python3 -c \"import socket, time; s = socket.create_server(('', %d)); time.sleep(1)\" & sleep 0.5; true" % port)
    check(r.rc == 0, "a server inside", r)


# --- sockets --------------------------------------------------------------------------------------------------------------


@test
def a_host_socket_is_let_in_by_path(yard):
    path = yard.root + "/s.sock"
    with Service(socket.AF_UNIX, socket.SOCK_STREAM, path) as service:
        line = "python3 -c 'import socket; s = socket.socket(1); s.connect(\"%s\"); print(s.recv(9))'" % path
        check(b"HELLO" in yard.outside(line).raw_out, "positive control")
        service.forget()
        r = yard.run(line)
        check(r.rc != 0 and not service.reached(), "a socket of the host is reached without a rule", r)
        for mode in ((), ("--set", "network.mode=guarded")):
            r = yard.run(line, "--set", 'network.sockets=["%s"]' % path, *mode)
            check(r.rc == 0 and "HELLO" in r.out, "network.sockets does not let it in", r)


@test
def a_denied_socket_is_not_let_in(yard):
    path = yard.home + "/.kept/s.sock"
    yard.write("~/.kept/other", "x")
    line = "python3 -c 'import socket; s = socket.socket(1); s.connect(\"%s\"); print(s.recv(9))'" % path
    with Service(socket.AF_UNIX, socket.SOCK_STREAM, path) as service:
        let_in = ("--set", 'network.sockets=["~/.kept/s.sock"]')
        check("HELLO" in yard.run(line, *let_in).out, "positive control")
        service.forget()
        for read in ((), ("--read", yard.home), ("--read", "~/.kept/other")):
            r = yard.run(line, "--deny", "~/.kept", *read, *let_in)
            check(r.rc == 1 and not service.reached() and "files.deny" in r.err, "a denied socket is let in", r)
    r = yard.run("true", *let_in)
    check(r.rc == 0 and "does not exist" in r.err, "a socket that is not there", r)


# --- live policy ------------------------------------------------------------------------------------------------------------


class LiveRun:
    """A run that makes one request each time it is told to, and the descriptor that its policy changes by."""

    def __init__(self, yard, stage, allow, *options):
        line = "while read go; do curl -sS -m 8 -o /dev/null -w '%%{http_code}\\n' http://%s/live 2>/dev/null; done" % HOST
        ours, self.theirs = os.pipe()
        self.yard = yard
        self.p = subprocess.Popen([yard.binary, "run", "-p", stage.policy(allow), *options, "--control-fd", str(ours), "--", "sh", "-c", line],
                                  cwd=yard.workspace, env=yard.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[ours])
        os.close(ours)

    def write(self, text):
        os.write(self.theirs, text.encode() if isinstance(text, str) else text)

    def taken(self):
        return sum(json.loads(line)["by"] == "control-fd" for line in self.yard.bawn("log", "--json").out.splitlines())

    def update(self, network):
        before = self.taken()
        self.write(json.dumps({"network": network}) + "\n")
        check(wait_until(lambda: self.taken() > before, 30), "the update is not on record: %s" % network)

    def request(self):
        self.p.stdin.write(b"go\n")
        self.p.stdin.flush()
        return self.p.stdout.readline().strip().decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.stdin.close()
        self.err = self.p.stderr.read().decode()
        self.p.wait()
        os.close(self.theirs)


def network_of(stage, allow, **more):
    return dict({"mode": "guarded", "ask": False, "ca": [stage.ca], "addresses": [ADDRESS], "allow": allow}, **more)


@test
def a_host_is_added_and_taken_away_while_it_runs(yard):
    need("curl")
    with Stage(yard, HOST) as stage:
        nobody, host = [{"host": "nobody.stage.test"}], [{"host": HOST}]
        with LiveRun(yard, stage, nobody) as run:
            got = [run.request()]
            for allow in (host, nobody):
                run.update(network_of(stage, allow))
                got.append(run.request())
        check(got[0] == "000", "before: %s" % got)
        check(got[1] == "200", "added: %s %s" % (got, run.err))
        check(got[2] in ("403", "000"), "taken away: %s %s" % (got, run.err))


@test
def the_network_is_switched_off_and_on_again_and_never_opened(yard):
    need("curl")
    with Stage(yard, HOST) as stage:
        host = [{"host": HOST}]
        with LiveRun(yard, stage, host) as run:
            got = [run.request()]
            for network in ({"mode": "off"}, network_of(stage, host)):
                run.update(network)
                got.append(run.request())
            run.write('{"network": {"mode": "open"}}\n')
            got.append(run.request())
            run.update(network_of(stage, [], mode="off"))
            got.append(run.request())
        check(got == ["200", "000", "200", "200", "000"], "off, on, open (which is not taken), off: %s %s" % (got, run.err))
        check("cannot become open" in run.err, "the line that is not taken is not told of: " + run.err)


@test
def a_wrong_line_changes_nothing_and_the_next_one_is_taken(yard):
    """Wrong in itself, wrong in its rules, garbage, and longer than a line may be."""
    need("curl")
    with Stage(yard, HOST) as stage:
        host, wrong = [{"host": HOST}], [{"host": "nobody.stage.test", "protocol": "tcp", "methods": ["GET"]}]
        lines = ["{\n", "[1]\n", '{"files": {}}\n', "\0\xff{}\n", json.dumps({"network": network_of(stage, wrong)}) + "\n",
                 '{"limits": {"wall": "1h"}}\n', '{"network": "' + "x" * 1200000 + '"}\n']
        with LiveRun(yard, stage, host) as run:
            got = [run.request()]
            for line in lines:
                run.write(line[:7])
                run.write(line[7:])
                got.append(run.request())
            run.update(network_of(stage, [{"host": "nobody.stage.test"}]))
            got.append(run.request())
        check(got == ["200"] * (1 + len(lines)) + ["000"], "%s %s" % (got, run.err))
        check(run.err.count("the old policy stays") == len(lines) - 1, "not each wrong line is told of: " + run.err)


@test
def the_endpoints_port_is_a_port_like_others_elsewhere(yard):
    """3128 is the explicit endpoint's on one address; anywhere else it is refused on record, and a rule may name it."""
    need("curl")
    with Stage(yard, HOST) as stage:
        stage.serve(3128, None)
        line = "curl -sS -m 8 http://%s:3128/there; curl -sS -m 8 -x http://192.0.2.1:3128 http://%s/through" % (HOST, HOST)
        r = yard.run(line, "-p", stage.policy([{"host": HOST}]))
        check([l for l in stage.records("refused-port") if l["subject"] == HOST + ":3128"], "no record: %s" % stage.records(), r)
        check(stage.arrived("/through") and not stage.arrived("/there"), "what arrived: %s" % stage.requests, r)
        check(not [l for l in stage.records("refused-port") if "192.0.2.1" in l["subject"]], "the endpoint itself is called refused", r)
        r = yard.run(line, "-p", stage.policy([{"host": HOST, "ports": [80, 3128]}]))
        check(r.rc == 0 and stage.arrived("/there"), "a rule that names 3128", r)


@test
def a_guard_that_is_killed_takes_the_network_with_it_and_the_run_is_told(yard):
    need("curl")
    with Stage(yard, HOST) as stage:
        with LiveRun(yard, stage, [{"host": HOST}]) as run:
            got = [run.request()]
            task = "/proc/%d/task/%d/children" % (run.p.pid, run.p.pid)
            for pid in open(task).read().split():
                if open("/proc/%s/comm" % pid).read() == "bawn-guard\n":
                    os.kill(int(pid), 9)
            got.append(run.request())
            run.write(json.dumps({"network": network_of(stage, [{"host": HOST}])}) + "\n")
            got.append(run.request())
        check(got == ["200", "000", "000"], "with, without, and after an update: %s %s" % (got, run.err))
        check("the network guard is gone" in run.err, "the person is not told: " + run.err)
        check(any("guard is gone" in l["subject"] for l in stage.records()), "it is not on record: %s" % stage.records())


@test
def a_line_replaces_what_an_option_allowed(yard):
    need("curl")
    with Stage(yard, HOST) as stage, LiveRun(yard, stage, [], "--allow", HOST, "--wall", "50s") as run:
        got = [run.request()]
        run.update(network_of(stage, [{"host": "nobody.stage.test"}]))
        got.append(run.request())
        check(got[0] == "200" and got[1] in ("403", "000"), "before and after: %s" % got)
        run.write('{"limits": {"wall": "1s"}}\n')
        check(run.p.wait(30) == 124, "the limit of a line does not end a run of --wall 50s")


@test
def lines_do_not_put_off_the_end(yard):
    """limits.wall counts from the start of the run, whatever is said meanwhile."""
    with Stage(yard, HOST) as stage, LiveRun(yard, stage, [], "--wall", "3s") as run:
        try:
            for _ in range(100):
                run.write('{"network": {"allow": []}}\n')
                time.sleep(0.2)
            raise Failure("the run went on as long as lines came")
        except BrokenPipeError:
            pass  # it has ended
        check(run.p.wait() == 124, "the run did not end by its limit")


# --- explain ----------------------------------------------------------------------------------------------------------------


def explain(yard, *args):
    r = yard.bawn("explain", "--json", *args)
    check(r.rc == 0, "explain", r)
    return json.loads(r.out)


@test(sandbox=False)
def explain_url_names_the_rule(yard):
    p = yard.write("~/p.json", json.dumps({"version": 1, "network": {"mode": "guarded", "ask": False, "allow": [
        {"host": "api.example.org", "methods": ["GET"], "paths": ["/pub/**"]}, {"host": "*.example.org"}, {"preset": "dependencies"},
        {"host": "git.example.net", "ports": [22], "protocol": "tcp"}], "deny": [{"host": "evil.example.org"}]}}))
    for args, verdict, rule in ((["https://api.example.org/pub/x"], "allow", "api.example.org"), (["POST", "https://api.example.org/pub/x"], "deny", "api.example.org"),
                                (["https://api.example.org/priv"], "deny", "api.example.org"), (["https://api.example.org/pub/../priv"], "deny", "api.example.org"),
                                (["PUT", "https://www.example.org/x"], "allow", "*.example.org"), (["https://evil.example.org/"], "deny", "network.deny"),
                                (["https://mirror.pypi.org/x"], "allow", "preset dependencies"), (["POST", "https://mirror.pypi.org/x"], "deny", "preset"),
                                (["https://example.com/"], "deny", "no entry"), (["ssh://git.example.net"], "allow", "git.example.net"),
                                (["http://127.0.0.1/"], "deny", ""), (["http://169.254.169.254/"], "deny", "")):
        a = explain(yard, "-p", p, "url", *args)
        check(a["verdict"] == verdict and rule in a["rule"] and a["reason"] and a["kind"] == "url", "%s: %s" % (args, a))
    check(explain(yard, "-p", p, "url", "https://api.example.org/pub/x")["inspected"] is True, "a rule with methods looks inside")
    check(explain(yard, "-p", p, "url", "https://www.example.org/x")["inspected"] is False, "a rule without passes TLS through")


@test(sandbox=False)
def explain_url_knows_off_and_open(yard):
    a = explain(yard, "url", "https://example.org/")
    check(a["verdict"] == "deny" and "off" in a["rule"] and "--allow example.org" in a["remedy"], str(a))
    a = explain(yard, "--profile", "open", "url", "https://example.org/")
    check(a["verdict"] == "allow" and "open" in a["rule"], str(a))


@test(sandbox=False)
def explain_url_refuses_what_is_no_url(yard):
    for args in ([], ["http://127.1/"], ["http://a b/"], ["ftp://example.org/"], ["http://u@example.org/"], ["GET", "http://x/", "more"], ["tcp://example.org"]):
        r = yard.bawn("explain", "url", *args)
        check(r.rc == 125 and len(r.err.splitlines()) == 1 and not r.out, "%s" % args, r)


@test
def explain_and_the_guard_agree(yard):
    need("curl")
    with Stage(yard, HOST, OTHER) as stage:
        p = stage.policy([{"host": HOST, "methods": ["GET", "PUT"], "paths": ["/a/**", "/b"]}, {"host": OTHER, "ports": [443]}])
        for method, url in (("GET", "https://%s/a/x" % HOST), ("POST", "https://%s/a/x" % HOST), ("GET", "https://%s/b" % HOST), ("GET", "http://%s/b/c" % HOST),
                            ("GET", "https://%s/a/%%2e%%2e/b" % HOST), ("PUT", "http://%s/b" % HOST), ("GET", "https://%s/" % OTHER), ("GET", "http://%s/" % OTHER)):
            a = explain(yard, "-p", p, "url", method, url)
            stage.requests.clear()
            r = yard.run("curl -sS --path-as-is -X %s '%s'" % (method, url), "-p", p)
            check((a["verdict"] == "allow") == bool(stage.requests), "%s %s: explain says %s" % (method, url, a), r)


@test(sandbox=False)
def check_warns_of_wide_ranges(yard):
    p = yard.write("~/p.json", json.dumps({"version": 1, "network": {"allow": [{"host": "10.0.0.0/7"}, {"host": "127.0.0.1", "methods": ["GET"]}]}}))
    r = yard.bawn("policy", "check", p)
    check(r.rc == 0 and "wide range" in r.out and "own surroundings" in r.out, "policy check", r)
