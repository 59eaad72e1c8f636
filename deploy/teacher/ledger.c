/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/text.h"
#include "deploy/teacher/json_out.h"

#define TEXT_HASH 32
#define BODY_HASH 16

enum err_code teacher_ledger_open(struct ledger *l, const char *path, struct err *err)
{
	*l = (struct ledger){.fd = -1};
	buf_init(&l->line, MIB(4));
	if (!path)
		return ERR_NONE;
	l->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (l->fd < 0)
		return err_sys(err, "cannot open '%s'", path);
	return ERR_NONE;
}

void teacher_ledger_close(struct ledger *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	buf_release(&l->line);
}

static void add_hash(struct buf *b, const char *key, struct bytes of, size_t size)
{
	unsigned char hash[TEXT_HASH];
	char hex[2 * TEXT_HASH + 1];

	buf_printf(b, ",\"%s\":", key);
	if (!of.data) {
		buf_add_str(b, "null");
		return;
	}
	crypto_generichash(hash, size, of.data, of.len, NULL, 0);
	text_hex(hash, size, hex);
	json_out_str(b, hex);
}

static struct bytes text_or_none(bool has, struct bytes text)
{
	if (!has)
		return bytes_of(NULL, 0);
	return text.data ? text : bytes_of("", 0);
}

static void add_choice(struct buf *b, const struct choice *c, uint64_t seed)
{
	static const char *const verdicts[] = {"null", "true", "false"};

	buf_printf(b, "{\"seed\":%llu,\"finish\":\"%s\",\"tokens\":%zu,\"boxed\":",
		(unsigned long long)seed, choice_finish(c), c->speech.n);
	if (c->boxed.data)
		json_out_text(b, c->boxed);
	else
		buf_add_str(b, "null");
	buf_printf(b, ",\"truth\":%s", verdicts[c->verdict]);
	add_hash(b, "content", text_or_none(c->kept.has_content, c->kept.content),
		TEXT_HASH);
	add_hash(b, "reasoning", text_or_none(c->kept.has_reasoning, c->kept.reasoning),
		TEXT_HASH);
	buf_add_byte(b, '}');
}

static void add_request(struct buf *b, const struct ledger_entry *e)
{
	char hex[2 * DIGEST_BYTES + 1];

	if (!e->question) {
		buf_add_str(b,
			",\"digest\":null,\"attempt\":null,\"seed\":null,\"n\":null");
		return;
	}
	text_hex(e->question->digest, DIGEST_BYTES, hex);
	buf_printf(b, ",\"digest\":\"%s\",\"attempt\":%u,\"seed\":", hex, e->attempt);
	if (e->ask->has_seed)
		buf_printf(b, "%lld", (long long)e->ask->seed);
	else
		buf_add_str(b, "null");
	buf_printf(b, ",\"n\":%u", e->ask->n);
}

static void add_answer(struct buf *b, const struct ledger_entry *e)
{
	size_t tokens = 0;

	buf_printf(b, ",\"status\":%d,\"fault\":", e->status);
	if (e->fault)
		json_out_str(b, e->fault);
	else
		buf_add_str(b, "null");
	add_hash(b, "body", e->body, BODY_HASH);
	for (unsigned i = 0; i < e->n; i++)
		tokens += e->choice[i].speech.n;
	buf_printf(b,
		",\"body_bytes\":%zu,\"prompt_tokens\":%zu,\"completion_tokens\":%zu,"
		"\"choices\":[",
		e->body.len, e->prompt_tokens, tokens);
	for (unsigned i = 0; i < e->n; i++) {
		if (i > 0)
			buf_add_byte(b, ',');
		add_choice(b, &e->choice[i], e->seed + i);
	}
	buf_add_str(b, "]}\n");
}

enum err_code teacher_ledger_write(
	struct ledger *l, const struct ledger_entry *e, struct err *err)
{
	char now[25];
	ssize_t n;

	if (l->fd < 0)
		return ERR_NONE;
	clock_text(e->time_ms, now);
	buf_clear(&l->line);
	buf_printf(&l->line, "{\"nonce\":\"%s\",\"time\":\"%s\",\"path\":\"%s\"",
		e->nonce, now, e->path);
	add_request(&l->line, e);
	add_answer(&l->line, e);
	if (l->line.over)
		return err_set(err, ERR_IO, "a ledger line is too long");
	do
		n = write(l->fd, l->line.data, l->line.len);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)l->line.len)
		return err_sys(err, "cannot write the ledger");
	return ERR_NONE;
}
