#include "tests/unit/apiserver/proxy_fixture.h"

#include "apiserver/pki.h"
#include "lib/base/metrics.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct proxy_fixture proxied;
static struct pki pki;
static struct metrics *metrics;

/* --- Sockets -----------------------------------------------------------------------------------
 */

static void set_patience(int fd)
{
    const struct timeval limit = {.tv_sec = PATIENCE_S};
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
}

void say(int fd, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return; /* The other side has gone: the test says whether it should have. */
        }
        text += sent;
        len -= (size_t)sent;
    }
}

/* Until the end of the head, the other side's end, or the limit. */
void hear_head(int fd, char *text, size_t size)
{
    size_t len = 0;
    while (len + 1 < size) {
        ssize_t got = recv(fd, text + len, 1, 0);
        if (got <= 0) {
            break;
        }
        text[++len] = '\0';
        if (len >= 4 && memcmp(text + len - 4, "\r\n\r\n", 4) == 0) {
            return;
        }
    }
}

/* Whether the other side closes, rather than staying silent. */
bool sees_end(int fd)
{
    char byte;
    ssize_t got;
    do {
        got = recv(fd, &byte, 1, 0);
    } while (got > 0);
    return got == 0;
}

/* --- The agent ---------------------------------------------------------------------------------
 */

static void agent_done(void *data)
{
    struct agent *self = data;
    self->done = true;
}

static void *agent_run(void *data)
{
    struct agent *self = data;
    int fd = accept(self->listener, NULL, NULL);
    if (fd >= 0) {
        set_patience(fd);
        hear_head(fd, self->request, sizeof(self->request));
        (void)sem_post(&self->has_request);
        self->act(fd, self->request);
        close(fd);
    }
    loop_post(proxied.base.loop, agent_done, self);
    return NULL;
}

static void agent_open(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    proxied.agent = (struct agent){.listener = socket(AF_INET, SOCK_STREAM, 0)};
    ck_assert_int_eq(sem_init(&proxied.agent.has_request, 0, 0), 0);
    ck_assert_int_eq(sem_init(&proxied.client_has_answer, 0, 0), 0);
    set_patience(proxied.agent.listener);
    ck_assert_int_eq(bind(proxied.agent.listener, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(proxied.agent.listener, 4), 0);
    ck_assert_int_eq(getsockname(proxied.agent.listener, (struct sockaddr *)&address, &len), 0);
    proxied.agent.port = ntohs(address.sin_port);
}

/* --- The client --------------------------------------------------------------------------------
 */

static void client_done(void *data)
{
    struct client *client = data;
    client->done = true;
}

/* An answer with a length is whole when that much has come: the connection stays open. */
static bool is_whole(const char *answer)
{
    const char *length = strcasestr(answer, "content-length: ");
    const char *body = strstr(answer, "\r\n\r\n");
    return length != NULL && body != NULL && length < body &&
           strlen(body + 4) >= strtoul(length + strlen("content-length: "), NULL, 10);
}

static void client_read(struct client *client, int fd)
{
    bool said = false;
    for (;;) {
        ssize_t got = recv(fd, client->answer + client->len, TEXT_MAX - client->len - 1, 0);
        if (got <= 0) {
            return;
        }
        if (client->len == 0) {
            (void)sem_post(&proxied.client_has_answer);
        }
        client->len += (size_t)got;
        client->answer[client->len] = '\0';
        if (is_whole(client->answer)) {
            return;
        }
        if (!said && client->then != NULL && strstr(client->answer, client->until) != NULL) {
            said = true;
            say(fd, client->then);
            (void)shutdown(fd, SHUT_WR);
        }
    }
}

static void *client_run(void *data)
{
    struct client *client = data;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(client->port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    set_patience(fd);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
        say(fd, client->request);
        if (client->leaves) {
            while (sem_wait(&proxied.agent.has_request) != 0) {
            }
        } else {
            client_read(client, fd);
        }
    }
    close(fd);
    loop_post(client->loop, client_done, client);
    return NULL;
}

/* One request while the agent acts; returns what the client read. The loop goes on until both have
 * ended. */
const char *talk(struct client *client, agent_act *act)
{
    proxied.agent.act = act;
    client->port = apiserver_port(proxied.server);
    client->loop = proxied.base.loop;
    client->answer = arena_zeroed(proxied.base.arena, TEXT_MAX);
    ck_assert_int_eq(pthread_create(&proxied.agent.thread, NULL, agent_run, &proxied.agent), 0);
    ck_assert_int_eq(pthread_create(&client->thread, NULL, client_run, client), 0);
    while (!client->done || !proxied.agent.done) {
        loop_turn(proxied.base.loop, true);
    }
    pthread_join(proxied.agent.thread, NULL);
    pthread_join(client->thread, NULL);
    return client->answer;
}

/* --- Fixture -----------------------------------------------------------------------------------
 */

void proxy_setup(void)
{
    static const char *const hosts[] = {"127.0.0.1"};
    fixture_init(&proxied.base);
    agent_open();
    const struct pki_config keys = {.data_dir = proxied.base.dir,
                                    .member_name = "n1",
                                    .hosts = hosts,
                                    .host_count = 1,
                                    .cluster_domain = "cluster.local"};
    ck_assert_int_eq(pki_open(&keys, &pki, NULL), 0);
    metrics = metrics_new();
    const struct apiserver_config config = {.env = env_uv_env(proxied.base.env),
                                            .store_loop = proxied.base.loop,
                                            .io_loops = &proxied.base.loop,
                                            .io_loop_count = 1,
                                            .storage = store_storage(proxied.base.store),
                                            .metrics = metrics,
                                            .pki = &pki,
                                            .listen_host = "127.0.0.1",
                                            .member_name = "n1",
                                            .service_cidr = "10.96.0.0/24",
                                            .cluster_cidr = "10.244.0.0/16",
                                            .cluster_domain = "cluster.local",
                                            .plaintext = true};
    struct error error = {0};
    ck_assert_msg(apiserver_new(&config, &proxied.server, &error) == 0, "%s",
                  error_message(&error));
    make_namespace(&proxied.base);
    (void)create(&proxied.base, "serviceaccounts", "ns", "{\"metadata\":{\"name\":\"default\"}}");
    struct registry_call node =
        create(&proxied.base, "nodes", "",
               arena_printf(proxied.base.arena,
                            "{\"metadata\":{\"name\":\"n1\"},\"status\":{\"addresses\":[{\"type\":"
                            "\"InternalIP\",\"address\":\"127.0.0.1\"}],\"daemonEndpoints\":{"
                            "\"kubeletEndpoint\":{\"Port\":%u}}}}",
                            proxied.agent.port));
    ck_assert_ptr_null(node.status);
    struct registry_call pod =
        create(&proxied.base, "pods", "ns",
               "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{"
               "\"name\":\"c\",\"image\":\"i\"}]}}");
    ck_assert_ptr_null(pod.status);
    const struct cached_object *seen = NULL;
    while ((seen = watch_cache_get(apiserver_cache(proxied.server), core("pods"), "ns", "p")) ==
           NULL) {
        loop_turn(proxied.base.loop, true);
    }
    cached_object_unref(seen);
}

static void on_closed(void *data)
{
    *(bool *)data = true;
}

static void run_client(struct client *client)
{
    client->port = apiserver_port(proxied.server);
    client->loop = proxied.base.loop;
    client->answer = arena_zeroed(proxied.base.arena, TEXT_MAX);
    ck_assert_int_eq(pthread_create(&client->thread, NULL, client_run, client), 0);
    while (!client->done) {
        loop_turn(proxied.base.loop, true);
    }
    pthread_join(client->thread, NULL);
}

const char *ask(const char *request)
{
    struct client client = {.request = request};
    run_client(&client);
    return client.answer;
}

static void release(void)
{
    metrics_free(metrics);
    pki_release(&pki);
    fixture_release(&proxied.base);
}

/* After all, the server still answers. */
void proxy_teardown(void)
{
    const char *answer = ask("GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(answer, "200 OK"));
    close(proxied.agent.listener);
    bool closed = false;
    apiserver_close(proxied.server, on_closed, &closed);
    while (!closed) {
        loop_turn(proxied.base.loop, true);
    }
    release();
}

void proxy_teardown_closed(void)
{
    close(proxied.agent.listener);
    release();
}
