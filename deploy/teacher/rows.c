/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/rows.h"

#include <assert.h>
#include <string.h>

#include "common/limits.h"

#define ENTRY_MAX 512 /* bytes of JSON; a token has 16 at most */
#define OLD_ENTRIES_MAX 1025u

/* One row being written. */
struct sheet {
	struct figures *figures;
	struct fragments *fragments;
	const struct quirks *quirks;
	struct row row;
	unsigned sampled, sampled_rank;
	unsigned k; /* entries in its list */
	bool sampled_first;
	bool odd;                     /* the quirk's number goes into this row */
	bool drafted;                 /* the quirk's empty list stands in this row */
	uint16_t id[VOCABULARY_SIZE]; /* of the first k + 2 ranks */
	unsigned n_listed;
	uint16_t rank[VOCABULARY_SIZE]; /* that the list shows, in its order */
};

/* How the quirk changes the number of entries. */
static unsigned entries_of(const struct answer *a)
{
	int64_t k = a->ask->top_logprobs;

	if (a->quirks->rows == ROWS_FEWER)
		k /= 2;
	if (a->quirks->rows == ROWS_MORE)
		k += 3;
	return k < (int64_t)VOCABULARY_SIZE ? (unsigned)k : VOCABULARY_SIZE;
}

static struct fragment_style style_of(const struct press *p, const struct answer *a)
{
	const struct dialect *d = p->style->dialect;
	struct fragment_style s = {.as_ids = a->ask->tokens_as_ids && d->gives_ids,
		.with_id = d->entry_ids,
		.cuts_text = d->cuts_text};

	if (d->text_bytes || (s.as_ids && p->style->bytes_of_ids))
		s.bytes = FRAGMENT_OF_TEXT;
	else if (p->style->null_bytes)
		s.bytes = FRAGMENT_SOME_NULL;
	if (a->quirks->tokens == TOKENS_BROKEN) {
		s.broken = true;
		s.bytes = FRAGMENT_OF_TEXT;
	} else if (a->quirks->tokens == TOKENS_NO_BYTES) {
		s.bytes = FRAGMENT_ALL_NULL;
	} else if (a->quirks->tokens == TOKENS_OTHER_BYTES) {
		s.bytes = FRAGMENT_OF_OTHER;
	}
	return s;
}

/* The fragments of a style, from the few that were used last. */
static struct fragments *find_fragments(
	struct press *p, const struct fragment_style *style)
{
	const size_t n = sizeof(p->fragments) / sizeof(p->fragments[0]);
	struct fragments *found = NULL;
	size_t i = 0;

	for (; i < n && !found; i++)
		if (p->fragments[i] && fragments_have(p->fragments[i], style))
			found = p->fragments[i];
	if (found) {
		i--;
	} else {
		i = n - 1;
		fragments_free(p->fragments[i]);
		found = fragments_new(p->teacher->vocabulary, style);
	}
	memmove(p->fragments + 1, p->fragments, i * sizeof(p->fragments[0]));
	p->fragments[0] = found;
	return found;
}

/* Reads the model's row of the i-th token. */
static void turn_to(struct sheet *s, struct press *p, const struct answer *a,
	const struct choice *c, size_t i)
{
	struct order order;
	uint32_t state = c->speech.state[i];

	teacher_row_read(&p->teacher->profiles, a->script, state, &s->row);
	order_init(&order, a->question->key, state, &s->row);
	s->sampled = c->speech.id[i];
	s->sampled_rank = order_rank(&order, s->sampled);
	order_list(
		&order, s->k + 2 < VOCABULARY_SIZE ? s->k + 2 : VOCABULARY_SIZE, s->id);
	s->odd = a->quirks->rows == ROWS_ODD && i % 4 == 0;
	s->drafted = a->quirks->rows == ROWS_DRAFTED && i % 3 == 1;
}

static unsigned id_of_entry(const struct sheet *s, unsigned rank)
{
	return rank == s->sampled_rank ? s->sampled : s->id[rank];
}

/* The text of a token in quotes, out of its fragment {"token":...,"logprob": */
static struct bytes quoted_token(struct fragments *f, unsigned id)
{
	const size_t before = sizeof("{\"token\":") - 1,
		     behind = sizeof(",\"logprob\":") - 1;
	struct bytes front, back;

	fragments_of(f, id, &front, &back);
	return bytes_of(front.data + before, front.len - before - behind);
}

static bool shows_same(struct sheet *s, unsigned a, unsigned b)
{
	struct bytes one, other;

	/* Once both are written, they stay where they are. */
	quoted_token(s->fragments, id_of_entry(s, a));
	other = quoted_token(s->fragments, id_of_entry(s, b));
	one = quoted_token(s->fragments, id_of_entry(s, a));
	return one.len == other.len && memcmp(one.data, other.data, one.len) == 0;
}

/* Of entries that show the same text the first. */
static void merge(struct sheet *s)
{
	unsigned n = 0;

	for (unsigned j = 0; j < s->n_listed; j++) {
		unsigned i = 0;

		while (i < n && !shows_same(s, s->rank[i], s->rank[j]))
			i++;
		if (i == n)
			s->rank[n++] = s->rank[j];
	}
	s->n_listed = n;
}

/* Which ranks a list of k entries shows. */
static void list_ranks(struct sheet *s, unsigned k)
{
	enum quirk_rows quirk = s->quirks->rows;
	bool first = s->sampled_first && quirk != ROWS_UNSAMPLED;
	unsigned n = 0;

	if (first && k > 0)
		s->rank[n++] = (uint16_t)s->sampled_rank;
	for (unsigned r = 0; n < k && r < VOCABULARY_SIZE; r++)
		if (!(r == s->sampled_rank && (first || quirk == ROWS_UNSAMPLED)) &&
			!(r == 1 && quirk == ROWS_DROPPED))
			s->rank[n++] = (uint16_t)r;
	s->n_listed = n;
	if (quirk == ROWS_UNSORTED)
		for (unsigned i = 0; i < n / 2; i++) {
			uint16_t one = s->rank[i];

			s->rank[i] = s->rank[n - 1 - i];
			s->rank[n - 1 - i] = one;
		}
	if (quirk == ROWS_DUPLICATE && n > 1)
		s->rank[1] = s->rank[0];
	if (quirk == ROWS_MERGED)
		merge(s);
	if (s->drafted)
		s->n_listed = 0;
}

static unsigned char *copy(unsigned char *to, struct bytes from)
{
	memcpy(to, from.data, from.len);
	return to + from.len;
}

/* One entry; the last byte written is its closing brace. */
static unsigned char *put_entry(struct sheet *s, unsigned id, unsigned rank,
	const char *instead, unsigned char *to)
{
	struct bytes front, back, figure;

	fragments_of(s->fragments, id, &front, &back);
	figure = figures_text(s->figures, s->row.profile, rank);
	if (instead)
		figure = bytes_of(instead, strlen(instead));
	assert(front.len + figure.len + back.len < ENTRY_MAX - 32);
	return copy(copy(copy(to, front), figure), back);
}

static void put_own(struct sheet *s, struct buf *out)
{
	const char *instead = s->drafted ? "0.0"
			      : s->odd   ? s->quirks->odd_number
					 : NULL;
	unsigned char *from = buf_reserve(out, ENTRY_MAX);

	if (from) /* without its closing brace */
		out->len += (size_t)(put_entry(s, s->sampled, s->sampled_rank, instead,
					     from) -
				     1 - from);
}

static void put_list(struct sheet *s, struct buf *out)
{
	static const char key[] = ",\"top_logprobs\":[";
	unsigned char *from = buf_reserve(out, (size_t)(s->k + 1) * ENTRY_MAX),
		      *to = from;

	if (!from)
		return;
	list_ranks(s, s->k);
	to = copy(to, bytes_of(key, sizeof(key) - 1));
	for (unsigned j = 0; j < s->n_listed; j++) {
		if (j > 0)
			*to++ = ',';
		to = put_entry(s, id_of_entry(s, s->rank[j]), s->rank[j],
			s->odd && j == s->k / 2 ? s->quirks->odd_number : NULL, to);
	}
	*to++ = ']';
	*to++ = '}';
	out->len += (size_t)(to - from);
}

/* Figures of what was sampled from, if the server reports those. */
static struct figures *choose_figures(
	struct press *p, const struct answer *a, struct figures *own)
{
	struct sampling warm = {.temperature = a->quirks->warmth, .top_p = 1};
	struct lens *lens;

	figures_init(own, &p->teacher->profiles, NULL);
	if (a->quirks->warmth > 0) {
		lens = lens_box_find(p->teacher->lenses, &warm);
		figures_init(own, &p->teacher->profiles, lens);
		return own;
	}
	if (!p->style->processed || a->ask->sampling.temperature == 0)
		return &p->figures;
	lens = lens_box_find(p->teacher->lenses, &a->ask->sampling);
	figures_init(own, &p->teacher->profiles, lens);
	return own;
}

static void open_sheet(struct sheet *s, struct press *p, const struct answer *a,
	const struct fragment_style *style, struct figures *own)
{
	s->figures = choose_figures(p, a, own);
	s->fragments = find_fragments(p, style);
	s->quirks = a->quirks;
	s->k = entries_of(a);
	s->sampled_first = p->style->dialect->sampled_first;
}

void rows_write(struct press *p, const struct answer *a, const struct choice *c,
	struct buf *out)
{
	size_t n = choice_rows(c, p->style);
	struct fragment_style style = style_of(p, a);
	struct figures own;
	struct sheet s;
	bool first = true;

	open_sheet(&s, p, a, &style, &own);
	buf_add_byte(out, '[');
	for (size_t i = 0; i < n; i++) {
		bool again = a->quirks->rows == ROWS_EXTRA && i + 1 == n;

		if (a->quirks->rows == ROWS_MISSING && i % 5 == 4)
			continue;
		for (int times = again ? 2 : 1; times > 0; times--) {
			if (!first)
				buf_add_byte(out, ',');
			first = false;
			turn_to(&s, p, a, c, i);
			put_own(&s, out);
			if (a->quirks->rows == ROWS_SHIFTED && i + 1 < n)
				turn_to(&s, p, a, c, i + 1);
			put_list(&s, out);
		}
	}
	buf_add_byte(out, ']');
	figures_release(&own);
}

static void write_tokens(struct press *p, const struct sheet *s,
	const struct fragment_style *style, const struct choice *c, size_t n,
	struct buf *out)
{
	struct buf text;
	size_t offset = 0;

	buf_init(&text, KIB(4));
	buf_add_str(out, "\"text_offset\":[");
	for (size_t i = 0; i < n; i++) {
		buf_clear(&text);
		fragments_text(p->teacher->vocabulary, style, c->speech.id[i], &text);
		buf_printf(out, "%s%zu", i ? "," : "", offset);
		offset += text.len;
	}
	buf_add_str(out, "],\"tokens\":[");
	for (size_t i = 0; i < n; i++) {
		struct bytes token = quoted_token(s->fragments, c->speech.id[i]);

		if (i > 0)
			buf_add_byte(out, ',');
		buf_add(out, token.data, token.len);
	}
	buf_add_byte(out, ']');
	buf_release(&text);
}

static bool is_among(struct bytes one, const struct bytes *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].len == one.len &&
			memcmp(list[i].data, one.data, one.len) == 0)
			return true;
	return false;
}

/* Entries as keys of an object; of two with the same text the first stays.
 * A sampled token outside of the list is one entry more. */
static void write_old_row(struct sheet *s, struct buf *out)
{
	struct bytes seen[OLD_ENTRIES_MAX];
	unsigned k = s->k + (s->sampled_first && s->sampled_rank >= s->k), n = 0;

	if (k > OLD_ENTRIES_MAX)
		k = OLD_ENTRIES_MAX;
	list_ranks(s, k);
	/* Once all are written, they stay where they are. */
	for (unsigned j = 0; j < s->n_listed; j++)
		quoted_token(s->fragments, id_of_entry(s, s->rank[j]));
	buf_add_byte(out, '{');
	for (unsigned j = 0; j < s->n_listed; j++) {
		unsigned rank = s->rank[j];
		struct bytes token = quoted_token(s->fragments, id_of_entry(s, rank));
		struct bytes figure = figures_text(s->figures, s->row.profile, rank);

		if (is_among(token, seen, n))
			continue;
		if (n > 0)
			buf_add_byte(out, ',');
		buf_add(out, token.data, token.len);
		buf_add_byte(out, ':');
		buf_add(out, figure.data, figure.len);
		seen[n++] = token;
	}
	buf_add_byte(out, '}');
}

static void write_old_numbers(struct press *p, struct sheet *s, const struct answer *a,
	const struct choice *c, size_t n, struct buf *out)
{
	buf_add_str(out, ",\"token_logprobs\":[");
	for (size_t i = 0; i < n; i++) {
		struct bytes figure;

		turn_to(s, p, a, c, i);
		figure = figures_text(s->figures, s->row.profile, s->sampled_rank);
		if (i > 0)
			buf_add_byte(out, ',');
		buf_add(out, figure.data, figure.len);
	}
	buf_add_byte(out, ']');
}

void rows_write_old(struct press *p, const struct answer *a, const struct choice *c,
	struct buf *out)
{
	size_t n = choice_rows(c, p->style);
	struct fragment_style style = style_of(p, a);
	struct figures own;
	struct sheet s;

	style.with_id = false;
	open_sheet(&s, p, a, &style, &own);
	buf_add_byte(out, '{');
	write_tokens(p, &s, &style, c, n, out);
	write_old_numbers(p, &s, a, c, n, out);
	buf_add_str(out, ",\"top_logprobs\":[");
	for (size_t i = 0; i < n; i++) {
		turn_to(&s, p, a, c, i);
		if (i > 0)
			buf_add_byte(out, ',');
		write_old_row(&s, out);
	}
	buf_add_str(out, "]}");
	figures_release(&own);
}
