#include "agent/network/dns_answer.h"

#include "agent/network/limits.h"
#include "lib/base/alloc.h"
#include "tests/unit/network/scene.h"
#include <check.h>
#include <ldns/ldns.h>
#include <stdlib.h>

Suite *dns_answer_suite(void);

static struct service_table table;
static ldns_pkt *reply; /* Of the last ask(). */

static void setup(void)
{
    static const char *const pods[] = {"10.244.1.2", "10.244.2.3"};
    service_table_init(&table);
    ck_assert_int_eq(service_table_upsert(&table, scene_service("web", "10.96.0.5", 0)), 0);
    struct service_spec *headless = scene_service("db", "", 0);
    headless->kind = SERVICE_HEADLESS;
    ck_assert_int_eq(service_table_upsert(&table, headless), 0);
    ck_assert_int_eq(service_table_upsert_slice(&table, scene_slice("db", "db-1", pods, 2)), 0);
    struct service_spec *external = scene_service("ext", "", 0);
    external->kind = SERVICE_EXTERNAL_NAME;
    external->external_name = "example.org";
    ck_assert_int_eq(service_table_upsert(&table, external), 0);
}

static void teardown(void)
{
    ldns_pkt_free(reply);
    reply = NULL;
    service_table_release(&table);
}

static enum dns_verdict ask_bytes(struct slice query, size_t size_max)
{
    CLEANUP(buffer_release) struct buffer answer;
    buffer_init(&answer, DNS_MESSAGE_BYTES_MAX);
    enum dns_verdict verdict = dns_answer(&table, "cluster.local", query, size_max, &answer);
    ldns_pkt_free(reply);
    reply = NULL;
    if (verdict == DNS_ANSWERED) {
        ck_assert_uint_le(answer.len, size_max < DNS_UDP_BYTES_MAX ? DNS_UDP_BYTES_MAX : size_max);
        ck_assert_int_eq(ldns_wire2pkt(&reply, answer.data, answer.len), LDNS_STATUS_OK);
        ck_assert(ldns_pkt_qr(reply));
        ck_assert_uint_eq(ldns_pkt_id(reply), 4711);
    }
    return verdict;
}

static enum dns_verdict ask_limit(const char *name, ldns_rr_type type, size_t size_max)
{
    ldns_pkt *query =
        ldns_pkt_query_new(ldns_dname_new_frm_str(name), type, LDNS_RR_CLASS_IN, LDNS_RD);
    ldns_pkt_set_id(query, 4711);
    uint8_t *wire;
    size_t size;
    ck_assert_int_eq(ldns_pkt2wire(&wire, query, &size), LDNS_STATUS_OK);
    enum dns_verdict verdict = ask_bytes(slice_of(wire, size), size_max);
    free(wire);
    ldns_pkt_free(query);
    return verdict;
}

static enum dns_verdict ask(const char *name, ldns_rr_type type)
{
    return ask_limit(name, type, DNS_UDP_BYTES_DEFAULT);
}

/* The text of answer `index`, after its owner name and TTL. */
static void expect_answer(size_t index, const char *expected)
{
    ck_assert_uint_gt(ldns_pkt_ancount(reply), index);
    char *text = ldns_rr2str(ldns_rr_list_rr(ldns_pkt_answer(reply), index));
    ck_assert_msg(strstr(text, expected) != NULL, "%s lacks %s", text, expected);
    free(text);
}

START_TEST(a_service_name_gives_its_cluster_ip_whatever_the_case)
{
    ck_assert_int_eq(ask("Web.default.SVC.cluster.local.", LDNS_RR_TYPE_A), DNS_ANSWERED);
    ck_assert_uint_eq(ldns_pkt_ancount(reply), 1);
    expect_answer(0, "10.96.0.5");
}
END_TEST

START_TEST(no_ipv6_address_is_no_data_and_an_unknown_name_is_nxdomain)
{
    ck_assert_int_eq(ask("web.default.svc.cluster.local.", LDNS_RR_TYPE_AAAA), DNS_ANSWERED);
    ck_assert_int_eq(ldns_pkt_get_rcode(reply), LDNS_RCODE_NOERROR);
    ck_assert_uint_eq(ldns_pkt_ancount(reply), 0);
    ck_assert_uint_eq(ldns_pkt_nscount(reply), 1);
    ck_assert_int_eq(ask("nope.default.svc.cluster.local.", LDNS_RR_TYPE_A), DNS_ANSWERED);
    ck_assert_int_eq(ldns_pkt_get_rcode(reply), LDNS_RCODE_NXDOMAIN);
    ck_assert_int_eq(ask("default.svc.cluster.local.", LDNS_RR_TYPE_A), DNS_ANSWERED);
    ck_assert_int_eq(ldns_pkt_get_rcode(reply), LDNS_RCODE_NOERROR);
}
END_TEST

START_TEST(a_headless_service_gives_every_ready_endpoint_and_each_by_name)
{
    ck_assert_int_eq(ask("db.default.svc.cluster.local.", LDNS_RR_TYPE_A), DNS_ANSWERED);
    ck_assert_uint_eq(ldns_pkt_ancount(reply), 2);
    ck_assert_int_eq(ask("pod-1.db.default.svc.cluster.local.", LDNS_RR_TYPE_A), DNS_ANSWERED);
    ck_assert_uint_eq(ldns_pkt_ancount(reply), 1);
    expect_answer(0, "10.244.2.3");
    ck_assert_int_eq(ask("10-244-1-2.db.default.svc.cluster.local.", LDNS_RR_TYPE_A), DNS_ANSWERED);
    expect_answer(0, "10.244.1.2");
}
END_TEST

START_TEST(srv_names_ports_of_services_and_of_endpoints)
{
    ck_assert_int_eq(ask("_http._tcp.web.default.svc.cluster.local.", LDNS_RR_TYPE_SRV),
                     DNS_ANSWERED);
    expect_answer(0, "80 web.default.svc.cluster.local.");
    ck_assert_int_eq(ask("_http._tcp.db.default.svc.cluster.local.", LDNS_RR_TYPE_SRV),
                     DNS_ANSWERED);
    ck_assert_uint_eq(ldns_pkt_ancount(reply), 2);
    expect_answer(0, "8080 pod-0.db.default.svc.cluster.local.");
    ck_assert_uint_eq(ldns_pkt_arcount(reply), 2);
    ck_assert_int_eq(ask("_dns._udp.web.default.svc.cluster.local.", LDNS_RR_TYPE_SRV),
                     DNS_ANSWERED);
    ck_assert_int_eq(ldns_pkt_get_rcode(reply), LDNS_RCODE_NXDOMAIN);
}
END_TEST

START_TEST(pods_reverse_names_and_external_names)
{
    ck_assert_int_eq(ask("10-244-1-9.default.pod.cluster.local.", LDNS_RR_TYPE_A), DNS_ANSWERED);
    expect_answer(0, "10.244.1.9");
    ck_assert_int_eq(ask("5.0.96.10.in-addr.arpa.", LDNS_RR_TYPE_PTR), DNS_ANSWERED);
    expect_answer(0, "web.default.svc.cluster.local.");
    ck_assert_int_eq(ask("9.9.9.9.in-addr.arpa.", LDNS_RR_TYPE_PTR), DNS_FORWARD);
    ck_assert_int_eq(ask("ext.default.svc.cluster.local.", LDNS_RR_TYPE_A), DNS_ANSWERED);
    expect_answer(0, "CNAME\texample.org.");
}
END_TEST

START_TEST(other_names_are_forwarded_and_what_is_no_query_is_dropped)
{
    ck_assert_int_eq(ask("example.org.", LDNS_RR_TYPE_A), DNS_FORWARD);
    ck_assert_int_eq(ask("notcluster.local.", LDNS_RR_TYPE_A), DNS_FORWARD);
    ck_assert_int_eq(ask_bytes(slice_text("short"), 512), DNS_DROP);
    uint8_t response[12] = {0x12, 0x67, 0x80};
    ck_assert_int_eq(ask_bytes(slice_of(response, sizeof(response)), 512), DNS_DROP);
    uint8_t empty[12] = {0x12, 0x67};
    ck_assert_int_eq(ask_bytes(slice_of(empty, sizeof(empty)), 512), DNS_DROP);
}
END_TEST

START_TEST(an_answer_too_long_for_udp_says_so_and_tcp_carries_it)
{
    const char *addresses[60];
    char *texts[60];
    for (size_t i = 0; i < 60; i++) {
        texts[i] = alloc_printf("10.244.9.%zu", i + 1);
        addresses[i] = texts[i];
    }
    ck_assert_int_eq(service_table_upsert_slice(&table, scene_slice("db", "db-2", addresses, 60)),
                     0);
    ck_assert_int_eq(ask("db.default.svc.cluster.local.", LDNS_RR_TYPE_A), DNS_ANSWERED);
    ck_assert(ldns_pkt_tc(reply));
    ck_assert_int_eq(
        ask_limit("db.default.svc.cluster.local.", LDNS_RR_TYPE_A, DNS_MESSAGE_BYTES_MAX),
        DNS_ANSWERED);
    ck_assert(!ldns_pkt_tc(reply));
    ck_assert_uint_eq(ldns_pkt_ancount(reply), 62);
    for (size_t i = 0; i < 60; i++) {
        free(texts[i]);
    }
}
END_TEST

Suite *dns_answer_suite(void)
{
    Suite *suite = suite_create("network/dns_answer");
    TCase *tcase = tcase_create("answers");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_service_name_gives_its_cluster_ip_whatever_the_case);
    tcase_add_test(tcase, no_ipv6_address_is_no_data_and_an_unknown_name_is_nxdomain);
    tcase_add_test(tcase, a_headless_service_gives_every_ready_endpoint_and_each_by_name);
    tcase_add_test(tcase, srv_names_ports_of_services_and_of_endpoints);
    tcase_add_test(tcase, pods_reverse_names_and_external_names);
    tcase_add_test(tcase, other_names_are_forwarded_and_what_is_no_query_is_dropped);
    tcase_add_test(tcase, an_answer_too_long_for_udp_says_so_and_tcp_carries_it);
    suite_add_tcase(suite, tcase);
    return suite;
}
