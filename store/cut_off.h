/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cut_off.h - words for a dataset whose file ends too early
 *
 * LMDB reads a file as memory. Where less of it is there than it says of itself (a copy
 * that was stopped, a disk that fails), the kernel has nothing to give and sends SIGBUS:
 * a command that reads then says so and ends with 1.
 *
 * For commands, not for the library: signals are the program's.
 */
#ifndef RETORT_STORE_CUT_OFF_H
#define RETORT_STORE_CUT_OFF_H

/* From now on. `dir`: of the dataset that is read. */
void cut_off_explain(const char *dir);

#endif
