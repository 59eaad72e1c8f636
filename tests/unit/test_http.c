/* SPDX-License-Identifier: Apache-2.0 */
/* A host with several addresses, of which only the last is served. The resolver is
 * ours; the server is here, in the same thread. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mem.h"
#include "unit.h"
#include "worker/http.h"

#define TRANSFERS 8
#define CONNECT_S 60
/* Far below half of the above, far above what it takes. */
#define SOON_MS 15000

static const char *addresses; /* of every host; blanks between */

__attribute__((visibility("default"))) int getaddrinfo(const char *name,
	const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	typedef int resolver(const char *, const char *, const struct addrinfo *,
		struct addrinfo **);
	resolver *theirs;
	struct addrinfo numeric = *hints, **at = out;
	char *copy = mem_dup_str(addresses), *rest = copy, *one;

	(void)name;
	*(void **)&theirs = dlsym(RTLD_NEXT, "getaddrinfo");
	numeric.ai_flags = AI_NUMERICHOST;
	*out = NULL;
	while ((one = strsep(&rest, " ")))
		if (theirs(one, service, &numeric, at) == 0)
			at = &(*at)->ai_next;
	free(copy);
	return *out ? 0 : EAI_NONAME;
}

struct seen {
	unsigned n;
	enum reason reason;
	int status;
};

static void ended(void *to, struct transfer *t, const struct http_outcome *o)
{
	struct seen *seen = to;

	(void)t;
	seen->n++;
	seen->reason = o->reason;
	seen->status = o->status;
}

static bool take_all(void *owner, const void *bytes, size_t len)
{
	(void)owner;
	(void)bytes;
	(void)len;
	return true;
}

static int listen_at(uint16_t *port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

/* Answers whoever has connected, whatever the question. */
static void serve(int listener, int *served, size_t *n)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
	int fd;

	while (*n < TRANSFERS && (fd = accept(listener, NULL, NULL)) >= 0) {
		assert_int_equal(write(fd, answer, strlen(answer)), strlen(answer));
		served[(*n)++] = fd;
	}
}

static struct seen ask_all(const char *hosts)
{
	struct seen seen = {0};
	struct http *h = http_new(TRANSFERS);
	struct transfer *t[TRANSFERS];
	uint16_t port;
	int listener = listen_at(&port), served[TRANSFERS];
	size_t n_served = 0;
	char *url = mem_printf("http://teacher.test:%u/", port);
	struct http_settings s = {.url = url,
		.connect_s = CONNECT_S,
		.first_byte_s = 2 * CONNECT_S,
		.total_s = 2 * CONNECT_S};
	struct http_target *target = http_target_new(&s);
	int64_t end = clock_mono_ms() + SOON_MS;

	addresses = hosts;
	for (size_t i = 0; i < TRANSFERS; i++) {
		t[i] = http_transfer_new(h, NULL);
		http_send(t[i], target, bytes_of("{}", 2), 1000, take_all);
	}
	while (seen.n < TRANSFERS && clock_mono_ms() < end) {
		http_run(h, clock_mono_ms(), ended, &seen);
		serve(listener, served, &n_served);
		http_wait(h, &listener, 1, 20);
	}
	for (size_t i = 0; i < TRANSFERS; i++)
		http_transfer_free(t[i]);
	http_target_free(target);
	http_free(h);
	free(url);
	while (n_served > 0)
		close(served[--n_served]);
	close(listener);
	return seen;
}

static void the_next_address_is_tried_at_once(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "127.0.0.2 127.0.0.1",
		"127.0.0.2 127.0.0.3 127.0.0.1",
		"127.0.0.2 127.0.0.3 127.0.0.4 127.0.0.5 127.0.0.1"};

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct seen seen = ask_all(hosts[i]);

		assert_int_equal(seen.n, TRANSFERS);
		assert_int_equal(seen.reason, REASON_NONE);
		assert_int_equal(seen.status, 200);
	}
}

static void all_addresses_refuse(void **state)
{
	struct seen seen = ask_all("127.0.0.2 127.0.0.3 127.0.0.4");

	(void)state;
	assert_int_equal(seen.n, TRANSFERS);
	assert_int_equal(seen.reason, REASON_CONNECT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_address_is_tried_at_once),
		cmocka_unit_test(all_addresses_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
