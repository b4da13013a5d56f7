// SPDX-License-Identifier: Apache-2.0
// Theory of operation. The kernel jumps to headstart_entry, which calls headstart_begin with the initial
// stack (argc, argv …) and then goes to the C library's _start as if nothing had been. Nothing of that
// library works yet, not even memcpy (its variant is chosen later) or the stack protector, so this file is
// freestanding and calls birth.c alone. Where anything is unusual it does nothing: then session_open
// launches, and reports what is wrong.
#include "sandbox/headstart.h"

#include <fcntl.h>
#include <limits.h>

#include "sandbox/birth.h"
#include "sandbox/proto.h"
#include "sandbox/rawsys.h"

// Written once, before main.
static struct birth birth;
static long launched_pid;

#if defined __x86_64__
__asm__(".text\n"
        ".globl headstart_entry\n"
        ".type headstart_entry, @function\n"
        "headstart_entry:\n\t"
        "endbr64\n\t"
        "xor %ebp, %ebp\n\t"
        "mov %rdx, %rbx\n\t"
        "mov %rsp, %rdi\n\t"
        "call headstart_begin\n\t"
        "mov %rbx, %rdx\n\t"
        "jmp _start\n"
        ".size headstart_entry, . - headstart_entry\n");
#else
__asm__(".text\n"
        ".globl headstart_entry\n"
        ".type headstart_entry, %function\n"
        "headstart_entry:\n\t"
        "mov x19, x0\n\t"
        "mov x0, sp\n\t"
        "bl headstart_begin\n\t"
        "mov x0, x19\n\t"
        "b _start\n"
        ".size headstart_entry, . - headstart_entry\n");
#endif

static bool is(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++)
        ;
    return *a == *b;
}

static long open_below(char *dir, size_t n, const char *name)
{
    size_t i = 0;

    for (; name[i] && n + i + 1 < PATH_MAX; i++)
        dir[n + i] = name[i];
    dir[n + i] = '\0';
    return RAW(SYS_openat, AT_FDCWD, dir, O_PATH | O_CLOEXEC);
}

// As companion_path looks for it (base/companion.c).
static long open_init(void)
{
    char path[PATH_MAX];
    long n = RAW(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path, sizeof path - 1), fd;

    while (n > 0 && path[n - 1] != '/')
        n--;
    if (n <= 0)
        return -1;
    fd = open_below(path, (size_t)n, "bawn-init");
    if (fd < 0)
        fd = open_below(path, (size_t)n, "../libexec/bawn/bawn-init");
    return fd >= 0 ? fd : RAW(SYS_openat, AT_FDCWD, BAWN_LIBEXECDIR "/bawn-init", O_PATH | O_CLOEXEC);
}

static bool standard_descriptors_open(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (RAW(SYS_fcntl, fd, F_GETFD) < 0)
            return false;
    return true;
}

void headstart_begin(long *stack);
void headstart_begin(long *stack)
{
    char *const *argv = (char *const *)(stack + 1);

    if (stack[0] < 3 || !is(argv[1], "run") || !standard_descriptors_open())
        return;
    birth.init = (int)open_init();
    if (birth.init < 0)
        return;
    if (birth.init == INIT_FD) { // where the socket goes
        birth.init = (int)RAW(SYS_fcntl, INIT_FD, F_DUPFD_CLOEXEC, INIT_FD + 1);
        RAW(SYS_close, INIT_FD);
    }
    if (birth.init >= 0)
        launched_pid = birth_begin(&birth);
}

bool headstart_take(struct launched *ret)
{
    if (launched_pid <= 0)
        return false;
    *ret = (struct launched){.pid = (pid_t)launched_pid, .pidfd = birth.pidfd, .sock = birth.ours};
    launched_pid = 0;
    return true;
}
