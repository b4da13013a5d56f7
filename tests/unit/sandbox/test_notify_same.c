// SPDX-License-Identifier: Apache-2.0
// A program under strict mode must not notice it: the same calls, in the same tree, with and without, give
// the same results, descriptors and files. Each probe writes one line; the two logs are compared.
#include "../test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "caller.h"
#include "tree.h"

struct probe {
    struct tree tree;
    FILE *log;
};

static const char *name_of(int e)
{
    const char *s = e ? strerrorname_np(e) : "ok";

    return s ? s : "?";
}

static void say(struct probe *p, const char *what, long r)
{
    fprintf(p->log, "%s: %s\n", what, name_of(r < 0 ? errno : 0));
}

// What came of an open: errno, or the kind of object, its flags and mode, and that it is close-on-exec.
static void say_fd(struct probe *p, const char *what, int fd)
{
    const int shown = O_ACCMODE | O_APPEND | O_NONBLOCK | O_PATH | O_DIRECTORY | O_NOATIME | O_SYNC;
    struct stat st;

    if (fd < 0) {
        fprintf(p->log, "%s: %s\n", what, name_of(errno));
        return;
    }
    fstat(fd, &st);
    fprintf(p->log, "%s: fd flags %o mode %o size %ld cloexec %d\n", what, fcntl(fd, F_GETFL) & shown,
            st.st_mode, S_ISREG(st.st_mode) ? (long)st.st_size : 0, fcntl(fd, F_GETFD));
    close(fd);
}

#define OPEN(path, ...) say_fd(p, "open " #path " " #__VA_ARGS__, open(path, __VA_ARGS__))
#define DO(call) say(p, #call, call)

static void opens(struct probe *p)
{
    OPEN("f", O_RDONLY);
    OPEN("f", O_RDONLY | O_CLOEXEC);
    OPEN("f", O_RDWR | O_APPEND);
    OPEN("f", O_WRONLY | O_NONBLOCK);
    OPEN("f", O_RDWR | O_SYNC);
    OPEN("f", O_RDONLY | O_NOATIME);
    OPEN("f", O_PATH);
    OPEN("f", O_PATH | O_CLOEXEC | O_RDWR | O_TRUNC);
    OPEN("f", O_DIRECTORY);
    OPEN("f/", O_RDONLY);
    OPEN("f/.", O_RDONLY);
    OPEN("f/x", O_RDONLY);
    OPEN("f", O_CREAT | O_EXCL | O_RDWR, 0600);
    OPEN("f", O_CREAT | O_RDWR, 0600);
    OPEN("f", O_CREAT | O_DIRECTORY, 0600);
    OPEN("f", 3);
    OPEN("", O_RDONLY);
    OPEN("", O_CREAT | O_RDWR, 0644);
    OPEN("missing", O_RDONLY);
    OPEN("missing/x", O_CREAT | O_RDWR, 0600);
    OPEN("readonly", O_WRONLY);
    OPEN("readonly", O_RDONLY | O_TRUNC);
    OPEN("unreadable", O_RDONLY);
    OPEN("unreadable", O_PATH);
    OPEN("d", O_RDONLY);
    OPEN("d", O_RDONLY | O_DIRECTORY);
    OPEN("d/", O_RDONLY | O_DIRECTORY);
    OPEN("d", O_WRONLY);
    OPEN("d", O_CREAT | O_RDONLY, 0600);
    OPEN("d", O_RDONLY | O_TRUNC);
    OPEN("d", O_PATH | O_DIRECTORY);
    OPEN(".", O_RDONLY);
    OPEN("..", O_RDONLY);
    OPEN("/", O_RDONLY);
    OPEN("/.", O_PATH);
    OPEN("//", O_RDONLY | O_DIRECTORY);
    OPEN("../../../../../../../../../../../etc/passwd", O_RDONLY);
    OPEN("d/../f", O_RDONLY);
    OPEN("d/../../ws/./d//../f", O_RDONLY);
    OPEN("locked/x", O_RDONLY);
    OPEN("locked/new", O_CREAT | O_RDWR, 0600);
    OPEN("shut", O_RDONLY | O_DIRECTORY);
    OPEN("sock", O_RDONLY);
    OPEN("sock", O_PATH);
    OPEN("fifo", O_RDWR);
    OPEN("fifo", O_RDONLY | O_NONBLOCK);
    OPEN("fifo", O_WRONLY | O_NONBLOCK);
    OPEN("fifo", O_PATH);
    OPEN("t", O_RDWR | O_TRUNC);
}

static void makes_files(struct probe *p)
{
    OPEN("new1", O_CREAT | O_WRONLY, 0666);
    OPEN("new1", O_RDONLY);
    OPEN("new2", O_CREAT | O_EXCL | O_RDWR | O_APPEND | O_CLOEXEC, 0777);
    OPEN("new3/", O_CREAT | O_RDWR, 0600);
    OPEN("new4", O_CREAT | O_RDWR, 0);
    OPEN("new5", O_CREAT | O_RDWR, 06755);
    OPEN("new6", O_CREAT | O_RDONLY | O_TRUNC, 0200);
    OPEN("new7", O_CREAT | O_DIRECTORY | O_RDWR, 0600);
    OPEN("d/new8", O_CREAT | O_WRONLY | O_NOFOLLOW, 0640);
    say_fd(p, "creat", creat("new9", 0604));
    umask(077);
    OPEN("new10", O_CREAT | O_WRONLY, 0666);
    DO(mkdir("dir1", 0777));
    umask(0);
    OPEN("new11", O_CREAT | O_WRONLY, 0666);
    DO(mkdir("dir2", 01777));
    DO(mkfifo("fifo2", 0666));
    umask(022);
    OPEN("d", O_TMPFILE | O_RDWR, 0644);
    OPEN("d", O_TMPFILE | O_WRONLY | O_EXCL, 0644);
    OPEN("d", O_TMPFILE | O_RDONLY, 0644);
    OPEN("f", O_TMPFILE | O_RDWR, 0644);
    OPEN("missing", O_TMPFILE | O_RDWR, 0644);
    OPEN("d", O_TMPFILE | O_RDWR | O_CREAT, 0644);
}

static void follows_links(struct probe *p)
{
    OPEN("link", O_RDONLY);
    OPEN("link", O_RDONLY | O_NOFOLLOW);
    OPEN("link", O_PATH | O_NOFOLLOW);
    OPEN("link", O_PATH);
    OPEN("link/", O_RDONLY);
    OPEN("dirlink/f2", O_RDONLY);
    OPEN("dirlink", O_RDONLY | O_NOFOLLOW | O_DIRECTORY);
    OPEN("dirlink/", O_RDONLY | O_NOFOLLOW | O_DIRECTORY);
    OPEN("dirlink", O_PATH | O_NOFOLLOW | O_DIRECTORY);
    OPEN("abslink", O_RDONLY);
    OPEN("loop1", O_RDONLY);
    OPEN("loop1", O_CREAT | O_RDWR, 0600);
    OPEN("loop1/x", O_RDONLY);
    OPEN("dangling", O_RDONLY);
    OPEN("dangling", O_CREAT | O_EXCL | O_RDWR, 0600);
    OPEN("dangling", O_CREAT | O_RDWR | O_NOFOLLOW, 0600);
    OPEN("dangling", O_CREAT | O_RDWR, 0600);
    OPEN("target", O_RDONLY);
    OPEN("dangling2", O_CREAT | O_RDWR, 0600);
    OPEN("uplink", O_RDONLY);
}

static void uses_descriptors(struct probe *p)
{
    int d = open("d", O_RDONLY | O_DIRECTORY), f = open("f", O_RDONLY), path = open("d", O_PATH), fd;
    char name[64];

    say_fd(p, "openat f2", openat(d, "f2", O_RDONLY));
    say_fd(p, "openat ../f", openat(d, "../f", O_RDONLY));
    say_fd(p, "openat absolute", openat(-1, "/etc/passwd", O_RDONLY));
    say_fd(p, "openat bad", openat(999, "f", O_RDONLY));
    say_fd(p, "openat -5", openat(-5, "f", O_RDONLY));
    say_fd(p, "openat file", openat(f, "f", O_RDONLY));
    say_fd(p, "openat path", openat(path, "new20", O_RDWR | O_CREAT, 0644));
    say_fd(p, "openat empty", openat(d, "", O_RDONLY));
    say(p, "mkdirat", mkdirat(d, "sub", 0755));
    say(p, "renameat", renameat(d, "sub", AT_FDCWD, "sub2"));
    say(p, "unlinkat", unlinkat(AT_FDCWD, "sub2", AT_REMOVEDIR));
    snprintf(name, sizeof name, "/proc/self/fd/%d", f);
    say_fd(p, "reopen read", open(name, O_RDONLY));
    say_fd(p, "reopen write", open(name, O_WRONLY));
    say_fd(p, "reopen nofollow", open(name, O_RDONLY | O_NOFOLLOW));
    say_fd(p, "reopen excl", open(name, O_RDONLY | O_CREAT | O_EXCL, 0600));
    snprintf(name, sizeof name, "/proc/self/fd/%d/f2", path);
    say_fd(p, "through fd", open(name, O_RDONLY));
    snprintf(name, sizeof name, "/dev/fd/%d", f);
    say_fd(p, "dev fd", open(name, O_RDONLY));
    say_fd(p, "bad fd", open("/proc/self/fd/999", O_RDONLY));
    snprintf(name, sizeof name, "/proc/thread-self/fd/%d", f);
    say_fd(p, "thread-self", open(name, O_RDONLY));
    fd = openat(d, ".", O_TMPFILE | O_RDWR, 0644);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    say(p, "link tmpfile", linkat(AT_FDCWD, name, d, "linked", AT_SYMLINK_FOLLOW));
    say(p, "link tmpfile again", linkat(AT_FDCWD, name, d, "linked", AT_SYMLINK_FOLLOW));
    close(fd);
    close(d);
    close(f);
    close(path);
}

static void uses_pipes(struct probe *p)
{
    int fds[2], mem;
    char name[64], text[8] = {0};

    if (pipe(fds) < 0)
        return;
    snprintf(name, sizeof name, "/dev/fd/%d", fds[0]);
    say_fd(p, "pipe read end", open(name, O_RDONLY));
    snprintf(name, sizeof name, "/proc/self/fd/%d", fds[1]);
    say_fd(p, "pipe write end", open(name, O_WRONLY));
    close(fds[0]);
    close(fds[1]);
    mem = memfd_create("m", 0);
    snprintf(name, sizeof name, "/proc/self/fd/%d", mem);
    if (write(mem, "mem", 3) != 3)
        return;
    fds[0] = open(name, O_RDONLY);
    say(p, "memfd", read(fds[0], text, 7));
    fprintf(p->log, "memfd %s\n", text);
    say_fd(p, "memfd write", open(name, O_RDWR));
    close(mem);
}

static void uses_proc(struct probe *p)
{
    char text[4096] = {0};
    int fd;

    OPEN("/proc/self/status", O_RDONLY);
    OPEN("/proc/self/maps", O_RDONLY);
    OPEN("/proc/self/mem", O_RDWR);
    OPEN("/proc/self/fd", O_RDONLY | O_DIRECTORY);
    OPEN("/proc/self/exe", O_RDONLY);
    OPEN("/proc/self/cwd/f", O_RDONLY);
    OPEN("/proc/self/root/etc/passwd", O_RDONLY);
    OPEN("/proc/self/task", O_RDONLY | O_DIRECTORY);
    OPEN("/proc/self/nothing", O_RDONLY);
    OPEN("/proc/self", O_RDONLY | O_DIRECTORY);
    OPEN("/proc/self", O_PATH | O_NOFOLLOW);
    OPEN("/proc/cpuinfo", O_RDONLY);
    OPEN("/proc/mounts", O_RDONLY);
    OPEN("/etc/mtab", O_RDONLY);
    OPEN("/proc/999999999/stat", O_RDONLY);
    fd = open("/proc/self/stat", O_RDONLY);
    say(p, "read stat", read(fd, text, sizeof text - 1));
    fprintf(p->log, "own pid %d\n", (int)strtol(text, NULL, 10) == getpid());
    close(fd);
    memset(text, 0, sizeof text);
    fd = open("selflink/comm", O_RDWR);
    say(p, "read comm", read(fd, text, sizeof text - 1));
    fprintf(p->log, "comm %s", text);
    close(fd);
    OPEN("/dev/null", O_RDWR | O_CREAT | O_TRUNC, 0666);
    OPEN("/dev/zero", O_RDONLY);
    OPEN("/dev/tty", O_RDWR);
    OPEN("/dev/stdin", O_RDONLY | O_PATH);
}

static void changes_names(struct probe *p)
{
    DO(mkdir("m", 0755));
    DO(mkdir("m", 0755));
    DO(mkdir("m2/", 0755));
    DO(mkdir("f", 0755));
    DO(mkdir("f/x", 0755));
    DO(mkdir("missing/x", 0755));
    DO(mkdir(".", 0755));
    DO(mkdir("..", 0755));
    DO(mkdir("/", 0755));
    DO(mkdir("", 0755));
    DO(mkdir("link", 0755));
    DO(mkdir("dangling3", 0755));
    DO(mkdir("locked/x", 0755));
    DO(mknod("node", S_IFREG | 0644, 0));
    DO(mknod("node", S_IFREG | 0644, 0));
    DO(mknod("node/", S_IFREG | 0644, 0));
    DO(mknod("node4/", S_IFREG | 0644, 0));
    DO(mknod("node2", S_IFSOCK | 0600, 0));
    DO(mknod("node3", S_IFDIR | 0600, 0));
    DO(symlink("anything at all", "s1"));
    DO(symlink("x", "s1"));
    DO(symlink("", "s2"));
    DO(symlink("x", "s3/"));
    DO(symlink("x", ""));
    DO(link("f", "l1"));
    DO(link("f", "l1"));
    DO(link("link", "l2"));
    DO(linkat(AT_FDCWD, "link", AT_FDCWD, "l3", AT_SYMLINK_FOLLOW));
    DO(link("d", "l4"));
    DO(link("missing", "l5"));
    DO(link("f", "missing/l6"));
    DO(link("f", "/dev/shm/l7"));
    DO(linkat(AT_FDCWD, "f", AT_FDCWD, "l8", 0x40));
    DO(rename("l1", "l9"));
    DO(rename("l9", "d/l9"));
    DO(rename("missing", "x"));
    DO(rename("m", "m3"));
    DO(rename("m3/", "m4/"));
    DO(rename("m4", "d"));
    DO(rename("d/l9", "m4"));
    DO(rename("m4", "d/l9"));
    DO(rename("m4", "m4/inside"));
    DO(rename(".", "x"));
    DO(rename("m4", ".."));
    DO(rename("/", "x"));
    DO(rename("f", "/dev/shm/x"));
    DO(rename("link", "link9"));
    DO(rename("link9/", "link10"));
    DO(renameat2(AT_FDCWD, "s1", AT_FDCWD, "d/l9", RENAME_NOREPLACE));
    DO(renameat2(AT_FDCWD, "s1", AT_FDCWD, "d/l9", RENAME_EXCHANGE));
    DO(renameat2(AT_FDCWD, "s1", AT_FDCWD, "nothing", RENAME_EXCHANGE));
    DO(renameat2(AT_FDCWD, "s1", AT_FDCWD, "s9", 0x80));
    DO(unlink("missing"));
    DO(unlink("m4"));
    DO(unlink("s1/"));
    DO(unlink("d/l9"));
    DO(unlink("link9"));
    DO(unlink("."));
    DO(unlink("/"));
    DO(rmdir("m4"));
    DO(rmdir("d"));
    DO(rmdir("f"));
    DO(rmdir("m2/"));
    DO(rmdir("."));
    DO(rmdir(".."));
    DO(rmdir("/"));
    DO(rmdir("dirlink"));
    DO(rmdir("dirlink/"));
    DO(unlinkat(AT_FDCWD, "f", 0x1));
    DO(truncate("t", 5));
    DO(truncate("t", -1));
    DO(truncate("d", 5));
    DO(truncate("fifo", 5));
    DO(truncate("missing", 5));
    DO(truncate("readonly", 5));
    DO(truncate("link", 100));
    OPEN("f", O_RDONLY);
    OPEN("t", O_RDONLY);
}

static void reaches_limits(struct probe *p)
{
    struct rlimit few = {4, 4}, small = {10, 10};
    char *long_path = xcalloc(1, 5000), name[300] = {0};
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    memset(long_path, '/', 4990);
    OPEN(long_path, O_RDONLY);
    long_path[4095] = '\0';
    OPEN(long_path, O_RDONLY);
    memset(name, 'n', 256);
    OPEN(name, O_CREAT | O_RDWR, 0600);
    name[255] = '\0';
    OPEN(name, O_CREAT | O_RDWR, 0600);
    // A path that ends with the last byte of the last page, and one that has no end.
    mprotect(page + 4096, 4096, PROT_NONE);
    strcpy(page + 4096 - 2, "f");
    OPEN(page + 4096 - 2, O_RDONLY);
    page[4095] = 'f';
    OPEN(page + 4095, O_RDONLY);
    OPEN((char *)8, O_RDONLY);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    DO(truncate("t", 11));
    DO(truncate("t", 10));
    setrlimit(RLIMIT_NOFILE, &few);
    OPEN("f", O_RDONLY);
    OPEN("d", O_PATH);
    free(long_path);
}

static int battery(void *ctx)
{
    struct probe *p = ctx;

    EXPECT(chdir(p->tree.root) == 0);
    umask(022);
    opens(p);
    makes_files(p);
    follows_links(p);
    uses_descriptors(p);
    uses_pipes(p);
    uses_proc(p);
    changes_names(p);
    fflush(p->log);
    reaches_limits(p);
    fflush(p->log);
    return 0;
}

static void furnish(struct tree *t)
{
    tree_init(t);
    tree_default_rules(t);
    for (size_t i = 0; i < t->file_rules.n; i++)
        t->rules[i].from.file = "the test";
    tree_run(
        t, "echo hello >f; mkdir d; echo two >d/f2; echo 12345678901234567890 >t; echo r >readonly; chmod "
           "444 readonly;"
           "echo u >unreadable; chmod 0 unreadable; mkdir locked; chmod 555 locked; mkdir shut; chmod 0 shut;"
           "mkfifo fifo; ln -s f link; ln -s d dirlink; ln -s \"$PWD/f\" abslink; ln -s loop2 loop1; ln -s "
           "loop1 loop2;"
           "ln -s target dangling; ln -s missing/target dangling2; ln -s nowhere dangling3; ln -s "
           "../ws/d/../f uplink;"
           "ln -s /proc/self selflink; python3 -c 'import socket; "
           "socket.socket(socket.AF_UNIX).bind(\"sock\")'");
}

static char *log_of(bool unsupervised, size_t *ret_refused)
{
    struct probe p = {.log = tmpfile()};
    struct caller_run run = {.strict = true, .unsupervised = unsupervised};
    struct buf text;
    int result;

    furnish(&p.tree);
    run.rules = tree_rules(&p.tree);
    result = caller_run(&run, battery, &p);
    assert_int_equal(result, 0);
    buf_init(&text, 1 << 20);
    rewind(p.log);
    assert_true(fd_read_all(fileno(p.log), &text, NULL));
    fclose(p.log);
    tree_deinit(&p.tree);
    *ret_refused = run.refused.n;
    caller_run_deinit(&run);
    return buf_take(&text);
}

static void print_first_difference(const char *a, const char *b)
{
    while (*a && *b) {
        size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");

        if (n != m || memcmp(a, b, n) != 0)
            print_message("without  %.*s\nstrict   %.*s\n", (int)n, a, (int)m, b);
        a += n + (a[n] == '\n');
        b += m + (b[m] == '\n');
    }
}

static void a_program_sees_what_it_would_see_without(void **state)
{
    size_t refused;
    AUTO_FREE char *without = log_of(true, &refused);
    AUTO_FREE char *strict = log_of(false, &refused);

    (void)state;
    assert_true(strlen(without) > 5000);
    print_first_difference(without, strict);
    assert_true(!strcmp(without, strict));
    assert_int_equal(refused, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_program_sees_what_it_would_see_without)};

    caller_become_user();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
