/* The scripts are checked as text, and, where this user may, by the kernel in a network namespace
 * of the test's own: a script that reads well but that nft refuses is of no use. */
#include "agent/network/nft_rules.h"

#include "tests/unit/network/scene.h"
#include <check.h>
#include <nftables/libnftables.h>
#include <sched.h>
#include <stdio.h>

Suite *nft_rules_suite(void);

struct fixture {
    struct service_table table;
    struct nft_rules *rules;
    struct nft_rules_config config;
    struct buffer script;
    struct nft_ctx *nft; /* NULL without the right to make a network namespace. */
};

static struct fixture fix;

static void setup(void)
{
    service_table_init(&fix.table);
    fix.rules = nft_rules_new();
    fix.config = (struct nft_rules_config){
        .node_name = "here",
        .cluster_cidr = "10.244.0.0/16",
        .pod_cidr = "10.244.1.0/24",
        .masquerade_bridged = true,
    };
    buffer_init(&fix.script, 1 << 24);
    fix.nft = unshare(CLONE_NEWNET) == 0 ? nft_ctx_new(NFT_CTX_DEFAULT) : NULL;
    if (fix.nft == NULL) {
        puts("no network namespace for this user: scripts are checked as text only");
    }
}

static void teardown(void)
{
    nft_rules_free(fix.rules, &fix.table);
    service_table_release(&fix.table);
    buffer_release(&fix.script);
    if (fix.nft != NULL) {
        nft_ctx_free(fix.nft);
    }
}

static void run_script(void)
{
    if (fix.nft != NULL && fix.script.len > 0) {
        ck_assert_int_eq(nft_run_cmd_from_buffer(fix.nft, buffer_text(&fix.script)), 0);
    }
}

static void reset(void)
{
    buffer_clear(&fix.script);
    nft_rules_reset(fix.rules, &fix.config, &fix.table, &fix.script);
    run_script();
}

static const char *update(void)
{
    buffer_clear(&fix.script);
    nft_rules_update(fix.rules, &fix.config, &fix.table, &fix.script);
    run_script();
    return buffer_text(&fix.script);
}

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++) {
        count++;
    }
    return count;
}

static void add_web(const char *const *addresses, size_t count, uint16_t node_port)
{
    ck_assert_int_eq(service_table_upsert(&fix.table, scene_service("web", "10.96.0.5", node_port)),
                     0);
    ck_assert_int_eq(
        service_table_upsert_slice(&fix.table, scene_slice("web", "web-1", addresses, count)), 0);
}

START_TEST(a_service_is_one_element_and_one_rule_however_many_endpoints)
{
    const char *addresses[] = {"10.244.1.2", "10.244.2.3", "10.244.3.4"};
    reset();
    add_web(addresses, 3, 0);
    const char *script = update();
    ck_assert_uint_eq(
        count_of(script, "add element ip coracle service_ips { tcp . 10.96.0.5 . 80 :"), 1);
    ck_assert_uint_eq(count_of(script, "add rule"), 1);
    ck_assert_ptr_nonnull(strstr(script, "numgen random mod 3 map { 0 : 10.244.1.2 . 8080, 1 : "
                                         "10.244.2.3 . 8080, 2 : 10.244.3.4 . 8080 }"));
}
END_TEST

START_TEST(an_upsert_that_changes_nothing_writes_nothing)
{
    const char *addresses[] = {"10.244.1.2"};
    reset();
    add_web(addresses, 1, 0);
    (void)update();
    add_web(addresses, 1, 0);
    ck_assert_str_eq(update(), "");
}
END_TEST

START_TEST(a_service_without_endpoints_is_refused_not_dropped)
{
    reset();
    ck_assert_int_eq(service_table_upsert(&fix.table, scene_service("web", "10.96.0.5", 30080)), 0);
    const char *script = update();
    ck_assert_ptr_nonnull(
        strstr(script, "add element ip coracle no_endpoint_ips { tcp . 10.96.0.5 . 80 }"));
    ck_assert_ptr_nonnull(
        strstr(script, "add element ip coracle no_endpoint_nodeports { tcp . 30080 }"));
    ck_assert_uint_eq(count_of(script, "add rule"), 0);
    const char *addresses[] = {"10.244.1.2"};
    add_web(addresses, 1, 30080);
    script = update();
    ck_assert_ptr_nonnull(strstr(script, "delete element ip coracle no_endpoint_ips"));
    ck_assert_ptr_nonnull(
        strstr(script, "add element ip coracle service_nodeports { tcp . 30080 :"));
}
END_TEST

START_TEST(node_ports_masquerade_unless_the_policy_is_local)
{
    const char *addresses[] = {"10.244.1.2", "10.244.2.3"};
    reset();
    add_web(addresses, 2, 30080);
    ck_assert_ptr_nonnull(strstr(update(), "meta mark set meta mark or 0x4000"));
    struct service_spec *local = scene_service("web", "10.96.0.5", 30080);
    local->external_local = true;
    ck_assert_int_eq(service_table_upsert(&fix.table, local), 0);
    const char *script = update();
    ck_assert_ptr_null(strstr(script, "or 0x4000"));
    ck_assert_ptr_nonnull(strstr(script, "mod 1 map { 0 : 10.244.1.2 . 8080 }"));
}
END_TEST

START_TEST(removing_a_service_leaves_nothing_of_it)
{
    const char *addresses[] = {"10.244.1.2"};
    reset();
    add_web(addresses, 1, 30080);
    (void)update();
    service_table_remove(&fix.table, "default", "web");
    service_table_remove_slice(&fix.table, "default", "web-1");
    const char *script = update();
    ck_assert_uint_eq(count_of(script, "delete chain"), 2);
    ck_assert_ptr_nonnull(
        strstr(script, "delete element ip coracle hairpins { 10.244.1.2 . 10.244.1.2 }"));
    ck_assert_ptr_null(service_table_find(&fix.table, "default", "web"));
    if (fix.nft != NULL) {
        ck_assert_int_eq(nft_ctx_buffer_output(fix.nft), 0);
        ck_assert_int_eq(nft_run_cmd_from_buffer(fix.nft, "list table ip coracle"), 0);
        const char *listing = nft_ctx_get_output_buffer(fix.nft);
        ck_assert_ptr_null(strstr(listing, "svc_"));
        ck_assert_ptr_null(strstr(listing, "elements"));
    }
}
END_TEST

START_TEST(an_address_shared_by_two_services_stays_while_one_uses_it)
{
    const char *addresses[] = {"10.244.1.2"};
    reset();
    add_web(addresses, 1, 0);
    ck_assert_int_eq(service_table_upsert(&fix.table, scene_service("api", "10.96.0.6", 0)), 0);
    ck_assert_int_eq(
        service_table_upsert_slice(&fix.table, scene_slice("api", "api-1", addresses, 1)), 0);
    ck_assert_uint_eq(count_of(update(), "add element ip coracle hairpins"), 1);
    service_table_remove(&fix.table, "default", "web");
    ck_assert_uint_eq(count_of(update(), "hairpins"), 0);
    service_table_remove(&fix.table, "default", "api");
    ck_assert_uint_eq(count_of(update(), "delete element ip coracle hairpins"), 1);
}
END_TEST

START_TEST(session_affinity_remembers_clients_and_can_be_taken_away)
{
    const char *addresses[] = {"10.244.1.2", "10.244.2.3"};
    reset();
    struct service_spec *sticky = scene_service("web", "10.96.0.5", 0);
    sticky->affinity_seconds = 10800;
    ck_assert_int_eq(service_table_upsert(&fix.table, sticky), 0);
    ck_assert_int_eq(
        service_table_upsert_slice(&fix.table, scene_slice("web", "web-1", addresses, 2)), 0);
    const char *script = update();
    ck_assert_uint_eq(count_of(script, "timeout 10800s"), 2);
    ck_assert_int_eq(service_table_upsert(&fix.table, scene_service("web", "10.96.0.5", 0)), 0);
    ck_assert_uint_eq(count_of(update(), "delete set"), 2);
}
END_TEST

START_TEST(terminating_endpoints_serve_only_when_no_ready_one_is_left)
{
    const char *addresses[] = {"10.244.1.2", "10.244.2.3"};
    reset();
    ck_assert_int_eq(service_table_upsert(&fix.table, scene_service("web", "10.96.0.5", 0)), 0);
    for (int ready = 1; ready >= 0; ready--) {
        struct slice_spec *slice = scene_slice("web", "web-1", addresses, 2);
        struct endpoint endpoints[2] = {slice->endpoints[0], slice->endpoints[1]};
        endpoints[0].ready = ready != 0;
        endpoints[0].serving = ready != 0;
        endpoints[1].ready = false;
        endpoints[1].terminating = true;
        slice->endpoints =
            memcpy(arena_alloc(slice->arena, sizeof(endpoints)), endpoints, sizeof(endpoints));
        ck_assert_int_eq(service_table_upsert_slice(&fix.table, slice), 0);
        const char *expected = ready != 0 ? "mod 1 map { 0 : 10.244.1.2 . 8080 }"
                                          : "mod 1 map { 0 : 10.244.2.3 . 8080 }";
        ck_assert_ptr_nonnull(strstr(update(), expected));
    }
}
END_TEST

START_TEST(reset_writes_the_whole_state_in_one_transaction)
{
    const char *addresses[] = {"10.244.1.2"};
    add_web(addresses, 1, 30080);
    reset();
    const char *script = buffer_text(&fix.script);
    ck_assert_ptr_nonnull(strstr(script, "delete table ip coracle"));
    ck_assert_ptr_nonnull(strstr(script, "service_nodeports { tcp . 30080 :"));
    reset(); /* Again, over what is there. */
    ck_assert_str_eq(update(), "");
}
END_TEST

/* CVE-2020-8558: a neighbour reached what listens on a node's loopback address only. */
START_TEST(node_ports_do_not_lead_through_the_loopback_address)
{
    const char *addresses[] = {"10.244.1.2"};
    add_web(addresses, 1, 30080);
    reset();
    const char *rest = buffer_text(&fix.script);
    int uses = 0;
    while ((rest = strstr(rest, "vmap @service_nodeports")) != NULL) {
        const char *line = rest;
        while (line > buffer_text(&fix.script) && line[-1] != '\n') {
            line--;
        }
        ck_assert_ptr_nonnull(strstr(line, "ip daddr != 127.0.0.0/8"));
        ck_assert(strstr(line, "ip daddr != 127.0.0.0/8") < rest);
        rest++;
        uses++;
    }
    ck_assert_int_gt(uses, 0);
}
END_TEST

Suite *nft_rules_suite(void)
{
    Suite *suite = suite_create("network/nft_rules");
    TCase *tcase = tcase_create("rules");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_service_is_one_element_and_one_rule_however_many_endpoints);
    tcase_add_test(tcase, an_upsert_that_changes_nothing_writes_nothing);
    tcase_add_test(tcase, a_service_without_endpoints_is_refused_not_dropped);
    tcase_add_test(tcase, node_ports_masquerade_unless_the_policy_is_local);
    tcase_add_test(tcase, removing_a_service_leaves_nothing_of_it);
    tcase_add_test(tcase, an_address_shared_by_two_services_stays_while_one_uses_it);
    tcase_add_test(tcase, session_affinity_remembers_clients_and_can_be_taken_away);
    tcase_add_test(tcase, terminating_endpoints_serve_only_when_no_ready_one_is_left);
    tcase_add_test(tcase, reset_writes_the_whole_state_in_one_transaction);
    tcase_add_test(tcase, node_ports_do_not_lead_through_the_loopback_address);
    suite_add_tcase(suite, tcase);
    return suite;
}
