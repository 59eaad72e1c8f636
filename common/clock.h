/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - the two clocks
 *
 * Leases, timers and rates use the monotonic clock; what people read uses the
 * wall clock. Files that decide are passed now_ms and never call these.
 */
#ifndef RETORT_COMMON_CLOCK_H
#define RETORT_COMMON_CLOCK_H

#include <stdint.h>

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
/* Milliseconds since 1970, UTC. */
int64_t clock_wall_ms(void);
/* "2026-01-31T23:59:59.123Z" into out, which holds at least 25 bytes. A time before
 * 1970 or behind the year 9999 is shown as the nearest of these. */
void clock_text(int64_t wall_ms, char out[25]);

#endif
