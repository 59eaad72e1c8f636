/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/mem.h"
#include "common/text.h"
#include "worker/retry.h"
#include "worker/transfers.h"

#define CONNECTION_LIFE_S 3600L
#define KEEPALIVE_S 30L
/* libcurl allocates one for each request. A chunk of 64 KiB or more makes every free
 * of it a tidying of the heap, which long answers are worth: they come in fewer rounds
 * of two system calls. Above 128 KiB each would be a mapping of its own. */
#define RECEIVE_BUFFER (32 * 1024L)
#define RECEIVE_BUFFER_LONG (120 * 1024L)
#define LONG_ANSWER MIB(2)
#define WATCH_EVERY_MS 250
/* After the first byte: slower than this over so long is as good as dead. */
#define SLOW_BYTES_PER_S 32
#define SLOW_MS 30000

struct http {
	struct transfers *transfers;
	struct transfer *busy; /* list of those under way */
	int64_t watched_ms;
};

struct http_target {
	char *url, *proxy;
	char *ca_file; /* NULL: the system's alone */
	struct curl_slist *headers;
	double connect_s, first_byte_s, total_s;
	bool plain_http;
};

struct transfer {
	struct http *http;
	CURL *easy;
	void *owner;
	const struct http_target *target;
	http_sink sink;
	size_t answer_max;
	struct transfer *next, *prev;
	bool is_busy;

	int64_t sent_ms, first_byte_ms, slow_since_ms;
	size_t slow_from; /* bytes received when slow_since_ms was set */
	unsigned header_lines;
	size_t header_bytes;
	bool has_length, has_chunked;
	struct http_outcome outcome;
	char error[CURL_ERROR_SIZE];
};

struct http *http_new(unsigned max_connections)
{
	struct http *h = mem_zalloc(1, sizeof(*h));

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		abort();
	/* Debian's libcurl would write session keys where this points to. */
	unsetenv("SSLKEYLOGFILE");
	h->transfers = transfers_new(max_connections);
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	transfers_free(h->transfers);
	curl_global_cleanup();
	free(h);
}

/* A header line whose value cannot break out of it. */
static struct curl_slist *add_header(
	struct curl_slist *list, const char *name, const char *value)
{
	char *line = mem_printf("%s: %s", name, value);

	line[strcspn(line, "\r\n")] = '\0';
	list = curl_slist_append(list, line);
	/* It may hold a key. */
	memset(line, 0, strlen(line));
	free(line);
	return list;
}

struct http_target *http_target_new(const struct http_settings *s)
{
	struct http_target *t = mem_zalloc(1, sizeof(*t));

	t->url = mem_dup_str(s->url);
	t->proxy = mem_dup_str(s->proxy ? s->proxy : "");
	t->ca_file = s->ca_file ? mem_dup_str(s->ca_file) : NULL;
	t->plain_http = strncmp(s->url, "http://", 7) == 0;
	t->connect_s = s->connect_s;
	t->first_byte_s = s->first_byte_s;
	t->total_s = s->total_s;
	t->headers = add_header(t->headers, "Content-Type", "application/json");
	t->headers = add_header(t->headers, "Accept", "application/json");
	t->headers = curl_slist_append(t->headers, "Expect:");
	if (s->key) {
		char *bearer = mem_printf("Bearer %s", s->key);

		t->headers = add_header(t->headers, "Authorization", bearer);
		memset(bearer, 0, strlen(bearer));
		free(bearer);
	}
	for (size_t i = 0; s->extra_header && s->extra_header[i]; i += 2)
		t->headers = add_header(
			t->headers, s->extra_header[i], s->extra_header[i + 1]);
	return t;
}

void http_target_free(struct http_target *t)
{
	if (!t)
		return;
	for (struct curl_slist *h = t->headers; h; h = h->next)
		memset(h->data, 0, strlen(h->data));
	curl_slist_free_all(t->headers);
	free(t->url);
	free(t->proxy);
	free(t->ca_file);
	free(t);
}

/* -- What arrives -- */

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	size_t len = size * n;

	if (t->first_byte_ms == 0)
		t->first_byte_ms = -1; /* stamped by the watch */
	t->outcome.received += len;
	if (t->outcome.reason != REASON_NONE)
		return 0;
	if (t->outcome.received > t->answer_max) {
		t->outcome.reason = REASON_BODY_TOO_LONG;
		return 0;
	}
	if (!t->sink(t->owner, bytes, len)) {
		t->outcome.stopped_by_sink = true;
		return 0;
	}
	return len;
}

static bool name_is(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name);

	return len > n && line[n] == ':' && strncasecmp(line, name, n) == 0;
}

/* The value of a header line, trimmed, as a C string of at most size - 1. */
static void value_of(const char *line, size_t len, char *out, size_t size)
{
	const char *colon = memchr(line, ':', len), *end = line + len;
	size_t n;

	for (colon++; colon < end && (*colon == ' ' || *colon == '\t'); colon++)
		;
	while (end > colon && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
		end--;
	n = (size_t)(end - colon) < size - 1 ? (size_t)(end - colon) : size - 1;
	memcpy(out, colon, n);
	out[n] = '\0';
}

static int64_t retry_after_value(const char *value, bool is_ms)
{
	int64_t ms = retry_after(value, is_ms);
	time_t at;

	if (ms >= 0 || is_ms)
		return ms;
	at = curl_getdate(value, NULL);
	if (at < 0)
		return -1;
	ms = (int64_t)(at - time(NULL)) * 1000;
	return ms > 0 && ms <= RETRY_AFTER_MAX_MS ? ms : -1;
}

/* What the headers tell of rate limits, and on which clock. */
static void read_rates(struct transfer *t, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	char value[64];
	time_t at;

	if (!colon || !strchr("xXaAdD", line[0]))
		return;
	value_of(line, len, value, sizeof(value));
	if (!name_is(line, len, "date"))
		rate_told_header(&t->outcome.told, line, (size_t)(colon - line), value);
	else if ((at = curl_getdate(value, NULL)) > 0)
		t->outcome.told.date_ms = (int64_t)at * 1000;
}

static void read_header(struct transfer *t, const char *line, size_t len)
{
	char value[256];

	if (name_is(line, len, "content-encoding")) {
		value_of(line, len, value, sizeof(value));
		if (*value && strcasecmp(value, "identity") != 0)
			t->outcome.reason = REASON_ENCODED_BODY;
	} else if (name_is(line, len, "content-length")) {
		if (t->has_length || t->has_chunked)
			t->outcome.reason = REASON_BAD_HEADERS;
		t->has_length = true;
	} else if (name_is(line, len, "transfer-encoding")) {
		if (t->has_length)
			t->outcome.reason = REASON_BAD_HEADERS;
		t->has_chunked = true;
	} else if (name_is(line, len, "retry-after-ms")) {
		value_of(line, len, value, sizeof(value));
		t->outcome.retry_after_ms = retry_after_value(value, true);
	} else if (name_is(line, len, "retry-after")) {
		value_of(line, len, value, sizeof(value));
		if (t->outcome.retry_after_ms < 0)
			t->outcome.retry_after_ms = retry_after_value(value, false);
	} else if (name_is(line, len, "x-request-id") ||
		   name_is(line, len, "request-id")) {
		value_of(line, len, t->outcome.request_id,
			sizeof(t->outcome.request_id));
		for (char *p = t->outcome.request_id; *p; p++)
			if (*p < ' ' || *p > '~')
				*p = '?';
	} else {
		read_rates(t, line, len);
	}
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	size_t len = size * n;

	t->header_lines++;
	t->header_bytes += len;
	if (t->header_lines > LIMIT_HEADER_LINES ||
		t->header_bytes > LIMIT_HEADER_BYTES) {
		t->outcome.reason = REASON_BAD_HEADERS;
		return 0;
	}
	if (len > 5 && strncmp(line, "HTTP/", 5) == 0) {
		/* A new status line: what an interim answer said does not count. */
		t->has_length = t->has_chunked = false;
		t->outcome.retry_after_ms = -1;
		t->outcome.request_id[0] = '\0';
		rate_told_init(&t->outcome.told);
	} else if (len > 2) {
		read_header(t, line, len);
	}
	return t->outcome.reason == REASON_NONE ? len : 0;
}

/* -- Transfers -- */

struct transfer *http_transfer_new(struct http *h, void *owner)
{
	struct transfer *t = mem_zalloc(1, sizeof(*t));

	t->http = h;
	t->owner = owner;
	t->easy = curl_easy_init();
	if (!t->easy)
		abort();
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(t->easy, CURLOPT_MAXREDIRS, 0L);
	curl_easy_setopt(t->easy, CURLOPT_REDIR_PROTOCOLS_STR, "https");
	curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(t->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(t->easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(t->easy, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(t->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(t->easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
	curl_easy_setopt(t->easy, CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFE_S);
	curl_easy_setopt(t->easy, CURLOPT_NOPROXY, "");
	curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "retort/" RETORT_VERSION);
	return t;
}

static void unlink_busy(struct transfer *t)
{
	if (t->prev)
		t->prev->next = t->next;
	else
		t->http->busy = t->next;
	if (t->next)
		t->next->prev = t->prev;
	t->next = t->prev = NULL;
	t->is_busy = false;
}

void http_cancel(struct transfer *t)
{
	if (!t->is_busy)
		return;
	transfers_remove(t->http->transfers, t->easy);
	unlink_busy(t);
}

void http_transfer_free(struct transfer *t)
{
	if (!t)
		return;
	http_cancel(t);
	curl_easy_cleanup(t->easy);
	free(t);
}

void *http_owner(const struct transfer *t)
{
	return t->owner;
}

static void aim(struct transfer *t, const struct http_target *target)
{
	t->target = target;
	curl_easy_setopt(
		t->easy, CURLOPT_PROTOCOLS_STR, target->plain_http ? "http" : "https");
	curl_easy_setopt(t->easy, CURLOPT_URL, target->url);
	curl_easy_setopt(t->easy, CURLOPT_PROXY, target->proxy);
	/* Those of the system are in a folder, too, which stays. */
	curl_easy_setopt(t->easy, CURLOPT_CAINFO,
		target->ca_file ? target->ca_file
				: curl_version_info(CURLVERSION_NOW)->cainfo);
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, target->headers);
	curl_easy_setopt(
		t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(target->connect_s * 1000));
	curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)(target->total_s * 1000));
}

void http_send(struct transfer *t, const struct http_target *target, struct bytes body,
	size_t answer_max, http_sink sink)
{
	if (t->target != target)
		aim(t, target);
	if (body.data) {
		curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(
			t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, (const char *)body.data);
	} else {
		curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
	}
	t->sink = sink;
	t->answer_max = answer_max;
	curl_easy_setopt(t->easy, CURLOPT_BUFFERSIZE,
		answer_max >= LONG_ANSWER ? RECEIVE_BUFFER_LONG : RECEIVE_BUFFER);
	t->sent_ms = t->first_byte_ms = t->slow_since_ms = 0;
	t->header_bytes = t->header_lines = 0;
	t->has_length = t->has_chunked = false;
	t->outcome = (struct http_outcome){.retry_after_ms = -1};
	rate_told_init(&t->outcome.told);
	t->error[0] = '\0';
	t->prev = NULL;
	t->next = t->http->busy;
	if (t->next)
		t->next->prev = t;
	t->http->busy = t;
	t->is_busy = true;
	transfers_add(t->http->transfers, t->easy);
}

/* -- How it went -- */

/* The connection broke, or libcurl gave up: before the answer, in its headers,
 * or in its body. */
static enum reason broken(const struct transfer *t)
{
	return t->outcome.received > 0 ? REASON_BODY_CUT
	       : t->header_lines > 0   ? REASON_BAD_HEADERS
				       : REASON_CONNECTION_LOST;
}

/* Nothing came in time: not even a connection, or no answer. */
static enum reason no_answer(const struct transfer *t)
{
	curl_off_t connected_us = 0;

	curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
	return connected_us > 0 ? REASON_NO_ANSWER : REASON_CONNECT;
}

static enum reason reason_of_curl(const struct transfer *t, CURLcode rc)
{
	switch (rc) {
	case CURLE_OK:
		return REASON_NONE;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return REASON_DNS;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
	case CURLE_SSL_CERTPROBLEM:
		return REASON_TLS;
	case CURLE_COULDNT_CONNECT:
		return REASON_CONNECT;
	case CURLE_OPERATION_TIMEDOUT:
		return t->header_lines == 0 ? no_answer(t) : REASON_TIMEOUT;
	case CURLE_PARTIAL_FILE:
		return REASON_BODY_CUT;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_CONTENT_ENCODING:
		return REASON_BAD_HEADERS;
	default:
		return broken(t);
	}
}

static void finish(struct transfer *t, CURLcode rc, http_ended ended, void *to)
{
	struct http_outcome *o = &t->outcome;
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	o->status = (int)status;
	/* A sink or a cap that has ended the transfer knows best why. */
	if (o->reason == REASON_NONE && !o->stopped_by_sink)
		o->reason = reason_of_curl(t, rc);
	if (rc != CURLE_OK)
		text_escape(t->error[0] ? t->error : curl_easy_strerror(rc),
			strlen(t->error[0] ? t->error : curl_easy_strerror(rc)),
			o->detail, sizeof(o->detail));
	transfers_remove(t->http->transfers, t->easy);
	unlink_busy(t);
	ended(to, t, o);
}

/* What libcurl has no option for: silence before the first byte, and a trickle
 * after it. */
static bool is_overdue(struct transfer *t, int64_t now_ms)
{
	if (t->sent_ms == 0)
		t->sent_ms = now_ms;
	if (t->first_byte_ms == 0)
		return now_ms - t->sent_ms > (int64_t)(t->target->first_byte_s * 1000);
	if (t->first_byte_ms < 0) {
		t->first_byte_ms = t->slow_since_ms = now_ms;
		t->slow_from = t->outcome.received;
	}
	if (now_ms - t->slow_since_ms < SLOW_MS)
		return false;
	if (t->outcome.received - t->slow_from < SLOW_BYTES_PER_S * SLOW_MS / 1000)
		return true;
	t->slow_since_ms = now_ms;
	t->slow_from = t->outcome.received;
	return false;
}

static void watch(struct http *h, int64_t now_ms, http_ended ended, void *to)
{
	struct transfer *next;

	if (now_ms - h->watched_ms < WATCH_EVERY_MS)
		return;
	h->watched_ms = now_ms;
	for (struct transfer *t = h->busy; t; t = next) {
		next = t->next;
		if (is_overdue(t, now_ms)) {
			t->outcome.reason =
				t->header_lines ? REASON_TIMEOUT : no_answer(t);
			finish(t, CURLE_OPERATION_TIMEDOUT, ended, to);
		}
	}
}

void http_run(struct http *h, int64_t now_ms, http_ended ended, void *to)
{
	CURLcode rc;
	CURL *easy;
	void *t;

	transfers_run(h->transfers, now_ms);
	while ((easy = transfers_ended(h->transfers, &rc))) {
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
		finish(t, rc, ended, to);
	}
	watch(h, now_ms, ended, to);
}

void http_wait(struct http *h, const int *fds, size_t n_fds, int timeout_ms)
{
	transfers_wait(h->transfers, fds, n_fds, timeout_ms);
}
