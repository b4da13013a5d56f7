# SPDX-License-Identifier: Apache-2.0
"""files.strict: a denied name that the host makes while the run is on stays closed from the first moment, and programs do
not notice that their opens are performed for them."""
import os
import subprocess
import threading
import time

from yard import check, need, test

HERE = os.path.dirname(os.path.abspath(__file__))
STRICT = ("--deny", "**/.env", "--set", "files.strict=true")


class Host:
    """Makes the denied file, whole, and takes it away again, as editors and deploy scripts do."""

    def __init__(self, yard):
        self.yard, self.stop, self.times = yard, False, 0
        self.thread = threading.Thread(target=self.work)

    def work(self):
        place, fresh = self.yard.path(".env"), self.yard.path("../fresh")
        while not self.stop:
            with open(fresh, "w") as f:
                f.write("CANARY of %d\n" % self.times)
            os.rename(fresh, place)
            self.times += 1
            time.sleep(0.003)
            try:
                os.unlink(place)
            except FileNotFoundError:
                pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.thread.join()


@test(timeout=120)
def a_denied_file_that_appears_is_never_opened(yard):
    need("gcc")
    yard.write("fine", "fine\n")
    subprocess.check_call(["gcc", "-O1", "-pthread", "-o", yard.path("race"), HERE + "/strict_race.c"])
    with Host(yard):
        control = yard.outside("./race 1 fine .env")
    check("LEAK" in control.out, "positive control: the race is not won even without the sandbox", control)
    yard.call(["rm", "-f", "copy", "link", ".env"])
    with Host(yard) as host:
        r = yard.run("./race 5 fine .env", *STRICT)
    check(r.rc == 0 and "leaks 0" in r.out, "the denied file was opened", r)
    check(host.times > 100, "the host made the file %d times only" % host.times)


@test
def a_directory_that_came_from_outside_is_no_way_in(yard):
    """A command may inherit any descriptor as its input; opening below it is not the sandbox's tree."""
    yard.write("~/.ssh/id_rsa", "CANARY\n", 0o600)
    code = "import os; print(os.read(os.open('id_rsa', 0, dir_fd=3), 99))"
    attack = ["sh", "-c", 'exec 3<&0 </dev/null; python3 -c "%s"; cat /proc/self/fd/3/id_rsa' % code]

    def run(argv):
        d = os.open(yard.path("~/.ssh"), os.O_RDONLY)
        p = subprocess.run(argv, stdin=d, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=yard.env, cwd=yard.workspace)
        os.close(d)
        return p.stdout
    check(b"CANARY" in run(attack), "positive control: the descriptor is of no use even without the sandbox")
    for options in (STRICT, ("--deny", "**/.env")):
        out = run([yard.binary, "run", *options, "--", *attack])
        check(b"CANARY" not in out, "a file was opened below it: %r" % out)


@test
def a_redirection_can_be_opened_again_and_only_as_it_was_given(yard):
    yard.write("../in.txt", "input\n")
    for options in (STRICT, ()):
        line = "cat /dev/stdin; echo again > /dev/stdout; (echo no > /proc/self/fd/0) 2>/dev/null && echo written"
        with open(yard.path("../in.txt")) as given, open(yard.path("../out.txt"), "w") as out:
            subprocess.run([yard.binary, "run", *options, "--", "sh", "-c", line], stdin=given, stdout=out, env=yard.env, cwd=yard.workspace)
        text = yard.read("../out.txt")
        check("written" not in text and "again" in text, "with %s: %r" % (options, text))
        check(yard.read("../in.txt") == "input\n", "the input was written")


PROGRAMS = {
    "a_build": "printf 'int f(void){return 42;}' >b.c; printf 'int f(void);int main(void){return f()-42;}' >a.c;"
               "printf 'prog: a.o b.o\\n\\tgcc -pipe -o prog a.o b.o\\n' >Makefile; make -j2 && ./prog && make -q",
    "the_shell": "cat <<E | cat - /dev/fd/0 </dev/null\nhere\nE\nmkfifo ff; (echo 1 >ff &); read x <ff; test $x = 1 && rm ff &&"
                 "bash -c 'diff <(ls) <(ls) && exec 3<>o && echo hi >&3 && cat /dev/fd/3 && tee /dev/null <o'",
    "the_core_utilities": "echo 1 >a; cp -a a b && mv b c && ln c d && ln -s d e && chmod 600 d && truncate -s 100 a && install -m 755 a f &&"
                          "mkdir -p x/y/z && cp -r x w && mv x/y w/v && tar cf t.tar w && tar xf t.tar && sed -i s/1/2/ c && sort c -o c && rm -r a c d e f w x t.tar &&"
                          "find / -maxdepth 2 >/dev/null 2>&1; grep -r define /usr/include/linux | wc -l && ls -lR . >/dev/null && du -sh . && df . && touch z",
    "process_listing": "ps aux | grep -q ps && ps -ef >/dev/null && free >/dev/null && uptime && test \"$(cat /proc/self/comm)\" = cat &&"
                       "test -r /proc/cpuinfo && head -c 10 /proc/self/environ >/dev/null && ls -l /proc/self/fd",
    "git": "git config --global user.name a; git config --global user.email a@b; git status && echo 1 >f && git add f && git commit -qm 1 && git checkout -qb b &&"
           "echo 2 >>f && git stash && git stash pop && git commit -qam 2 && git rebase -q main && git merge -q b && git gc -q && git fsck && git log --stat && git tag t &&"
           "git clone -q . /tmp/clone && git -C /tmp/clone log",
    "python": "python3 -c 'import json,os,shutil,sqlite3,ssl,subprocess,tempfile,multiprocessing as m\n"
              "f = tempfile.NamedTemporaryFile(); d = tempfile.TemporaryDirectory(dir=\".\"); subprocess.check_call([\"true\"])\n"
              "os.makedirs(\"x/y\"); open(\"x/y/f\", \"w\").write(\"1\"); shutil.copytree(\"x\", \"z\"); shutil.move(\"z\", \"v\"); shutil.rmtree(\"v\")\n"
              "c = sqlite3.connect(\"t.db\"); c.execute(\"create table t(a)\"); c.commit()\n"
              "p = m.Pool(2); print(p.map(abs, [-1, 2])); p.close(); p.join()' && python3 -m venv --without-pip venv && venv/bin/python3 -c 'print(1)'",
    "node": "node -e 'const fs = require(\"fs\"); fs.writeFileSync(\"n\", \"1\"); fs.renameSync(\"n\", \"m\"); fs.mkdirSync(\"d/e\", {recursive: true});"
            "fs.cpSync(\"d\", \"g\", {recursive: true}); fs.rmSync(\"d\", {recursive: true}); require(\"child_process\").execSync(\"true\");"
            "if (!require(\"os\").cpus().length) process.exit(1)'",
    "a_terminal": "script -qc 'tty && echo to the terminal >/dev/tty && stty -a </dev/tty >/dev/null && echo fine' /dev/null",
    "its_own_env": "echo A=1 >.env && cat .env && echo A=2 >.env.new && mv .env.new .env && grep -q A=2 .env && rm .env",
}
NEEDS = {"a_build": ["gcc", "make"], "git": ["git"], "node": ["node"], "a_terminal": ["script"]}


def define(name, line):
    def it_works(yard):
        need(*NEEDS.get(name, []))
        if name == "git":
            yard.git("init", "-q")
        check(yard.outside(line).rc == 0, "the line does not work even without the sandbox")
        yard.call(["sh", "-c", "find . -mindepth 1 -delete; rm -rf /tmp/clone"])
        if name == "git":
            yard.git("init", "-q")
        r = yard.run(line, *STRICT, timeout=60)
        check(r.rc == 0, "it does not work under strict", r)
    it_works.__name__ = "under_strict_%s_works" % name
    test(it_works, timeout=120)


for name_, line_ in PROGRAMS.items():
    define(name_, line_)


@test
def dev_tty_is_the_terminal_inside_not_the_callers(yard):
    r = yard.terminal([yard.binary, "run", *STRICT, "--", "sh", "-c", "tty; echo through >/dev/tty; cat /proc/self/stat | cut -d' ' -f7"])
    check("/dev/pts/" in r.out and "through" in r.out, "the terminal does not work", r)
    r = yard.run("(echo x >/dev/tty) 2>&1; true", *STRICT)
    check("No such device" in r.out, "without a terminal there was one", r)


@test
def what_is_not_granted_is_on_record(yard):
    r = yard.run("touch /usr/bawn-x; mkdir .vscode; ln -s x .envrc; cat sub/.env", *STRICT)
    for path in ("/usr/bawn-x", yard.path(".vscode"), yard.path(".envrc")):
        check(path in r.err.split("bawn: refused")[-1], "%s is not among the refusals" % path, r)
