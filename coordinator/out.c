/* SPDX-License-Identifier: Apache-2.0 */
/* What a round has to say is kept until its changes are in the ledger. */
#include "common/limits.h"
#include "common/log.h"
#include "common/mem.h"
#include "coordinator/coordinator.h"

void out_send_frame(struct coordinator *c, struct link *link,
	const struct link_peer *peer, struct buf *frame)
{
	struct outgoing *o;

	if (frame->over) {
		log_error("coordinator", "a message is too large", "");
		buf_release(frame);
		return;
	}
	MEM_GROW(c->out, c->cap_out, c->n_out + 1);
	o = &c->out[c->n_out++];
	o->link = link;
	o->peer = *peer;
	o->frame = *frame;
	buf_init(frame, frame->max);
}

void out_send(struct coordinator *c, const struct link_peer *peer, const struct wire *w)
{
	struct buf frame;

	buf_init(&frame, LIMIT_MESSAGE);
	wire_encode(w, &frame);
	out_send_frame(c, c->link, peer, &frame);
}

void out_flush(struct coordinator *c)
{
	for (size_t i = 0; i < c->n_out; i++) {
		/* Who is gone says HELLO or REGISTER again; a grant that was not
		 * taken runs out, since its worker never confirms it. */
		if (link_send(c->out[i].link, &c->out[i].peer, &c->out[i].frame) !=
			ERR_NONE)
			log_debug("coordinator", "a message was not taken", "");
	}
	c->n_out = 0;
}

void out_drop(struct coordinator *c)
{
	for (size_t i = 0; i < c->n_out; i++)
		buf_release(&c->out[i].frame);
	c->n_out = 0;
}
