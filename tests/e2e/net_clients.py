# SPDX-License-Identifier: Apache-2.0
"""Real clients behind the guard, with nothing configured inside: each where TLS is looked into and where it is passed
through. A client that is not installed is a skip. docs/network-clients.md is the table of these."""
import hashlib
import io
import ipaddress
import json
import os
import shutil
import socket
import subprocess
import tarfile
import zipfile

from stage import ADDRESS, Stage, git_route, websocket_route
from yard import PATH, check, need, skip, test

HOST = "www.stage.test"
LOOKED_INTO, PASSED = {"tls": "inspect"}, {"tls": "pass"}


def both_ways(stage, line, done, *options, allow=(), setup=lambda: None, timeout=60):
    """The line must do its work with TLS terminated and passed through, and the record must say which it was."""
    for how, word in ((LOOKED_INTO, "terminated"), (PASSED, "passed")):
        stage.requests.clear()
        setup()
        r = stage.yard.run(line, "-p", stage.policy([dict({"host": HOST}, **how), *allow]), *options, timeout=timeout)
        check(r.rc == 0 and done(r), "%s: the client does not work" % word, r)
        kinds = {c["detail"].get("tls") for c in stage.records("connection")}
        check(kinds == {word}, "%s: the connections were %s" % (word, kinds), r)
    return r


def page(yard, line, *options, programs=(), timeout=60):
    """A client that prints https://HOST/client."""
    need(*programs)
    with Stage(yard, HOST) as stage:
        return both_ways(stage, line, lambda r: "GET /client" in r.out, *options, timeout=timeout)


def need_module(yard, *names):
    for name in names:
        if yard.outside("python3 -c 'import %s'" % name).rc:
            skip("needs Python's module %s, which is not installed" % name)


@test
def curl_fetches(yard):
    page(yard, "curl -sS https://%s/client" % HOST, programs=["curl"])


@test
def curl_uploads_a_large_body(yard):
    need("curl")
    with Stage(yard, HOST) as stage:
        both_ways(stage, "head -c 5000000 /dev/zero | curl -sS -T - https://%s/up" % HOST,
                  lambda r: len(stage.requests[-1]["body"]) == 5000000)


@test
def wget_fetches(yard):
    page(yard, "wget -q -O- https://%s/client" % HOST, programs=["wget"])


@test
def gnutls_verifies(yard):
    page(yard, "printf 'GET /client HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n' | gnutls-cli %s; true" % (HOST, HOST), programs=["gnutls-cli"])


@test
def openssl_verifies(yard):
    page(yard, "(printf 'GET /client HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n'; sleep 1) | openssl s_client -quiet -verify_return_error "
         "-verify_hostname %s -connect %s:443 2>/dev/null; true" % (HOST, HOST, HOST), programs=["openssl"])


@test
def python_urllib_fetches(yard):
    page(yard, "python3 -c 'import urllib.request as u; print(u.urlopen(\"https://%s/client\").read().decode())'" % HOST)


@test
def python_requests_fetches(yard):
    need_module(yard, "requests")
    page(yard, "python3 -c 'import requests; print(requests.get(\"https://%s/client\").text)'" % HOST)


@test
def python_httpx_fetches(yard):
    need_module(yard, "httpx", "h2")
    page(yard, "python3 -c 'import httpx; print(httpx.Client(http2=True).get(\"https://%s/client\").text)'" % HOST)


@test
def node_fetches(yard):
    page(yard, "node -e 'fetch(\"https://%s/client\").then(r => r.text()).then(console.log)'" % HOST, programs=["node"])


@test
def node_https_fetches(yard):
    page(yard, "node -e 'require(\"https\").get(\"https://%s/client\", r => r.pipe(process.stdout))'" % HOST, programs=["node"])


@test(timeout=180)
def java_fetches(yard):
    need("java", "javac")
    yard.write("Fetch.java", """
import java.net.URI; import java.net.http.*;
public class Fetch { public static void main(String[] a) throws Exception {
    HttpRequest q = HttpRequest.newBuilder(URI.create(a[0])).build();
    System.out.println(HttpClient.newHttpClient().send(q, HttpResponse.BodyHandlers.ofString()).body());
    System.out.println(new String(URI.create(a[0]).toURL().openStream().readAllBytes())); } }
""")
    r = yard.outside("javac Fetch.java", timeout=90)
    check(r.rc == 0, "javac", r)
    r = page(yard, "java -cp . Fetch https://%s/client" % HOST, timeout=60)
    check(r.out.count("GET /client") == 2 and "Picked up" not in r.err, "Java's two clients", r)


@test(timeout=180)
def go_fetches(yard):
    need("go")
    yard.write("fetch.go", """package main
import ("fmt"; "io"; "net/http"; "os")
func main() { r, err := http.Get(os.Args[1]); if err != nil { panic(err) }; b, _ := io.ReadAll(r.Body); fmt.Print(string(b)) }
""")
    r = yard.outside("go build -o fetch fetch.go", timeout=120, env={"GOFLAGS": "-mod=mod", "GOPROXY": "off"})
    check(r.rc == 0, "go build", r)
    page(yard, "./fetch https://%s/client" % HOST)


@test(timeout=180)
def go_downloads_a_module(yard):
    need("go")
    with Stage(yard, HOST) as stage:
        module, data = "stage.test/demo", io.BytesIO()
        with zipfile.ZipFile(data, "w") as z:
            z.writestr(module + "@v1.0.0/go.mod", "module %s\n" % module)
            z.writestr(module + "@v1.0.0/demo.go", "package demo\n")
        for end, body in (("v1.0.0.info", '{"Version":"v1.0.0"}'), ("v1.0.0.mod", "module %s\n" % module), ("v1.0.0.zip", data.getvalue())):
            stage.routes["/go/%s/@v/%s" % (module, end)] = lambda h, body=body: h.reply(200, body)
        yard.write("go.mod", "module user\nrequire %s v1.0.0\n" % module)
        # A module cache is read-only, so that it is not removed by removing it.
        line = "export GOMODCACHE=$PWD/mc GOFLAGS=-modcacherw; go mod download && cat mc/%s@v1.0.0/demo.go" % module
        both_ways(stage, line, lambda r: "package demo" in r.out, "--env", "GOPROXY=https://%s/go" % HOST, "--env", "GONOSUMDB=*", timeout=90,
                  setup=lambda: shutil.rmtree(yard.path("mc"), True))


# --- package managers ---------------------------------------------------------------------------------------------


@test(timeout=180)
def git_clones_and_pushes(yard):
    need("git")
    with Stage(yard, HOST) as stage:
        stage.routes["/git/"] = git_route(stage)
        yard.git("init", "-q", "first")
        yard.git("-C", "first", "commit", "-q", "--allow-empty", "-m", "first")
        yard.git("clone", "-q", "--bare", "first", stage.dir + "/git/repo.git")
        yard.git("-C", stage.dir + "/git/repo.git", "config", "http.receivepack", "true")
        line = """set -e; git clone -q https://%s/git/repo.git c; cd c; date +%%N > f; git add f
                  git -c user.name=y -c user.email=y@y commit -q -m pushed; git push -q origin HEAD""" % HOST
        both_ways(stage, line, lambda r: stage.arrived("git-receive-pack", "POST"), timeout=90,
                  setup=lambda: shutil.rmtree(yard.path("c"), True))
        log = yard.git("-C", stage.dir + "/git/repo.git", "log", "--format=%s")
        check(log.split() == ["pushed", "pushed", "first"], "the pushes did not arrive: " + log)


def npm_routes(stage):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as t:
        for name, text in (("package.json", json.dumps({"name": "stage-demo", "version": "1.0.0", "main": "i.js"})),
                           ("i.js", "module.exports = 'demo works'")):
            info = tarfile.TarInfo("package/" + name)
            info.size = len(text)
            t.addfile(info, io.BytesIO(text.encode()))
    version = {"name": "stage-demo", "version": "1.0.0", "dist": {"tarball": "https://%s/npm/-/stage-demo-1.0.0.tgz" % HOST}}
    document = json.dumps({"name": "stage-demo", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}})
    stage.routes["/npm/-/stage-demo"] = lambda h: h.reply(200, data.getvalue(), "application/octet-stream")
    stage.routes["/npm/stage-demo"] = lambda h: h.reply(200, document, "application/json")


@test(timeout=180)
def npm_installs(yard):
    need("npm")
    with Stage(yard, HOST) as stage:
        npm_routes(stage)
        line = "npm install --no-audit --no-fund --no-update-notifier stage-demo && node -e 'console.log(require(\"stage-demo\"))'"
        both_ways(stage, line, lambda r: "demo works" in r.out, "--env", "npm_config_registry=https://%s/npm/" % HOST, timeout=90,
                  setup=lambda: [shutil.rmtree(yard.path(n), True) for n in ("node_modules",)])


@test(timeout=300, sandbox=True)
def npm_installs_from_the_configured_registry(yard):
    """From the real one, where the machine may use it. BAWN_TEST_REGISTRY is what `npm config get registry` says."""
    need("npm")
    registry = os.environ.get("BAWN_TEST_REGISTRY")
    if not registry:
        skip("needs a network and leave to use it: BAWN_TEST_REGISTRY=$(npm config get registry)")
    host = registry.split("/")[2].split(":")[0]
    # Where the machine's own network leads the name to an address of its own, that is its owner's to permit.
    found = {a[4][0] for a in socket.getaddrinfo(host, 443, proto=socket.IPPROTO_TCP)}
    own = sorted(a for a in found if not ipaddress.ip_address(a).is_global)
    for rule in ({"host": host, "tls": "inspect"}, {"host": host, "tls": "pass"}, {"preset": "dependencies"}):
        shutil.rmtree(yard.path("node_modules"), True)
        policy = yard.write("~/p.json", json.dumps({"version": 1, "network": {"mode": "guarded", "allow": [rule], "addresses": own}}))
        r = yard.run("npm install --no-audit --no-fund --no-update-notifier --ignore-scripts isarray && ls node_modules/isarray", "-p", policy,
                     "--env", "npm_config_registry", env={"npm_config_registry": registry}, timeout=120)
        check(r.rc == 0 and "package.json" in r.out, "npm install with %s" % rule, r)


@test(timeout=180)
def pip_installs(yard):
    if yard.outside("python3 -m pip --version").rc:
        skip("needs pip, which is not installed")
    with Stage(yard, HOST) as stage:
        wheel = io.BytesIO()
        with zipfile.ZipFile(wheel, "w") as z:
            info = "stage_demo-1.0.dist-info/"
            z.writestr("stage_demo.py", "print('demo works')\n")
            z.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: stage-demo\nVersion: 1.0\n")
            z.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: stage\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            z.writestr(info + "RECORD", "stage_demo.py,,\n%sMETADATA,,\n%sWHEEL,,\n%sRECORD,,\n" % (info, info, info))
        name = "stage_demo-1.0-py3-none-any.whl"
        stage.routes["/pip/files/"] = lambda h: h.reply(200, wheel.getvalue(), "application/octet-stream")
        stage.routes["/pip/simple/"] = lambda h: h.reply(200, "<a href='/pip/files/%s'>%s</a>" % (name, name), "text/html")
        both_ways(stage, "rm -rf t; python3 -m pip install -q --disable-pip-version-check --no-cache-dir -t t stage-demo && PYTHONPATH=t python3 -m stage_demo",
                  lambda r: "demo works" in r.out, "--env", "PIP_INDEX_URL=https://%s/pip/simple/" % HOST, timeout=90)


def serve_crates(stage, line):
    """An index that any cargo reads: by HTTP, as of 1.68, and as a repository."""
    config = json.dumps({"dl": "https://%s/crates" % HOST})
    stage.routes["/index/config.json"] = lambda h: h.reply(200, config)
    stage.routes["/index/de/mo/demo"] = lambda h: h.reply(200, line)
    stage.routes["/git/"] = git_route(stage)
    git = stage.yard.git
    git("init", "-q", stage.dir + "/index")
    os.makedirs(stage.dir + "/index/de/mo")
    stage.file("index/config.json", config)
    stage.file("index/de/mo/demo", line)
    git("-C", stage.dir + "/index", "add", ".")
    git("-C", stage.dir + "/index", "commit", "-q", "-m", "index")
    git("clone", "-q", "--bare", stage.dir + "/index", stage.dir + "/git/index.git")


@test(timeout=180)
def cargo_fetches(yard):
    need("cargo", "git")
    version = yard.outside("cargo --version").out.split()[1].split(".")
    sparse = [int(v) for v in version[:2]] >= [1, 68]
    with Stage(yard, HOST) as stage:
        crate = io.BytesIO()
        with tarfile.open(fileobj=crate, mode="w:gz") as t:
            for n, text in (("Cargo.toml", "[package]\nname='demo'\nversion='1.0.0'\nedition='2021'\n"), ("src/lib.rs", "")):
                info = tarfile.TarInfo("demo-1.0.0/" + n)
                info.size = len(text)
                t.addfile(info, io.BytesIO(text.encode()))
        line = json.dumps({"name": "demo", "vers": "1.0.0", "deps": [], "features": {}, "yanked": False,
                           "cksum": hashlib.sha256(crate.getvalue()).hexdigest()})
        serve_crates(stage, line + "\n")
        stage.routes["/crates/"] = lambda h: h.reply(200, crate.getvalue())
        yard.write("Cargo.toml", "[package]\nname='user'\nversion='0.1.0'\nedition='2021'\n[dependencies]\ndemo={version='1',registry='stage'}\n")
        yard.write("src/lib.rs")
        yard.write(".cargo/config.toml", "[registries.stage]\nindex='%s'\n" % (("sparse+https://%s/index/" if sparse else "https://%s/git/index.git") % HOST))
        both_ways(stage, "CARGO_HOME=$PWD/ch cargo fetch -q && ls ch/registry/cache/*/demo-1.0.0.crate",
                  lambda r: "demo-1.0.0.crate" in r.out, timeout=90, setup=lambda: shutil.rmtree(yard.path("ch"), True))


# --- other protocols ----------------------------------------------------------------------------------------------

NODE_WEBSOCKET = """node --experimental-websocket -e '
const w = new WebSocket("wss://%s/ws"); w.onopen = () => w.send("frame"); w.onerror = e => console.log("refused");
w.onmessage = m => { console.log(m.data); w.close(); }'"""


PYTHON_WEBSOCKET = """python3 -c '
import websocket
try:
    w = websocket.create_connection("wss://%s/ws", timeout=10); w.send("frame"); print(w.recv())
except websocket.WebSocketException as e: print("refused", e)'"""


def websocket(yard, line):
    with Stage(yard, HOST) as stage:
        stage.routes["/ws"] = websocket_route
        for rule, word in (({"upgrade": True, "tls": "inspect"}, "FRAME"), ({"tls": "pass"}, "FRAME"), ({"tls": "inspect"}, "refused")):
            r = yard.run(line % HOST, "-p", stage.policy([dict({"host": HOST}, **rule)]), timeout=30)
            check(word in r.out, "WebSocket with %s" % rule, r)
        check("change the protocol" in stage.records("denied")[0]["detail"]["reason"], "the refusal does not say why")


@test
def node_websocket_works_by_rule(yard):
    if yard.outside("node --experimental-websocket -e 0").rc:
        skip("needs a node with WebSocket, which is not installed")
    websocket(yard, NODE_WEBSOCKET)


@test
def python_websocket_works_by_rule(yard):
    need_module(yard, "websocket")
    websocket(yard, PYTHON_WEBSOCKET)


HTTP2_SERVER = """
const fs = require("fs"), h2 = require("http2");
h2.createSecureServer({key: fs.readFileSync("%(dir)s/server.key"), cert: fs.readFileSync("%(dir)s/server.pem")})
  .on("stream", s => { s.respond({":status": 200}); s.pipe(s); })
  .listen(8443, "%(address)s", () => console.log("up"));
"""


def http2(yard, line, want):
    need("node")
    with Stage(yard, HOST) as stage:
        server = subprocess.Popen(["node", "-e", HTTP2_SERVER % {"dir": stage.dir, "address": ADDRESS}], stdout=subprocess.PIPE)
        try:
            server.stdout.readline()
            r = yard.run(line, "-p", stage.policy([{"host": HOST, "ports": [8443], "tls": "pass"}]))
            check(r.rc == 0 and want in r.out, "HTTP/2 is not passed through", r)
        finally:
            server.kill()
            server.wait()
            server.stdout.close()


@test
def curl_speaks_http2_through(yard):
    need("curl")
    http2(yard, "curl -sS --http2 -d hello -w '%%{http_version}' https://%s:8443/x" % HOST, "hello2")


@test
def nghttp_speaks_http2_through(yard):
    need("nghttp")
    http2(yard, "echo hello > b; nghttp -d b https://%s:8443/x" % HOST, "hello")


GRPC_SERVER = """
import grpc
from concurrent import futures
key, cert = (open("%(dir)s/server." + end, "rb").read() for end in ("key", "pem"))
s = grpc.server(futures.ThreadPoolExecutor(4))
s.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("stage.Echo", {
    "Say": grpc.unary_unary_rpc_method_handler(lambda request, context: request.upper()),
    "Count": grpc.unary_stream_rpc_method_handler(lambda request, context: (b"%%d" %% i for i in range(3)))}),))
s.add_secure_port("%(address)s:8443", grpc.ssl_server_credentials([(key, cert)]))
s.add_insecure_port("%(address)s:8080")
s.start()
print("up", flush=True)
s.wait_for_termination()
"""
GRPC_CLIENT = """
import grpc, sys
name, tls = sys.argv[1], sys.argv[2] == "tls"
c = grpc.secure_channel(name + ":8443", grpc.ssl_channel_credentials()) if tls else grpc.insecure_channel(name + ":8080")
try: print(c.unary_unary("/stage.Echo/Say")(b"hello", timeout=10), list(c.unary_stream("/stage.Echo/Count")(b"", timeout=10)))
except grpc.RpcError as e: print("refused:", e.code(), e.details())
"""


@test(timeout=120)
def grpc_passes_through_and_is_refused_with_a_reason_elsewhere(yard):
    """It needs HTTP/2: as it is where TLS is passed through, at its own port by `protocol: tcp`, and not where HTTP is read."""
    need_module(yard, "grpc")
    yard.write("client.py", GRPC_CLIENT)
    with Stage(yard, HOST) as stage:
        server = subprocess.Popen(["python3", "-c", GRPC_SERVER % {"dir": stage.dir, "address": ADDRESS}], stdout=subprocess.PIPE, env=yard.env)
        try:
            server.stdout.readline()
            for mode, rule, why in (("tls", {"ports": [8443], "tls": "pass"}, None), ("tls", {"ports": [8443], "tls": "inspect"}, "only HTTP/2"),
                                    ("plain", {"ports": [8080], "protocol": "tcp"}, None), ("plain", {"ports": [8080]}, "HTTP/2")):
                r = yard.run("python3 client.py %s %s" % (HOST, mode), "-p", stage.policy([dict({"host": HOST}, **rule)]), timeout=40)
                check(r.rc == 0 and (why and "refused:" in r.out or "b'HELLO' [b'0', b'1', b'2']" in r.out), "gRPC, %s with %s" % (mode, rule), r)
                reasons = [d["detail"]["reason"] for d in stage.records("denied")]
                check(bool(reasons) == bool(why) and all(why in reason for reason in reasons), "gRPC, %s with %s: %s" % (mode, rule, reasons), r)
                check(len(reasons) < 20, "gRPC does not take no for an answer: refused %d times" % len(reasons), r)
        finally:
            server.kill()
            server.wait()
            server.stdout.close()


@test
def curl_falls_back_to_http1_where_tls_is_looked_into(yard):
    page(yard, "curl -sS --http2 https://%s/client" % HOST, programs=["curl"])


SSHD = """Port 2222
ListenAddress %(address)s
HostKey %(dir)s/host
AuthorizedKeysFile %(dir)s/user.pub
PidFile none
StrictModes no
UsePAM no
"""


@test
def ssh_works_by_rule(yard):
    sshd = shutil.which("sshd", path=PATH)
    need("ssh", "ssh-keygen")
    if not sshd:
        skip("needs sshd, which is not installed")
    with Stage(yard, HOST) as stage:
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stage.dir + "/" + name], check=True)
        config = stage.file("sshd_config", SSHD % {"dir": stage.dir, "address": ADDRESS})
        server = subprocess.Popen([sshd, "-D", "-e", "-f", config], stderr=subprocess.PIPE)
        try:
            said = server.stderr.readline()
            if b"listening" not in said:
                skip("sshd does not start here as this user: %s" % said.decode().strip())
            shutil.copy(stage.dir + "/user", yard.path("key"))
            os.chmod(yard.path("key"), 0o600)
            line = "ssh -i key -p 2222 -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null %s echo over ssh" % HOST
            r = yard.run(line, "-p", stage.policy([{"host": HOST, "ports": [2222], "protocol": "tcp"}]), timeout=30)
            check(r.rc == 0 and "over ssh" in r.out, "ssh does not work", r)
            r = yard.run(line, "-p", stage.policy([{"host": HOST}]), timeout=30)
            check(r.rc != 0 and "over ssh" not in r.out, "ssh works without a rule", r)
        finally:
            server.kill()
            server.wait()
            server.stderr.close()
