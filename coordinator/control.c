/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/control.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/link.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/rundir.h"
#include "common/signals.h"
#include "coordinator/coordinator.h"
#include "coordinator/run_state.h"

#define REQUEST_MAX MIB(8)

static bool is_running(const char *dir)
{
	struct err err;
	bool running;
	int fd;

	running = rundir_take(dir, LOCK_COORDINATOR, 0, &fd, &err) == ERR_EXISTS;
	if (!running && fd >= 0)
		file_unlock(fd);
	return running;
}

enum err_code control_ask(const char *dir, const json_t *request, int timeout_ms,
	json_t **answer, struct err *err)
{
	char address[64], *text;
	struct link *link;
	struct link_message m;
	struct buf frame;
	int64_t until = clock_mono_ms() + timeout_ms;
	bool sent = false;
	enum err_code code;

	*answer = NULL;
	if (!is_running(dir))
		return err_set(err, ERR_NOT_FOUND, "no coordinator works on '%s'", dir);
	code = rundir_socket(dir, "control.sock", address, err);
	if (code == ERR_NONE)
		code = link_connect(address, &link, err);
	if (code != ERR_NONE)
		return code;
	text = json_dumps(request, JSON_COMPACT);
	code = ERR_TIMEOUT;
	while (code == ERR_TIMEOUT && clock_mono_ms() < until && !signals_stops()) {
		if (!sent) {
			buf_init(&frame, REQUEST_MAX);
			buf_add_str(&frame, text);
			sent = !frame.over && link_send(link, NULL, &frame) == ERR_NONE;
		}
		link_wait(&link, 1, -1, 50);
		if (link_receive(link, &m) != ERR_NONE)
			continue;
		*answer = json_loadb((const char *)m.frame.data, m.frame.len, 0, NULL);
		link_message_release(&m);
		code = *answer ? ERR_NONE : ERR_CORRUPT;
	}
	free(text);
	link_close(link);
	if (code == ERR_NONE && json_object_get(*answer, "error")) {
		code = err_set(err, ERR_REFUSED, "%s",
			json_string_value(json_object_get(*answer, "error")));
		json_decref(*answer);
		*answer = NULL;
	} else if (code != ERR_NONE) {
		err_set(err, code, "the coordinator of '%s' does not answer", dir);
	}
	return code;
}

static json_t *say_error(const char *text)
{
	return json_pack("{s:s}", "error", text);
}

static json_t *hear_gone(struct coordinator *c, json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	bool crashed = json_is_true(json_object_get(request, "crashed"));

	if (!name)
		return say_error("which worker?");
	for (size_t i = 0; i < c->n_workers; i++) {
		if (strcmp(c->worker[i]->name, name) != 0)
			continue;
		workers_gone(c, c->worker[i], crashed ? WORKER_CRASHED : WORKER_LOST);
		break;
	}
	workers_not_returning(c, name);
	return json_pack("{s:b}", "ok", 1);
}

static bool read_keys(json_t *list, struct wire_key_list *keys)
{
	json_t *one;
	size_t i;

	keys->at = mem_zalloc(json_array_size(list), sizeof(*keys->at));
	json_array_foreach(list, i, one) {
		json_t *prompt = json_array_get(one, 0),
		       *sample = json_array_get(one, 1);

		if (!json_is_integer(prompt) || !json_is_integer(sample))
			return false;
		keys->at[keys->n++] =
			(struct wire_key){(uint64_t)json_integer_value(prompt),
				(uint32_t)json_integer_value(sample), 0};
	}
	return true;
}

/* The shards of the samples that were made eligible get back into work. */
static void wake_shards(struct coordinator *c)
{
	uint64_t shard = 0;

	for (size_t i = c->n_live; i-- > 0;) {
		struct live *live = c->live[i];
		struct shard_row fresh;

		if (ledger_load_shard(c->l, live->row.shard, &fresh) != ERR_NONE)
			continue;
		/* Saved and in the totals already: only what comes now is to be added. */
		live->row = live->saved = fresh;
		live_changed(c, live);
	}
	if (ledger_next_pending(c->l, 0, &shard) && shard < c->next_pending)
		c->next_pending = shard;
}

static json_t *hear_retry(struct coordinator *c, json_t *request)
{
	json_t *keys = json_object_get(request, "keys");
	struct retry_choice choice = {
		.reason = json_string_value(json_object_get(request, "reason"))};
	int64_t n;

	if (keys) {
		choice.use_keys = true;
		if (!json_is_array(keys) || !read_keys(keys, &choice.keys)) {
			free(choice.keys.at);
			return say_error("keys is a list of [prompt, sample]");
		}
	}
	live_save(c);
	n = retry_samples(c->l, &choice);
	free(choice.keys.at);
	wake_shards(c);
	return json_pack("{s:b, s:I}", "ok", 1, "samples", (json_int_t)n);
}

static json_t *answer_to(struct coordinator *c, json_t *request)
{
	const char *what = json_string_value(json_object_get(request, "do"));

	if (!what)
		return say_error("do what?");
	if (strcmp(what, "gone") == 0)
		return hear_gone(c, request);
	if (strcmp(what, "retry") == 0)
		return hear_retry(c, request);
	if (strcmp(what, "drain") == 0) {
		c->drain_asked = true;
		return json_pack("{s:b}", "ok", 1);
	}
	return say_error("unknown request");
}

void control_hear(struct coordinator *c)
{
	struct link_message m;

	while (link_receive(c->control, &m) == ERR_NONE) {
		json_t *request = m.frame.len <= REQUEST_MAX
					  ? json_loadb((const char *)m.frame.data,
						    m.frame.len, 0, NULL)
					  : NULL;
		json_t *answer = request ? answer_to(c, request)
					 : say_error("not a JSON object");
		char *text = json_dumps(answer, JSON_COMPACT);
		struct buf frame;

		buf_init(&frame, REQUEST_MAX);
		buf_add_str(&frame, text);
		out_send_frame(c, c->control, &m.peer, &frame);
		free(text);
		json_decref(answer);
		json_decref(request);
		link_message_release(&m);
	}
}
