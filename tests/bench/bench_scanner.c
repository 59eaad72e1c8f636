/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_scanner.c - reading answers: our reader against a jansson tree
 *
 * Bodies of 512 tokens as OpenAI and vLLM write them. Both sides turn the same
 * bytes into the same packed arrays: text, token bytes, ids, logprobs. Rounds
 * are interleaved, medians are reported, ratios are what counts.
 *
 *   bench_scanner [--json] [--seconds S]
 */
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"
#include "worker/openai_answer.h"

#define TOKENS 512
#define ROUNDS_MAX 4096
#define FEED KIB(64) /* a transfer's buffer */

static uint64_t chance_state = 1;

static uint64_t chance(void)
{
	uint64_t z = chance_state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The bodies */

static const char *const words[] = {"the", " of", " and", " to", " answer", " is",
	" 42", " we", " multiply", " total", "\\n", " =", "\\\"", ".", ",", " number",
	" three", " caf\xc3\xa9", "\\n\\n", " eggs", "ing", " therefore", " 7", " +",
	"\xe2\x82\xac", " so", " each", " price", " day", " she", " sells", " dollars"};
#define N_WORDS (sizeof(words) / sizeof(words[0]))

/* What a JSON text means, for the escapes above. */
static size_t plain(const char *text, unsigned char *out)
{
	size_t n = 0;

	for (; *text; text++) {
		if (*text == '\\') {
			text++;
			out[n++] = (unsigned char)(*text == 'n' ? '\n' : *text);
		} else {
			out[n++] = (unsigned char)*text;
		}
	}
	return n;
}

/* -0.0131 to -9.87654321098765, with 6 to 17 digits. */
static void add_logprob(struct buf *b, double logprob)
{
	buf_printf(b, "%.*g", 6 + (int)(chance() % 12), logprob);
}

/* A word, or a token id where servers send those; with its bytes. */
static void add_token(struct buf *b, bool ids, size_t which, double logprob)
{
	const char *word = words[which % N_WORDS];
	unsigned char bytes[32];
	char id[24];
	size_t n;

	if (ids) {
		snprintf(id, sizeof(id), "token_id:%zu", which % 151000);
		word = id;
	}
	n = plain(word, bytes);
	buf_printf(b, "{\"token\":\"%s\",\"logprob\":", word);
	add_logprob(b, logprob);
	buf_add_str(b, ",\"bytes\":[");
	for (size_t i = 0; i < n; i++)
		buf_printf(b, i ? ",%u" : "%u", bytes[i]);
	buf_add_str(b, "]");
}

/* The sampled token is listed first; the others have other ids. */
static void add_row(struct buf *b, bool ids, int k)
{
	double logprob = -0.05 - (double)(chance() % 1000) / 2000;
	size_t which = chance() % 100000;

	add_token(b, ids, which, logprob);
	buf_add_str(b, ",\"top_logprobs\":[");
	for (int i = 0; i < k; i++) {
		add_token(b, ids, which, logprob);
		buf_add_str(b, i + 1 < k ? "}," : "}");
		which += 1 + chance() % 100;
		logprob -= i == 0 ? 5 : 0.05 + (double)(chance() % 100) / 200;
	}
	buf_add_str(b, "]}");
}

static void build_body(struct buf *b, bool ids, int k, bool rows)
{
	buf_add_str(b,
		"{\"id\":\"chatcmpl-9f3\",\"object\":\"chat.completion\","
		"\"created\":1700000000,\"model\":\"teacher\",\"choices\":[{"
		"\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
	for (int i = 0; i < (rows ? TOKENS : 160); i++)
		buf_add_str(b, words[chance() % N_WORDS]);
	buf_add_str(b, "\",\"refusal\":null},\"logprobs\":");
	if (rows) {
		buf_add_str(b, "{\"content\":[");
		for (int i = 0; i < TOKENS; i++) {
			add_row(b, ids, k);
			buf_add_str(b, i + 1 < TOKENS ? "," : "],\"refusal\":null}");
		}
	} else {
		buf_add_str(b, "null");
	}
	buf_add_str(b, ",\"finish_reason\":\"stop\",\"stop_reason\":null}],\"usage\":{"
		       "\"prompt_tokens\":90,\"completion_tokens\":512,"
		       "\"total_tokens\":602,\"prompt_tokens_details\":null},"
		       "\"system_fingerprint\":\"fp_1\"}");
}

/* jansson: a tree, then a walk into the same arrays */

static void take_text(struct buf *out, const json_t *v)
{
	buf_clear(out);
	if (json_is_string(v))
		buf_add(out, json_string_value(v), json_string_length(v));
}

static uint32_t id_of(const json_t *token)
{
	unsigned id;

	return sscanf(json_string_value(token), "token_id:%u", &id) == 1
		       ? id
		       : TOKEN_ID_UNKNOWN;
}

static void take_bytes(
	struct rows *rows, const json_t *list, uint32_t *at, uint16_t *len)
{
	size_t i;
	json_t *v;

	*at = (uint32_t)rows->pool.len;
	*len = (uint16_t)json_array_size(list);
	json_array_foreach(list, i, v)
		buf_add_byte(&rows->pool, (unsigned char)json_integer_value(v));
}

static void walk_row(struct rows *rows, const json_t *row)
{
	const json_t *list = json_object_get(row, "top_logprobs");
	size_t i;
	json_t *entry;

	rows_grow(rows);
	rows->first[rows->n] = rows->m;
	rows->logprob[rows->n] = json_number_value(json_object_get(row, "logprob"));
	rows->id[rows->n] = id_of(json_object_get(row, "token"));
	take_bytes(rows, json_object_get(row, "bytes"), &rows->token_at[rows->n],
		&rows->token_len[rows->n]);
	json_array_foreach(list, i, entry) {
		uint32_t m = rows->m;

		rows_grow_candidates(rows);
		rows->cand_id[m] = id_of(json_object_get(entry, "token"));
		rows->cand_logprob[m] =
			json_number_value(json_object_get(entry, "logprob"));
		if (rows->cand_id[m] == TOKEN_ID_UNKNOWN)
			take_bytes(rows, json_object_get(entry, "bytes"),
				&rows->cand_at[m], &rows->cand_len[m]);
		rows->m++;
	}
	rows->first[++rows->n] = rows->m;
}

static bool read_by_jansson(struct bytes body, int k, struct answer *a)
{
	json_t *root = json_loadb(
		(const char *)body.data, body.len, JSON_REJECT_DUPLICATES, NULL);
	json_t *choice = json_array_get(json_object_get(root, "choices"), 0), *row;
	json_t *message = json_object_get(choice, "message");
	json_t *list = json_object_get(json_object_get(choice, "logprobs"), "content");
	size_t i;

	answer_clear(a);
	take_text(&a->content.text, json_object_get(message, "content"));
	take_text(&a->finish_text.text, json_object_get(choice, "finish_reason"));
	take_text(&a->model.text, json_object_get(root, "model"));
	json_array_foreach(list, i, row)
		walk_row(&a->rows, row);
	if (k > 0 && a->rows.n > 0 &&
		rows_normalise(&a->rows, (uint32_t)k).reason != REASON_NONE)
		return false;
	json_decref(root);
	return root != NULL;
}

/* Ours */

static bool read_by_us(
	struct answer_reader *reader, struct bytes body, int k, struct answer *a)
{
	const struct answer_rules rules = {
		.top_logprobs = k > 0 ? (uint32_t)k : 1, .body_max = LIMIT_BODY};

	openai_reader_begin(reader, &rules, a);
	for (size_t at = 0; at < body.len; at += FEED)
		openai_reader_feed(reader, body.data + at,
			body.len - at < FEED ? body.len - at : FEED);
	return openai_reader_end(reader) == REASON_NONE;
}

/* Measuring */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_value);
	return v[n / 2];
}

struct shape {
	const char *name, *label;
	bool ids, rows;
	int k; /* listed; at least 1 is asked for */
};

static void check_same(const struct answer *a, const struct answer *b)
{
	bool same = a->rows.n == b->rows.n && a->rows.m == b->rows.m &&
		    a->content.text.len == b->content.text.len;

	for (uint32_t j = 0; same && j < a->rows.m; j++)
		same = a->rows.cand_logprob[j] == b->rows.cand_logprob[j] &&
		       a->rows.cand_id[j] == b->rows.cand_id[j];
	if (!same) {
		fprintf(stderr, "the two readers disagree\n");
		exit(1);
	}
}

static double measure(const struct shape *shape, double seconds, bool json)
{
	static double ours[ROUNDS_MAX], theirs[ROUNDS_MAX];
	struct answer_reader *reader = openai_reader_new();
	struct answer a = {0}, b = {0};
	struct buf body;
	double begin = now_s(), us, them;
	int n = 0, times;

	buf_init(&body, LIMIT_BODY);
	build_body(&body, shape->ids, shape->k, shape->rows);
	times = body.len < KIB(8) ? 200 : 1;
	while (n < ROUNDS_MAX && (n < 5 || now_s() - begin < seconds)) {
		double t0 = now_s(), t1, t2;
		bool ok = true;

		for (int i = 0; i < times; i++)
			ok &= read_by_us(reader, buf_bytes(&body), shape->k, &a);
		t1 = now_s();
		for (int i = 0; i < times; i++)
			ok &= read_by_jansson(buf_bytes(&body), shape->k, &b);
		t2 = now_s();
		if (!ok) {
			fprintf(stderr, "%s: an honest body is refused: %s\n",
				shape->name, a.why ? a.why : "by jansson");
			exit(1);
		}
		ours[n] = (t1 - t0) / times;
		theirs[n] = (t2 - t1) / times;
		n++;
	}
	if (shape->rows)
		check_same(&a, &b);
	us = (double)body.len / median(ours, n) / 1e6;
	them = (double)body.len / median(theirs, n) / 1e6;
	if (!json)
		printf("%-22s %9zu bytes %8.0f MB/s %8.1f MB/s %7.1f\n", shape->label,
			body.len, us, them, us / them);
	buf_release(&body);
	answer_release(&a);
	answer_release(&b);
	openai_reader_free(reader);
	return us / them;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
		{"seconds", required_argument, NULL, 's'}, {NULL, 0, NULL, 0}};
	static const struct shape shapes[] = {
		{"plain", "plain, 1 KB", false, false, 0},
		{"openai_k0", "OpenAI, no candidates", false, true, 0},
		{"openai_k20", "OpenAI, k = 20", false, true, 20},
		{"vllm_k20", "vLLM ids, k = 20", true, true, 20},
		{"vllm_k256", "vLLM ids, k = 256", true, true, 256},
	};
	double seconds = 2;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (c == 's')
			seconds = atof(optarg);
		else
			return 2;
	}
	if (!json)
		printf("%-22s %15s %13s %13s %7s\n", "", "", "retort", "jansson",
			"ratio");
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		double ratio = measure(&shapes[i], seconds, json);

		if (json)
			printf("{\"name\": \"scanner_%s_over_jansson\", \"value\": "
			       "%.2f, \"unit\": \"ratio\"}\n",
				shapes[i].name, ratio);
	}
	return 0;
}
