/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands.h - the commands of this folder; see deploy/commands.h
 */
#ifndef RETORT_STORE_COMMANDS_H
#define RETORT_STORE_COMMANDS_H

int cmd_store(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_verify(int argc, char **argv);

#endif
