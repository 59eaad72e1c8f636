/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfers.h - libcurl's multi handle, called for what has something to do
 *
 * curl_multi_perform goes through all transfers at every call. Here libcurl says
 * which descriptors and which timer it waits for, epoll waits, and only those
 * transfers are touched that something has happened to: the cost of a round does
 * not grow with the number of requests that teachers think about.
 *
 * For http.c only. Threads: one.
 */
#ifndef RETORT_WORKER_TRANSFERS_H
#define RETORT_WORKER_TRANSFERS_H

#include <curl/curl.h>
#include <stddef.h>
#include <stdint.h>

struct transfers;

struct transfers *transfers_new(unsigned max_connections);
/* All easy handles must have been removed. */
void transfers_free(struct transfers *t);

void transfers_add(struct transfers *t, CURL *easy);
void transfers_remove(struct transfers *t, CURL *easy);

/* Calls libcurl for what has happened and for what is due; never waits. */
void transfers_run(struct transfers *t, int64_t now_ms);
/* The next one that has ended, and how; NULL if there is none. */
CURL *transfers_ended(struct transfers *t, CURLcode *rc);
/* Waits for traffic, for one of the descriptors, or for timeout_ms. */
void transfers_wait(struct transfers *t, const int *fds, size_t n_fds, int timeout_ms);

#endif
