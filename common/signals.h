/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signals.h - how a process is asked to stop
 *
 * SIGINT and SIGTERM are counted: once means drain, twice means leave at
 * once. SIGPIPE is ignored. Calls that wait return early on a signal, and
 * every loop wakes up several times a second anyway.
 */
#ifndef RETORT_COMMON_SIGNALS_H
#define RETORT_COMMON_SIGNALS_H

#include <stdbool.h>

void signals_install(void);
/* How often the process was asked to stop. */
int signals_stops(void);

/* The process is killed when its parent ends, however that ends. False if the
 * parent has ended already. */
bool signals_die_with_parent(int parent);

#endif
