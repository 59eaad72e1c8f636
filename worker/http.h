/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.h - requests to teachers over libcurl, which only this and transfers.h know
 *
 * One multi handle, many transfers, each of which keeps its easy handle and
 * its connection from request to request. What libcurl leaves to its users is
 * kept here: HTTP/1.1 only (7.88 reports cut HTTP/2 answers as whole), no
 * redirects, no proxy from the environment, no compressed answers, no netrc,
 * no cookies, TLS 1.2 and up with the host verified, http only to hosts that
 * the job names, caps on header lines, header bytes and body bytes.
 *
 * The bytes of an answer go to a sink as they arrive; at the end the transfer
 * says how it went: a reason, an HTTP status, and what the headers told.
 *
 * Ownership: a transfer is the caller's handle; url, headers and body given to
 * http_send are lent until the transfer has ended. Threads: one.
 */
#ifndef RETORT_WORKER_HTTP_H
#define RETORT_WORKER_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/reason.h"
#include "worker/rate_headers.h"

struct http;
struct transfer;

/* One teacher's connection settings, made once. */
struct http_target;
struct http_settings {
	const char *url;                 /* whole: endpoint and path */
	const char *key;                 /* bearer token, or NULL */
	const char *const *extra_header; /* name, value, name, value, ..., NULL */
	const char *proxy;               /* NULL: none */
	const char *ca_file; /* PEM: trusted beside the system's; NULL: none */
	double connect_s, first_byte_s, total_s;
};

struct http *http_new(unsigned max_connections);
void http_free(struct http *h);

struct http_target *http_target_new(const struct http_settings *s);
void http_target_free(struct http_target *t);

struct transfer *http_transfer_new(struct http *h, void *owner);
void http_transfer_free(struct transfer *t);
void *http_owner(const struct transfer *t);

/* What the sink says: false ends the transfer, since nothing more is wanted. */
typedef bool (*http_sink)(void *owner, const void *bytes, size_t len);

/* A POST of JSON, or a GET if body.data is NULL. Only on an idle transfer. */
void http_send(struct transfer *t, const struct http_target *target, struct bytes body,
	size_t answer_max, http_sink sink);

struct http_outcome {
	/* REASON_NONE: the answer came whole, whatever its status. */
	enum reason reason;
	int status;      /* 0: none came */
	size_t received; /* body bytes */
	bool stopped_by_sink;
	int64_t retry_after_ms; /* -1: not told */
	struct rate_told told;  /* of the server's rate limits */
	char request_id[128];   /* "" if not told; printable ASCII only */
	char detail[160];       /* for logs; escaped */
};

/* Runs what can be run; calls `ended` for each transfer that has ended. */
typedef void (*http_ended)(void *to, struct transfer *t, const struct http_outcome *o);
void http_run(struct http *h, int64_t now_ms, http_ended ended, void *to);
/* Waits for traffic, for one of the descriptors, or for timeout_ms. */
void http_wait(struct http *h, const int *fds, size_t n_fds, int timeout_ms);

/* Ends a transfer without calling anybody. */
void http_cancel(struct transfer *t);

#endif
