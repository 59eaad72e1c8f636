/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - logfmt lines on stderr
 *
 *   time=... level=info sys=lease msg="lease expired" shard=12 worker=3
 *
 * The message is a constant; what varies goes into fields. No prompt, no
 * answer and no key is ever logged, at any level. Text from outside (a
 * server's error, a path) goes through log_quote, which escapes what a
 * terminal would act on.
 *
 * Threads: any; a line is one write.
 */
#ifndef RETORT_COMMON_LOG_H
#define RETORT_COMMON_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Default LOG_INFO, or what RETORT_LOG says (error, warn, info, debug). */
void log_init(void);
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);

/* `fields` is a printf format that yields "key=value key=value", or "". */
void log_line(enum log_level level, const char *sys, const char *msg,
	const char *fields, ...) PRINTF_LIKE(4, 5);

#define LOG_QUOTE_MAX 512
struct log_quoted {
	char text[LOG_QUOTE_MAX];
};
/* "..." with quotes, backslashes and all that is not printable ASCII or valid
 * UTF-8 escaped, cut to fit: log_line(..., "path=%s", log_quote(p).text). */
struct log_quoted log_quote(const char *s);
struct log_quoted log_quote_bytes(const void *s, size_t len);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                                 \
	(log_wants(LOG_DEBUG) ? log_line(LOG_DEBUG, __VA_ARGS__) : (void)0)

#endif
