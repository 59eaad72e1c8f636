/* SPDX-License-Identifier: Apache-2.0 */
/* commands.h - this folder's commands; see deploy/retort.c */
#ifndef RETORT_COORDINATOR_COMMANDS_H
#define RETORT_COORDINATOR_COMMANDS_H

int cmd_coordinator(int argc, char **argv);
int cmd_status(int argc, char **argv);

#endif
