// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The child runs in init's memory, on a stack of its own, while init waits for its exec,
// as after vfork(2): copying init's page tables and faulting them in again would cost a quarter of the time.
// So it changes nothing of init's but `struct birth`, where it says what failed, and calls nothing that
// allocates. Descriptors, working directory, credentials and signal handlers are its own. Init holds no lock
// and no signal handler by then, and a supervisor that dies meanwhile ends the wait, as it ends init.
//
// Privileges fall in named stages, in this order:
//   terminal   a session of its own, so no signal or ioctl reaches the terminal that bawn was started from
//   files      the three standard descriptors; all others are close-on-exec
//   confine    no capability and none to be had by exec (init's bounding set is empty, no_new_privs),
//              Landlock domain, filters
//   exec       the program, searched in the PATH that it will see
#include "sandbox/command.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "base/fd.h"
#include "sandbox/landlock.h"
#include "sandbox/seccomp.h"
#include "sandbox/sys.h"

#define STACK_SIZE 65536u

struct birth {
    const struct confinement *c;
    const struct command_spec *spec;
    int slave;
    struct command_failure failed;
};

static _Noreturn void fail(struct birth *b, enum init_stage stage, int sys, const char *text)
{
    b->failed.stage = stage;
    err_set(&b->failed.err, ERR_SYSTEM, "%s", text);
    b->failed.err.sys = sys;
    _exit(125);
}

static void take_terminal(struct birth *b)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (setsid() < 0)
        fail(b, STAGE_TERMINAL, errno, "cannot start a session");
    if (b->slave >= 0 && ioctl(b->slave, TIOCSCTTY, 0) < 0)
        fail(b, STAGE_TERMINAL, errno, "cannot take the terminal");
}

static const char *own_device_name(const struct stat *st)
{
    static const char *const names[] = {
        [3] = "/dev/null", [5] = "/dev/zero", [7] = "/dev/full", [8] = "/dev/random", [9] = "/dev/urandom"};
    unsigned number = minor(st->st_rdev);

    return S_ISCHR(st->st_mode) && major(st->st_rdev) == 1 && number < ARRAY_LEN(names) ? names[number]
                                                                                        : NULL;
}

// The yard's own device in place of the host's: through a descriptor of the host's its owner, which is root
// inside when root started the run, could change the mode and the times of the host's /dev/null.
static int own_device(int fd)
{
    int mode = fcntl(fd, F_GETFL);
    const char *name;
    struct stat st;

    if (mode < 0 || (mode & O_PATH) || fstat(fd, &st) < 0 || !(name = own_device_name(&st)))
        return fd;
    return open(name, (mode & (O_ACCMODE | O_APPEND | O_NONBLOCK)) | O_CLOEXEC);
}

static const unsigned pty_serves[] = {START_PTY_STDIN, START_PTY_STDOUT, START_PTY_STDERR};

static void take_files(struct birth *b)
{
    for (int i = 0; i < 3; i++) {
        int from = b->spec->flags & pty_serves[i] ? b->slave : own_device(b->spec->std[i]);

        // from is above 2 always: init keeps 0–2 open on /dev/null.
        if (dup2(from, i) < 0)
            fail(b, STAGE_TERMINAL, errno, "cannot set a standard descriptor");
    }
}

static bool drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {0};

    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return false;
    return syscall(SYS_capset, &head, none) == 0;
}

static bool is_own(const struct birth *b, int fd, const struct stat *st)
{
    struct statfs fs;

    if (S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode)) // a pipe without a name is nowhere in a tree
        return fstatfs(fd, &fs) == 0 && (fs.f_type == PIPEFS_MAGIC || fs.f_type == SOCKFS_MAGIC);
    if (!S_ISCHR(st->st_mode))
        return false;
    return b->spec->flags & pty_serves[fd] ? true : own_device_name(st) != NULL;
}

// A standard descriptor that is a file outside the sandbox's tree must stay reopenable as /dev/stdout and
// friends, with the access that was given and no more. What is written is held anyway; what is read, where
// there is such a file.
static bool enter_domains(const struct birth *b, struct err *err)
{
    const struct confinement *c = b->c;
    bool reads = false;

    for (int fd = 0; fd < 3 && c->landlock_reads >= 0; fd++) {
        struct landlock_path path = {.fd = fd};
        int mode = fcntl(fd, F_GETFL);
        struct stat st;

        if (mode < 0 || fstat(fd, &st) < 0 || is_own(b, fd, &st))
            continue;
        reads = true;
        if (!S_ISREG(st.st_mode) || st.st_nlink == 0)
            continue;
        path.access = (mode & O_ACCMODE) == O_RDONLY   ? LANDLOCK_READ
                      : (mode & O_ACCMODE) == O_WRONLY ? LANDLOCK_WRITE_ONLY
                                                       : LANDLOCK_WRITE;
        if (!landlock_add(c->landlock, LANDLOCK_HOLD_WRITES, &path, err) ||
            !landlock_add(c->landlock_reads, LANDLOCK_HOLD_READS, &path, err))
            return false;
    }
    return landlock_enter(c->landlock, err) && (!reads || landlock_enter(c->landlock_reads, err));
}

static void send_listener(const struct confinement *c, uint32_t id, int listener)
{
    struct init_msg m = {.type = INIT_LISTENER, .id = id};

    if (listener < 0)
        return;
    if (!init_send(c->sock, &m, &listener, 1))
        _exit(125);
    close(listener);
}

// A notifying program comes last: from there on this process waits for the supervisor's answers itself.
static bool load_filters(unsigned flags, int *ret_listener, struct err *err)
{
    bool strict = flags & PLAN_STRICT, notify = flags & (PLAN_STRICT | PLAN_OBSERVE);

    if ((flags & PLAN_PIN_CPUS) && !seccomp_load(SECCOMP_PIN_CPUS, ret_listener, err))
        return false;
    if (!(flags & PLAN_NESTED))
        return seccomp_load(strict   ? SECCOMP_DENY_STRICT
                            : notify ? SECCOMP_DENY_OBSERVE
                                     : SECCOMP_DENY,
                            ret_listener, err);
    return seccomp_load(SECCOMP_DENY_NESTED, ret_listener, err) &&
           (!notify || seccomp_load(strict ? SECCOMP_STRICT : SECCOMP_OBSERVE, ret_listener, err));
}

static void confine(struct birth *b)
{
    const struct confinement *c = b->c;
    unsigned flags = c->head->flags;
    struct err err = {0};
    int listener = -1;

    if (!drop_capabilities() || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail(b, STAGE_CONFINE, errno, "cannot drop capabilities");
    if ((c->landlock >= 0 && !enter_domains(b, &err)) || !load_filters(flags, &listener, &err))
        fail(b, STAGE_CONFINE, err.sys, err.msg);
    send_listener(c, b->spec->id, listener);
}

static const char *env_value(char *const *env, const char *name)
{
    size_t n = strlen(name);

    for (; *env; env++)
        if (!strncmp(*env, name, n) && (*env)[n] == '=')
            return *env + n + 1;
    return NULL;
}

static void try_exec(const char *path, const struct command_spec *s, int *sys)
{
    execve(path, s->argv, s->env);
    // EACCES in one directory of PATH does not end the search, but it is what is told in the end.
    if (errno != ENOENT && errno != ENOTDIR)
        *sys = errno;
    if (errno == ENOEXEC) { // a script without #!: as execvp(3) and the shells do
        char *argv[512] = {"sh", (char *)(uintptr_t)path};

        for (size_t n = 1; s->argv[0] && s->argv[n] && n + 2 < ARRAY_LEN(argv); n++)
            argv[n + 1] = s->argv[n];
        execve("/bin/sh", argv, s->env);
    }
}

static _Noreturn void exec_command(struct birth *b)
{
    const struct command_spec *s = b->spec;
    const char *file = s->argv[0], *dirs = env_value(s->env, "PATH");
    int sys = ENOENT;

    if (strchr(file, '/'))
        try_exec(file, s, &sys);
    else
        for (const char *p = dirs ? dirs : "/usr/bin:/bin"; *p && *file;) {
            char path[4096];
            size_t n = strcspn(p, ":");
            int len = snprintf(path, sizeof path, "%.*s%s%s", (int)n, p, n ? "/" : "", file);

            if (len > 0 && (size_t)len < sizeof path)
                try_exec(path, s, &sys);
            p += n;
            p += *p == ':';
        }
    fail(b, STAGE_EXEC, sys, file);
}

#ifdef __GLIBC__
typedef __rlimit_resource_t rlimit_which;
#else
typedef int rlimit_which;
#endif

// A limit above what the caller itself may have is the caller's.
static bool set_limit(rlimit_which which, uint64_t value)
{
    struct rlimit r;

    if (getrlimit(which, &r) < 0)
        return false;
    r.rlim_max = r.rlim_max < value ? r.rlim_max : value;
    r.rlim_cur = r.rlim_max;
    return setrlimit(which, &r) == 0;
}

static void set_limits(struct birth *b)
{
    const struct plan_header *head = b->c->head;

    if ((head->open_files && !set_limit(RLIMIT_NOFILE, head->open_files)) ||
        (head->file_size && !set_limit(RLIMIT_FSIZE, head->file_size)))
        fail(b, STAGE_CONFINE, errno, "cannot set the limits of open files and file size");
}

static int child(void *arg)
{
    struct birth *b = arg;

    take_terminal(b);
    take_files(b);
    if (chdir(b->spec->cwd) < 0)
        fail(b, STAGE_CWD, errno, b->spec->cwd);
    // Not 0: the filters say why, and refuse to change it.
    if (!set_limit(RLIMIT_CORE, 1))
        fail(b, STAGE_CONFINE, errno, "cannot set the limit of core files");
    confine(b);
    set_limits(b);
    exec_command(b);
}

// Before the program can set its own.
static bool set_modes(int slave, const struct tty_modes *m)
{
    struct termios t;

    if (tcgetattr(slave, &t) < 0)
        return false;
    t.c_iflag = m->iflag;
    t.c_oflag = m->oflag;
    t.c_cflag = m->cflag;
    t.c_lflag = m->lflag;
    memcpy(t.c_cc, m->keys, sizeof m->keys);
    return tcsetattr(slave, TCSANOW, &t) == 0;
}

static bool make_pty(const struct command_spec *s, int *ret_master, int *ret_slave, struct err *err)
{
    struct winsize size = {.ws_row = s->rows, .ws_col = s->cols};
    AUTO_CLOSE int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    int slave, unlock = 0;

    if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
        return err_sys(err, errno, "cannot make a terminal (/dev/pts/ptmx)");
    slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return err_sys(err, errno, "cannot open the terminal's inner side");
    if (s->rows && s->cols)
        ioctl(master, TIOCSWINSZ, &size);
    if ((s->flags & START_MODES) && !set_modes(slave, &s->modes)) {
        err_sys(err, errno, "cannot set the terminal's modes");
        close(slave);
        return false;
    }
    *ret_master = TAKE_FD(master);
    *ret_slave = slave;
    return true;
}

bool command_start(const struct confinement *c, const struct command_spec *s, pid_t *ret_pid, int *ret_master,
                   struct command_failure *ret_failed)
{
    struct birth b = {.c = c, .spec = s, .slave = -1, .failed = {.stage = STAGE_TERMINAL}};
    AUTO_CLOSE int master = -1;
    AUTO_CLOSE int slave = -1;
    AUTO_FREE char *stack = xmalloc(STACK_SIZE);
    pid_t pid = -1;

    if (!(s->flags & START_PTY) || make_pty(s, &master, &slave, &b.failed.err)) {
        b.slave = slave;
        pid = clone(child, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, &b);
        if (pid < 0)
            err_sys(&b.failed.err, errno, "cannot start a process in the sandbox");
    }
    if (b.failed.err.kind != ERR_NONE) {
        *ret_failed = b.failed;
        return false;
    }
    *ret_pid = pid;
    *ret_master = TAKE_FD(master);
    return true;
}
