#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real clients behind the guard with no configuration inside: each through a terminated and a passed-through host. A client
that this machine does not have is a skip that says so."""
import http.server
import os
import shutil
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import guard_stage  # noqa: E402

STAGE = None
GIT = 8444


class GitServer(http.server.BaseHTTPRequestHandler):
    """Smart HTTP: hands requests to git http-backend (gitprotocol-http(5))."""
    protocol_version = "HTTP/1.1"
    root = None

    def log_message(self, *args):
        pass

    def backend(self):
        path, _, query = self.path.partition("?")
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while True:
                n = int(self.rfile.readline(), 16)
                body += self.rfile.read(n)
                self.rfile.readline()
                if not n:
                    break
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        env = dict(os.environ, GIT_PROJECT_ROOT=self.root, GIT_HTTP_EXPORT_ALL="1", PATH_INFO=path, QUERY_STRING=query,
                   REQUEST_METHOD=self.command, CONTENT_TYPE=self.headers.get("Content-Type", ""), REMOTE_USER="tester",
                   HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
                   GIT_PROTOCOL=self.headers.get("Git-Protocol", ""), CONTENT_LENGTH=str(len(body)))
        out = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True).stdout
        head, _, rest = out.partition(b"\r\n\r\n")
        fields = [h.split(": ", 1) for h in head.decode().split("\r\n") if h]
        status = [v for k, v in fields if k == "Status"]
        self.send_response(int(status[0].split()[0]) if status else 200)
        for k, v in fields:
            if k != "Status":
                self.send_header(k, v)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest)

    do_GET = do_POST = backend


def setUpModule():
    global STAGE
    STAGE = guard_stage.Stage()
    GitServer.root = STAGE.dir
    run = lambda *a: subprocess.run(a, check=True, cwd=STAGE.dir, capture_output=True)  # noqa: E731
    run("git", "init", "-q", "work")
    run("git", "-C", "work", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "first")
    run("git", "clone", "-q", "--bare", "work", "repo.git")
    run("git", "-C", "repo.git", "config", "http.receivepack", "true")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", GIT), GitServer)
    server.daemon_threads = True
    server.socket = STAGE.origin.ctx.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


@unittest.skipUnless(shutil.which("openssl"), "no openssl to make certificates with")
class Clients(unittest.TestCase):
    HOST, HTTPS = "up.test", guard_stage.HTTPS  # terminated
    PORTS = [guard_stage.HTTP, guard_stage.HTTPS, GIT]

    def config(self):
        return STAGE.config(allow=[{"host": "up.test", "ports": self.PORTS, "tls": 1, "upgrade": True},
                                   {"host": "open.test", "ports": self.PORTS, "tls": 2}])

    def client(self, *command, needs=None):
        needs = needs or command[0]
        if not shutil.which(needs):
            self.skipTest("no %s on this machine" % needs)
        command = [c.replace("HOST", self.HOST) for c in command]
        rc, out, records = STAGE.run(self.config(), command, timeout=120)
        self.assertEqual(rc, 0, out)
        kinds = {r["tls"] for r in records if r["event"] == "connection"}
        self.assertEqual(kinds, {"terminated"} if self.HOST == "up.test" else {"passed"})
        return out

    def test_curl(self):
        self.assertEqual(self.client("curl", "-sS", *self.trust("--cacert"), "https://HOST:8443/curl"), "GET /curl\n")

    def test_curl_uploads(self):
        out = self.client("sh", "-c", "head -c 3000000 /dev/zero | curl -sS %s -T - https://HOST:8443/length" %
                          " ".join(self.trust("--cacert")), needs="curl")
        self.assertEqual(out, "3000000")

    def test_wget(self):
        trust = ["--ca-certificate=" + STAGE.origin.cert] if self.trust("x") else []
        self.assertEqual(self.client("wget", "-q", "-O-", *trust, "https://HOST:8443/wget"), "GET /wget\n")

    def test_git_clones_and_pushes(self):
        trust = "export GIT_SSL_CAINFO=%s;" % STAGE.origin.cert if self.trust("x") else ""
        self.client("sh", "-ec", trust + """cd $(mktemp -d); git clone -q https://HOST:8444/repo.git c; cd c
            git -c user.name=t -c user.email=t@t commit -q --allow-empty -m HOST; git push -q origin HEAD""", needs="git")
        log = subprocess.run(["git", "-C", STAGE.dir + "/repo.git", "log", "--format=%s"], capture_output=True, text=True).stdout
        self.assertIn(self.HOST, log)

    def test_node_fetch(self):
        trust = "export NODE_EXTRA_CA_CERTS=%s;" % STAGE.origin.cert if self.trust("x") else ""
        out = self.client("sh", "-c", trust + "node -e 'fetch(\"https://HOST:8443/node\").then(r => r.text()).then(t => process.stdout.write(t))'", needs="node")
        self.assertEqual(out, "GET /node\n")

    def test_python_urllib(self):
        trust = STAGE.origin.cert if self.trust("x") else None
        code = "import ssl, urllib.request as u; print(u.urlopen('https://HOST:8443/py', context=ssl.create_default_context(cafile=%r)).read())" % trust
        self.assertIn("GET /py", self.client(sys.executable, "-c", code))

    def test_openssl_sees_a_chain_that_verifies(self):
        trust = " ".join(self.trust("-CAfile"))
        out = self.client("sh", "-c", "printf 'GET /s HTTP/1.0\\r\\nHost: HOST:8443\\r\\nConnection: close\\r\\n\\r\\n' | openssl s_client -quiet -verify_return_error %s -connect HOST:8443 -servername HOST 2>&1; true" % trust, needs="openssl")
        self.assertIn("GET /s", out)

    def trust(self, option):
        """Terminated, the system's store inside is enough; passed through, the client sees the server's own certificate."""
        return []


class PassedThrough(Clients):
    HOST = "open.test"

    def trust(self, option):
        return [option, STAGE.origin.cert]


if __name__ == "__main__":
    guard_stage.enter()
    unittest.main(verbosity=2)
