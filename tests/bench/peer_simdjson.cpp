// SPDX-License-Identifier: Apache-2.0
//
// Reading answers with simdjson's on-demand interface, as its documentation
// advises: one parser reused, a padded body, fields asked for in the order in
// which servers write them (found elsewhere, too, only slower), nothing turned
// into text that is not wanted, no exceptions.
#include "peer.h"

#include <cstring>
#include <string>
#include <string_view>

#include <simdjson.h>

using namespace simdjson;

namespace {

ondemand::parser parser;

struct reader {
	peer_answer *out;
	peer_ids ids;

	bool text(simdjson_result<ondemand::value> value, peer_text &to)
	{
		std::string_view text;

		if (value.get_string().get(text))
			return false;
		to.len = text.size();
		memcpy(to.at, text.data(), text.size());
		return true;
	}

	bool number(simdjson_result<ondemand::value> value, uint32_t &to)
	{
		uint64_t n;

		if (value.get_uint64().get(n))
			return false;
		to = uint32_t(n);
		return true;
	}

	// N of "token_id:N", from the text as it stands in the body.
	bool id_text(ondemand::object &entry, uint32_t &id)
	{
		ondemand::raw_json_string raw;

		if (entry["token"].get_raw_json_string().get(raw))
			return false;
		const char *p = raw.raw();
		if (memcmp(p, "token_id:", 9) != 0)
			return false;
		id = 0;
		for (p += 9; *p >= '0' && *p <= '9'; p++)
			id = id * 10 + uint32_t(*p - '0');
		return *p == '"';
	}

	bool bytes(ondemand::object &entry, uint32_t &at, uint16_t &len)
	{
		ondemand::array list;
		unsigned char *begin = out->pool + out->pool_len, *p = begin;

		if (entry["bytes"].get_array().get(list))
			return false;
		for (auto byte : list) {
			uint64_t n;

			if (byte.get_uint64().get(n))
				return false;
			*p++ = (unsigned char)n;
		}
		at = uint32_t(out->pool_len);
		len = uint16_t(p - begin);
		out->pool_len += size_t(p - begin);
		return true;
	}

	// An entry's id, logprob and bytes, in the order of its style.
	bool token(ondemand::object &entry, uint32_t &id, double &logprob, uint32_t &at,
		uint16_t &len)
	{
		switch (ids) {
		case PEER_ID_TEXTS:
			at = 0;
			len = 0;
			return id_text(entry, id) &&
			       !entry["logprob"].get_double().get(logprob);
		case PEER_ID_MEMBERS:
			return number(entry["id"], id) && bytes(entry, at, len) &&
			       !entry["logprob"].get_double().get(logprob);
		default:
			id = PEER_NO_ID;
			return !entry["logprob"].get_double().get(logprob) &&
			       bytes(entry, at, len);
		}
	}

	bool row(ondemand::object row)
	{
		uint32_t n = out->n, m = out->m;
		ondemand::array list;

		out->first[n] = m;
		if (!token(row, out->id[n], out->logprob[n], out->token_at[n],
			    out->token_len[n]) ||
			row["top_logprobs"].get_array().get(list))
			return false;
		for (auto item : list) {
			ondemand::object entry;

			if (item.get_object().get(entry) ||
				!token(entry, out->cand_id[m], out->cand_logprob[m],
					out->cand_at[m], out->cand_len[m]))
				return false;
			m++;
		}
		out->m = m;
		out->n = n + 1;
		return true;
	}

	bool choice(ondemand::object choice)
	{
		ondemand::object message, logprobs;
		ondemand::array list;

		if (choice["message"].get_object().get(message))
			return false;
		if (ids != PEER_BYTES &&
			!text(message["reasoning_content"], out->reasoning))
			return false;
		if (!text(message["content"], out->content))
			return false;
		ondemand::value rows;
		if (choice["logprobs"].get(rows))
			return false;
		if (rows.type() == ondemand::json_type::object) {
			if (rows["content"].get_array().get(list))
				return false;
			for (auto item : list) {
				ondemand::object entry;

				if (item.get_object().get(entry) || !row(entry))
					return false;
			}
		}
		out->first[out->n] = out->m;
		if (!text(choice["finish_reason"], out->finish))
			return false;
		if (ids == PEER_ID_TEXTS) {
			if (choice["token_ids"].get_array().get(list))
				return false;
			for (auto item : list)
				if (!number(item, out->ids[out->n_ids++]))
					return false;
		}
		return true;
	}

	bool answer(ondemand::document &document)
	{
		ondemand::object root, usage, first;
		ondemand::array choices;

		if (document.get_object().get(root) || !text(root["model"], out->model) ||
			root["choices"].get_array().get(choices))
			return false;
		for (auto item : choices)
			if (item.get_object().get(first) || !choice(first))
				return false;
		return !root["usage"].get_object().get(usage) &&
		       number(usage["prompt_tokens"], out->prompt_tokens) &&
		       number(usage["completion_tokens"], out->completion_tokens);
	}
};

} // namespace

bool peer_simdjson(const char *body, size_t len, peer_ids ids, peer_answer *out)
{
	ondemand::document document;

	out->n = out->m = out->n_ids = 0;
	out->pool_len = 0;
	out->reasoning.len = 0;
	if (parser.iterate(body, len, len + SIMDJSON_PADDING).get(document))
		return false;
	return reader{out, ids}.answer(document);
}

size_t peer_simdjson_padding(void)
{
	return SIMDJSON_PADDING;
}

#define TEXT_OF(name) #name
#define NAME_OF(macro) TEXT_OF(macro)

const char *peer_simdjson_name(void)
{
	static const std::string name = get_active_implementation()->name() +
					", inline " NAME_OF(SIMDJSON_BUILTIN_IMPLEMENTATION);

	return name.c_str();
}
