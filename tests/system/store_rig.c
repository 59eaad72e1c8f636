/* SPDX-License-Identifier: Apache-2.0 */
#include "system/store_rig.h"

const char *rig_program;
extern char **environ;

void rig_begin(struct store_rig *r)
{
	rig_begin_in(r, "/tmp");
}

void rig_begin_in(struct store_rig *r, const char *folder)
{
	struct err err;

	*r = (struct store_rig){0};
	r->folder = mem_printf("%s/retort-test-XXXXXX", folder);
	assert_non_null(mkdtemp(r->folder));
	r->run_dir = file_join(r->folder, "rig.run");
	r->log = file_join(r->folder, "store.log");
	r->listen = mem_printf("ipc://%s/store", r->folder);
	r->connect = mem_printf("ipc://%s/coordinator", r->folder);
	r->packer = packer_new();
	must(link_serve(r->connect, &r->coordinator, &err), &err);
	must(link_connect(r->listen, &r->worker, &err), &err);
}

void rig_end(struct store_rig *r)
{
	if (r->pid)
		rig_kill(r);
	link_close(r->worker);
	link_close(r->coordinator);
	link_end();
	packer_free(r->packer);
	assert_int_equal(file_remove_all(r->folder, NULL), ERR_NONE);
	free(r->folder);
	free(r->run_dir);
	free(r->log);
	free(r->listen);
	free(r->connect);
}

void rig_start_unadopted(struct store_rig *r, struct heard *reg)
{
	char parent[16]; /* with which it ends, when an assertion ends the test */
	char *argv[] = {(char *)rig_program, "store", "--dir", r->run_dir, "--listen",
		r->listen, "--connect", r->connect, "--parent", parent, NULL};
	posix_spawn_file_actions_t files;

	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(
		&files, 2, r->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_int_equal(
		posix_spawn(&r->pid, rig_program, &files, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&files);
	assert_true(rig_hear(r->coordinator, WIRE_REGISTER, RIG_TIMEOUT_MS, reg));
	r->peer = reg->peer;
}

void rig_adopt(struct store_rig *r, const char *run_id)
{
	const char *job = r->job ? r->job : RIG_JOB;
	struct wire w = {.type = WIRE_ADOPT,
		.adopt = {.run = bytes_of(run_id, RUN_ID_SIZE),
			.job = bytes_of(job, strlen(job))}};

	rig_say(r->coordinator, &r->peer, &w);
}

void rig_start(struct store_rig *r)
{
	struct heard h;

	rig_start_unadopted(r, &h);
	rig_forget(&h);
	rig_adopt(r, RIG_RUN_ID);
	assert_true(rig_hear(r->coordinator, WIRE_TOTALS, RIG_TIMEOUT_MS, &h));
	rig_forget(&h);
}

int rig_wait_exit(struct store_rig *r)
{
	int status;

	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	r->pid = 0;
	return status;
}

void rig_kill(struct store_rig *r)
{
	kill(r->pid, SIGKILL);
	rig_wait_exit(r);
}

void rig_say(struct link *to, const struct link_peer *peer, const struct wire *w)
{
	int64_t end = clock_mono_ms() + RIG_TIMEOUT_MS;
	enum err_code code;

	do {
		struct buf frame;

		buf_init(&frame, LIMIT_MESSAGE);
		wire_encode(w, &frame);
		assert_false(frame.over);
		code = link_send(to, peer, &frame);
		if (code == ERR_AGAIN)
			link_wait(&to, 1, -1, 10);
	} while (code == ERR_AGAIN && clock_mono_ms() < end);
	assert_int_equal(code, ERR_NONE);
}

void rig_say_bytes(struct link *to, const void *bytes, size_t n)
{
	struct buf frame;

	buf_init(&frame, LIMIT_MESSAGE);
	buf_add(&frame, bytes, n);
	assert_int_equal(link_send(to, NULL, &frame), ERR_NONE);
}

bool rig_hear(
	struct link *from, enum wire_type type, int64_t timeout_ms, struct heard *h)
{
	int64_t end = clock_mono_ms() + timeout_ms;
	struct err err;

	do {
		while (link_receive(from, &h->m) == ERR_NONE) {
			must(wire_decode(h->m.frame, &h->w, &err), &err);
			h->peer = h->m.peer;
			if (h->w.type == type)
				return true;
			rig_forget(h);
		}
		if (!link_ready(from))
			link_wait(&from, 1, -1, 20);
	} while (clock_mono_ms() < end);
	return false;
}

void rig_forget(struct heard *h)
{
	wire_release(&h->w);
	link_message_release(&h->m);
}

enum open_status rig_open(
	struct store_rig *r, uint64_t epoch, uint64_t lines, uint32_t *present)
{
	struct wire_open_prompt prompts[64];
	struct wire w = {.type = WIRE_OPEN,
		.open = {.session = 7,
			.epoch = epoch,
			.prompts = lines,
			.prompt = prompts}};
	struct heard h;
	enum open_status status;

	for (uint8_t line = 0; line < 64; line++)
		if (lines >> line & 1)
			prompts[w.open.n_prompts++] =
				(struct wire_open_prompt){line, line};
	rig_say(r->worker, NULL, &w);
	assert_true(rig_hear(r->worker, WIRE_OPENED, RIG_TIMEOUT_MS, &h));
	assert_int_equal(h.w.opened.epoch, epoch);
	status = (enum open_status)h.w.opened.status;
	r->boot = h.w.opened.boot;
	if (present)
		*present = h.w.opened.present.n;
	rig_forget(&h);
	return status;
}

void rig_offer(
	struct store_rig *r, const struct made *made, uint64_t epoch, struct buf *out)
{
	struct made_offer o;

	made_offer_init(&o);
	made_offer_build(&o, r->packer, made);
	o.offer.head.epoch = epoch;
	offer_encode(&o.offer, out);
	made_offer_release(&o);
}

enum put_answer rig_put(struct store_rig *r, uint64_t epoch, const struct made *made)
{
	struct wire_put_item item = {++r->serial, 0, epoch, (uint8_t)made->prompt, {0}};
	struct wire w = {.type = WIRE_PUT, .put = {1, &item}};
	enum put_answer answer;
	struct heard h;
	struct buf offer;

	buf_init(&offer, LIMIT_MESSAGE);
	rig_offer(r, made, epoch, &offer);
	item.offer = buf_bytes(&offer);
	rig_say(r->worker, NULL, &w);
	buf_release(&offer);
	assert_true(rig_hear(r->worker, WIRE_RESULT, RIG_TIMEOUT_MS, &h));
	assert_int_equal(h.w.result.n, 1);
	assert_int_equal(h.w.result.item[0].serial, r->serial);
	answer = (enum put_answer)h.w.result.item[0].answer;
	rig_forget(&h);
	return answer;
}
