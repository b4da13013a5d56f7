// SPDX-License-Identifier: Apache-2.0 Whether a place of git's that a run made may stay: `git init`, `git
// clone` and `git worktree add` inside must leave a repository that works, and none of what they write by
// themselves makes git run anything. Everything that is not known to be harmless is not.
#ifndef BAWN_SANDBOX_GITHARMLESS_H
#define BAWN_SANDBOX_GITHARMLESS_H

#include "base/buf.h"
#include "sandbox/rulematch.h"

// A configuration file's text: only keys that name no program and lead to no other file. `gitdir` is the
// repository's directory (normal): core.worktree must stay in the same writable root.
bool githarmless_config(const struct rulematch *m, const char *gitdir, const char *text, size_t n);
// A URL or path that `git fetch` may be given: no transport helper (ext::), no option in disguise.
bool githarmless_url(const char *url);
// One of git's places (config, config.worktree, commondir, gitdir, a `.git` file) at `path` in a writable
// root. Read beneath root_fd without following links.
bool githarmless_place(const struct rulematch *m, int root_fd, const char *root, const char *path);
// The path is the hooks directory of what git would take for a repository.
bool githarmless_is_hooks(int root_fd, const char *root, const char *path);
bool githarmless_hook_name(const char *name); // *.sample: git never runs it

#endif
