/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sample.h"

#include "common/limits.h"

void sample_init(struct sample *s, struct dataset *d, struct settings_cache *cache)
{
	*s = (struct sample){.d = d, .cache = cache};
	buf_init(&s->text_room, PACK_RAW_MAX);
	buf_init(&s->prompt_room, PACK_RAW_MAX);
	buf_init(&s->ids_room, PACK_RAW_MAX);
	buf_init(&s->logits_room, LIMIT_RECORD + 65536);
}

void sample_release(struct sample *s)
{
	buf_release(&s->text_room);
	buf_release(&s->prompt_room);
	buf_release(&s->ids_room);
	buf_release(&s->logits_room);
}

/* Forgets the last sample; keeps the prompt, which the next may share. */
static void begin(struct sample *s)
{
	s->sequence = 0;
	s->offer = NULL;
	s->is_duplicate = s->accepted = false;
	s->duplicate_of = 0;
	s->has_text = s->has_prompt = s->has_settings = false;
	s->settings = NULL;
}

enum err_code sample_from_entry(
	struct sample *s, const struct key_entry *entry, struct err *err)
{
	enum err_code code;

	begin(s);
	s->sequence = entry->sequence;
	code = dataset_record(s->d, entry->sequence, &s->head, err);
	if (code == ERR_NOT_FOUND)
		return err_set(err, ERR_CORRUPT, "sequence %llu: the record is missing",
			(unsigned long long)entry->sequence);
	return code;
}

void sample_from_offer(struct sample *s, const struct offer *o)
{
	begin(s);
	s->offer = o;
	s->head = o->head;
}

void sample_from_parts(struct sample *s, const struct record *head,
	const struct sections *text, const struct sections *prompt)
{
	begin(s);
	s->head = *head;
	s->text = *text;
	s->prompt = *prompt;
	s->has_text = s->has_prompt = s->has_settings = true;
	s->holds_prompt = false;
}

static enum err_code unpack_sections(struct sample *s, struct bytes packed,
	struct buf *room, struct sections *out, struct err *err)
{
	struct bytes raw;
	enum err_code code = unpack(s->d->packer, packed, room, &raw, err);

	return code == ERR_NONE ? sections_decode(raw, out, err) : code;
}

enum err_code sample_load_text(struct sample *s, struct err *err)
{
	enum err_code code;

	if (s->has_text)
		return ERR_NONE;
	if (s->offer)
		code = unpack_sections(s, s->offer->text, &s->text_room, &s->text, err);
	else
		code = dataset_text(s->d, s->sequence, &s->text_room, &s->text, err);
	if (code == ERR_NOT_FOUND)
		return err_set(err, ERR_CORRUPT, "sequence %llu: the text is missing",
			(unsigned long long)s->sequence);
	s->has_text = code == ERR_NONE;
	return code;
}

static enum err_code read_prompt(struct sample *s, struct err *err)
{
	enum err_code code;

	s->holds_prompt = false;
	code = dataset_prompt(s->d, s->head.key.prompt, s->head.settings,
		&s->prompt_room, &s->prompt, err);
	if (code == ERR_NOT_FOUND)
		return err_set(err, ERR_CORRUPT,
			"prompt %llu of settings %u is missing",
			(unsigned long long)s->head.key.prompt, s->head.settings);
	s->holds_prompt = code == ERR_NONE;
	s->held_prompt = s->head.key.prompt;
	s->held_settings = s->head.settings;
	return code;
}

enum err_code sample_load_prompt(struct sample *s, struct err *err)
{
	enum err_code code = ERR_NONE;

	if (s->has_prompt)
		return ERR_NONE;
	if (s->offer && s->offer->prompt.data) {
		s->holds_prompt = false;
		code = unpack_sections(
			s, s->offer->prompt, &s->prompt_room, &s->prompt, err);
	} else if (!s->holds_prompt || s->held_prompt != s->head.key.prompt ||
		   s->held_settings != s->head.settings) {
		code = read_prompt(s, err);
	}
	s->has_prompt = code == ERR_NONE;
	return code;
}

enum err_code sample_load_settings(struct sample *s, struct err *err)
{
	enum err_code code;

	if (s->has_settings)
		return ERR_NONE;
	code = settings_find(s->cache, s->d, s->head.settings, &s->settings, err);
	/* A dataset without its settings still has all its texts. */
	if (code == ERR_NOT_FOUND)
		code = ERR_NONE;
	s->has_settings = code == ERR_NONE;
	return code;
}

enum err_code sample_prompt_ids(struct sample *s, struct bytes *ids, struct err *err)
{
	enum err_code code = dataset_prompt_ids(
		s->d, s->head.key.prompt, s->head.settings, &s->ids_room, ids, err);

	if (code == ERR_NOT_FOUND) {
		*ids = bytes_of(NULL, 0);
		return ERR_NONE;
	}
	if (code == ERR_NONE && ids->len % 4 != 0)
		return err_set(err, ERR_CORRUPT, "prompt %llu: token ids of %zu bytes",
			(unsigned long long)s->head.key.prompt, ids->len);
	return code;
}

enum err_code sample_logits(
	struct sample *s, uint8_t capture, struct logits *l, struct err *err)
{
	struct bytes encoded;
	enum err_code code = dataset_logits(
		s->d, s->sequence, capture, &s->logits_room, &encoded, err);

	return code == ERR_NONE ? logits_decode(encoded, l, err) : code;
}

enum err_code sample_capture(
	struct sample *s, struct capture_choice choice, int *capture, struct err *err)
{
	unsigned all = s->head.captures;

	*capture = all ? __builtin_ctz(all) : CAPTURE_NONE;
	if (choice.named) {
		*capture = choice.number < 16 && all >> choice.number & 1
				   ? choice.number
				   : CAPTURE_NONE;
		return ERR_NONE;
	}
	for (uint8_t c = 0; all & (all - 1) && c < 16; c++) {
		struct logits head = {0};
		struct bytes encoded;
		enum err_code code;

		if (!(all >> c & 1))
			continue;
		code = dataset_logits(
			s->d, s->sequence, c, &s->logits_room, &encoded, err);
		if (code == ERR_NONE)
			code = logits_read_head(encoded, &head, err);
		if (code != ERR_NONE)
			return code == ERR_NOT_FOUND
				       ? err_set(err, ERR_CORRUPT,
						 "sequence %llu: the logits are missing",
						 (unsigned long long)s->sequence)
				       : code;
		if (head.m == 0)
			continue;
		*capture = c;
		break;
	}
	return ERR_NONE;
}
