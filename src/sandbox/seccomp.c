// SPDX-License-Identifier: Apache-2.0
// Loads the filters that seccomp_gen.c made. The programs, their reasons and their shape stand there.
#include "sandbox/seccomp.h"

#include <assert.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seccomp_programs.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) // Linux 5.19
#endif

static_assert(ARRAY_LEN(seccomp_codes) == SECCOMP_PROGRAMS,
              "seccomp_gen.c and seccomp.h list the same programs");

static const char *const names[SECCOMP_PROGRAMS] = {
    [SECCOMP_DENY] = "deny",
    [SECCOMP_DENY_NESTED] = "deny-nested",
    [SECCOMP_NO_CLONE3] = "no-clone3",
    [SECCOMP_AS_ROOT] = "as-root",
    [SECCOMP_PIN_CPUS] = "pin-cpus",
    [SECCOMP_OBSERVE] = "observe",
    [SECCOMP_STRICT] = "strict",
    [SECCOMP_DENY_OBSERVE] = "deny-observe",
    [SECCOMP_DENY_STRICT] = "deny-strict",
};

static long filter_set(unsigned long flags, const struct sock_fprog *program)
{
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program);
}

static bool load_failed(enum seccomp_program which, int sys, struct err *err)
{
    const char *name = names[which];

    switch (sys) {
    case ENOSYS:
    case EINVAL:
        return err_set(err, ERR_UNSUPPORTED,
                       "cannot load the system call filter %s: the kernel lacks %s; boot one with "
                       "CONFIG_SECCOMP_FILTER, Linux 5.0 or newer",
                       name, seccomp_codes[which].notifies ? "seccomp user notification" : "seccomp filters");
    case EBUSY:
        return err_set(
            err, ERR_UNSUPPORTED,
            "cannot load the system call filter %s: this process is under another supervisor's filter "
            "already and the kernel permits one; start bawn outside of it, or without the keys that "
            "need mediation (files.ask, files.strict)",
            name);
    case EACCES:
        return err_sys(err, sys, "cannot load the system call filter %s: no_new_privs is not set", name);
    default:
        return err_sys(err, sys, "cannot load the system call filter %s", name);
    }
}

bool seccomp_load(enum seccomp_program which, int *ret_listener, struct err *err)
{
    const struct seccomp_code *c = &seccomp_codes[which];
    // The kernel only reads the program; sock_fprog has no const.
    struct sock_fprog program = {.len = c->n, .filter = (struct sock_filter *)(uintptr_t)c->code};
    unsigned long flags = c->notifies ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
    long r;

    // Without a place for the listener every notified call would answer ENOSYS.
    if (c->notifies && !ret_listener)
        return err_set(err, ERR_INPUT, "the system call filter %s needs somebody to listen", names[which]);
    if (c->notifies) {
        // Once the supervisor has received a notification, only a fatal signal interrupts the call: otherwise
        // Go's preemption signals restart an open that was half performed.
        r = filter_set(flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
        if (r < 0 && errno == EINVAL)
            r = filter_set(flags, &program);
    } else {
        r = filter_set(flags, &program);
    }
    if (r < 0)
        return load_failed(which, errno, err);
    if (ret_listener)
        *ret_listener = c->notifies ? (int)r : -1;
    return true;
}

const struct sock_filter *seccomp_program_code(enum seccomp_program which, unsigned short *ret_n)
{
    *ret_n = seccomp_codes[which].n;
    return seccomp_codes[which].code;
}

bool seccomp_program_notifies(enum seccomp_program which)
{
    return seccomp_codes[which].notifies;
}
