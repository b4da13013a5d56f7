// SPDX-License-Identifier: Apache-2.0
// System calls without a C library: for code that runs before its start, or in a child that shares its memory
// and must not touch its errno. Results are the kernel's own, negative errno on failure. Source: syscall(2),
// the kernel's entry code of each architecture.
#ifndef BAWN_SANDBOX_RAWSYS_H
#define BAWN_SANDBOX_RAWSYS_H

#include <sys/syscall.h>

#if defined __x86_64__

static inline long rawsys(long n, long a, long b, long c, long d, long e)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    long ret;

    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return ret;
}

#elif defined __aarch64__

static inline long rawsys(long n, long a, long b, long c, long d, long e)
{
    register long x8 __asm__("x8") = n;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;

    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}

#else
#error "bawn knows x86-64 and aarch64"
#endif

#define RAW(call, ...) RAW_(call, __VA_ARGS__, 0, 0, 0, 0, 0)
#define RAW_(call, a, b, c, d, e, ...) rawsys(call, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

#endif
