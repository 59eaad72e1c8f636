/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults_plain.c - wrong answers that are HTTP in good order: statuses, web
 * pages, redirects, and bodies that are packed though nobody asked for it
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/limits.h"
#include "common/mem.h"
#include "deploy/teacher/exchange.h"

static const char page[] =
	"<!DOCTYPE html><html><head><title>Please sign in</title></head>"
	"<body><h1>Welcome to the guest network</h1></body></html>\n";

/* gzip of the bytes. */
static void pack(struct bytes from, struct buf *out)
{
	z_stream z = {0};
	unsigned char *to;

	if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return;
	z.next_in = (unsigned char *)from.data;
	z.avail_in = (unsigned)from.len;
	to = buf_reserve(out, deflateBound(&z, from.len));
	if (to) {
		z.next_out = to;
		z.avail_out = (unsigned)deflateBound(&z, from.len);
		deflate(&z, Z_FINISH);
		out->len += z.total_out;
	}
	deflateEnd(&z);
}

static void pack_body(struct buf *body, unsigned times)
{
	for (; times > 0; times--) {
		struct buf packed;

		buf_init(&packed, body->max);
		pack(buf_bytes(body), &packed);
		buf_release(body);
		*body = packed;
	}
}

/* A gzip file of `pieces` MiB of blanks: one MiB is packed, with a full flush
 * so that it stands alone, and written again and again. */
static void make_bomb(struct buf *out, unsigned pieces)
{
	static const unsigned char head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
	static const unsigned char last_block[] = {3, 0};
	unsigned char *blanks = mem_alloc(MIB(1)), *packed = mem_alloc(MIB(1));
	uLong one, all = crc32(0, NULL, 0);
	z_stream z = {0};

	memset(blanks, ' ', MIB(1));
	one = crc32(all, blanks, (unsigned)MIB(1));
	if (deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK) {
		z.next_in = blanks;
		z.avail_in = (unsigned)MIB(1);
		z.next_out = packed;
		z.avail_out = (unsigned)MIB(1);
		deflate(&z, Z_FULL_FLUSH);
		buf_add(out, head, sizeof(head));
		for (unsigned i = 0; i < pieces; i++) {
			buf_add(out, packed, z.total_out);
			all = crc32_combine(all, one, (z_off_t)MIB(1));
		}
		buf_add(out, last_block, sizeof(last_block));
		buf_add_u32(out, (uint32_t)all);
		buf_add_u32(out, (uint32_t)(pieces * MIB(1)));
		deflateEnd(&z);
	}
	free(blanks);
	free(packed);
}

static void throw_bomb(struct exchange *e, struct buf *body)
{
	struct server *s = e->server;

	if (s->bomb.len == 0)
		make_bomb(&s->bomb, 1024);
	buf_clear(body);
	buf_add(body, s->bomb.data, s->bomb.len);
}

static void say_packed(struct exchange *e)
{
	if (e->response)
		MHD_add_response_header(e->response, "Content-Encoding", "gzip");
}

/* A status, with a body of one kind or another. */
static void answer_status(struct exchange *e, struct buf *body)
{
	const struct fault *f = e->fault;
	const char *retry = f->header ? f->header : e->server->settings->retry_after;

	buf_clear(body);
	if (f->body == STATUS_HTML)
		buf_printf(body, "<html><body><h1>%d</h1><hr>cloud</body></html>\n",
			f->status);
	if (f->body == STATUS_JSON)
		answer_write_error(&e->server->settings->style, f->status,
			"this is a fault made on purpose", NULL, body);
	if (!exchange_record(e, f->status, f->name, buf_bytes(body))) {
		exchange_abort(e);
		return;
	}
	exchange_respond(e, (unsigned)f->status, body,
		f->body == STATUS_HTML ? "text/html" : "application/json");
	if (e->response && retry && (f->status == 429 || f->status == 503))
		MHD_add_response_header(e->response, "Retry-After", retry);
}

static void answer_page(struct exchange *e, struct buf *body, const char *location)
{
	unsigned status = location ? (unsigned)e->fault->status : 200;

	buf_clear(body);
	buf_add_str(body, page);
	if (!exchange_record(e, (int)status, e->fault->name, buf_bytes(body))) {
		exchange_abort(e);
		return;
	}
	exchange_respond(e, status, body, "text/html; charset=utf-8");
	if (e->response && location)
		MHD_add_response_header(e->response, "Location", location);
}

bool faults_plain_answer(struct exchange *e, struct buf *body)
{
	switch (e->fault->trick) {
	case TRICK_STATUS:
		answer_status(e, body);
		return true;
	case TRICK_HTML:
		answer_page(e, body, NULL);
		return true;
	case TRICK_REDIRECT:
		answer_page(e, body, e->fault->header);
		return true;
	case TRICK_TYPE:
		exchange_respond(e, 200, body, "text/plain");
		return true;
	case TRICK_GZIP:
	case TRICK_GZIP_TWICE:
		pack_body(body, e->fault->trick == TRICK_GZIP ? 1 : 2);
		break;
	case TRICK_GZIP_BOMB:
		throw_bomb(e, body);
		break;
	default:
		return false;
	}
	exchange_respond(e, 200, body, "application/json");
	say_packed(e);
	return true;
}
