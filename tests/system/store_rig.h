/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_rig.h - a real `retort store` process, and the test in the place of its
 * coordinator and of its workers
 *
 * What is sent and heard goes through common/wire and common/link, over ipc
 * sockets in the test's folder; what the store answers is compared with what a
 * killed and restarted one still knows.
 */
#ifndef RETORT_TESTS_STORE_RIG_H
#define RETORT_TESTS_STORE_RIG_H

#include "unit/make_dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/link.h"
#include "common/wire.h"
#include "store/pack.h"

#define RIG_TIMEOUT_MS 20000
#define RIG_RUN_ID "0123456789abcdef"
#define RIG_JOB                                                                        \
	"{\"name\":\"rig\",\"corpus\":[\"p.jsonl\"],\"teachers\":[{\"name\":\"t0\","   \
	"\"url\":[\"http://127.0.0.1:1/v1\"],\"model\":\"m\"}]}"

extern const char *rig_program; /* retort */

struct store_rig {
	char *folder; /* the sockets', the log's and the run's */
	char *run_dir, *log, *listen, *connect;
	pid_t pid;
	struct link *coordinator, *worker;
	struct link_peer peer; /* the store, at the coordinator */
	struct packer *packer;
	uint64_t serial, boot;
	const char *job; /* RIG_JOB, if it is NULL */
};

/* A message that was heard; its texts live until rig_forget. */
struct heard {
	struct wire w;
	struct link_message m;
	struct link_peer peer;
};

void rig_begin(struct store_rig *r);
/* The same below a folder that is there. */
void rig_begin_in(struct store_rig *r, const char *folder);
void rig_end(struct store_rig *r);
/* Starts the store and adopts it as run `run_id`. */
void rig_start(struct store_rig *r);
void rig_start_unadopted(struct store_rig *r, struct heard *reg);
void rig_adopt(struct store_rig *r, const char *run_id);
void rig_kill(struct store_rig *r); /* SIGKILL, and waits */
int rig_wait_exit(struct store_rig *r);

void rig_say(struct link *to, const struct link_peer *peer, const struct wire *w);
void rig_say_bytes(struct link *to, const void *bytes, size_t n);
/* The next message of that type; others are dropped. False: timeout_ms over. */
bool rig_hear(
	struct link *from, enum wire_type type, int64_t timeout_ms, struct heard *h);
void rig_forget(struct heard *h);

/* OPEN for prompts 0 to 63 of shard 0 by `lines`; the status, and in *present
 * (may be NULL) how many samples there are. */
enum open_status rig_open(
	struct store_rig *r, uint64_t epoch, uint64_t lines, uint32_t *present);
/* Puts one sample, and waits for the answer. */
enum put_answer rig_put(struct store_rig *r, uint64_t epoch, const struct made *made);
/* Encodes what PUT carries for it. */
void rig_offer(
	struct store_rig *r, const struct made *made, uint64_t epoch, struct buf *out);

#endif
