/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reason.h - why a request or a sample failed, as one closed list
 *
 * The worker decides, the wire carries, the ledger stores and people read
 * these; nobody passes a server's own words along. Numbers are part of the
 * wire protocol and the ledger: add at the end of a group, never change one.
 */
#ifndef RETORT_COMMON_REASON_H
#define RETORT_COMMON_REASON_H

/* X(number, NAME, "name", "for people") */
#define REASONS(X)                                                                     \
	X(0, NONE, "none", "")                                                         \
	/* The endpoint; the prompt is not to blame. */                                \
	X(1, CONNECT, "connect", "the connection was refused or failed")               \
	X(2, DNS, "dns", "the host name could not be resolved")                        \
	X(3, TLS, "tls", "the TLS connection was not trusted or failed")               \
	X(4, RATE_LIMITED, "rate_limited", "the server limits our rate (429)")         \
	X(5, OVERLOADED, "overloaded", "the server is overloaded (503, 529)")          \
	X(6, SERVER_ERROR, "server_error", "the server failed (5xx)")                  \
	X(7, UNAUTHORIZED, "unauthorized", "the key is not accepted (401, 403)")       \
	X(8, PAYMENT, "payment", "the account has no credit (402, quota)")             \
	X(9, NOT_FOUND, "not_found", "no such model or path (404)")                    \
	X(10, REDIRECT, "redirect", "the server redirects, which is not followed")     \
	X(11, NO_ANSWER, "no_answer", "no answer came in time")                        \
	X(12, CONNECTION_LOST, "connection_lost",                                      \
		"the connection broke before an answer")                               \
	X(13, CANNOT_GIVE, "cannot_give", "it cannot give what the job asks for")      \
	/* The request. */                                                             \
	X(20, BAD_REQUEST, "bad_request", "the server refuses the request (4xx)")      \
	X(21, PROMPT_TOO_LONG, "prompt_too_long", "the prompt is too long (413)")      \
	/* The way of the answer. */                                                   \
	X(30, TIMEOUT, "timeout", "the answer began and did not end in time")          \
	X(31, BODY_CUT, "body_cut", "the answer ends in the middle")                   \
	X(32, BODY_TOO_LONG, "body_too_long", "the answer is longer than it may be")   \
	X(33, BAD_HEADERS, "bad_headers", "the answer's headers are not acceptable")   \
	X(34, ENCODED_BODY, "encoded_body", "the answer is compressed, unasked")       \
	/* The answer. */                                                              \
	X(40, BAD_JSON, "bad_json", "the answer is not JSON")                          \
	X(41, BAD_TEXT, "bad_text", "the text has control characters")                 \
	X(42, WRONG_SHAPE, "wrong_shape", "the answer has not the agreed shape")       \
	X(43, ERROR_OBJECT, "error_object", "an error came with status 200")           \
	X(44, NO_CHOICES, "no_choices", "the answer has no or too many choices")       \
	X(45, EMPTY, "empty", "the answer is empty")                                   \
	X(46, NO_FINISH, "no_finish_reason", "the answer does not say why it ended")   \
	X(47, UNKNOWN_FINISH, "unknown_finish_reason", "an unknown finish reason")     \
	X(48, ABORTED, "aborted", "the server gave the answer up")                     \
	X(49, WRONG_MODEL, "wrong_model", "another model answered")                    \
	X(50, BAD_USAGE, "bad_usage", "the token counts make no sense")                \
	X(51, LOGPROBS_MISSING, "logprobs_missing",                                    \
		"logprobs were asked for, none came")                                  \
	X(52, BAD_LOGPROBS, "bad_logprobs", "the logprobs make no sense")              \
	X(53, SECRET_ECHO, "secret_echo", "the answer repeats the API key")            \
	/* Ours. */                                                                    \
	X(60, TOO_LARGE, "too_large", "the record is larger than a message may be")    \
	X(61, STORE_REFUSED, "store_refused", "the store found the record invalid")    \
	X(62, WORKER_CRASH, "worker_crash", "workers died on this prompt")             \
	X(63, BAD_PROMPT, "bad_prompt", "the prompt cannot be sent")

enum reason {
#define REASON_ENUM(number, name, text, meaning) REASON_##name = number,
	REASONS(REASON_ENUM)
#undef REASON_ENUM
		REASON_N = 64
};

/* "rate_limited"; "unknown" for numbers that are not in the list. */
const char *reason_name(enum reason reason);
const char *reason_meaning(enum reason reason);
/* REASON_N if there is no reason of this name. */
enum reason reason_by_name(const char *name);

#endif
