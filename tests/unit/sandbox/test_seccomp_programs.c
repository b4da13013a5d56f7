// SPDX-License-Identifier: Apache-2.0
// Programs that must work under the filters, run as an ordinary user under DENY (or DENY_NESTED) and
// PIN_CPUS. One that is not installed is a counted skip.
#include "../test.h"

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/seccomp.h"

#define NOBODY 65534

static bool installed(const char *program)
{
    char cmd[128];

    snprintf(cmd, sizeof cmd, "command -v %s >/dev/null 2>&1", program);
    return system(cmd) == 0;
}

#define WITHOUT (-1)

static int run(const char *dir, const char *script, int program)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err = {0};

        if (geteuid() == 0 &&
            (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)))
            _exit(99);
        if (chdir(dir) || setenv("HOME", dir, 1))
            _exit(98);
        if (program != WITHOUT && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
                                   !seccomp_load((enum seccomp_program)program, NULL, &err) ||
                                   !seccomp_load(SECCOMP_PIN_CPUS, NULL, &err)))
            _exit(97);
        execl("/bin/sh", "sh", "-ec", script, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void must_run_under(int program, const char *dir, const char *needs, const char *script)
{
    if (!installed(needs)) {
        print_message("[  SKIPPED ] %s is not installed\n", needs);
        skip();
    }
    if (run(dir, script, WITHOUT) != 0) {
        print_message("[  SKIPPED ] %s does not work here without the filters either\n", needs);
        skip();
    }
    assert_int_equal(run(dir, script, program), 0);
}

static void must_run(const char *dir, const char *needs, const char *script)
{
    must_run_under(SECCOMP_DENY, dir, needs, script);
}

static void a_compiler_and_what_it_made_run(void **state)
{
    must_run(*state, "gcc",
             "printf '#include <stdio.h>\\nint main(void){puts(\"made\");return 0;}\\n' >m.c\n"
             "printf 'm: m.c\\n\\tgcc -g -O1 -o m m.c\\n' >Makefile\n"
             "rm -f m; make -s m 2>/dev/null || gcc -g -O1 -o m m.c; test \"$(./m)\" = made");
}

static void gdb_debugs_its_own_child(void **state)
{
    must_run(
        *state, "gdb",
        "printf 'int f(int x){return x+1;} int main(void){return f(41)-42;}\\n' >g.c; gcc -g -O0 -o g g.c\n"
        "gdb -nx -batch -ex 'break f' -ex run -ex 'print x' -ex continue ./g >g.out 2>&1\n"
        "grep -q '= 41' g.out; ! grep -qi 'disabling address space randomization' g.out");
}

static void strace_traces_its_own_child(void **state)
{
    must_run(*state, "strace",
             "strace -f -o s.out sh -c 'cat /etc/hostname; true' >/dev/null; grep -q hostname s.out");
}

static void python_multiprocessing_works(void **state)
{
    must_run(*state, "python3",
             "python3 -c 'import multiprocessing as m; assert sum(m.Pool(2).map(abs, [-1, -2, -3])) == 6'");
}

static void python_sockets_and_logging_work(void **state)
{
    must_run(*state, "python3",
             "python3 -c 'import asyncio, socket, logging.handlers, subprocess\n"
             "async def main():\n"
             "    s = await asyncio.start_server(lambda r, w: w.close(), \"127.0.0.1\", 0)\n"
             "    r, w = await asyncio.open_connection(*s.sockets[0].getsockname())\n"
             "    assert await r.read() == b\"\"\n"
             "asyncio.run(main())\n"
             "socket.getaddrinfo(\"localhost\", 80)\n"
             "assert subprocess.run([\"true\"]).returncode == 0\n"
             "import syslog; syslog.syslog(\"x\")'");
}

static void node_works(void **state)
{
    must_run(*state, "node",
             "node -e 'const {execFileSync, fork} = require(\"child_process\"); const {Worker} = "
             "require(\"worker_threads\"); require(\"os\").networkInterfaces(); "
             "if (execFileSync(\"echo\", [\"a\"]).toString() !== \"a\\n\") process.exit(1); "
             "new Worker(\"process.exit(0)\", {eval: true}).on(\"exit\", c => process.exit(c));'");
}

static void java_works(void **state)
{
    must_run(*state, "java", "java -XX:+UseParallelGC -Xmx64m -version 2>&1 | grep -qi version");
}

static void git_works(void **state)
{
    must_run(*state, "git",
             "rm -rf r; git init -q r; cd r; echo a >f; git add f\n"
             "git -c user.name=a -c user.email=a@example.org commit -qm m; git log --oneline | grep -q m\n"
             "git clone -q . ../r2; rm -rf ../r2");
}

static void go_works(void **state)
{
    must_run(
        *state, "go",
        "printf 'package main\\nimport \"net\"\\nfunc main() { l, e := net.Listen(\"tcp\", \"127.0.0.1:0\"); "
        "if e != nil { panic(e) }; l.Close() }\\n' >n.go; go run n.go");
}

static void bubblewrap_works_when_nested(void **state)
{
    const char *script = "bwrap --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --unshare-all true";

    must_run_under(SECCOMP_DENY_NESTED, *state, "bwrap", script);
    assert_int_not_equal(run(*state, script, SECCOMP_DENY), 0);
}

static int dir_make(void **state)
{
    char *dir = strdup("/tmp/bawn-programs-XXXXXX");

    *state = mkdtemp(dir);
    return *state && chmod(dir, 0777) == 0 ? 0 : -1;
}

static int dir_remove(void **state)
{
    char cmd[256];

    snprintf(cmd, sizeof cmd, "rm -rf %s", (char *)*state);
    free(*state);
    return system(cmd) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_compiler_and_what_it_made_run, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(gdb_debugs_its_own_child, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(strace_traces_its_own_child, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(python_multiprocessing_works, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(python_sockets_and_logging_work, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(node_works, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(java_works, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(git_works, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(go_works, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(bubblewrap_works_when_nested, dir_make, dir_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
