// SPDX-License-Identifier: Apache-2.0
#include "sandbox/surroundings.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

// The first bytes of a small file; false when there is none.
static bool peek(const char *root, const char *path, char *ret, size_t size)
{
    AUTO_FREE char *full = xasprintf("%s%s", root, path);
    AUTO_CLOSE int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);

    ret[n > 0 ? n : 0] = '\0';
    return n >= 0;
}

static long number(const char *root, const char *path)
{
    char text[32];

    return peek(root, path, text, sizeof text) && text[0] ? strtol(text, NULL, 10) : -1;
}

static bool exists(const char *root, const char *path)
{
    AUTO_FREE char *full = xasprintf("%s%s", root, path);

    return access(full, F_OK) == 0;
}

static bool on_overlay(const char *root)
{
    struct statfs fs;

    return statfs(root[0] ? root : "/", &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

static enum container find_container(const char *root)
{
    char env[256];

    if (exists(root, "/var/run/secrets/kubernetes.io"))
        return CONTAINER_KUBERNETES;
    if (exists(root, "/run/.containerenv"))
        return CONTAINER_PODMAN;
    // An image carries this file along to wherever it is unpacked, so the root must look the part too.
    if (exists(root, "/.dockerenv"))
        return on_overlay(root) ? CONTAINER_DOCKER : CONTAINER_OTHER;
    // systemd's convention: the manager of the container names itself.
    if (peek(root, "/run/systemd/container", env, sizeof env))
        return CONTAINER_OTHER;
    return CONTAINER_NONE;
}

void surroundings_look(const char *root, struct surroundings *ret)
{
    struct surroundings s = {.container = find_container(root)};
    char text[4096], *mode;
    unsigned inside, outside, count;
    ssize_t n;

    if (peek(root, "/proc/self/status", text, sizeof text) && (mode = strstr(text, "\nSeccomp:")))
        s.filtered = strtol(mode + 9, NULL, 10) == 2;
    if (peek(root, "/proc/self/uid_map", text, sizeof text) &&
        sscanf(text, "%u %u %u", &inside, &outside, &count) == 3)
        s.nested = count != 4294967295u;
    s.max_userns = number(root, "/proc/sys/user/max_user_namespaces");
    s.unprivileged_clone = number(root, "/proc/sys/kernel/unprivileged_userns_clone");
    s.apparmor_restrict = number(root, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    n = readlink("/proc/self/exe", s.self, sizeof s.self - 1);
    if (n < 0)
        snprintf(s.self, sizeof s.self, "/usr/bin/bawn");
    *ret = s;
}

enum obstacle surroundings_userns(const struct surroundings *s, int sys, bool while_mapping)
{
    if (sys == ENOSPC || sys == EUSERS)
        return OBSTACLE_COUNT;
    if (sys == EINVAL || (sys == ENOSYS && !s->filtered))
        return OBSTACLE_KERNEL;
    if (s->apparmor_restrict == 1 && (while_mapping || !s->filtered))
        return OBSTACLE_APPARMOR;
    if (!while_mapping && s->unprivileged_clone == 0)
        return OBSTACLE_SWITCH;
    return s->filtered ? OBSTACLE_FILTER : OBSTACLE_UNKNOWN;
}

enum obstacle surroundings_other(const struct surroundings *s, int sys, bool mounts_proc)
{
    if (sys == ENOSPC)
        return OBSTACLE_COUNT;
    if (sys == EPERM && mounts_proc)
        return OBSTACLE_MASKED;
    if ((sys == EPERM || sys == ENOSYS) && s->filtered)
        return OBSTACLE_FILTER;
    if ((sys == EPERM || sys == EACCES) && s->apparmor_restrict == 1)
        return OBSTACLE_APPARMOR;
    if (sys == ENOSYS || sys == EINVAL || sys == ENODEV || sys == EOPNOTSUPP || sys == EAFNOSUPPORT)
        return OBSTACLE_KERNEL;
    return OBSTACLE_UNKNOWN;
}

const char *obstacle_name(enum obstacle o)
{
    static const char *const names[] = {
        [OBSTACLE_KERNEL] = "the kernel lacks it",
        [OBSTACLE_FILTER] = "a seccomp filter on this process refuses it",
        [OBSTACLE_MASKED] = "the /proc or /sys here has covered parts, so the kernel allows no new one",
        [OBSTACLE_COUNT] = "a limit on their number is reached",
        [OBSTACLE_SWITCH] = "kernel.unprivileged_userns_clone is 0",
        [OBSTACLE_APPARMOR] = "AppArmor restricts user namespaces to programs with a profile",
        [OBSTACLE_UNKNOWN] = "a security module or the surrounding container refuses it",
    };

    return names[o];
}

static void container_remedy(enum container c, const char *docker, const char *podman, const char *kubernetes,
                             char *ret, size_t size)
{
    switch (c) {
    case CONTAINER_DOCKER:
        snprintf(ret, size, "docker run %s …", docker);
        break;
    case CONTAINER_PODMAN:
        snprintf(ret, size, "podman run %s …", podman);
        break;
    case CONTAINER_KUBERNETES:
        snprintf(ret, size, "in the container's securityContext: %s", kubernetes);
        break;
    default:
        snprintf(ret, size,
                 "start the surrounding container or sandbox with: docker %s; podman %s; Kubernetes %s",
                 docker, podman, kubernetes);
    }
}

static void apparmor_remedy(const struct surroundings *s, char *ret, size_t size)
{
    snprintf(ret, size,
             "as root, write /etc/apparmor.d/bawn:\n"
             "  abi <abi/4.0>,\n"
             "  include <tunables/global>\n"
             "  profile bawn \"%s\" flags=(unconfined) {\n"
             "    userns,\n"
             "  }\n"
             "then: apparmor_parser -r /etc/apparmor.d/bawn\n"
             "or, for every program: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
             s->self);
}

void surroundings_remedy(const struct surroundings *s, enum obstacle o, const char *kernel,
                         const char *sysctl, char *ret, size_t size)
{
    switch (o) {
    case OBSTACLE_KERNEL:
        snprintf(ret, size, "a kernel with it: %s", kernel);
        break;
    case OBSTACLE_FILTER:
        container_remedy(s->container, "--security-opt seccomp=unconfined",
                         "--security-opt seccomp=unconfined", "seccompProfile: {type: Unconfined}", ret,
                         size);
        break;
    case OBSTACLE_MASKED:
        container_remedy(s->container, "--security-opt systempaths=unconfined", "--security-opt unmask=ALL",
                         "procMount: Unmasked", ret, size);
        break;
    case OBSTACLE_COUNT:
        snprintf(
            ret, size, "as root: sysctl -w %s=63000 (in a file below /etc/sysctl.d to keep it)%s", sysctl,
            s->nested ? "; inside a sandbox that set it to 0 there is no way: start bawn outside of it" : "");
        break;
    case OBSTACLE_SWITCH:
        snprintf(ret, size,
                 "as root: sysctl -w kernel.unprivileged_userns_clone=1 (in a file below /etc/sysctl.d to "
                 "keep it)");
        break;
    case OBSTACLE_APPARMOR:
        apparmor_remedy(s, ret, size);
        break;
    case OBSTACLE_UNKNOWN:
        snprintf(
            ret, size,
            "see the kernel's log (journalctl -k) for what refused it; in a container, give it the right to "
            "make user namespaces and mounts");
        break;
    }
}
