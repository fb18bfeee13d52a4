/* The whole of the node's networking in a network namespace of the test's own: routes and rules are
 * read back from the kernel, DNS is asked over sockets. */
#include "agent/network/network.h"

#include "agent/network/dns_server.h"
#include "agent/network/netlink.h"
#include "k8s/core_v1.pb-c.h"
#include "k8s/discovery_v1.pb-c.h"
#include "lib/base/alloc.h"
#include "tests/unit/network/scene.h"
#include <check.h>
#include <ldns/ldns.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

Suite *network_suite(void);

static bool own_namespace(void)
{
    if (unshare(CLONE_NEWNET) < 0) {
        puts("skipped: needs the right to make a network namespace");
        return false;
    }
    int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    ck_assert_int_eq(ioctl(socket_fd, SIOCSIFFLAGS, &request), 0);
    close(socket_fd);
    return true;
}

static char *command_output(const char *command)
{
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    char *text = alloc_array(1, 1 << 16);
    size_t len = fread(text, 1, (1 << 16) - 1, pipe);
    text[len] = '\0';
    pclose(pipe);
    return text;
}

static void expect_output(const char *command, const char *expected)
{
    char *text = command_output(command);
    ck_assert_msg(strstr(text, expected) != NULL, "%s lacks %s:\n%s", command, expected, text);
    free(text);
}

START_TEST(prefixes_are_parsed_and_masked)
{
    struct netlink_prefix prefix;
    ck_assert_int_eq(netlink_prefix_parse("10.244.7.9/24", &prefix), 0);
    ck_assert_uint_eq(prefix.length, 24);
    ck_assert_uint_eq(prefix.address.s_addr, scene_ip("10.244.7.0").s_addr);
    ck_assert_int_eq(netlink_prefix_parse("0.0.0.0/0", &prefix), 0);
    const char *bad[] = {"", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "fd00::/64", "1.2.3.4/x", "/8"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_int_lt(netlink_prefix_parse(bad[i], &prefix), 0);
    }
}
END_TEST

START_TEST(upstreams_are_read_and_loopback_is_left_out)
{
    struct in_addr upstreams[2];
    struct slice text = slice_text("# x\nsearch a\nnameserver 127.0.0.53\nnameserver\t9.9.9.9 \n"
                                   "nameserver ::1\nnameserver 8.8.4.4\nnameserver 1.1.1.1");
    ck_assert_uint_eq(dns_upstreams_parse(text, upstreams, 2), 2);
    ck_assert_uint_eq(upstreams[0].s_addr, scene_ip("9.9.9.9").s_addr);
    ck_assert_uint_eq(upstreams[1].s_addr, scene_ip("8.8.4.4").s_addr);
}
END_TEST

/* ---- network.c against the kernel ---- */

struct scene_network {
    uv_loop_t loop;
    uv_timer_t poll;
    struct network *network;
    int waited_ms;
    const char *command;
    const char *expected;
};

static void on_poll(uv_timer_t *timer)
{
    struct scene_network *scene = timer->data;
    char *text = command_output(scene->command);
    bool found = strstr(text, scene->expected) != NULL;
    free(text);
    scene->waited_ms += 10;
    ck_assert_msg(scene->waited_ms < 5000, "%s never had %s", scene->command, scene->expected);
    if (found) {
        uv_stop(&scene->loop);
    }
}

/* Runs the loop until `command` prints `expected`. */
static void run_until(struct scene_network *scene, const char *command, const char *expected)
{
    scene->command = command;
    scene->expected = expected;
    scene->waited_ms = 0;
    uv_timer_start(&scene->poll, on_poll, 0, 10);
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    uv_timer_stop(&scene->poll);
}

static void upsert_web(struct network_hooks *hooks)
{
    Core__V1__ServicePort port = CORE__V1__SERVICE_PORT__INIT;
    Core__V1__ServicePort *ports[] = {&port};
    Core__V1__ServiceSpec spec = CORE__V1__SERVICE_SPEC__INIT;
    Core__V1__Service service = CORE__V1__SERVICE__INIT;
    Meta__V1__ObjectMeta metadata = META__V1__OBJECT_META__INIT;
    metadata.name = "web";
    metadata.namespace_ = "default";
    port.name = "http";
    port.protocol = "TCP";
    port.port = 80;
    port.node_port = 30080;
    spec.ports = ports;
    spec.n_ports = 1;
    spec.type = "NodePort";
    spec.cluster_ip = "10.96.0.5";
    service.metadata = &metadata;
    service.spec = &spec;
    hooks->service_upsert(hooks->data, &service);

    Meta__V1__ObjectMeta__LabelsEntry label = META__V1__OBJECT_META__LABELS_ENTRY__INIT;
    Meta__V1__ObjectMeta__LabelsEntry *labels[] = {&label};
    Discovery__V1__EndpointPort slice_port = DISCOVERY__V1__ENDPOINT_PORT__INIT;
    Discovery__V1__EndpointPort *slice_ports[] = {&slice_port};
    Discovery__V1__Endpoint endpoint = DISCOVERY__V1__ENDPOINT__INIT;
    Discovery__V1__Endpoint *endpoints[] = {&endpoint};
    Discovery__V1__EndpointSlice slice = DISCOVERY__V1__ENDPOINT_SLICE__INIT;
    char *addresses[] = {"10.244.1.7", "not an address"};
    label.key = "kubernetes.io/service-name";
    label.value = "web";
    metadata.name = "web-x";
    metadata.labels = labels;
    metadata.n_labels = 1;
    slice_port.name = "http";
    slice_port.protocol = "TCP";
    slice_port.port = 8080;
    endpoint.addresses = addresses;
    endpoint.n_addresses = 2;
    slice.metadata = &metadata;
    slice.address_type = "IPv4";
    slice.ports = slice_ports;
    slice.n_ports = 1;
    slice.endpoints = endpoints;
    slice.n_endpoints = 1;
    hooks->slice_upsert(hooks->data, &slice);
}

static const struct network_cluster test_cluster = {
    .node_name = "here",
    .node_ip = "192.0.2.1",
    .cluster_dns = "10.96.0.10",
    .cluster_domain = "cluster.local",
    .service_cidr = "10.96.0.0/12",
    .cluster_cidr = "10.244.0.0/16",
};

START_TEST(hooks_become_routes_rules_and_a_cni_configuration)
{
    if (!own_namespace()) {
        return;
    }
    char directory[] = "/tmp/coracle_network_XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(directory));
    free(command_output("ip link add veth0 type veth peer name veth1;"
                        "ip addr add 192.0.2.1/24 dev veth0; ip link set veth0 up;"
                        "ip link set veth1 up"));
    struct scene_network scene = {.waited_ms = 0};
    ck_assert_int_eq(uv_loop_init(&scene.loop), 0);
    uv_timer_init(&scene.loop, &scene.poll);
    scene.poll.data = &scene;
    struct in_addr upstream = scene_ip("192.0.2.53");
    struct network_config config = {
        .loop = &scene.loop,
        .cni_conf_dir = directory,
        .cni_state_dir = directory,
        .upstreams = &upstream,
        .upstream_count = 1,
    };
    ck_assert_int_eq(network_open(&config, &scene.network, NULL), 0);
    struct network_hooks hooks = network_hooks(scene.network);
    const char *why = NULL;
    ck_assert(!hooks.ready(hooks.data, &why));
    ck_assert_ptr_nonnull(why);
    hooks.cluster(hooks.data, &test_cluster);
    hooks.pod_cidr(hooks.data, "10.244.1.0/24");
    ck_assert(hooks.ready(hooks.data, &why));
    hooks.node_upsert(hooks.data, "here", "192.0.2.1", "10.244.1.0/24");
    hooks.node_upsert(hooks.data, "there", "192.0.2.2", "10.244.2.0/24");
    upsert_web(&hooks);
    hooks.synced(hooks.data);
    run_until(&scene, "nft list table ip coracle 2>&1", "10.244.1.7 . 8080");
    run_until(&scene, "ip route", "10.244.2.0/24 via 192.0.2.2 dev veth0 proto 92");
    expect_output("ip addr show dev lo", "10.96.0.10/32");

    char *cat = alloc_printf("cat %s/10-coracle.conflist", directory);
    expect_output(cat, "\"subnet\": \"10.244.1.0/24\"");
    free(cat);

    hooks.node_upsert(hooks.data, "there", "192.0.2.3", "10.244.3.0/24");
    run_until(&scene, "ip route", "10.244.3.0/24 via 192.0.2.3");
    char *routes = command_output("ip route");
    ck_assert_ptr_null(strstr(routes, "10.244.2.0/24"));
    free(routes);
    hooks.node_remove(hooks.data, "there");
    run_until(&scene, "ip route | grep -c 10.244", "0");

    network_close(scene.network, NULL, NULL);
    uv_close((uv_handle_t *)&scene.poll, NULL);
    uv_run(&scene.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&scene.loop), 0);
    char *clean = alloc_printf("rm -r %s", directory);
    free(command_output(clean));
    free(clean);
}
END_TEST

/* ---- DNS over sockets ---- */

struct scene_dns {
    uv_loop_t loop;
    struct service_table table;
    struct dns_server *server;
    uv_udp_t upstream; /* A resolver that answers every query with its own bytes, as a response. */
    uv_udp_t client;
    uint8_t query[512];
    size_t query_len;
    uint8_t reply[512];
    ssize_t reply_len;
    unsigned upstream_queries;
    unsigned upstream_ignores;
};

static void scene_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    static char bytes[2048];
    *buf = uv_buf_init(bytes, sizeof(bytes));
}

static void on_upstream_query(uv_udp_t *udp, ssize_t size, const uv_buf_t *buf,
                              const struct sockaddr *from, unsigned flags)
{
    (void)flags;
    struct scene_dns *scene = udp->data;
    if (size <= 0) {
        return;
    }
    if (scene->upstream_queries++ < scene->upstream_ignores) {
        return;
    }
    ck_assert_int_ne(memcmp(buf->base, scene->query, 2), 0); /* The id is not the client's. */
    buf->base[2] |= (char)0x80;
    uv_buf_t out = uv_buf_init(buf->base, (unsigned)size);
    ck_assert_int_eq(uv_udp_try_send(udp, &out, 1, from), size);
}

static void on_reply(uv_udp_t *udp, ssize_t size, const uv_buf_t *buf, const struct sockaddr *from,
                     unsigned flags)
{
    (void)flags;
    struct scene_dns *scene = udp->data;
    if (from == NULL) {
        return;
    }
    memcpy(scene->reply, buf->base, (size_t)size);
    scene->reply_len = size;
    uv_stop(&scene->loop);
}

static void ask_over_udp(struct scene_dns *scene, const char *name)
{
    ldns_pkt *query =
        ldns_pkt_query_new(ldns_dname_new_frm_str(name), LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN, LDNS_RD);
    ldns_pkt_set_id(query, 0x4242);
    uint8_t *wire;
    ck_assert_int_eq(ldns_pkt2wire(&wire, query, &scene->query_len), LDNS_STATUS_OK);
    memcpy(scene->query, wire, scene->query_len);
    free(wire);
    ldns_pkt_free(query);
    struct sockaddr_in to;
    uv_ip4_addr("127.0.0.1", 5399, &to);
    uv_buf_t buf = uv_buf_init((char *)scene->query, (unsigned)scene->query_len);
    uv_udp_try_send(&scene->client, &buf, 1, (const struct sockaddr *)&to);
    uv_run(&scene->loop, UV_RUN_DEFAULT);
}

static void open_udp(struct scene_dns *scene, uv_udp_t *udp, int port, uv_udp_recv_cb receive)
{
    struct sockaddr_in address;
    uv_ip4_addr("127.0.0.1", port, &address);
    uv_udp_init(&scene->loop, udp);
    udp->data = scene;
    ck_assert_int_eq(uv_udp_bind(udp, (const struct sockaddr *)&address, 0), 0);
    ck_assert_int_eq(uv_udp_recv_start(udp, scene_buffer, receive), 0);
}

START_TEST(dns_answers_cluster_names_and_forwards_the_rest_with_retries)
{
    if (!own_namespace()) {
        return;
    }
    struct scene_dns scene = {.upstream_ignores = 1};
    ck_assert_int_eq(uv_loop_init(&scene.loop), 0);
    service_table_init(&scene.table);
    ck_assert_int_eq(service_table_upsert(&scene.table, scene_service("web", "10.96.0.5", 0)), 0);
    struct in_addr upstream = scene_ip("127.0.0.1");
    struct dns_server_config config = {
        .loop = &scene.loop,
        .table = &scene.table,
        .domain = "cluster.local",
        .address = upstream,
        .port = 5399,
        .upstreams = &upstream,
        .upstream_count = 1,
        .upstream_port = 5398,
    };
    ck_assert_int_eq(dns_server_open(&config, &scene.server, NULL), 0);
    open_udp(&scene, &scene.upstream, 5398, on_upstream_query);
    open_udp(&scene, &scene.client, 5397, on_reply);

    ask_over_udp(&scene, "web.default.svc.cluster.local.");
    ck_assert_uint_eq(scene.reply[3] & 0x0f, LDNS_RCODE_NOERROR);
    ck_assert_uint_eq(scene.reply[7], 1); /* one answer */
    ck_assert_uint_eq(scene.upstream_queries, 0);

    ask_over_udp(&scene, "example.org.");
    ck_assert_uint_eq(scene.upstream_queries, 2); /* The first one was lost. */
    ck_assert_int_eq(memcmp(scene.reply, scene.query, 2), 0);
    ck_assert_int_eq(memcmp(scene.reply + 12, scene.query + 12, scene.query_len - 12), 0);

    scene.upstream_ignores = 1000;
    ask_over_udp(&scene, "example.org.");
    ck_assert_uint_eq(scene.reply[3] & 0x0f, LDNS_RCODE_SERVFAIL);

    dns_server_close(scene.server, NULL, NULL);
    uv_close((uv_handle_t *)&scene.upstream, NULL);
    uv_close((uv_handle_t *)&scene.client, NULL);
    uv_run(&scene.loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&scene.loop), 0);
    service_table_release(&scene.table);
}
END_TEST

Suite *network_suite(void)
{
    Suite *suite = suite_create("network/network");
    TCase *tcase = tcase_create("network");
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, prefixes_are_parsed_and_masked);
    tcase_add_test(tcase, upstreams_are_read_and_loopback_is_left_out);
    tcase_add_test(tcase, hooks_become_routes_rules_and_a_cni_configuration);
    tcase_add_test(tcase, dns_answers_cluster_names_and_forwards_the_rest_with_retries);
    suite_add_tcase(suite, tcase);
    return suite;
}
