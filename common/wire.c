/* SPDX-License-Identifier: Apache-2.0 */
#include "common/wire.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/mem.h"
#include "common/wire_fields.h"

const char *wire_name(enum wire_type type)
{
	static const char *const names[WIRE_N] = {
		[WIRE_HELLO] = "HELLO",
		[WIRE_WELCOME] = "WELCOME",
		[WIRE_REFUSED] = "REFUSED",
		[WIRE_WHO] = "WHO",
		[WIRE_WANT] = "WANT",
		[WIRE_GRANT] = "GRANT",
		[WIRE_BEAT] = "BEAT",
		[WIRE_ORDERS] = "ORDERS",
		[WIRE_FAILED] = "FAILED",
		[WIRE_RECORDED] = "RECORDED",
		[WIRE_DONE] = "DONE",
		[WIRE_BYE] = "BYE",
		[WIRE_VERDICT] = "VERDICT",
		[WIRE_REGISTER] = "REGISTER",
		[WIRE_ADOPT] = "ADOPT",
		[WIRE_TOTALS] = "TOTALS",
		[WIRE_HAVE] = "HAVE",
		[WIRE_HAS] = "HAS",
		[WIRE_TABLE] = "TABLE",
		[WIRE_TABLE_AT] = "TABLE_AT",
		[WIRE_OPEN] = "OPEN",
		[WIRE_OPENED] = "OPENED",
		[WIRE_PUT] = "PUT",
		[WIRE_RESULT] = "RESULT",
		[WIRE_INTERN] = "INTERN",
		[WIRE_INTERNED] = "INTERNED",
		[WIRE_RAW] = "RAW",
		[WIRE_PING] = "PING",
		[WIRE_PONG] = "PONG",
	};

	return (unsigned)type < WIRE_N && names[type] ? names[type] : "unknown";
}

const char *endpoint_state_name(enum endpoint_state state)
{
	static const char *const names[] = {"new", "up", "held", "refused"};

	return (unsigned)state <= ENDPOINT_REFUSED ? names[state] : "unknown";
}

const char *put_answer_name(enum put_answer answer)
{
	static const char *const names[PUT_ANSWER_N] = {
		"STORED", "SAME", "OCCUPIED", "FENCED", "INVALID", "PAUSED"};

	return (unsigned)answer < PUT_ANSWER_N ? names[answer] : "unknown";
}

void wire_encode(const struct wire *w, struct buf *out)
{
	struct fields f = {.out = out};

	buf_add(out, "rt", 2);
	buf_add_byte(out, WIRE_VERSION);
	buf_add_byte(out, (unsigned char)w->type);
	/* The visitor takes both directions; encoding changes nothing. */
	wire_fields(&f, (struct wire *)(uintptr_t)w);
	if (f.bad)
		out->over = true;
}

enum err_code wire_decode(struct bytes frame, struct wire *w, struct err *err)
{
	struct fields f = {.in = frame};

	*w = (struct wire){0};
	if (frame.len < 4 || memcmp(frame.data, "rt", 2) != 0)
		return err_set(err, ERR_INVALID, "not one of our frames");
	if (frame.data[2] != WIRE_VERSION)
		return err_set(err, ERR_REFUSED,
			"the peer speaks protocol version %u, this is version %d",
			frame.data[2], WIRE_VERSION);
	w->type = frame.data[3];
	f.in = bytes_of(frame.data + 4, frame.len - 4);
	if (!wire_fields(&f, w))
		return err_set(
			err, ERR_INVALID, "unknown message type %d", (int)w->type);
	w->blocks = f.blocks;
	if (f.bad || f.in.len > 0) {
		wire_release(w);
		return err_set(err, ERR_INVALID, "a malformed %s", wire_name(w->type));
	}
	return ERR_NONE;
}

void wire_release(struct wire *w)
{
	struct wire_block *next;

	for (struct wire_block *b = w->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
	w->blocks = NULL;
}
