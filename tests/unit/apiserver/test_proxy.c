/* Agents that misbehave, behind exec and log of a whole API server: a real listener plays the
 * agent, a plain socket the client. Server and store run on the test's loop, the other two on
 * threads with blocking sockets; all have a time limit. */
#include "apiserver/apiserver.h"
#include "apiserver/pki.h"
#include "lib/base/metrics.h"
#include "tests/unit/apiserver/registry_fixture.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_S = 5, TEXT_MAX = 256 * 1024 };

/* What the agent does with a request. */
typedef void agent_act(int fd, const char *request);

struct agent {
    int listener;
    uint16_t port;
    agent_act *act;
    pthread_t thread;
    char request[8192];
    sem_t has_request; /* For a client that waits for it. */
    bool done;
};

struct client {
    uint16_t port;
    const char *request;
    const char *until; /* Once this was read, ... */
    const char *then;  /* ... this is sent, and the sending side closed. */
    bool leaves;       /* Goes without reading anything. */
    char *answer;      /* All that came until the end, NUL-terminated. */
    size_t len;
    struct loop *loop;
    bool done;
    pthread_t thread;
};

static sem_t client_has_answer; /* For an agent that waits for it. */
static struct fixture fixture;
static struct apiserver *server;
static struct pki pki;
static struct agent agent;
static struct metrics *metrics;

/* --- Sockets -----------------------------------------------------------------------------------
 */

static void set_patience(int fd)
{
    const struct timeval limit = {.tv_sec = PATIENCE_S};
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
}

static void say(int fd, const char *text)
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
static void read_head(int fd, char *text, size_t size)
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
static bool sees_end(int fd)
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
        read_head(fd, self->request, sizeof(self->request));
        (void)sem_post(&self->has_request);
        self->act(fd, self->request);
        close(fd);
    }
    loop_post(fixture.loop, agent_done, self);
    return NULL;
}

static void agent_open(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    agent = (struct agent){.listener = socket(AF_INET, SOCK_STREAM, 0)};
    ck_assert_int_eq(sem_init(&agent.has_request, 0, 0), 0);
    ck_assert_int_eq(sem_init(&client_has_answer, 0, 0), 0);
    set_patience(agent.listener);
    ck_assert_int_eq(bind(agent.listener, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(agent.listener, 4), 0);
    ck_assert_int_eq(getsockname(agent.listener, (struct sockaddr *)&address, &len), 0);
    agent.port = ntohs(address.sin_port);
}

static const char SWITCH[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n"
                             "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n";

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
            (void)sem_post(&client_has_answer);
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
            while (sem_wait(&agent.has_request) != 0) {
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
static const char *talk(struct client *client, agent_act *act)
{
    agent.act = act;
    client->port = apiserver_port(server);
    client->loop = fixture.loop;
    client->answer = arena_zeroed(fixture.arena, TEXT_MAX);
    ck_assert_int_eq(pthread_create(&agent.thread, NULL, agent_run, &agent), 0);
    ck_assert_int_eq(pthread_create(&client->thread, NULL, client_run, client), 0);
    while (!client->done || !agent.done) {
        loop_turn(fixture.loop, true);
    }
    pthread_join(agent.thread, NULL);
    pthread_join(client->thread, NULL);
    return client->answer;
}

#define EXEC                                                                                       \
    "GET /api/v1/namespaces/ns/pods/p/exec?command=sh&stdout=true HTTP/1.1\r\nHost: x\r\n"         \
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                   \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                                              \
    "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
#define LOG "GET /api/v1/namespaces/ns/pods/p/log HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static const char *exec_gives(agent_act *act)
{
    struct client client = {.request = EXEC};
    return talk(&client, act);
}

static const char *log_gives(agent_act *act)
{
    struct client client = {.request = LOG};
    return talk(&client, act);
}

/* --- Fixture -----------------------------------------------------------------------------------
 */

static void setup(void)
{
    static const char *const hosts[] = {"127.0.0.1"};
    fixture_init(&fixture);
    agent_open();
    const struct pki_config keys = {.data_dir = fixture.dir,
                                    .member_name = "n1",
                                    .hosts = hosts,
                                    .host_count = 1,
                                    .cluster_domain = "cluster.local"};
    ck_assert_int_eq(pki_open(&keys, &pki, NULL), 0);
    metrics = metrics_new();
    const struct apiserver_config config = {.env = env_uv_env(fixture.env),
                                            .store_loop = fixture.loop,
                                            .io_loops = &fixture.loop,
                                            .io_loop_count = 1,
                                            .storage = store_storage(fixture.store),
                                            .metrics = metrics,
                                            .pki = &pki,
                                            .listen_host = "127.0.0.1",
                                            .member_name = "n1",
                                            .service_cidr = "10.96.0.0/24",
                                            .cluster_cidr = "10.244.0.0/16",
                                            .cluster_domain = "cluster.local",
                                            .plaintext = true};
    struct error error = {0};
    ck_assert_msg(apiserver_new(&config, &server, &error) == 0, "%s", error_message(&error));
    make_namespace(&fixture);
    (void)create(&fixture, "serviceaccounts", "ns", "{\"metadata\":{\"name\":\"default\"}}");
    struct registry_call node =
        create(&fixture, "nodes", "",
               arena_printf(fixture.arena,
                            "{\"metadata\":{\"name\":\"n1\"},\"status\":{\"addresses\":[{\"type\":"
                            "\"InternalIP\",\"address\":\"127.0.0.1\"}],\"daemonEndpoints\":{"
                            "\"kubeletEndpoint\":{\"Port\":%u}}}}",
                            agent.port));
    ck_assert_ptr_null(node.status);
    struct registry_call pod =
        create(&fixture, "pods", "ns",
               "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{"
               "\"name\":\"c\",\"image\":\"i\"}]}}");
    ck_assert_ptr_null(pod.status);
    const struct cached_object *seen = NULL;
    while ((seen = watch_cache_get(apiserver_cache(server), core("pods"), "ns", "p")) == NULL) {
        loop_turn(fixture.loop, true);
    }
    cached_object_unref(seen);
}

static void on_closed(void *data)
{
    *(bool *)data = true;
}

/* After all, the server still answers. */
static void teardown(void)
{
    struct client client = {.request = "GET /version HTTP/1.1\r\nHost: x\r\n"
                                       "Connection: close\r\n\r\n",
                            .port = apiserver_port(server),
                            .loop = fixture.loop,
                            .answer = arena_zeroed(fixture.arena, TEXT_MAX)};
    ck_assert_int_eq(pthread_create(&client.thread, NULL, client_run, &client), 0);
    while (!client.done) {
        loop_turn(fixture.loop, true);
    }
    pthread_join(client.thread, NULL);
    ck_assert_ptr_nonnull(strstr(client.answer, "200 OK"));
    close(agent.listener);
    bool closed = false;
    apiserver_close(server, on_closed, &closed);
    while (!closed) {
        loop_turn(fixture.loop, true);
    }
    metrics_free(metrics);
    pki_release(&pki);
    fixture_release(&fixture);
}

/* --- Answers that are no upgrade ---------------------------------------------------------------
 */

static void act_ok(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

START_TEST(an_answer_that_does_not_switch_is_no_exec)
{
    const char *answer = exec_gives(act_ok);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 500 "));
    ck_assert_ptr_nonnull(strstr(answer, "invalid upgrade response: status code 200"));
    ck_assert_ptr_null(strstr(answer, "hello"));
}
END_TEST

static void act_redirect(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n");
}

START_TEST(no_redirect_of_a_node_is_followed_or_passed_on)
{
    const char *exec = exec_gives(act_redirect);
    ck_assert_ptr_nonnull(strstr(exec, "invalid upgrade response: status code 302"));
    ck_assert_ptr_null(strstr(exec, "evil.example"));
}
END_TEST

START_TEST(a_log_that_redirects_is_an_error)
{
    const char *log = log_gives(act_redirect);
    ck_assert_ptr_nonnull(strstr(log, "HTTP/1.1 500 "));
    ck_assert_ptr_nonnull(strstr(log, "attempted to redirect"));
    ck_assert_ptr_null(strstr(log, "evil.example"));
}
END_TEST

static void act_not_found(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n"
            "no such c");
}

START_TEST(an_error_of_the_agent_reaches_the_client)
{
    const char *answer = exec_gives(act_not_found);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 404 "));
    ck_assert_ptr_nonnull(strstr(answer, "no such c"));
}
END_TEST

static void act_garbage(int fd, const char *request)
{
    (void)request;
    say(fd, "\x16\x03\x01garbage\r\n\r\nand more of it");
}

START_TEST(what_is_not_http_is_an_error)
{
    const char *answer = exec_gives(act_garbage);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 500 "));
    ck_assert_ptr_nonnull(strstr(answer, "error dialing backend"));
}
END_TEST

static void act_nothing(int fd, const char *request)
{
    (void)fd, (void)request;
}

START_TEST(an_agent_that_closes_at_once_is_an_error)
{
    ck_assert_ptr_nonnull(strstr(exec_gives(act_nothing), "HTTP/1.1 500 "));
}
END_TEST

static void act_huge_head(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 101 Switching Protocols\r\n");
    for (int i = 0; i < 10000; i++) {
        say(fd, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    }
}

START_TEST(a_head_without_end_is_an_error)
{
    ck_assert_ptr_nonnull(strstr(exec_gives(act_huge_head), "HTTP/1.1 500 "));
}
END_TEST

static void act_unasked_switch(int fd, const char *request)
{
    (void)request;
    say(fd, SWITCH);
}

START_TEST(a_log_that_switches_protocols_is_an_error)
{
    const char *answer = log_gives(act_unasked_switch);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 500 "));
    ck_assert_ptr_null(strstr(answer, "HTTP/1.1 101"));
}
END_TEST

/* --- After the switch --------------------------------------------------------------------------
 */

static void act_bytes_at_once(int fd, const char *request)
{
    (void)request;
    char all[512];
    (void)snprintf(all, sizeof(all), "%s\x82\x06\x01hello", SWITCH);
    say(fd, all); /* One segment: the head and the first frame. */
}

START_TEST(bytes_that_come_with_the_switch_are_not_lost)
{
    const char *answer = exec_gives(act_bytes_at_once);
    const char *end = strstr(answer, "\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 101 "));
    ck_assert_ptr_nonnull(end);
    ck_assert_str_eq(end + 4, "\x82\x06\x01hello");
}
END_TEST

static void act_many_bytes(int fd, const char *request)
{
    (void)request;
    say(fd, SWITCH);
    for (int i = 0; i < 20000; i++) {
        say(fd, "0123456789");
    }
}

START_TEST(all_that_was_sent_before_the_end_arrives)
{
    struct client client = {.request = EXEC};
    const char *answer = talk(&client, act_many_bytes);
    const char *end = strstr(answer, "\r\n\r\n");
    ck_assert_ptr_nonnull(end);
    ck_assert_uint_eq(strlen(end + 4), 200000);
}
END_TEST

static void act_garbage_frames(int fd, const char *request)
{
    (void)request;
    say(fd, SWITCH);
    say(fd, "\xff\xff\xff\xff\xff\xff\xff\x7f not a frame at all");
    (void)sees_end(fd);
}

START_TEST(garbage_after_the_switch_harms_nobody_else)
{
    struct client client = {.request = EXEC, .until = "at all", .then = "\xff\xff garbage back"};
    const char *answer = talk(&client, act_garbage_frames);
    ck_assert_ptr_nonnull(strstr(answer, "not a frame at all"));
}
END_TEST

static void act_reset(int fd, const char *request)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};
    (void)request;
    say(fd, SWITCH);
    while (sem_wait(&client_has_answer) != 0) {
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

START_TEST(a_reset_half_way_ends_the_client_too)
{
    struct client client = {.request = EXEC};
    ck_assert_ptr_nonnull(strstr(talk(&client, act_reset), "HTTP/1.1 101 "));
}
END_TEST

/* --- Those that stay silent --------------------------------------------------------------------
 */

static bool agent_saw_end;

static void act_hang(int fd, const char *request)
{
    (void)request;
    agent_saw_end = sees_end(fd);
}

START_TEST(a_client_that_leaves_frees_the_agent_that_hangs)
{
    struct client client = {.request = EXEC, .leaves = true};
    agent_saw_end = false;
    (void)talk(&client, act_hang);
    ck_assert(agent_saw_end);
}
END_TEST

static void act_hang_after_switch(int fd, const char *request)
{
    (void)request;
    say(fd, SWITCH);
    agent_saw_end = sees_end(fd);
}

START_TEST(a_client_that_leaves_an_open_stream_frees_the_agent)
{
    struct client client = {.request = EXEC, .until = "\r\n\r\n", .then = "bye"};
    agent_saw_end = false;
    (void)talk(&client, act_hang_after_switch);
    ck_assert(agent_saw_end);
}
END_TEST

static void act_half_log(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst line\n");
}

START_TEST(a_log_cut_half_way_is_not_taken_for_a_whole_one)
{
    const char *answer = log_gives(act_half_log);
    ck_assert_ptr_nonnull(strstr(answer, "first line"));
    ck_assert_ptr_null(strstr(answer, "\r\n0\r\n\r\n")); /* No proper end of the chunks. */
}
END_TEST

/* --- What goes to the agent --------------------------------------------------------------------
 */

START_TEST(no_credential_of_the_client_reaches_the_agent)
{
    struct client client = {.request = "GET /api/v1/namespaces/ns/pods/p/log?tailLines=1 HTTP/1.1"
                                       "\r\nHost: x\r\nAuthorization: Bearer secret\r\n"
                                       "Cookie: a=b\r\nConnection: close\r\n\r\n"};
    ck_assert_ptr_nonnull(strstr(talk(&client, act_ok), "hello"));
    ck_assert_ptr_nonnull(strstr(agent.request, "GET /containerLogs/ns/p/c?tailLines=1 HTTP/1.1"));
    ck_assert_ptr_null(strcasestr(agent.request, "secret"));
    ck_assert_ptr_null(strcasestr(agent.request, "cookie"));
}
END_TEST

START_TEST(exec_without_an_upgrade_does_not_reach_the_agent)
{
    struct client client = {.request = "POST /api/v1/namespaces/ns/pods/p/exec?command=sh HTTP/1.1"
                                       "\r\nHost: x\r\nContent-Length: 0\r\n"
                                       "Connection: close\r\n\r\n",
                            .port = apiserver_port(server),
                            .loop = fixture.loop,
                            .answer = arena_zeroed(fixture.arena, TEXT_MAX)};
    ck_assert_int_eq(pthread_create(&client.thread, NULL, client_run, &client), 0);
    while (!client.done) {
        loop_turn(fixture.loop, true);
    }
    pthread_join(client.thread, NULL);
    ck_assert_ptr_nonnull(strstr(client.answer, "HTTP/1.1 400 "));
    ck_assert_ptr_nonnull(strstr(client.answer, "Upgrade request required"));
}
END_TEST

Suite *proxy_suite(void);
Suite *proxy_suite(void)
{
    Suite *suite = suite_create("apiserver/proxy");
    TCase *tcase = tcase_create("agents");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, an_answer_that_does_not_switch_is_no_exec);
    tcase_add_test(tcase, no_redirect_of_a_node_is_followed_or_passed_on);
    tcase_add_test(tcase, a_log_that_redirects_is_an_error);
    tcase_add_test(tcase, an_error_of_the_agent_reaches_the_client);
    tcase_add_test(tcase, what_is_not_http_is_an_error);
    tcase_add_test(tcase, an_agent_that_closes_at_once_is_an_error);
    tcase_add_test(tcase, a_head_without_end_is_an_error);
    tcase_add_test(tcase, a_log_that_switches_protocols_is_an_error);
    tcase_add_test(tcase, bytes_that_come_with_the_switch_are_not_lost);
    tcase_add_test(tcase, all_that_was_sent_before_the_end_arrives);
    tcase_add_test(tcase, garbage_after_the_switch_harms_nobody_else);
    tcase_add_test(tcase, a_reset_half_way_ends_the_client_too);
    tcase_add_test(tcase, a_client_that_leaves_frees_the_agent_that_hangs);
    tcase_add_test(tcase, a_client_that_leaves_an_open_stream_frees_the_agent);
    tcase_add_test(tcase, a_log_cut_half_way_is_not_taken_for_a_whole_one);
    tcase_add_test(tcase, no_credential_of_the_client_reaches_the_agent);
    tcase_add_test(tcase, exec_without_an_upgrade_does_not_reach_the_agent);
    suite_add_tcase(suite, tcase);
    return suite;
}
