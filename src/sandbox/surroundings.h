// SPDX-License-Identifier: Apache-2.0
// What confines us already, for the remedies that probe.c names: the same refusal has another cause, and
// another way out, in a container, under a security module, and on a machine whose administrator switched
// something off.
#ifndef BAWN_SANDBOX_SURROUNDINGS_H
#define BAWN_SANDBOX_SURROUNDINGS_H

#include "base/err.h"

enum container {
    CONTAINER_NONE = 0,
    CONTAINER_DOCKER,
    CONTAINER_PODMAN,
    CONTAINER_KUBERNETES,
    CONTAINER_OTHER
};

struct surroundings {
    enum container container;
    bool filtered;           // a seccomp filter is on us
    bool nested;             // we are in a user namespace of somebody
    long max_userns;         // user.max_user_namespaces; -1 unknown
    long unprivileged_clone; // kernel.unprivileged_userns_clone (Debian's patch); -1 absent
    long apparmor_restrict;  // kernel.apparmor_restrict_unprivileged_userns (Ubuntu); -1 absent
    char self[256];          // the running executable, for the AppArmor profile
};

// root: "" for this machine; a test names a tree of its own.
void surroundings_look(const char *root, struct surroundings *ret);

enum obstacle {
    OBSTACLE_KERNEL = 0, // it cannot do it
    OBSTACLE_FILTER,     // a seccomp filter refuses
    OBSTACLE_MASKED,     // a container's masks over /proc or /sys keep a new one from being mounted
    OBSTACLE_COUNT,      // a sysctl's limit on the number
    OBSTACLE_SWITCH,     // kernel.unprivileged_userns_clone
    OBSTACLE_APPARMOR,
    OBSTACLE_UNKNOWN,
};

// Why making or mapping a user namespace failed with errno `sys`.
enum obstacle surroundings_userns(const struct surroundings *s, int sys, bool while_mapping);
// Why anything else did.
enum obstacle surroundings_other(const struct surroundings *s, int sys, bool mounts_proc);
// What to do, one or more lines with '\n' between. kernel: for OBSTACLE_KERNEL, "Linux 5.12 (CONFIG_X)";
// sysctl: for OBSTACLE_COUNT, the name of the limit.
void surroundings_remedy(const struct surroundings *s, enum obstacle o, const char *kernel,
                         const char *sysctl, char *ret, size_t size);
const char *obstacle_name(enum obstacle o); // "the kernel lacks it", "a seccomp filter refuses it" …

#endif
