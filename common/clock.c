/* SPDX-License-Identifier: Apache-2.0 */
#include "common/clock.h"

#include <stdio.h>
#include <time.h>

/* The end of the year 9999. */
#define LAST_MS 253402300799999

static int64_t read_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_mono_ms(void)
{
	return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

void clock_text(int64_t wall_ms, char out[25])
{
	time_t s;
	struct tm tm;
	char day[20];

	if (wall_ms < 0)
		wall_ms = 0;
	if (wall_ms > LAST_MS)
		wall_ms = LAST_MS;
	s = (time_t)(wall_ms / 1000);
	gmtime_r(&s, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, 25, "%.19s.%03uZ", day, (unsigned)(wall_ms % 1000));
}
