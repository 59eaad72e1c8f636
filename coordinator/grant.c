/* SPDX-License-Identifier: Apache-2.0 */
/* From a choice of prompts to a GRANT: the lines are read back, made into
 * prompts, and the lease goes into the ledger before the message leaves. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/reason.h"
#include "coordinator/coordinator.h"

/* Room for a grant: its lines, which templates and system texts make longer. */
#define GRANT_BYTES (LIMIT_MESSAGE - KIB(64))

static enum err_code open_reader(
	struct coordinator *c, uint32_t corpus, struct err *err)
{
	struct index_corpus *list;
	size_t n = ledger_corpora(c->l, &list);
	char *spool = NULL;
	enum err_code code;

	if (corpus >= n || corpus >= c->n_readers)
		return err_set(err, ERR_CORRUPT, "the ledger names corpus %u of %zu",
			corpus, n);
	if (list[corpus].spooled)
		spool = mem_printf("%s/corpus/%s/%u.zst", c->options->dir,
			c->l->totals.spool, corpus);
	code = shard_reader_open(list[corpus].path, spool, &c->reader[corpus], err);
	free(spool);
	return code;
}

/* The lines of a shard into c->text. */
static bool read_lines(struct coordinator *c, uint64_t shard)
{
	struct err err = {0};
	enum err_code code;

	if (c->text_shard == shard)
		return true;
	c->text_shard = UINT64_MAX;
	code = ledger_index_shard(c->l, shard, &c->text_index);
	if (code != ERR_NONE)
		err_set(&err, code, "shard %" PRIu64 " is not in the ledger", shard);
	if (code == ERR_NONE && !c->reader[c->text_index.corpus])
		code = open_reader(c, c->text_index.corpus, &err);
	if (code == ERR_NONE)
		code = index_read_shard(c->reader[c->text_index.corpus], &c->text_index,
			&c->text, &err);
	if (code != ERR_NONE) {
		c->fatal = err;
		return false;
	}
	/* The ledger lends them until it is asked about another shard. */
	if (c->text_index.numbers)
		c->text_index.numbers = memcpy(c->text_numbers, c->text_index.numbers,
			c->text_index.n_lines * sizeof(*c->text_numbers));
	c->text_shard = shard;
	return true;
}

/* Which samples of a prompt to ask for, where that is not simply all: some
 * were given up, or are to be asked again. The list is the caller's to free. */
static void list_wanted(struct coordinator *c, const struct live *live, uint8_t line,
	struct wire_prompt *p)
{
	static struct redo redos[4096];
	size_t n_redos;
	bool *skip;

	if (live->row.failed[line] == 0 && live->row.redo[line] == 0)
		return;
	skip = mem_zalloc(c->l->totals.n, sizeof(*skip));
	ledger_failed_samples(c->l, p->number, skip, c->l->totals.n);
	n_redos = ledger_open_redos(c->l, live->row.shard, redos, 4096);
	p->wanted = mem_zalloc(c->l->totals.n + n_redos, sizeof(*p->wanted));
	for (size_t i = 0; i < n_redos; i++) {
		if (redos[i].prompt != p->number)
			continue;
		p->wanted[p->n_wanted++] =
			(struct wire_wanted){redos[i].sample, redos[i].revision};
		if (redos[i].sample < c->l->totals.n)
			skip[redos[i].sample] = true;
	}
	for (uint32_t s = 0; s < c->l->totals.n; s++)
		if (!skip[s])
			p->wanted[p->n_wanted++] = (struct wire_wanted){s, 0};
	free(skip);
}

static void free_prompts(struct wire_prompt *prompt, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		free((void *)(uintptr_t)prompt[i].id.data);
		free((void *)(uintptr_t)prompt[i].messages.data);
		free((void *)(uintptr_t)prompt[i].reference.data);
		free((void *)(uintptr_t)prompt[i].extra.data);
		free((void *)(uintptr_t)prompt[i].request.data);
		free(prompt[i].wanted);
	}
}

static struct bytes copy(struct bytes b)
{
	return b.data ? bytes_of(mem_dup(b.data, b.len), b.len) : b;
}

/* One line as a prompt. False: it cannot be sent, and fails. */
static bool make_prompt(struct coordinator *c, const struct live *live, uint8_t line,
	struct wire_prompt *out)
{
	struct bytes text = c->text.line[line];
	struct err err = {0};

	if (prompt_build(&c->rules, text.data, text.len, &c->prompt, &err) !=
		ERR_NONE) {
		log_warn("coordinator", "a prompt cannot be sent",
			"shard=%" PRIu64 " line=%u why=%s", live->row.shard, line,
			log_quote(err.msg).text);
		return false;
	}
	*out = (struct wire_prompt){
		.number = index_shard_number(&c->text_index, line),
		.line = line,
		.id = copy(c->prompt.id),
		.messages = copy(c->prompt.messages),
		.has_reference = c->prompt.reference.data != NULL,
		.reference = copy(c->prompt.reference),
		.has_extra = c->prompt.extra.data != NULL,
		.extra = copy(c->prompt.extra),
		.request = copy(c->prompt.request),
	};
	list_wanted(c, live, line, out);
	return true;
}

static size_t weight(const struct wire_prompt *p)
{
	return p->messages.len + p->reference.len + p->extra.len + p->request.len + 64;
}

/* Prompts of the choice into `prompt` until a lease is full; the choice is cut
 * to them. Prompts that cannot be sent are in `unsendable`. */
static uint32_t make_prompts(struct coordinator *c, struct live *live,
	struct lease_choice *choice, struct wire_prompt *prompt, uint64_t *unsendable)
{
	uint64_t left = choice->prompts, taken = 0;
	size_t bytes = 0;
	uint32_t n = 0;

	*unsendable = 0;
	for (; left; left &= left - 1) {
		int line = __builtin_ctzll(left);

		if (!make_prompt(c, live, (uint8_t)line, &prompt[n])) {
			*unsendable |= (uint64_t)1 << line;
			continue;
		}
		bytes += weight(&prompt[n]);
		if (n > 0 && bytes > LIMIT_LEASE_BYTES) {
			free_prompts(&prompt[n], 1);
			break;
		}
		taken |= (uint64_t)1 << line;
		n++;
	}
	choice->prompts = taken;
	return n;
}

static void give_up_unsendable(struct coordinator *c, struct live *live, uint64_t lines)
{
	for (; lines; lines &= lines - 1) {
		int line = __builtin_ctzll(lines);

		for (uint32_t s = 0; s < c->l->totals.n; s++) {
			struct wire_failed f = {.shard = live->row.shard,
				.line = (uint8_t)line,
				.key = {index_shard_number(
						&c->text_index, (uint32_t)line),
					s, 0},
				.reason = REASON_BAD_PROMPT};

			fail_sample(c, &f, 0);
		}
	}
}

static void send_grant(struct coordinator *c, struct worker *w,
	const struct lease_choice *choice, uint64_t epoch, struct wire_prompt *prompt,
	uint32_t n)
{
	struct wire m = {.type = WIRE_GRANT,
		.grant = {.shard = choice->shard,
			.epoch = epoch,
			.prompts = choice->prompts,
			.n = c->l->totals.n,
			.n_prompts = n,
			.prompt = prompt}};

	out_send(c, &w->peer, &m);
}

static unsigned grant_once(
	struct coordinator *c, struct worker *w, unsigned want, int64_t now_ms)
{
	struct wire_prompt prompt[LIMIT_LEASE_PROMPTS] = {{0}};
	struct lease_choice choice;
	struct live *live;
	uint64_t epoch, unsendable;
	uint32_t n;

	if (want > LIMIT_LEASE_PROMPTS)
		want = LIMIT_LEASE_PROMPTS;
	if (!lease_choose(c->leases, w->number, want, &choice))
		return 0;
	live = live_find(c, choice.shard);
	if (!live || !read_lines(c, choice.shard))
		return 0;
	n = make_prompts(c, live, &choice, prompt, &unsendable);
	if (n > 0) {
		epoch = c->l->totals.next_epoch++;
		lease_grant(c->leases, &choice, w->number, epoch, now_ms);
		ledger_add_lease(c->l, lease_find(c->leases, choice.shard, epoch),
			clock_wall_ms());
		c->l->totals_changed = true;
		send_grant(c, w, &choice, epoch, prompt, n);
		free_prompts(prompt, n);
	}
	if (unsendable)
		give_up_unsendable(c, live, unsendable);
	return n + (unsigned)__builtin_popcountll(unsendable);
}

unsigned grant_prompts(
	struct coordinator *c, struct worker *w, unsigned want, int64_t now_ms)
{
	unsigned granted = 0;

	while (granted < want && c->fatal.code == ERR_NONE) {
		unsigned n;

		live_refill(c, want - granted);
		n = grant_once(c, w, want - granted, now_ms);
		if (n == 0)
			break;
		granted += n;
	}
	return granted;
}
