/* SPDX-License-Identifier: Apache-2.0 */
/* commands.h - this folder's commands; see deploy/retort.c */
#ifndef RETORT_WORKER_COMMANDS_H
#define RETORT_WORKER_COMMANDS_H

int cmd_worker(int argc, char **argv);

#endif
