// SPDX-License-Identifier: Apache-2.0
// The entry under the name `srt`; main.c goes there when the program was started by that name.
#ifndef BAWN_CLI_SRT_H
#define BAWN_CLI_SRT_H

int srt_main(int argc, char **argv);

#endif
