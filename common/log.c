/* SPDX-License-Identifier: Apache-2.0 */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/text.h"

static enum log_level log_at = LOG_INFO;
static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_init(void)
{
	const char *want = getenv("RETORT_LOG");

	for (int i = 0; want && i <= LOG_DEBUG; i++)
		if (strcmp(want, level_names[i]) == 0)
			log_at = (enum log_level)i;
}

void log_set_level(enum log_level level)
{
	log_at = level;
}

bool log_wants(enum log_level level)
{
	return level <= log_at;
}

void log_line(
	enum log_level level, const char *sys, const char *msg, const char *fields, ...)
{
	char line[2048];
	char now[25];
	va_list ap;
	size_t len;
	int n;

	if (!log_wants(level))
		return;
	clock_text(clock_wall_ms(), now);
	n = snprintf(line, sizeof(line) - 1, "time=%s level=%s sys=%s msg=\"%s\"%s",
		now, level_names[level], sys, msg, *fields ? " " : "");
	len = n < 0 ? 0 : (size_t)n;
	if (len < sizeof(line) - 1) {
		va_start(ap, fields);
		n = vsnprintf(line + len, sizeof(line) - 1 - len, fields, ap);
		va_end(ap);
		len += n < 0 ? 0 : (size_t)n;
	}
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	/* A log that cannot be written must not stop the work. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

struct log_quoted log_quote_bytes(const void *s, size_t len)
{
	struct log_quoted q;
	size_t at = 0;

	q.text[at++] = '"';
	at += text_escape(s, len, q.text + at, sizeof(q.text) - at - 1);
	q.text[at++] = '"';
	q.text[at] = '\0';
	return q;
}

struct log_quoted log_quote(const char *s)
{
	return log_quote_bytes(s, s ? strlen(s) : 0);
}
