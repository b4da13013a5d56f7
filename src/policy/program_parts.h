// SPDX-License-Identifier: Apache-2.0
// Between the files that find a program: program.c (interpreters and scripts), package.c (the directories
// around a file), launchers.c (npx and its like).
#ifndef BAWN_POLICY_PROGRAM_PARTS_H
#define BAWN_POLICY_PROGRAM_PARTS_H

#include "policy/program.h"

#define PACKAGE_FILE_MAX (1u << 20) // bytes of a package.json or an npmrc; a larger one is not read

// The first n bytes of word are one of the words, which stand blank separated.
bool words_have(const char *words, const char *word, size_t n);
// The word as a shell finds it: in PATH, or by its path from the workspace. Owned, not resolved; or NULL.
char *program_locate(const struct program_place *p, const char *word);
// The path lies in the workspace, and what it leads to does not.
bool program_astray(const struct program_place *p, const char *path, const char *real);
// Adds what belongs to the same package as `file` (links resolved; a file, or a directory to be run).
void package_reads(const struct program_place *p, const char *file, struct program *ret);
// Directory `below` and name of the command that a package in `dir` is started by ("bin" in package.json);
// the result is the file, owned. ERR_MISSING when there is none, or none that stands out.
MUST_USE bool package_command(const char *dir, char **ret_name, char **ret_file, struct err *err);
// When argv is a launcher's: what it would start, in ret->argv. Anything else is left alone.
MUST_USE bool launcher_resolve(const struct program_place *p, char *const *argv, struct program *ret,
                               struct err *err);

#endif
