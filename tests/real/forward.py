# SPDX-License-Identifier: Apache-2.0
"""The truth: the same model file, evaluated once more, past server and retort.

One forward pass over prompt + completion gives the whole distribution before each
token of the completion: what the server listed must be in it. Runs in the
environment that setup.sh makes (numpy, llama-cpp-python).
"""
import struct

import llama_cpp
import numpy as np

TOPK_MAGIC = b"TOPK0001"


class Model:
    def __init__(self, path, n_ctx=2048):
        self.llama = llama_cpp.Llama(path, n_ctx=n_ctx, n_batch=512, logits_all=True,
                                     n_threads=1, n_threads_batch=1,
                                     # As the server is told to (server.py).
                                     flash_attn=False, type_k=llama_cpp.GGML_TYPE_F32,
                                     type_v=llama_cpp.GGML_TYPE_F32,
                                     verbose=False)
        self.n_ctx, self.vocabulary, self.prompt = n_ctx, self.llama.n_vocab(), None

    def logprobs(self, prompt_ids, token_ids):
        """[tokens, vocabulary]: row i is the distribution that token i was drawn from."""
        n = len(prompt_ids)
        assert n > 0 and 0 < len(token_ids) <= self.n_ctx - n, (n, len(token_ids))
        if list(prompt_ids) != self.prompt:
            self.llama.reset()
            self.llama.eval(list(prompt_ids))
            self.prompt = list(prompt_ids)
        self.llama.n_tokens = n  # another completion of the same prompt
        self.llama.eval(list(token_ids[:-1]))
        logits = self.llama.scores[n - 1:n + len(token_ids) - 1].astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return logits

    def pieces(self):
        """The bytes of every id; of special tokens none, as servers show them."""
        vocabulary = llama_cpp.llama_model_get_vocab(self.llama.model)
        out, room = [], llama_cpp.ctypes.create_string_buffer(512)
        for token in range(self.vocabulary):
            n = llama_cpp.llama_token_to_piece(vocabulary, token, room, len(room), 0, False)
            assert n >= 0, token
            out.append(room.raw[:n])
        return out


def top_k(logprobs, k):
    """The k most likely ids of each row and their logprobs, falling; of equal ones
    the smaller id first."""
    ids = np.sort(np.argpartition(logprobs, -k, axis=1)[:, -k:], axis=1)
    values = np.take_along_axis(logprobs, ids, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(values, order, axis=1)


class TopkFile:
    """Real top-k lists for tests/bench; the format is in README.md."""

    def __init__(self, path, k, vocabulary):
        self.k, self.n = k, 0
        self.f = open(path, "wb")
        self.f.write(TOPK_MAGIC + struct.pack("<III", k, vocabulary, 0))

    def add(self, ids, values):
        """Of top_k, for this K or a larger one."""
        ids, values = ids[:, :self.k], values[:, :self.k]
        self.f.write(struct.pack("<I", len(ids)))
        self.f.write(ids.astype("<u4").tobytes())
        self.f.write(values.astype("<f4").tobytes())
        self.n += 1

    def close(self):
        self.f.seek(len(TOPK_MAGIC) + 8)
        self.f.write(struct.pack("<I", self.n))
        self.f.close()
