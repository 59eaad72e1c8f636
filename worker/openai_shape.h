/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_shape.h - the answers of OpenAI-shaped chat endpoints
 *
 * OpenAI, vLLM, SGLang, llama.cpp, TensorRT-LLM, Ollama's /v1 and DeepSeek,
 * whole ("chat.completion") or streamed ("chat.completion.chunk", ended by
 * "[DONE]"). In a stream the texts, rows, token ids and pieces of tool calls of
 * all chunks are joined; the chunk with the usage has no choices.
 */
#ifndef RETORT_WORKER_OPENAI_SHAPE_H
#define RETORT_WORKER_OPENAI_SHAPE_H

#include "worker/shape.h"

extern const struct shape openai_shape;

#endif
