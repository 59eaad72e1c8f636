/* SPDX-License-Identifier: Apache-2.0 */
#include "common/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}

enum err_code err_sys(struct err *err, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;
	int n;

	if (!err)
		return ERR_IO;
	err->code = saved == ENOENT   ? ERR_NOT_FOUND
		    : saved == EEXIST ? ERR_EXISTS
				      : ERR_IO;
	va_start(ap, fmt);
	n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(err->msg))
		snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, ": %s",
			strerror(saved));
	return err->code;
}

enum err_code err_prefix(struct err *err, const char *fmt, ...)
{
	char old[ERR_MSG_MAX];
	va_list ap;
	int n;

	if (!err)
		return ERR_IO;
	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(err->msg))
		snprintf(err->msg + n, sizeof(err->msg) - (size_t)n, ": %s", old);
	return err->code;
}

const char *err_name(enum err_code code)
{
	static const char *const names[ERR_N] = {
		[ERR_NONE] = "none",
		[ERR_AGAIN] = "again",
		[ERR_TIMEOUT] = "timeout",
		[ERR_NOT_FOUND] = "not_found",
		[ERR_EXISTS] = "exists",
		[ERR_INVALID] = "invalid",
		[ERR_REFUSED] = "refused",
		[ERR_CANCELED] = "canceled",
		[ERR_IO] = "io",
		[ERR_CORRUPT] = "corrupt",
	};

	return (unsigned)code < ERR_N ? names[code] : "unknown";
}
