/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.c - the switchboard: a test changes what the server does while it
 * runs, and reads its counters
 *
 *   POST /control {"down": "503" | "429" | "refuse" | null, "down_ms": N,
 *                  "faults": "NAME=RATE,..." | null, "fault_attempts": N}
 *
 * A key that is left out changes nothing. SERVER.md, "Control".
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "deploy/teacher/exchange.h"
#include "deploy/teacher/json_out.h"

static bool set_down(struct server *s, const json_t *json)
{
	const json_t *value = json_object_get(json, "down");
	const json_t *ms = json_object_get(json, "down_ms");
	const char *text = json_string_value(value);
	int down = DOWN_NOT;

	if (!value)
		return true;
	if (text && strcmp(text, "refuse") == 0)
		down = DOWN_REFUSE;
	else if (text && strcmp(text, "503") == 0)
		down = 503;
	else if (text && strcmp(text, "429") == 0)
		down = 429;
	else if (!json_is_null(value))
		return false;
	teacher_server_set_down(s, down);
	loop_clear_timer(&s->loop, &s->down_timer);
	if (down != DOWN_NOT && json_is_integer(ms))
		loop_set_timer(&s->loop, &s->down_timer,
			clock_mono_us() + json_integer_value(ms) * 1000);
	return true;
}

static enum err_code set_faults(struct server *s, const json_t *json, struct err *err)
{
	const json_t *value = json_object_get(json, "faults");
	const json_t *attempts = json_object_get(json, "fault_attempts");
	struct fault_plan plan = {
		.seed = s->faults.seed, .attempts = s->faults.attempts};
	enum err_code code = ERR_NONE;

	if (json_is_integer(attempts))
		plan.attempts = (unsigned)json_integer_value(attempts);
	if (!value) {
		s->faults.attempts = plan.attempts;
		return ERR_NONE;
	}
	if (json_is_string(value))
		code = fault_plan_read(&plan, json_string_value(value), err);
	else if (!json_is_null(value))
		code = err_set(err, ERR_INVALID, "faults must be a text or null");
	if (code == ERR_NONE)
		s->faults = plan;
	return code;
}

static void write_state(const struct server *s, struct buf *out)
{
	const struct counters *c = &s->counters;

	buf_add_str(out, "{\"down\":");
	if (s->down == DOWN_NOT)
		buf_add_str(out, "null");
	else if (s->down == DOWN_REFUSE)
		buf_add_str(out, "\"refuse\"");
	else
		buf_printf(out, "\"%d\"", s->down);
	buf_printf(out,
		",\"asked\":%llu,\"answered\":%llu,\"refused\":%llu,\"struck\":%llu,"
		"\"gone\":%llu,\"running\":%lld,\"waiting\":%lld}",
		(unsigned long long)c->asked, (unsigned long long)c->answered,
		(unsigned long long)c->refused, (unsigned long long)c->struck,
		(unsigned long long)c->gone, (long long)s->load.n_running,
		(long long)s->load.n_waiting);
}

static enum err_code change(struct exchange *e, struct err *err)
{
	json_t *json = json_loadb((const char *)e->upload.data, e->upload.len, 0, NULL);
	enum err_code code = ERR_NONE;

	if (!json_is_object(json))
		code = err_set(err, ERR_INVALID, "the body is not a JSON object");
	if (code == ERR_NONE)
		code = set_faults(e->server, json, err);
	if (code == ERR_NONE && !set_down(e->server, json))
		code = err_set(
			err, ERR_INVALID, "down must be 503, 429, refuse or null");
	json_decref(json);
	return code;
}

void control_answer(struct exchange *e)
{
	struct err err;

	buf_clear(&e->body);
	if (e->upload.len > 0 && change(e, &err) != ERR_NONE) {
		answer_write_error(
			&e->server->settings->style, 400, err.msg, NULL, &e->body);
		exchange_respond(e, 400, &e->body, "application/json");
		return;
	}
	write_state(e->server, &e->body);
	exchange_respond(e, 200, &e->body, "application/json");
}
