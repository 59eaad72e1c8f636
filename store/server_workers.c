/* SPDX-License-Identifier: Apache-2.0 */
/* The store and its workers: leases opened, samples put, tokens interned. */
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/mem.h"
#include "store/server_state.h"

#define WORKER_FORGOTTEN_MS 15000
#define CREDIT_MIN MIB(1)

static uint64_t credit(const struct server *s)
{
	uint64_t share = STORE_CREDIT / (s->n_seen ? s->n_seen : 1);

	return share > CREDIT_MIN ? share : CREDIT_MIN;
}

static void see_worker(struct server *s, uint64_t session, int64_t now_ms)
{
	size_t kept = 0;
	bool known = false;

	for (size_t i = 0; i < s->n_seen; i++) {
		if (s->seen[i].session == session) {
			s->seen[i].at_ms = now_ms;
			known = true;
		}
		if (now_ms - s->seen[i].at_ms < WORKER_FORGOTTEN_MS)
			s->seen[kept++] = s->seen[i];
	}
	s->n_seen = kept;
	if (known)
		return;
	MEM_GROW(s->seen, s->cap_seen, s->n_seen + 1);
	s->seen[s->n_seen++] = (struct seen_worker){session, now_ms};
}

static void hear_open(
	struct server *s, const struct link_peer *peer, const struct wire_open *open)
{
	struct wire w = {.type = WIRE_OPENED};
	struct wire_dictionary dictionaries[64];
	uint32_t newest = packer_dictionary(s->d->packer);
	struct err err = {0};

	/* Unanswered; the worker asks again until this store is adopted. */
	if (!s->adopted || !tables_are_whole(s->tables) || !server_in_transaction(s))
		return;
	if (!server_ok(s, ingest_open(s->ingest, open, &w.opened, &err), &err))
		return;
	for (uint32_t i = open->dictionary + 1; i <= newest; i++) {
		struct wire_dictionary *to = &dictionaries[w.opened.n_dictionaries++];

		to->number = i;
		if (!server_ok(s, dataset_dictionary(s->d, i, &to->bytes, &err), &err))
			return;
	}
	w.opened.dictionary = dictionaries;
	w.opened.boot = s->boot;
	w.opened.credit = credit(s);
	server_answer(s, peer, &w);
}

static void hear_put(
	struct server *s, const struct link_peer *peer, const struct wire_put *put)
{
	struct wire w = {.type = WIRE_RESULT};
	struct wire_result_item *items = mem_zalloc(put->n, sizeof(*items));
	bool can_write = s->adopted && !s->paused;
	struct err err = {0};

	w.result.boot = s->boot;
	w.result.credit = credit(s);
	w.result.item = items;
	for (uint32_t i = 0; i < put->n && !s->lost; i++) {
		enum put_answer answer = PUT_PAUSED;

		if (can_write && (!server_in_transaction(s) ||
					 !server_ok(s,
						 ingest_put(s->ingest, &put->item[i],
							 &answer, &err),
						 &err)))
			break;
		items[w.result.n++] =
			(struct wire_result_item){put->item[i].serial, (uint8_t)answer};
		s->round_bytes += put->item[i].offer.len;
	}
	if (!s->lost)
		server_answer(s, peer, &w);
	free(items);
}

/* An id of the dataset's own, or of a tokenizer's. */
static enum err_code id_of(struct server *s, uint32_t vocabulary,
	const struct wire_token *token, uint32_t *id, struct err *err)
{
	if (vocabulary_is_interned(vocabulary))
		return vocabulary_intern(s->vocabulary, s->d, vocabulary,
			token->ordinal, token->token, id, err);
	return tables_look_up(
		s->tables, s->d, vocabulary, token->ordinal, token->token, id, err);
}

static void hear_intern(
	struct server *s, const struct link_peer *peer, const struct wire_intern *m)
{
	struct wire w = {.type = WIRE_INTERNED, .interned = {.serial = m->serial}};
	enum err_code code = ERR_NONE;
	struct err err = {0};
	uint32_t *ids;

	if (!s->adopted || s->paused || !server_in_transaction(s))
		return;
	ids = mem_zalloc(m->n, sizeof(*ids));
	w.interned.id = ids;
	for (uint32_t i = 0; i < m->n && code == ERR_NONE; i++) {
		code = id_of(s, m->vocabulary, &m->token[i], &ids[i], &err);
		w.interned.n += code == ERR_NONE;
	}
	if (code == ERR_NOT_FOUND)
		log_warn("store", "a question about a table that is not here",
			"vocabulary=%u", m->vocabulary);
	else if (server_ok(s, code, &err))
		server_answer(s, peer, &w);
	free(ids);
}

static void hear_raw(struct server *s, const struct wire_raw *m)
{
	struct err err = {0};

	if (!s->adopted || s->paused || m->body.len < PACK_HEAD ||
		!server_in_transaction(s))
		return;
	s->round_bytes += m->body.len;
	server_ok(s, dataset_add_raw(s->d, m->body, &err), &err);
}

void server_hear_worker(struct server *s, const struct link_message *m, int64_t now_ms)
{
	struct err err = {0};
	struct wire w;

	if (wire_decode(m->frame, &w, &err) != ERR_NONE) {
		log_warn("store", "a bad message from a worker", "why=%s",
			log_quote(err.msg).text);
		if (err.code == ERR_REFUSED) {
			struct wire no = {.type = WIRE_REFUSED,
				.refused = {bytes_of(err.msg, strlen(err.msg))}};

			server_answer(s, &m->peer, &no);
		}
		return;
	}
	switch (w.type) {
	case WIRE_OPEN:
		see_worker(s, w.open.session, now_ms);
		hear_open(s, &m->peer, &w.open);
		break;
	case WIRE_PUT:
		hear_put(s, &m->peer, &w.put);
		break;
	case WIRE_INTERN:
		hear_intern(s, &m->peer, &w.intern);
		break;
	case WIRE_RAW:
		hear_raw(s, &w.raw);
		break;
	case WIRE_PING: {
		struct wire pong = {.type = WIRE_PONG, .pong = {s->boot, 0}};

		see_worker(s, w.ping.session, now_ms);
		pong.pong.credit = credit(s);
		server_answer(s, &m->peer, &pong);
		break;
	}
	default:
		log_warn(
			"store", "an unexpected message", "type=%s", wire_name(w.type));
	}
	wire_release(&w);
}
