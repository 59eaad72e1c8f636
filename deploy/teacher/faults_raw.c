/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults_raw.c - wrong answers that no HTTP library would send, as plays of
 * bytes on the connection's socket
 */
#include "common/bytes.h"
#include "common/limits.h"
#include "deploy/teacher/exchange.h"
#include "deploy/teacher/mix.h"

#define FLOOD KIB(400)
#define LINES 100000
#define INTERIM 1000
#define LONG_TEXT MIB(100)

/* The status line and the headers that every response has. */
static void add_head(const struct exchange *e, struct buf *out)
{
	buf_printf(out,
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		"x-request-id: %s\r\nConnection: close\r\n",
		e->nonce);
}

static void end_head(struct buf *out, size_t length)
{
	buf_printf(out, "Content-Length: %zu\r\n\r\n", length);
}

/* A number that differs from request to request, and not from run to run. */
static uint64_t lot(const struct exchange *e)
{
	return mix4(e->server->faults.seed, MIX_FAULT_PLACE, e->question.key,
		e->seed + e->attempt);
}

/* A place inside of the body, never all of it. */
static size_t cut_of(const struct exchange *e, size_t len)
{
	return len > 1 ? (size_t)(lot(e) % (len - 1)) + 1 : 0;
}

static void cut_length(const struct exchange *e, struct bytes body, struct play *p)
{
	add_head(e, &p->head);
	end_head(&p->head, body.len);
	buf_add(&p->head, body.data, cut_of(e, body.len));
}

static void cut_chunked(const struct exchange *e, struct bytes body, struct play *p)
{
	size_t cut = cut_of(e, body.len);

	add_head(e, &p->head);
	buf_printf(&p->head, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", cut);
	buf_add(&p->head, body.data, cut);
	buf_add_str(&p->head, "\r\n");
}

static void cut_close(const struct exchange *e, struct bytes body, struct play *p)
{
	add_head(e, &p->head);
	buf_add_str(&p->head, "\r\n");
	buf_add(&p->head, body.data, cut_of(e, body.len));
}

static void add_whole(const struct exchange *e, struct bytes body, struct buf *out)
{
	add_head(e, out);
	end_head(out, body.len);
	buf_add(out, body.data, body.len);
}

static void flood_line(const struct exchange *e, struct bytes body, struct play *p)
{
	add_head(e, &p->head);
	buf_add_str(&p->head, "x-flood: ");
	buf_add_fill(&p->head, 'f', FLOOD);
	buf_add_str(&p->head, "\r\n");
	end_head(&p->head, body.len);
	buf_add(&p->head, body.data, body.len);
}

static void flood_lines(const struct exchange *e, struct bytes body, struct play *p)
{
	add_head(e, &p->head);
	for (unsigned i = 0; i < LINES; i++)
		buf_printf(&p->head, "x-line-%u: %u\r\n", i, i);
	end_head(&p->head, body.len);
	buf_add(&p->head, body.data, body.len);
}

static void interim_storm(const struct exchange *e, struct bytes body, struct play *p)
{
	for (unsigned i = 0; i < INTERIM; i++)
		buf_add_str(&p->head, "HTTP/1.1 102 Processing\r\n\r\n");
	add_whole(e, body, &p->head);
}

/* The length is a lie; RFC 9112 says that the chunks count. */
static void length_and_chunked(
	const struct exchange *e, struct bytes body, struct play *p)
{
	add_head(e, &p->head);
	buf_printf(&p->head,
		"Content-Length: %zu\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n",
		body.len / 2, body.len);
	buf_add(&p->head, body.data, body.len);
	buf_add_str(&p->head, "\r\n0\r\n\r\n");
}

/* The second response waits for whoever uses the connection next. */
static void extra_bytes(const struct exchange *e, struct bytes body, struct play *p)
{
	static const char extra[] = "{\"id\":\"smuggled\",\"choices\":[{\"index\":0,"
				    "\"message\":{\"role\":\"assistant\",\"content\":"
				    "\"smuggled\"},\"finish_reason\":\"stop\"}]}";

	for (int i = 0; i < 2; i++) {
		struct bytes now = i ? bytes_of(extra, sizeof(extra) - 1) : body;

		buf_printf(&p->head,
			"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
			"x-request-id: %s\r\n",
			e->nonce);
		end_head(&p->head, now.len);
		buf_add(&p->head, now.data, now.len);
	}
	p->end = PLAY_HOLD;
}

static void long_text(const struct exchange *e, struct play *p)
{
	static const char tail[] = "\"},\"finish_reason\":\"stop\"}]}";
	struct buf front;

	buf_init(&front, KIB(4));
	buf_printf(&front,
		"{\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion\",\"choices\":"
		"[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"",
		e->nonce);
	add_head(e, &p->head);
	end_head(&p->head, front.len + LONG_TEXT + sizeof(tail) - 1);
	buf_add(&p->head, front.data, front.len);
	p->fill = 'a';
	p->n_fill = LONG_TEXT;
	buf_add(&p->tail, tail, sizeof(tail) - 1);
	buf_release(&front);
}

static void drip(const struct exchange *e, struct bytes body, struct play *p)
{
	add_head(e, &p->head);
	end_head(&p->head, body.len);
	p->drip_from = p->head.len;
	p->drop = 1;
	p->drip_us = e->server->settings->drip_us;
	buf_add(&p->head, body.data, body.len);
}

static void stall(const struct exchange *e, struct bytes body, struct play *p)
{
	add_head(e, &p->head);
	end_head(&p->head, body.len);
	p->end = PLAY_HOLD;
}

static void reset(const struct exchange *e, struct bytes body, struct play *p)
{
	add_whole(e, body, &p->head);
	buf_truncate(&p->head, (size_t)(lot(e) % p->head.len));
	p->end = PLAY_RESET;
}

static void play_file(const struct exchange *e, struct play *p)
{
	const struct fault_file *file = (const struct fault_file *)e->fault;

	buf_add(&p->head, file->bytes.data, file->bytes.len);
}

bool faults_raw_answer(struct exchange *e, struct buf *body)
{
	struct bytes b = buf_bytes(body);
	struct play *p = &e->play;

	switch (e->fault->trick) {
	case TRICK_CUT_LENGTH:
		cut_length(e, b, p);
		break;
	case TRICK_CUT_CHUNKED:
		cut_chunked(e, b, p);
		break;
	case TRICK_CUT_CLOSE:
		cut_close(e, b, p);
		break;
	case TRICK_HEADER_FLOOD:
		flood_line(e, b, p);
		break;
	case TRICK_HEADER_LINES:
		flood_lines(e, b, p);
		break;
	case TRICK_INTERIM:
		interim_storm(e, b, p);
		break;
	case TRICK_HTTP09:
		buf_add(&p->head, b.data, b.len);
		break;
	case TRICK_LENGTH_AND_CHUNKED:
		length_and_chunked(e, b, p);
		break;
	case TRICK_EXTRA_BYTES:
		extra_bytes(e, b, p);
		break;
	case TRICK_LONG_TEXT:
		long_text(e, p);
		break;
	case TRICK_DRIP:
		drip(e, b, p);
		break;
	case TRICK_STALL:
		stall(e, b, p);
		break;
	case TRICK_SILENCE:
		p->end = PLAY_HOLD;
		break;
	case TRICK_RESET:
		reset(e, b, p);
		break;
	case TRICK_FILE:
		play_file(e, p);
		break;
	default:
		return false;
	}
	exchange_play(e);
	return true;
}
