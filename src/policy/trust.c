// SPDX-License-Identifier: Apache-2.0
// The file is small and replaced as a whole; a lock file beside it keeps two writers apart. What cannot be
// read is nobody's word: reading for a decision fails to "not trusted", never to an error that could be
// provoked.
#include "policy/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/sha256.h"

static bool read_lines(const char *state_dir, struct strlist *ret, struct err *err)
{
    AUTO_FREE char *name = xasprintf("%s/trust", state_dir);
    AUTO_CLOSE int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    AUTO_BUF struct buf text = {0};
    struct stat st;
    char *p, *end;

    buf_init(&text, TRUST_FILE_MAX);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return true;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(err, errno, "cannot open %s", name);
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
        return err_set(err, ERR_INPUT, "%s must be a file of your own that nobody else can write; remove it",
                       name);
    if (!fd_read_all(fd, &text, err))
        return err_prefix(err, "%s", name);
    buf_cstr(&text);
    for (p = text.ptr; p && p < text.ptr + text.len; p = end + 1) {
        end = strchr(p, '\n');
        if (!end)
            break; // a torn last line
        *end = '\0';
        if (end - p > SHA256_HEX_SIZE && p[SHA256_HEX_SIZE - 1] == ' ' && p[SHA256_HEX_SIZE] == '/')
            strlist_add(ret, p);
    }
    return true;
}

static char *line_of(const char *path, const void *content, size_t n)
{
    char hex[SHA256_HEX_SIZE];

    sha256_hex(content, n, hex);
    return xasprintf("%s %s", hex, path);
}

bool trust_has(const char *state_dir, const char *path, const void *content, size_t n)
{
    AUTO_STRLIST struct strlist lines = {0};
    AUTO_FREE char *line = NULL;

    if (!state_dir || !read_lines(state_dir, &lines, NULL) || !lines.n)
        return false;
    line = line_of(path, content, n);
    return strlist_has(&lines, line);
}

bool trust_list(const char *state_dir, struct strlist *ret, struct err *err)
{
    return read_lines(state_dir, ret, err);
}

// Rewrites the file without the lines of `path`, with `line` when it is not NULL.
static bool change(const char *state_dir, const char *path, const char *line, bool *ret_was, struct err *err)
{
    AUTO_FREE char *name = xasprintf("%s/trust", state_dir),
                   *lock_name = xasprintf("%s/trust.lock", state_dir);
    AUTO_STRLIST struct strlist lines = {0};
    AUTO_BUF struct buf out = {0};
    AUTO_CLOSE int lock = -1;
    bool was = false;

    buf_init(&out, TRUST_FILE_MAX);
    if (!mkdir_parents(AT_FDCWD, state_dir, 0700, err))
        return false;
    lock = open(lock_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) < 0)
        return err_sys(err, errno, "cannot lock %s", lock_name);
    if (!read_lines(state_dir, &lines, err))
        return false;
    for (size_t i = 0; i < lines.n; i++) {
        if (!strcmp(lines.items[i] + SHA256_HEX_SIZE, path))
            was = true;
        else
            buf_addf(&out, "%s\n", lines.items[i]);
    }
    if (line)
        buf_addf(&out, "%s\n", line);
    if (out.full)
        return err_set(err, ERR_LIMIT, "%s would pass %u bytes; revoke what is not needed", name,
                       TRUST_FILE_MAX);
    if (!file_replace(AT_FDCWD, name, out.len ? out.ptr : "", out.len, 0600, err))
        return false;
    if (ret_was)
        *ret_was = was;
    return true;
}

bool trust_add(const char *state_dir, const char *path, const void *content, size_t n, struct err *err)
{
    AUTO_FREE char *line = NULL;

    if (path[0] != '/' || strchr(path, '\n'))
        return err_set(err, ERR_INPUT, "cannot trust %s: its path has a line break", path);
    line = line_of(path, content, n);
    return change(state_dir, path, line, NULL, err);
}

bool trust_remove(const char *state_dir, const char *path, bool *ret_was, struct err *err)
{
    return change(state_dir, path, NULL, ret_was, err);
}
