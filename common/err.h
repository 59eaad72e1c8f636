/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h - what went wrong, in a form that the caller can act on
 *
 * Codes are ordered by what the caller does next, not by where they arise.
 * The message is for people: it says what failed first, without a capital
 * and without a full stop. Library code returns an error or logs it, never
 * both; the code that gives up logs, once.
 *
 * Ownership: struct err is the caller's; nothing is allocated.
 */
#ifndef RETORT_COMMON_ERR_H
#define RETORT_COMMON_ERR_H

#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

enum err_code {
	ERR_NONE = 0,
	ERR_AGAIN,     /* not now; the same call may succeed later */
	ERR_TIMEOUT,   /* waited long enough */
	ERR_NOT_FOUND, /* the thing named does not exist */
	ERR_EXISTS,    /* it exists already */
	ERR_INVALID,   /* the input is wrong; a person must change it */
	ERR_REFUSED,   /* the other side says no and will go on saying so */
	ERR_CANCELED,  /* stopped on request */
	ERR_IO,        /* the operating system failed us */
	ERR_CORRUPT,   /* stored bytes are not what was written */
	ERR_N
};

#define ERR_MSG_MAX 640

struct err {
	enum err_code code;
	char msg[ERR_MSG_MAX];
};

/* Writes code and message into err (which may be NULL) and returns code. */
enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* As err_set, with ": " and the text of errno behind the message. */
enum err_code err_sys(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Puts "<prefix>: " before the message on the way up. Returns err's code. */
enum err_code err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* "invalid", "io", ...: for logs and ledgers. Never NULL. */
const char *err_name(enum err_code code);

#endif
