/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/mem.h"
#include "store/pack.h"

static struct packer *packer;

static int begin(void **state)
{
	(void)state;
	packer = packer_new();
	return 0;
}

static int end(void **state)
{
	(void)state;
	packer_free(packer);
	return 0;
}

static void check(struct packer *by, struct bytes packed, const void *want, size_t len)
{
	struct bytes raw;
	struct buf room;
	struct err err;

	buf_init(&room, PACK_RAW_MAX);
	if (unpack(by, packed, &room, &raw, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
	assert_int_equal(raw.len, len);
	if (len)
		assert_memory_equal(raw.data, want, len);
	buf_release(&room);
}

static void pack__comes_back(void **state)
{
	struct chance chance = {1};
	unsigned char *raw = mem_alloc(100000);
	struct buf packed;

	(void)state;
	buf_init(&packed, 1 << 20);
	for (int i = 0; i < 300; i++) {
		size_t len = chance_below(&chance, i % 10 ? 3000 : 100000);
		uint64_t letters = 1 + chance_below(&chance, 256);

		for (size_t k = 0; k < len; k++)
			raw[k] = (unsigned char)chance_below(&chance, letters);
		buf_clear(&packed);
		pack(packer, bytes_of(raw, len), &packed);
		assert_true(packed.len <= len + PACK_HEAD);
		check(packer, buf_bytes(&packed), raw, len);
	}
	buf_release(&packed);
	free(raw);
}

static const char shared[] =
	"the sum of both is the answer, and the answer is the sum; "
	"so we add them, step by step, and get ";

static void pack__makes_short_texts_shorter_by_a_dictionary(void **state)
{
	const char *text = "so we add them, step by step, and get the sum of both";
	struct packer *reader = packer_new();
	struct buf plain, better;
	struct err err;

	(void)state;
	buf_init(&plain, 4096);
	buf_init(&better, 4096);
	pack(packer, bytes_of(text, strlen(text)), &plain);
	assert_int_equal(packer_dictionary(packer), 0);
	assert_int_equal(packer_add_dictionary(
				 packer, 1, bytes_of(shared, strlen(shared)), &err),
		ERR_NONE);
	pack(packer, bytes_of(text, strlen(text)), &better);
	assert_true(better.len < plain.len);
	check(packer, buf_bytes(&plain), text, strlen(text));
	check(packer, buf_bytes(&better), text, strlen(text));
	/* Who lacks the dictionary says so. */
	assert_int_equal(
		unpack(reader, buf_bytes(&better), &plain, &(struct bytes){0}, &err),
		ERR_CORRUPT);
	assert_string_equal(err.msg, "dictionary 1 is missing");
	packer_free(reader);
	buf_release(&plain);
	buf_release(&better);
}

static void pack__reads_with_every_dictionary_there_was(void **state)
{
	struct buf packed[4];
	struct err err;

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		buf_init(&packed[i], 4096);
		pack(packer, bytes_of(shared, strlen(shared)), &packed[i]);
		assert_int_equal(packer_add_dictionary(packer, i + 1,
					 bytes_of(shared, strlen(shared) - i), &err),
			ERR_NONE);
		assert_int_equal(packer_dictionary(packer), i + 1);
	}
	for (int i = 0; i < 4; i++) {
		check(packer, buf_bytes(&packed[i]), shared, strlen(shared));
		buf_release(&packed[i]);
	}
	assert_int_equal(
		packer_add_dictionary(packer, 65, bytes_of("x", 1), &err), ERR_INVALID);
	assert_int_equal(
		packer_add_dictionary(packer, 5, bytes_of("", 0), &err), ERR_INVALID);
}

static void unpack__refuses_damage(void **state)
{
	struct chance chance = {2};
	char text[600] = "";
	struct buf packed, room;
	struct bytes raw;
	struct err err;

	(void)state;
	buf_init(&packed, 4096);
	buf_init(&room, PACK_RAW_MAX);
	while (strlen(text) < 500)
		strcat(text, "step by step ");
	pack(packer, bytes_of(text, strlen(text)), &packed);
	for (size_t cut = 0; cut < packed.len; cut++)
		assert_int_equal(
			unpack(packer, bytes_of(packed.data, cut), &room, &raw, &err),
			ERR_CORRUPT);
	for (int i = 0; i < 3000; i++) {
		size_t at = chance_below(&chance, packed.len);
		unsigned char was = packed.data[at];

		packed.data[at] ^= (unsigned char)(1 << chance_below(&chance, 8));
		/* Wrong bytes may come out (the seal finds those), never more of them. */
		if (unpack(packer, buf_bytes(&packed), &room, &raw, &err) == ERR_NONE)
			assert_true(raw.len <= PACK_RAW_MAX);
		packed.data[at] = was;
	}
	/* A claim of 4 GiB. */
	memset(packed.data + 5, 0xff, 4);
	assert_int_equal(
		unpack(packer, buf_bytes(&packed), &room, &raw, &err), ERR_CORRUPT);
	buf_release(&packed);
	buf_release(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pack__comes_back, begin, end),
		cmocka_unit_test_setup_teardown(
			pack__makes_short_texts_shorter_by_a_dictionary, begin, end),
		cmocka_unit_test_setup_teardown(
			pack__reads_with_every_dictionary_there_was, begin, end),
		cmocka_unit_test_setup_teardown(unpack__refuses_damage, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
