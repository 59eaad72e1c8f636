/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spans.h - which tokens are the reasoning, which the content, which the end
 *
 * Rows cover every generated token, the reasoning's tags and the end token
 * included; texts are what a server, or think.h, cut out of that. Their places
 * are found again by text: the sampled tokens' bytes, joined, are the stream,
 * and reasoning and content are looked for in it.
 *
 *   - Reasoning is the first occurrence in the stream; content is the last one
 *     that ends within SPANS_TAIL bytes of the stream's end, else the first
 *     behind the reasoning.
 *   - A span begins with the first token that begins in the text and ends
 *     before the first token that begins behind it: a token that straddles a
 *     border belongs to the text that it begins in.
 *     A token that was passed over (rows_place.h) begins where the next one does.
 *     Of an answer that was cut within a character the content's span goes to the
 *     end, over the tokens of the character, whose bytes nobody tells.
 *   - Unless the bytes of all tokens are known (those of the last ones may be
 *     missing), nothing can be located. An empty or absent text has no span.
 *
 * Whether the last row is the end-of-sequence token:
 *
 *   NO       the answer ended by its length or with a stop word; or there is
 *            one token id, or one completion token, more than rows; or the
 *            last token begins within the content
 *   YES      the answer ended by itself, all counts that are given agree, and
 *            the last row lies wholly behind the texts and looks like a special
 *            token ("</s>", "<|im_end|>", "[EOS]") or shows nothing; or its
 *            bytes are not known and the server is vLLM or SGLang, which count
 *            the end token and give it a row
 *   UNKNOWN  otherwise
 *
 * Ownership: `stream` is the caller's. Pure.
 */
#ifndef RETORT_WORKER_SPANS_H
#define RETORT_WORKER_SPANS_H

#include "common/job.h"
#include "worker/answer.h"

#define SPANS_TAIL 256

struct spans {
	struct token_span reasoning, content; /* SPAN_UNKNOWN */
	/* Byte offsets of the texts in the stream; SPAN_NOWHERE. */
	size_t reasoning_at, content_at;
	bool has_stream; /* the bytes are known (but the last tokens', perhaps) */
	bool fits;       /* and there is a text, and all texts are in them */
	enum eos_row eos_row;
	/* The bytes of all tokens are known, and are what the texts were made of.
	 * Beside ids of the teacher's only llama.cpp's are: other servers decode
	 * each token alone, which loses half characters and leading blanks. */
	bool trusted;
};

#define SPAN_NOWHERE SIZE_MAX

/* For a readable answer, behind think_split. `interned`: the rows' ids, if they have
 * any, are the dataset's own (tokens.h). `stream` is overwritten. */
void spans_find(const struct answer *answer, enum job_server server, bool interned,
	struct buf *stream, struct spans *out);

#endif
