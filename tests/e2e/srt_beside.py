# SPDX-License-Identifier: Apache-2.0
"""Settings as sandbox-runtime and Claude Code publish them, under sandbox-runtime and under our `srt`: the same forty
operations and more, and the same of them land. Where ours is stricter the table says why."""
import json
import os
import socket
import subprocess
import threading

from srt_peer import Operation as Op, call_peer, gone, holds, ours, shown, side_by_side, there
from stage import ADDRESS, Stage
from yard import check, need, test

CODE, PACKAGES, EVIL = "code.stage.test", "pkg.stage.test", "evil.stage.test"
SUB, BAD = "api.code.stage.test", "bad.code.stage.test"
ELSEWHERE = "10.99.0.2"  # an address that nobody lists
LITERALS = ["%s:%d" % (ADDRESS, port) for port in (80, 443, 8080)]  # the stage's is an address of the machine itself

SOCKET = "python3 -c 'import socket; s = socket.socket(1); s.connect(\"%s\"); print(s.recv(9))'"
LOCAL = ("python3 -c 'import socket; s = socket.create_server((\"127.0.0.1\", 0)); c = socket.create_connection(s.getsockname());"
         " s.accept()[0].sendall(b\"LOCAL\"); print(c.recv(9))'")


def fetch(url, *options):
    return "curl -sS -m 10 %s %s" % (" ".join(options), url)


def operations(yard, stage, tmp):
    tls = "--cacert %s" % stage.ca
    return [
        Op("read a file of the project", "cat README.md", shown("READ-ME")),
        Op("read a file below src", "cat src/app.js", shown("APP-JS")),
        Op("read .env", "cat .env", shown("DOT-ENV")),
        Op("read secrets/key", "cat secrets/key", shown("SECRET-KEY")),
        Op("read a certificate by name", "cat certs/site.pem", shown("SITE-PEM")),
        Op("list certs", "ls certs", shown("site.pem")),
        Op("read an ssh key", "cat ~/.ssh/id_rsa", shown("SSH-KEY")),
        Op("list ~/.ssh", "ls ~/.ssh", shown("id_rsa")),
        Op("read cloud credentials", "cat ~/.aws/credentials", shown("AWS-KEY")),
        Op("read another file of the home", "cat ~/notes.txt", shown("HOME-NOTES")),
        Op("read ~/.gitconfig", "cat ~/.gitconfig", shown("GIT-NAME")),
        Op("read /etc/passwd", "grep ^root: /etc/passwd", shown("root:")),
        Op("read a program of the system", "head -c 4 /usr/bin/env", shown("ELF")),
        Op("read through a link of the project", "cat link-out", shown("HOME-NOTES")),
        Op("read through a link made inside", "ln -s ~/.ssh/id_rsa made-link; cat made-link || cat ~/.ssh/id_rsa", shown("SSH-KEY")),
        Op("a new file in the project", "echo NEW-FILE > new.txt", holds("NEW-FILE", "new.txt")),
        Op("a new file below src", "echo NEW-SRC > src/new.js", holds("NEW-SRC", "src/new.js")),
        Op("directories in the project", "mkdir -p a/b/c && echo DEEP > a/b/c/d", holds("DEEP", "a/b/c/d")),
        Op("append to .env", "echo PLANTED >> .env", holds("PLANTED", ".env")),
        Op("overwrite config/production.json", "echo PLANTED > config/production.json", holds("PLANTED", "config/production.json", "config2/production.json")),
        Op("a new file in secrets", "echo PLANTED > secrets/new", holds("PLANTED", "secrets/new")),
        Op("a name that is denied and not there", "echo PLANTED > later.lock", holds("PLANTED", "later.lock")),
        Op("write a file of the home", "echo PLANTED > ~/notes.txt", holds("PLANTED", "~/notes.txt")),
        Op("a new file in the home", "echo PLANTED > ~/new.txt", holds("PLANTED", "~/new.txt")),
        Op("write into ~/sensitive", "echo PLANTED > ~/sensitive/file", holds("PLANTED", "~/sensitive/file")),
        Op("write through a link of the project", "echo PLANTED >> link-write", holds("PLANTED", "~/written.txt")),
        Op("write to a shared directory", "echo PLANTED > ~/shared/x", holds("PLANTED", "~/shared/x")),
        Op("write to /tmp of the machine", "echo PLANTED > %s" % tmp, lambda *_: os.path.exists(tmp)),
        Op("move a file within the project", "mv test/t.js moved.js", there("moved.js")),
        Op("rename a directory", "mv docs docs2", there("docs2/page.md")),
        Op("rename the directory of a denied file", "mv config config2", there("config2/production.json")),
        Op("remove a file", "rm -f LICENSE", gone("LICENSE")),
        Op("remove a denied file", "rm -f .env2", gone(".env2")),
        Op("change a mode", "chmod 600 src/app.js", lambda y, _: os.stat(y.path("src/app.js")).st_mode & 0o777 == 0o600),
        Op("a git hook", "echo x > .git/hooks/pre-commit", there(".git/hooks/pre-commit", ".git2/hooks/pre-commit")),
        Op("git's configuration", "echo '[alias] x = !sh' >> .git/config", holds("alias", ".git/config", ".git2/config")),
        Op("a hook of a nested repository", "echo x > sub/.git/hooks/pre-commit", there("sub/.git/hooks/pre-commit")),
        Op("a hook of a deep repository", "echo x > v/w/x/y/z/.git/hooks/pre-commit", there("v/w/x/y/z/.git/hooks/pre-commit")),
        Op("a hook of a repository made inside", "git init -q made && mkdir -p made/.git/hooks && echo x > made/.git/hooks/pre-push",
           there("made/.git/hooks/pre-push")),
        Op("git commit", "git add src && git -c user.name=y -c user.email=y@y.test commit -qm work && git log --format=%s", shown("work")),
        Op("move .git away", "mv .git .git2", gone(".git")),
        Op(".bashrc in the project", "echo x > .bashrc", there(".bashrc")),
        Op(".mcp.json", "echo '{}' > .mcp.json", there(".mcp.json")),
        Op("editor settings", "mkdir -p .vscode; echo x > .vscode/tasks.json", there(".vscode/tasks.json")),
        Op("an agent's command", "mkdir -p .claude/commands; echo x > .claude/commands/c.md", there(".claude/commands/c.md")),
        Op("another agent's settings", "mkdir -p .codex; echo x > .codex/config.toml", there(".codex/config.toml")),
        Op(".envrc", "echo x > .envrc", there(".envrc")),
        Op("an allowed host", fetch("http://%s/one" % CODE), shown("GET /one")),
        Op("an allowed host by TLS", fetch("https://%s/two" % CODE, tls), shown("GET /two")),
        Op("a subdomain under a wildcard", fetch("https://%s/three" % SUB, tls), shown("GET /three")),
        Op("an upload to an allowed host", fetch("https://%s/up" % CODE, tls, "-d body"), shown("POST /up")),
        Op("a denied subdomain under a wildcard", fetch("https://%s/four" % BAD, tls), shown("GET /four")),
        Op("a host on no list", fetch("http://%s/five" % EVIL), shown("GET /five")),
        Op("a host on no list by TLS", fetch("https://%s/six" % EVIL, tls), shown("GET /six")),
        Op("a listed port", fetch("http://%s:8080/seven" % PACKAGES), shown("GET /seven")),
        Op("a port beside the listed one", fetch("http://%s/eight" % PACKAGES), shown("GET /eight")),
        Op("another address", fetch("http://%s/nine" % ELSEWHERE), shown("GET /nine")),
        Op("another address, without a proxy", fetch("http://%s/ten" % ELSEWHERE, "--noproxy '*'"), shown("GET /ten")),
        Op("a Host field of another host", fetch("http://%s/front" % CODE, "-H 'Host: %s'" % EVIL), shown("GET /front")),
        Op("an allowed host, without a proxy", fetch("http://%s/bare" % CODE, "--noproxy '*'"), shown("GET /bare")),
        Op("a socket of this machine", SOCKET % (yard.root + "/host.sock"), shown("HELLO")),
        Op("a socket that appears during the run", "touch want-socket; for i in $(seq 20); do test -e late.sock && break; sleep 0.1; done; " +
           SOCKET % "late.sock", shown("HELLO")),
        Op("the run's own loopback", LOCAL, shown("LOCAL")),
    ]


STRICTER = {
    "a hook of a nested repository": "git's hooks are protected in nested repositories",
    "a hook of a deep repository": "at any depth, where sandbox-runtime looks three levels down",
    "a hook of a repository made inside": "and in those that the run makes",
    "another agent's settings": "@hooks covers more agents and editors",
    ".envrc": "and what shells run on entering a directory",
    "a Host field of another host": "the Host field must agree with where the connection goes",
    "write to /tmp of the machine": "/tmp is a private one",
}
OTHER = {
    "a socket that appears during the run": "SECURITY.md: covered are those that are there at the start; sandbox-runtime lets no socket be made",
    "an allowed host, without a proxy": "the gate needs no proxy settings; the host is an allowed one",
}


def world(yard):
    def make():
        subprocess.run(["chmod", "-R", "u+rwX", yard.workspace, yard.home], check=False)
        subprocess.run("rm -rf ./* ./.[!.]*", shell=True, cwd=yard.workspace)
        subprocess.run("rm -rf ./* .ssh .aws .gitconfig", shell=True, cwd=yard.home)
        for name, text in (("README.md", "READ-ME"), ("LICENSE", "L"), ("src/app.js", "APP-JS"), (".env", "DOT-ENV"), (".env2", "DOT-ENV"),
                           ("secrets/key", "SECRET-KEY"), ("certs/site.pem", "SITE-PEM"), ("certs/readme", "x"), ("config/production.json", "{}"),
                           ("test/t.js", "T"), ("docs/page.md", "PAGE"), ("~/.ssh/id_rsa", "SSH-KEY"), ("~/.aws/credentials", "AWS-KEY"),
                           ("~/notes.txt", "HOME-NOTES"), ("~/written.txt", "W"), ("~/.gitconfig", "[user]\n\tname = GIT-NAME\n"),
                           ("~/sensitive/file", "S"), ("~/shared/there", "S")):
            yard.write(name, text)
        os.symlink(yard.home + "/notes.txt", yard.path("link-out"))
        os.symlink(yard.home + "/written.txt", yard.path("link-write"))
        for repository in ("", "sub", "v/w/x/y/z"):
            os.makedirs(yard.path(repository), exist_ok=True)
            subprocess.run(["git", "-c", "init.defaultBranch=main", "init", "-q", yard.path(repository)], check=True, env=yard.env)
            os.makedirs(yard.path(repository) + "/.git/hooks", exist_ok=True)
    return make


def compare(yard, settings, denied=(), argv=None):
    """`denied`: operations that must fail under both, so that the table is known to bite."""
    need("curl", "git")
    tmp = "/tmp/bawn-srt-%d" % os.getpid()
    with Stage(yard, CODE, PACKAGES, EVIL, SUB, BAD) as stage:
        stage.serve(8080, None)
        stage.also(ELSEWHERE, 80)
        ops = operations(yard, stage, tmp)

        def setup(make=world(yard)):
            make()
            if os.path.exists(tmp):
                os.unlink(tmp)

        with HostSockets(yard):
            try:
                theirs, mine, table = side_by_side(yard, settings, ops, setup, STRICTER, OTHER, argv, timeout=100)
            finally:
                if os.path.exists(tmp):
                    os.unlink(tmp)
    check(len(ops) >= 40, "fewer than forty operations")
    for name in denied:
        check(not theirs[name] and not mine[name], "%s is let through\n%s" % (name, table))
    check(sum(mine.values()) >= 15, "hardly anything works\n%s" % table)


class HostSockets:
    """A service of this machine that says HELLO; another is made in the workspace when the run wants one."""

    def __init__(self, yard):
        self.yard, self.servers, self.done = yard, [], threading.Event()

    def serve(self, path):
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen(8)
        self.servers.append(server)

        def answer():
            while True:
                try:
                    c = server.accept()[0]
                except OSError:
                    return
                c.sendall(b"HELLO")
                c.close()
        threading.Thread(target=answer, daemon=True).start()

    def watch(self):
        late = self.yard.path("late.sock")
        while not self.done.wait(0.05):
            if self.yard.exists("want-socket") and not os.path.exists(late):
                self.serve(late)

    def __enter__(self):
        self.serve(self.yard.root + "/host.sock")
        self.watcher = threading.Thread(target=self.watch)
        self.watcher.start()

    def __exit__(self, *_):
        self.done.set()
        self.watcher.join()
        for s in self.servers:
            s.shutdown(socket.SHUT_RDWR)
            s.close()


def network(allowed=(), denied=(), **more):
    return dict({"allowedDomains": [*allowed, *(LITERALS if allowed else [])], "deniedDomains": list(denied)}, **more)


def files(deny_read=(), allow_write=(), deny_write=(), **more):
    return dict({"denyRead": list(deny_read), "allowWrite": list(allow_write), "denyWrite": list(deny_write)}, **more)


@test(timeout=240)
def the_complete_example(yard):
    """Hosts with and without wildcards, a denied one, an ssh directory, files of the project that are not written."""
    compare(yard, {"network": network([CODE, "*." + CODE, PACKAGES + ":8080"], [BAD], allowUnixSockets=["/run/engine.sock"], allowLocalBinding=False),
                   "filesystem": files(["~/.ssh"], [".", "src/", "test/", "/tmp"], [".env", ".env2", "config/production.json", "later.lock"], allowRead=[]),
                   "ignoreViolations": {"*": ["/usr/bin"], "git push": ["/usr/bin/nc"]},
                   "enableWeakerNestedSandbox": False, "enableWeakerNetworkIsolation": False, "allowAppleEvents": False},
            ["read an ssh key", "list ~/.ssh", "append to .env", "overwrite config/production.json", "a denied subdomain under a wildcard",
             "a host on no list", "a port beside the listed one", "a git hook", "write a file of the home", "a socket of this machine"])


@test(timeout=240)
def the_recipe_for_a_code_host(yard):
    compare(yard, {"network": network([CODE, "*." + CODE, "lfs." + CODE, SUB]), "filesystem": files([], ["."], [])},
            ["a host on no list", "a host on no list by TLS", "another address", "write a file of the home", ".mcp.json"])


@test(timeout=240)
def the_recipe_for_specific_directories(yard):
    compare(yard, {"network": network(), "filesystem": files(["~/.ssh"], [".", "src/", "test/"], [".env", "secrets/"])},
            ["an allowed host", "a new file in secrets", "read an ssh key", "append to .env"])


@test(timeout=240)
def the_recipe_for_the_workspace_only(yard):
    """The home is denied, the workspace re-opened; here the workspace lies in the home."""
    yard.workspace = yard.home + "/project"
    os.mkdir(yard.workspace)
    compare(yard, {"network": network(), "filesystem": files(["~"], ["."], [], allowRead=["."])},
            ["read another file of the home", "read cloud credentials", "read ~/.gitconfig", "read through a link of the project"])


@test(timeout=240)
def the_example_for_a_tool_server(yard):
    compare(yard, {"network": network(), "filesystem": files([], [".", "~/shared", "~/sensitive"], ["~/sensitive"])},
            ["write into ~/sensitive", "an allowed host", "write a file of the home"])


@test(timeout=240)
def globs_and_a_second_writable_directory(yard):
    """As Claude Code's documentation has them for its sandbox: a directory of the home for writing, credentials hidden."""
    compare(yard, {"network": network(["*." + CODE]), "filesystem": files(["~/.aws/credentials", "certs/*.pem", "secrets/**"], [".", "~/shared/**"], [])},
            ["read cloud credentials", "read a certificate by name", "read secrets/key", "an allowed host"])


@test(timeout=240)
def claude_codes_settings_for_keeps(yard):
    """A policy imported from Claude Code's settings, beside what these mean for sandbox-runtime."""
    def argv(yard):
        yard.write("~/claude/.claude/settings.json", json.dumps({
            "permissions": {"allow": ["Bash(npm run:*)", "WebFetch(domain:%s)" % CODE], "deny": ["Read(/%s/secrets/**)" % yard.workspace, "Edit(.env)"]},
            "sandbox": {"enabled": True, "autoAllowBashIfSandboxed": True, "excludedCommands": ["docker"],
                        "filesystem": {"allowWrite": ["~/shared"], "denyRead": ["~/.aws/credentials"]},
                        "network": {"allowedDomains": ["*." + CODE, *LITERALS], "deniedDomains": [BAD]}}}))
        out = yard.root + "/policy.yaml"
        r = yard.bawn("policy", "import", yard.path("~/claude/.claude/settings.json"), "-o", out)
        check(r.rc == 0, "policy import", r)
        return [yard.binary, "run", "-q", "-p", out, "--"]

    compare(yard, {"network": network([CODE, "*." + CODE], [BAD]), "filesystem": files(["~/.aws/credentials", "secrets"], [".", "~/shared"], [".env"])},
            ["read secrets/key", "read cloud credentials", "append to .env", "write a file of the home", "a denied subdomain under a wildcard"], argv)


@test(timeout=240)
def nothing_but_reading(yard):
    """The defaults: no network, no writes."""
    compare(yard, {"network": network(), "filesystem": files()},
            ["a new file in the project", "write to /tmp of the machine", "remove a file", "an allowed host"])


@test(timeout=120)
def exit_status_and_words_are_the_same(yard):
    yard.write("README", "text")
    yard.write("settings.json", '{"network": {"allowedDomains": [], "deniedDomains": []},'
                                ' "filesystem": {"denyRead": [], "allowWrite": [], "denyWrite": []}}')
    for args in (("-c", "exit 7"), ("exit", "3"), ("echo", "a  b", "$HOME", "*", "it's", '"q"', ""), ("nonesuch",), ("./README",), ("-c", "kill -9 $$"),
                 ("-c", "kill -TERM $$"), ("FOO=1", "printenv", "FOO"), ("--", "echo", "x"), ("-c", "cat", "ignored"), ()):
        theirs = call_peer(yard, ["-s", "settings.json", *args], stdin="input\n")
        mine = yard.call([ours(yard), "-s", "settings.json", *args], stdin="input\n")
        check((theirs.rc, theirs.out) == (mine.rc, mine.out), "not the same under theirs: %s" % theirs, mine)
