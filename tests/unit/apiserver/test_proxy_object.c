/* What passes the proxy subresource, and what does not, with a backend that is not nice: that of a
 * node, as any address may be its. */
#include "tests/unit/apiserver/proxy_fixture.h"
#include <stdio.h>

#define PROXY "/api/v1/nodes/n1/proxy"

static void act_ok(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Mine: 1\r\nDate: then\r\n"
            "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\r\nhello");
}

static const char *request_with(const char *line, const char *headers, const char *body)
{
    return arena_printf(proxied.base.arena,
                        "%s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n%s\r\n%s", line,
                        strlen(body), headers, body);
}

static const char *pass(const char *line, const char *headers, const char *body, agent_act *act)
{
    struct client client = {.request = request_with(line, headers, body)};
    return talk(&client, act);
}

static bool agent_got(const char *text)
{
    return strcasestr(proxied.agent.request, text) != NULL;
}

START_TEST(method_path_query_and_body_pass)
{
    const char *answer = pass("PUT " PROXY "/a%20b/c/?x=%2F&y", "X-Mine: 2\r\n", "", act_ok);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 200 OK"));
    ck_assert_ptr_nonnull(strstr(answer, "hello"));
    ck_assert(agent_got("PUT /a%20b/c/?x=%2F&y HTTP/1.1\r\n"));
    ck_assert(agent_got("\r\nx-mine: 2\r\n"));
    ck_assert(agent_got("\r\nx-forwarded-for: 127.0.0.1\r\n"));
}
END_TEST

START_TEST(headers_of_the_connection_do_not_pass)
{
    const char *answer = pass("GET " PROXY "/",
                              "Connection: close, X-Hop\r\nX-Hop: 1\r\nTE: gzip\r\n"
                              "Proxy-Authorization: Basic eA==\r\nKeep-Alive: 5\r\n",
                              "", act_ok);
    ck_assert_ptr_nonnull(strcasestr(answer, "\r\nx-mine: 1\r\n"));
    ck_assert_ptr_null(strcasestr(answer, "x-hop"));
    ck_assert_ptr_null(strcasestr(answer, "timeout=5"));
    ck_assert_ptr_null(strstr(answer, "then"));
    ck_assert(!agent_got("x-hop"));
    ck_assert(!agent_got("te: "));
    ck_assert(!agent_got("keep-alive"));
    ck_assert(!agent_got("proxy-authorization"));
}
END_TEST

static void act_trailers(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n"
            "0\r\nX-Sum: 42\r\nContent-Length: 7\r\nConnection: close\r\nX-Late: yes\r\n\r\n");
}

START_TEST(trailers_of_an_answer_pass)
{
    const char *answer =
        pass("GET " PROXY "/", "Connection: close\r\nTE: gzip, trailers\r\n", "", act_trailers);
    ck_assert(agent_got("\r\nte: trailers\r\n"));
    ck_assert_ptr_nonnull(strstr(answer, "\r\ntrailer: X-Sum\r\n"));
    ck_assert_ptr_nonnull(strstr(answer, "5\r\nhello\r\n0\r\nx-sum: 42\r\nx-late: yes\r\n\r\n"));
}
END_TEST

static void act_broken_trailers(int fd, const char *request)
{
    (void)request;
    say(fd,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nno field\r\n\r\n");
}

START_TEST(an_answer_with_broken_trailers_is_cut)
{
    const char *answer = pass("GET " PROXY "/", "Connection: close\r\n", "", act_broken_trailers);
    ck_assert_ptr_null(strstr(answer, "\r\n0\r\n")); /* No proper end of the chunks, if any came. */
    ck_assert_ptr_null(strstr(answer, "no field"));
}
END_TEST

START_TEST(credentials_and_claims_of_the_client_do_not_pass)
{
    (void)pass("GET " PROXY "/",
               "Authorization: Bearer secret\r\nX-Remote-User: root\r\nX_Remote_Group: masters\r\n"
               "x-remote_extra-a: b\r\n"
               "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.c2VjcmV0, chat\r\n",
               "", act_ok);
    ck_assert(agent_got("GET / HTTP/1.1"));
    ck_assert(!agent_got("secret"));
    ck_assert(!agent_got("remote"));
    ck_assert(!agent_got("c2VjcmV0"));
    ck_assert(agent_got("sec-websocket-protocol: chat\r\n"));
}
END_TEST

START_TEST(a_path_without_its_slash_is_redirected)
{
    const char *answer = ask("GET " PROXY "?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 301 "));
    ck_assert_ptr_nonnull(strstr(answer, "location: " PROXY "/?a=b\r\n"));
}
END_TEST

/* As in v1.32. */
START_TEST(an_encoded_slash_arrives_as_a_slash)
{
    const char *answer = pass("GET " PROXY "/a%2Fb%20c", "", "", act_ok);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 200 OK"));
    ck_assert(agent_got("GET /a/b%20c HTTP/1.1\r\n"));
}
END_TEST

START_TEST(a_path_that_climbs_out_is_refused)
{
    static const char *const paths[] = {PROXY "/../../secrets", PROXY "/%2e%2e/x",
                                        PROXY "/a%2f..%2fb", PROXY "/a%00b"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        const char *answer =
            ask(arena_printf(proxied.base.arena,
                             "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", paths[i]));
        ck_assert_msg(strstr(answer, "HTTP/1.1 400 ") != NULL, "%s: %s", paths[i], answer);
    }
}
END_TEST

static void act_redirect(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 302 Found\r\nLocation: /login?x\r\nContent-Length: 0\r\n\r\n");
}

START_TEST(a_redirect_to_a_path_stays_behind_the_proxy)
{
    const char *answer = pass("GET " PROXY "/a/b", "", "", act_redirect);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 302 "));
    ck_assert_ptr_nonnull(strstr(answer, "location: " PROXY "/login?x\r\n"));
}
END_TEST

static void act_page(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 17\r\n"
            "Access-Control-Allow-Origin: *\r\n\r\n<a href=\"/x\">y</");
}

START_TEST(links_of_a_page_lead_through_the_proxy)
{
    const char *answer = pass("GET " PROXY "/a/b",
                              "Accept: text/html,*/*\r\nAccept-Encoding: gzip\r\n", "", act_page);
    ck_assert_ptr_nonnull(strstr(answer, "<a href=\"" PROXY "/x\">y</"));
    ck_assert_ptr_null(strstr(answer, "content-length: 17"));
    ck_assert_ptr_null(strstr(answer, "access-control"));
    ck_assert(!agent_got("accept-encoding"));
}
END_TEST

static void act_compressed_page(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n"
            "Content-Length: 13\r\n\r\n<a href=\"/x\">");
}

START_TEST(what_is_no_plain_page_passes_as_it_is)
{
    const char *answer =
        pass("GET " PROXY "/a", "Accept-Encoding: gzip\r\n", "", act_compressed_page);
    ck_assert_ptr_nonnull(strstr(answer, "<a href=\"/x\">"));
    ck_assert_ptr_nonnull(strstr(answer, "content-length: 13"));
    ck_assert(agent_got("accept-encoding: gzip"));
}
END_TEST

static void act_smuggle(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            "0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
}

static void act_two_lengths(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!");
}

START_TEST(an_answer_that_two_readers_read_differently_is_refused)
{
    const char *both = pass("GET " PROXY "/", "", "", act_smuggle);
    ck_assert_ptr_nonnull(strstr(both, "HTTP/1.1 503 "));
    ck_assert_ptr_nonnull(strstr(both, "error trying to reach service"));
}
END_TEST

START_TEST(an_answer_with_two_lengths_is_refused)
{
    ck_assert_ptr_nonnull(strstr(pass("GET " PROXY "/", "", "", act_two_lengths), "HTTP/1.1 503 "));
}
END_TEST

static void act_endless_head(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 30000; i++) {
        say(fd, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    }
}

START_TEST(a_head_without_end_is_refused)
{
    ck_assert_ptr_nonnull(
        strstr(pass("GET " PROXY "/", "", "", act_endless_head), "HTTP/1.1 503 "));
}
END_TEST

static void act_unasked_switch(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n");
}

/* CVE-2018-1002105: a connection that did not switch must not be taken for one that did. */
START_TEST(a_switch_that_nobody_asked_for_is_refused)
{
    ck_assert_ptr_nonnull(
        strstr(pass("GET " PROXY "/", "", "", act_unasked_switch), "HTTP/1.1 503 "));
}
END_TEST

static void act_no_switch(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno!");
    ck_assert(sees_end(fd));
}

START_TEST(a_switch_that_is_refused_leaves_no_open_connection)
{
    struct client client = {.request =
                                "GET " PROXY "/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                                "Upgrade: websocket\r\n\r\n"};
    const char *answer = talk(&client, act_no_switch);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 400 "));
    ck_assert_ptr_nonnull(strstr(answer, "no!"));
    ck_assert(agent_got("\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"));
}
END_TEST

static void act_echo(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "X-Mine: 1\r\n\r\nfirst");
}

START_TEST(a_connection_that_switches_is_passed_on_both_ways)
{
    struct client client = {.request =
                                "GET " PROXY "/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                                "Upgrade: websocket\r\n\r\n"};
    const char *answer = talk(&client, act_echo);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 101 "));
    ck_assert_ptr_nonnull(strcasestr(answer, "\r\nupgrade: websocket\r\n"));
    ck_assert_ptr_nonnull(strstr(answer, "x-mine: 1"));
    ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\nfirst"));
}
END_TEST

/* CVE-2022-3294, CVE-2020-8562: the address that is dialled is the one that was looked at; no name
 * is resolved, nothing of the server itself is reached. */
START_TEST(names_that_are_none_and_addresses_of_our_own_are_refused)
{
    static const struct {
        const char *path, *says;
    } rows[] = {{"nodes/a:b:c:d/proxy/", "invalid node request"},
                {"nodes/ftp:n1:80/proxy/", "invalid node request"},
                {"nodes/n1:99999/proxy/", "invalid node request"},
                {"nodes/n1:1/proxy/", "address not allowed"}, /* 127.0.0.1, and not its agent. */
                {"nodes/nobody/proxy/", "not found"},
                {"namespaces/ns/pods/p/proxy/", "address not allowed"}, /* It has none. */
                {"namespaces/ns/pods/p:web/proxy/", "invalid pod request"},
                {"namespaces/ns/pods/nobody/proxy/", "not found"},
                {"namespaces/ns/services/nobody/proxy/", "not found"},
                {"namespaces/ns/services/:/proxy/", "invalid service request"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *answer = ask(arena_printf(
            proxied.base.arena, "GET /api/v1/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            rows[i].path));
        ck_assert_msg(strstr(answer, rows[i].says) != NULL, "%s: %s", rows[i].path, answer);
    }
}
END_TEST

/* --- Pods, through the agent of their node --- */

static void give_address(void)
{
    struct registry_call call = {
        .verb = REGISTRY_PATCH,
        .kind = core("pods"),
        .namespace = "ns",
        .name = "p",
        .subresource = "status",
        .patch_type = REGISTRY_PATCH_MERGE,
        .patch =
            slice_text("{\"status\":{\"podIP\":\"10.1.2.3\",\"podIPs\":[{\"ip\":\"10.1.2.3\"}]}}")};
    run(&proxied.base, &call);
    ck_assert_ptr_null(call.status);
    bool seen = false;
    while (!seen) {
        const struct cached_object *object =
            watch_cache_get(apiserver_cache(proxied.server), core("pods"), "ns", "p");
        struct chunk *json = cached_object_json(object);
        seen = strstr((const char *)json->bytes.data, "10.1.2.3") != NULL;
        chunk_unref(json);
        cached_object_unref(object);
        loop_turn(proxied.base.loop, !seen);
    }
}

static char inner[1024]; /* What came through the tunnel. */

static void act_lead(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n");
    hear_head(fd, inner, sizeof(inner));
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\npod");
}

START_TEST(a_pod_is_reached_through_the_agent_of_its_node)
{
    give_address();
    const char *answer =
        pass("GET /api/v1/namespaces/ns/pods/p:81/proxy/a?b=c", "X-Mine: 2\r\n", "", act_lead);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 200 OK"));
    ck_assert_ptr_nonnull(strstr(answer, "\r\n\r\npod"));
    ck_assert(agent_got("GET /connect/ns/p/81 HTTP/1.1\r\n"));
    ck_assert(agent_got("\r\nupgrade: tcp\r\n"));
    ck_assert(!agent_got("x-mine"));
    ck_assert_ptr_nonnull(strstr(inner, "GET /a?b=c HTTP/1.1\r\nhost: 10.1.2.3:81\r\n"));
    ck_assert_ptr_nonnull(strcasestr(inner, "x-mine: 2\r\n"));
}
END_TEST

static void act_not_there(int fd, const char *request)
{
    (void)request;
    say(fd, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 30\r\n\r\n10.1.2.3:81: nobody is there..");
}

START_TEST(a_port_of_a_pod_that_nobody_listens_at_is_said_so)
{
    give_address();
    const char *answer = pass("GET /api/v1/namespaces/ns/pods/p:81/proxy/", "", "", act_not_there);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 503 "));
    ck_assert_ptr_nonnull(strstr(answer, "error trying to reach service: dial tcp 10.1.2.3:81: "
                                         "connect: connection refused"));
}
END_TEST

static void act_hang_before_leading(int fd, const char *request)
{
    (void)request;
    ck_assert(sees_end(fd));
}

START_TEST(a_client_that_leaves_gives_the_way_up)
{
    give_address();
    struct client client = {.request = "GET /api/v1/namespaces/ns/pods/p:81/proxy/ HTTP/1.1\r\n"
                                       "Host: x\r\n\r\n",
                            .leaves = true};
    (void)talk(&client, act_hang_before_leading);
}
END_TEST

Suite *proxy_object_suite(void);
Suite *proxy_object_suite(void)
{
    Suite *suite = suite_create("apiserver/proxy_object");
    TCase *tcase = tcase_create("backends");
    tcase_add_checked_fixture(tcase, proxy_setup, proxy_teardown);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, method_path_query_and_body_pass);
    tcase_add_test(tcase, headers_of_the_connection_do_not_pass);
    tcase_add_test(tcase, trailers_of_an_answer_pass);
    tcase_add_test(tcase, an_answer_with_broken_trailers_is_cut);
    tcase_add_test(tcase, credentials_and_claims_of_the_client_do_not_pass);
    tcase_add_test(tcase, a_path_without_its_slash_is_redirected);
    tcase_add_test(tcase, an_encoded_slash_arrives_as_a_slash);
    tcase_add_test(tcase, a_path_that_climbs_out_is_refused);
    tcase_add_test(tcase, a_redirect_to_a_path_stays_behind_the_proxy);
    tcase_add_test(tcase, links_of_a_page_lead_through_the_proxy);
    tcase_add_test(tcase, what_is_no_plain_page_passes_as_it_is);
    tcase_add_test(tcase, an_answer_that_two_readers_read_differently_is_refused);
    tcase_add_test(tcase, an_answer_with_two_lengths_is_refused);
    tcase_add_test(tcase, a_head_without_end_is_refused);
    tcase_add_test(tcase, a_switch_that_nobody_asked_for_is_refused);
    tcase_add_test(tcase, a_switch_that_is_refused_leaves_no_open_connection);
    tcase_add_test(tcase, a_connection_that_switches_is_passed_on_both_ways);
    tcase_add_test(tcase, names_that_are_none_and_addresses_of_our_own_are_refused);
    tcase_add_test(tcase, a_pod_is_reached_through_the_agent_of_its_node);
    tcase_add_test(tcase, a_port_of_a_pod_that_nobody_listens_at_is_said_so);
    tcase_add_test(tcase, a_client_that_leaves_gives_the_way_up);
    suite_add_tcase(suite, tcase);
    return suite;
}
