/* etcdctl of the distribution against real members over loopback: what a user of the etcd API sees.
 * Skipped with a line when etcdctl is not installed. */
#include "tests/unit/store/live_cluster.h"
#include "tests/unit/unit.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct live_cluster *cluster;
static bool with_tls;

static bool is_installed(void)
{
    return system("command -v etcdctl >/dev/null 2>&1") == 0;
}

/* Runs etcdctl against a member; the output, both streams, in a buffer that the next call reuses.
 */
static const char *etcdctl(size_t member, const char *arguments)
{
    static char output[16384];
    char command[4096];
    char tls[256] = "";
    if (with_tls) {
        snprintf(tls, sizeof(tls), "--cacert %s/ca.pem", live_cluster_dir(cluster));
    }
    snprintf(command, sizeof(command),
             "ETCDCTL_API=3 timeout 20 etcdctl 2>&1 %s --endpoints=%s://127.0.0.1:%u %s", tls,
             with_tls ? "https" : "http", (unsigned)live_cluster_port(cluster, member), arguments);
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    size_t len = fread(output, 1, sizeof(output) - 1, pipe);
    output[len] = '\0';
    pclose(pipe);
    return output;
}

#define RUN(member, arguments, expected) ck_assert_str_eq(etcdctl(member, arguments), expected)

static void check_contains(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "'%s' is not in: %s", part, text);
}

static void open_one(void)
{
    with_tls = false;
    cluster = live_cluster_open(1, false);
}

static void open_one_tls(void)
{
    with_tls = true;
    cluster = live_cluster_open(1, true);
}

static void open_three(void)
{
    with_tls = false;
    cluster = live_cluster_open(3, false);
}

static void close_all(void)
{
    live_cluster_close(cluster);
}

START_TEST(put_get_del)
{
    RUN(0, "put a 1", "OK\n");
    RUN(0, "put a 2 --prev-kv", "OK\na\n1\n");
    RUN(0, "put b x", "OK\n");
    RUN(0, "get a", "a\n2\n");
    RUN(0, "get '' --prefix", "a\n2\nb\nx\n");
    RUN(0, "get a c --keys-only --order=DESCEND", "b\n\na\n\n");
    RUN(0, "get a --from-key --limit 1 --consistency=s", "a\n2\n");
    RUN(0, "get a --rev=2", "a\n1\n");
    check_contains(etcdctl(0, "get a --rev=99"),
                   "etcdserver: mvcc: required revision is a future revision");
    RUN(0, "del a b --prev-kv", "1\na\n2\n");
    RUN(0, "del nothing", "0\n");
    RUN(0, "compact 5", "compacted revision 5\n");
    check_contains(etcdctl(0, "get a --rev=3"),
                   "etcdserver: mvcc: required revision has been compacted");
    check_contains(etcdctl(0, "put '' x"), "etcdserver: key is not provided");
    check_contains(etcdctl(0, "put c x --lease=1234"), "etcdserver: requested lease not found");
    check_contains(etcdctl(0, "put c --ignore-value"), "etcdserver: key not found");
}
END_TEST

START_TEST(txn)
{
    RUN(0, "put k 1", "OK\n");
    RUN(0, "txn <<'T'\nvalue(\"k\") = \"1\"\n\nput k 2\nget k\n\nput k 3\n\nT",
        "SUCCESS\n\nOK\n\nk\n2\n");
    RUN(0, "txn <<'T'\nmod(\"k\") < \"2\"\n\nput k 9\n\nget k\ndel k\n\nT",
        "FAILURE\n\nk\n2\n\n1\n");
    check_contains(etcdctl(0, "txn <<'T'\n\nput k 1\nput k 2\n\n\nT"),
                   "etcdserver: duplicate key given in txn request");
}
END_TEST

struct background {
    pthread_t thread;
    char command[2048];
    char output[8192];
};

static void *run_background(void *data)
{
    struct background *background = data;
    FILE *pipe = popen(background->command, "r");
    size_t len = fread(background->output, 1, sizeof(background->output) - 1, pipe);
    background->output[len] = '\0';
    pclose(pipe);
    return NULL;
}

START_TEST(watch_from_the_past_goes_on_live)
{
    RUN(0, "put w/1 a", "OK\n");
    RUN(0, "put w/2 b", "OK\n");
    RUN(0, "del w/1", "1\n");
    struct background watch = {0};
    /* Ends by itself after the lines of four events. */
    snprintf(watch.command, sizeof(watch.command),
             "ETCDCTL_API=3 timeout 20 etcdctl %s%s%s --endpoints=%s://127.0.0.1:%u watch --prefix "
             "w/ --rev=2 --prev-kv 2>&1 | head -n 16",
             with_tls ? "--cacert " : "", with_tls ? live_cluster_dir(cluster) : "",
             with_tls ? "/ca.pem" : "", with_tls ? "https" : "http",
             (unsigned)live_cluster_port(cluster, 0));
    ck_assert_int_eq(pthread_create(&watch.thread, NULL, run_background, &watch), 0);
    /* Whether the watch is there before or after these, it must see the same. */
    RUN(0, "put w/2 c", "OK\n");
    RUN(0, "put x no", "OK\n");
    RUN(0, "put w/3 d", "OK\n");
    for (int i = 0; i < 20; i++) { /* So that the closed pipe is noticed. */
        RUN(0, "put w/9 z", "OK\n");
    }
    pthread_join(watch.thread, NULL);
    ck_assert_str_eq(watch.output, "PUT\nw/1\na\nPUT\nw/2\nb\nDELETE\nw/1\na\nw/1\n\n"
                                   "PUT\nw/2\nb\nw/2\nc\n");
}
END_TEST

START_TEST(leases)
{
    char text[512];
    RUN(0, "lease list", "found 0 leases\n");
    const char *granted = etcdctl(0, "lease grant 100");
    char id[64];
    ck_assert_int_eq(sscanf(granted, "lease %63s granted with TTL(100s)", id), 1);
    snprintf(text, sizeof(text), "put l 1 --lease=%s", id);
    RUN(0, text, "OK\n");
    snprintf(text, sizeof(text), "lease timetolive %s --keys", id);
    check_contains(etcdctl(0, text), "granted with TTL(100s), remaining(");
    check_contains(etcdctl(0, text), "attached keys([l])");
    snprintf(text, sizeof(text), "lease keep-alive --once %s", id);
    check_contains(etcdctl(0, text), "keepalived with TTL(100)");
    check_contains(etcdctl(0, "lease list"), id);
    snprintf(text, sizeof(text), "lease revoke %s", id);
    check_contains(etcdctl(0, text), "revoked");
    RUN(0, "get l", "");
    check_contains(etcdctl(0, text), "etcdserver: requested lease not found");
    snprintf(text, sizeof(text), "lease timetolive %s", id);
    check_contains(etcdctl(0, text), "already expired");
}
END_TEST

START_TEST(status_and_members)
{
    RUN(0, "put a 1", "OK\n");
    check_contains(etcdctl(0, "endpoint status"), ", 1, 3.5.17, ");
    check_contains(etcdctl(0, "endpoint health"), "is healthy");
    check_contains(etcdctl(0, "member list"), "1, started, n1, http://127.0.0.1:");
    check_contains(etcdctl(0, "defrag"), "Finished defragmenting");
    RUN(0, "user list", "");
}
END_TEST

START_TEST(every_member_takes_writes_and_reads_the_latest)
{
    char command[64];
    char expected[64];
    for (size_t i = 0; i < 6; i++) {
        snprintf(command, sizeof(command), "put k %zu", i);
        RUN(i % 3, command, "OK\n");
        snprintf(expected, sizeof(expected), "k\n%zu\n", i);
        RUN((i + 1) % 3, "get k", expected);
        RUN((i + 2) % 3, "get k", expected);
    }
    const char *members = etcdctl(1, "member list");
    for (int i = 0; i < 100 && strstr(members, "unstarted") != NULL; i++) {
        members = etcdctl(1, "member list"); /* Each says where it serves once it can. */
    }
    check_contains(members, "1, started, n1, ");
    check_contains(members, "3, started, n3, ");
    check_contains(etcdctl(2, "endpoint status --cluster"), "true");
}
END_TEST

START_TEST(leases_work_at_any_member)
{
    char text[512];
    char id[64];
    size_t leader = live_cluster_leader(cluster);
    size_t follower = (leader + 1) % 3;
    ck_assert_int_eq(sscanf(etcdctl(follower, "lease grant 60"), "lease %63s granted", id), 1);
    snprintf(text, sizeof(text), "put l 1 --lease=%s", id);
    RUN((leader + 2) % 3, text, "OK\n");
    snprintf(text, sizeof(text), "lease keep-alive --once %s", id);
    check_contains(etcdctl(follower, text), "keepalived with TTL(60)");
    snprintf(text, sizeof(text), "lease timetolive %s --keys", id);
    check_contains(etcdctl(follower, text), "attached keys([l])");
}
END_TEST

START_TEST(a_stopped_leader_is_replaced_and_nothing_is_lost)
{
    RUN(0, "put before 1", "OK\n");
    size_t leader = live_cluster_leader(cluster);
    live_cluster_stop_member(cluster, leader);
    size_t next = live_cluster_leader(cluster);
    size_t other = 3 - leader - next;
    ck_assert_uint_ne(next, leader);
    RUN(next, "put after 2", "OK\n");
    RUN(other, "get after", "after\n2\n");
    RUN(other, "get before", "before\n1\n");
}
END_TEST

static TCase *case_of(const char *name, void (*open)(void))
{
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, open, close_all);
    return tcase;
}

static Suite *etcdctl_suite(void)
{
    Suite *suite = suite_create("store/etcdctl");
    TCase *plain = case_of("plaintext", open_one);
    TCase *tls = case_of("tls", open_one_tls);
    TCase *three = case_of("three members", open_three);
    tcase_add_test(plain, put_get_del);
    tcase_add_test(plain, txn);
    tcase_add_test(plain, watch_from_the_past_goes_on_live);
    tcase_add_test(plain, leases);
    tcase_add_test(plain, status_and_members);
    tcase_add_test(tls, txn);
    tcase_add_test(tls, watch_from_the_past_goes_on_live);
    tcase_add_test(three, every_member_takes_writes_and_reads_the_latest);
    tcase_add_test(three, leases_work_at_any_member);
    tcase_add_test(three, a_stopped_leader_is_replaced_and_nothing_is_lost);
    suite_add_tcase(suite, plain);
    suite_add_tcase(suite, tls);
    suite_add_tcase(suite, three);
    return suite;
}

int main(void)
{
    if (!is_installed()) {
        printf("skipped: etcdctl is not installed\n");
        return 0;
    }
    Suite *suites[] = {etcdctl_suite()};
    return unit_main(suites, 1);
}
