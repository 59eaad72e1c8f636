/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands.h - every command's entry; each takes its own name as argv[0] and
 * returns an exit code of common/options.h
 */
#ifndef RETORT_DEPLOY_COMMANDS_H
#define RETORT_DEPLOY_COMMANDS_H

#include "coordinator/commands.h"
#include "store/commands.h"
#include "worker/commands.h"

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_retry(int argc, char **argv);
int cmd_teacher(int argc, char **argv);

#endif
