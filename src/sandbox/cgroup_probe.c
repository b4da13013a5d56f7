// SPDX-License-Identifier: Apache-2.0
// Where this user may make control groups.
//
// Each controller lives in one hierarchy: a v1 mount when /proc/self/cgroup has a line for it, else v2. In it
// the candidates are the group this process is in and its ancestors, nearest first: groups elsewhere would
// let the run out of limits that hold for us.
//
// v1: the nearest directory that we may write. v1 has no delegation, whoever owns a directory was given it.
//
// v2: a directory needs to be writable together with its cgroup.procs and cgroup.subtree_control, and to be
// ours to arrange. systemd's slices, and units that it did not delegate, are not, even when the user's own
// manager owns them: it switches off controllers in them that its units do not ask for, at any reload, and
// the limit would be gone without a word. A delegated unit carries the xattr user.delegate (trusted.delegate,
// for root), or is the point in the path where ownership passes to this user. Then the rule of v2: a group
// with processes has no controllers for its children. So either the controllers are enabled there already, or
// nobody is in it, or it is our own group and cgroup_make can move everybody in it one down.
#include "sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"

#define PROC_FILE_MAX (1u << 20)

struct place {
    int version;
    char *top; // the hierarchy's mount point (below the root of the probe)
    char *own; // the directory of the group we are in
};

struct machine {
    const char *root;
    struct buf groups_file, mounts_file;
    const char *groups, *mounts; // /proc/self/cgroup and mountinfo
    bool systemd;
};

const char *cgroup_controller_name(enum cgroup_controller c)
{
    static const char *const names[] = {"memory", "pids", "cpu"};

    return names[c];
}

static bool has_word(const char *list, const char *word, const char *separators)
{
    size_t n = strlen(word);

    for (const char *p = list; *p;) {
        size_t len = strcspn(p, separators);

        if (len == n && !memcmp(p, word, n))
            return true;
        p += len;
        p += strspn(p, separators);
    }
    return false;
}

// The path of our group in the hierarchy that has `controller`, or in v2 for NULL; owned, NULL when there is
// none. A line reads "4:memory:/path", v2's "0::/path" (cgroups(7)).
static char *own_path(const char *groups, const char *controller)
{
    for (const char *line = groups; *line;) {
        size_t n = strcspn(line, "\n");
        AUTO_FREE char *copy = xstrndup(line, n);
        char *list = strchr(copy, ':'), *path = list ? strchr(list + 1, ':') : NULL;

        if (path) {
            *path++ = '\0';
            list++;
            if (controller ? has_word(list, controller, ",") : !*list)
                return xstrdup(path);
        }
        line += n + (line[n] == '\n');
    }
    return NULL;
}

// mountinfo writes space, tab, newline and backslash as \ooo.
static void unescape(char *s)
{
    char *out = s;

    for (; *s; s++) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
            *out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
            s += 3;
        } else {
            *out++ = *s;
        }
    }
    *out = '\0';
}

// One line of mountinfo: "ID PARENT DEV ROOT POINT OPTIONS [TAGS…] - TYPE SOURCE SUPEROPTIONS" (proc(5)).
// True when it is a mount of the wanted hierarchy; ret_* point into the line, which is cut.
static bool parse_mount(char *line, const char *controller, char **ret_root, char **ret_point)
{
    char *tail = strstr(line, " - "), *type, *super, *save = NULL, *root, *point;

    if (!tail)
        return false;
    *tail = '\0';
    type = strtok_r(tail + 3, " ", &save);
    strtok_r(NULL, " ", &save);
    super = strtok_r(NULL, " ", &save);
    if (!type || !super || strcmp(type, controller ? "cgroup" : "cgroup2"))
        return false;
    if (controller && !has_word(super, controller, ","))
        return false;
    for (int i = 0; i < 3; i++)
        if (!strtok_r(i ? NULL : line, " ", &save))
            return false;
    root = strtok_r(NULL, " ", &save);
    point = strtok_r(NULL, " ", &save);
    if (!root || !point)
        return false;
    unescape(root);
    unescape(point);
    *ret_root = root;
    *ret_point = point;
    return true;
}

// Our group's directory. A mount shows the hierarchy from its root down (a container without a control group
// namespace has "/docker/ID" there); one that does not contain our group, or a path outside of our namespace
// ("/.."), is no use.
static bool place_find(const struct machine *m, const char *controller, struct place *ret)
{
    AUTO_FREE char *path = own_path(m->groups, controller);
    AUTO_FREE char *all = xstrdup(m->mounts);
    char *save = NULL;

    if (!path || !strncmp(path, "/..", 3))
        return false;
    for (char *line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *mount_root, *point;
        const char *below;

        if (!parse_mount(line, controller, &mount_root, &point))
            continue;
        below = path_below(path, mount_root);
        if (!below)
            continue;
        ret->version = controller ? 1 : 2;
        ret->top = xasprintf("%s%s", m->root, point);
        ret->own = xasprintf("%s%s%s", ret->top, *below ? "/" : "", below);
        return true;
    }
    return false;
}

static void place_deinit(struct place *p)
{
    free(p->top);
    free(p->own);
}

static bool may_write(const char *dir, const char *file)
{
    AUTO_FREE char *path = xasprintf("%s%s%s", dir, *file ? "/" : "", file);

    return faccessat(AT_FDCWD, path, *file ? W_OK : W_OK | X_OK, AT_EACCESS) == 0;
}

static bool exists(const char *dir, const char *file)
{
    AUTO_FREE char *path = xasprintf("%s/%s", dir, file);

    return access(path, F_OK) == 0;
}

// A control file's contents; "" when it cannot be read. Owned.
static char *contents(const char *dir, const char *file)
{
    AUTO_FREE char *path = xasprintf("%s/%s", dir, file);
    AUTO_BUF struct buf b = {0};

    buf_init(&b, PROC_FILE_MAX);
    if (!file_read(AT_FDCWD, path, &b, NULL))
        return xstrdup("");
    return buf_take(&b);
}

static bool ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n >= m && !strcmp(s + n - m, suffix);
}

static bool xattr_says_delegated(const char *dir)
{
    static const char *const names[] = {"user.delegate", "trusted.delegate"};
    char value[8];

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (getxattr(dir, names[i], value, sizeof value) == 1 && value[0] == '1')
            return true;
    return false;
}

static bool ownership_begins_at(const char *dir)
{
    AUTO_FREE char *parent = path_parent(dir);
    struct stat here, above;

    return geteuid() != 0 && stat(dir, &here) == 0 && stat(parent, &above) == 0 && here.st_uid == geteuid() &&
           above.st_uid != here.st_uid;
}

// See the top: systemd's slices, its user managers, and units that were not delegated.
static bool is_systemds_own(const struct machine *m, const struct place *p, const char *dir)
{
    static const char *const units[] = {".scope", ".service", ".socket", ".mount", ".swap"};
    const char *name = path_base(dir);

    if (!m->systemd)
        return false;
    if (!strcmp(dir, p->top) || ends_with(name, ".slice") || !strncmp(name, "user@", 5))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (ends_with(name, units[i]))
            return !xattr_says_delegated(dir) && !ownership_begins_at(dir);
    return false;
}

enum v2_answer { V2_USABLE = 0, V2_NOT_WRITABLE, V2_SYSTEMDS, V2_THREADED, V2_OCCUPIED };

static enum v2_answer v2_look(const struct machine *m, const struct place *p, const char *dir)
{
    AUTO_FREE char *type = contents(dir, "cgroup.type");
    AUTO_FREE char *enabled = contents(dir, "cgroup.subtree_control");
    AUTO_FREE char *procs = contents(dir, "cgroup.procs");

    if (!may_write(dir, "") || !may_write(dir, "cgroup.procs") || !may_write(dir, "cgroup.subtree_control"))
        return V2_NOT_WRITABLE;
    if (is_systemds_own(m, p, dir))
        return V2_SYSTEMDS;
    // An earlier run has put our shell here: the place is the group above.
    if (!strcmp(path_base(dir), CGROUP_OUTER))
        return V2_OCCUPIED;
    if (*type && strcmp(type, "domain\n"))
        return V2_THREADED;
    // The very root (it has no cgroup.type) may have both processes and controllers.
    if (*type && *procs && strspn(enabled, " \n") == strlen(enabled) && strcmp(dir, p->own))
        return V2_OCCUPIED;
    return V2_USABLE;
}

static void why_not_v2(const struct machine *m, const struct place *p, enum v2_answer why, char *ret,
                       size_t size)
{
    const char *user = geteuid() ? "--user " : "";

    if (m->systemd)
        snprintf(ret, size,
                 "the control group %s is not delegated to this user; start as: systemd-run %s--scope -p "
                 "Delegate=yes "
                 "bawn run …",
                 p->own, user);
    else if (why == V2_OCCUPIED || why == V2_THREADED)
        snprintf(ret, size,
                 "the control group %s and those above it hold other processes%s; start bawn in an empty "
                 "group of its "
                 "own: mkdir %s/bawn && echo $$ >%s/bawn/cgroup.procs",
                 p->own, why == V2_THREADED ? " or are threaded" : "", p->top, p->top);
    else
        snprintf(ret, size,
                 "the control group %s is not this user's; as root: mkdir %s/bawn && chown -R %u %s/bawn && "
                 "echo PID "
                 ">%s/bawn/cgroup.procs for the shell that starts bawn",
                 p->own, p->top, (unsigned)geteuid(), p->top, p->top);
}

// The nearest candidate; NULL with the reason. Owned.
static char *v2_parent(const struct machine *m, const struct place *p, char *why_not, size_t size)
{
    enum v2_answer why = V2_NOT_WRITABLE;
    char *dir = xstrdup(p->own);

    for (;;) {
        enum v2_answer a = v2_look(m, p, dir);
        char *up;

        if (a == V2_USABLE)
            return dir;
        if (a > why)
            why = a;
        if (!strcmp(dir, p->top))
            break;
        up = path_parent(dir);
        free(dir);
        dir = up;
    }
    free(dir);
    why_not_v2(m, p, why, why_not, size);
    return NULL;
}

static void probe_v2(const struct machine *m, const struct place *p, enum cgroup_controller c,
                     struct cgroup_support *ret)
{
    const char *name = cgroup_controller_name(c);
    char *dir = v2_parent(m, p, ret->why_not[c], sizeof ret->why_not[c]);
    AUTO_FREE char *available = dir ? contents(dir, "cgroup.controllers") : NULL;

    if (!dir)
        return;
    if (has_word(available, name, " \n")) {
        ret->version[c] = 2;
        ret->parent[c] = dir;
        return;
    }
    if (m->systemd && geteuid())
        snprintf(ret->why_not[c], sizeof ret->why_not[c],
                 "the %s controller is not delegated to %s; as root: put \"[Service]\" and \"Delegate=cpu "
                 "cpuset io "
                 "memory pids\" into /etc/systemd/system/user@.service.d/delegate.conf, systemctl "
                 "daemon-reload, and "
                 "log in again",
                 name, dir);
    else
        snprintf(ret->why_not[c], sizeof ret->why_not[c],
                 "the %s controller is not enabled in %s; as root: echo +%s >>cgroup.subtree_control in each "
                 "directory "
                 "above it from %s down",
                 name, dir, name, p->top);
    free(dir);
}

// A file that the controller has only when the kernel can limit; pids has none in the root group.
static bool v1_can_limit(const char *dir, enum cgroup_controller c)
{
    switch (c) {
    case CGROUP_MEMORY:
        return exists(dir, "memory.limit_in_bytes");
    case CGROUP_CPU:
        return exists(dir, "cpu.cfs_quota_us");
    default:
        return true;
    }
}

static void probe_v1(const struct place *p, enum cgroup_controller c, struct cgroup_support *ret)
{
    const char *name = cgroup_controller_name(c);
    char *dir = xstrdup(p->own);

    for (;;) {
        char *up;

        if (may_write(dir, "") && v1_can_limit(dir, c)) {
            ret->version[c] = 1;
            ret->parent[c] = dir;
            return;
        }
        if (!strcmp(dir, p->top))
            break;
        up = path_parent(dir);
        free(dir);
        dir = up;
    }
    free(dir);
    if (!v1_can_limit(p->own, c))
        snprintf(ret->why_not[c], sizeof ret->why_not[c],
                 "the kernel's %s controller (v1, %s) cannot limit; boot one with CONFIG_CFS_BANDWIDTH and "
                 "CONFIG_MEMCG",
                 name, p->top);
    else
        snprintf(ret->why_not[c], sizeof ret->why_not[c],
                 "the control group %s (v1) is not this user's; as root: mkdir %s/bawn && chown -R %u "
                 "%s/bawn && echo "
                 "PID >%s/bawn/cgroup.procs for the shell that starts bawn; or boot with "
                 "systemd.unified_cgroup_hierarchy=1",
                 p->own, p->top, (unsigned)geteuid(), p->top, p->top);
}

static void machine_read(const char *root, struct machine *ret)
{
    AUTO_FREE char *groups = xasprintf("%s/proc/self/cgroup", root);
    AUTO_FREE char *mounts = xasprintf("%s/proc/self/mountinfo", root);

    ret->root = root;
    ret->systemd = exists(root, "run/systemd/system");
    buf_init(&ret->groups_file, PROC_FILE_MAX);
    buf_init(&ret->mounts_file, PROC_FILE_MAX);
    // What cannot be read has no groups: every controller then says so.
    if (!file_read(AT_FDCWD, groups, &ret->groups_file, NULL))
        ret->groups_file.len = 0;
    if (!file_read(AT_FDCWD, mounts, &ret->mounts_file, NULL))
        ret->mounts_file.len = 0;
    ret->groups = buf_cstr(&ret->groups_file);
    ret->mounts = buf_cstr(&ret->mounts_file);
}

void cgroup_probe(const char *root, struct cgroup_support *ret)
{
    struct machine m;

    memset(ret, 0, sizeof *ret);
    machine_read(root, &m);
    for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
        enum cgroup_controller c = (enum cgroup_controller)i;
        struct place p = {0};

        if (place_find(&m, cgroup_controller_name(c), &p))
            probe_v1(&p, c, ret);
        else if (place_find(&m, NULL, &p))
            probe_v2(&m, &p, c, ret);
        else
            snprintf(ret->why_not[c], sizeof ret->why_not[c],
                     "no control group file system with the %s controller is mounted that shows our own "
                     "group; mount "
                     "cgroup2 on /sys/fs/cgroup (containers: --cgroupns=private)",
                     cgroup_controller_name(c));
        place_deinit(&p);
    }
    buf_deinit(&m.groups_file);
    buf_deinit(&m.mounts_file);
}

void cgroup_support_deinit(struct cgroup_support *s)
{
    for (int i = 0; i < CGROUP_CONTROLLERS; i++)
        free(s->parent[i]);
    memset(s, 0, sizeof *s);
}
