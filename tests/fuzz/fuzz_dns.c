/* DNS queries from pods, over a small table of Services. An answer fits its transport, is a
 * response, and repeats the query's identifier. */
#include "agent/network/dns_answer.h"
#include "agent/network/limits.h"
#include "tests/unit/network/scene.h"
#include <assert.h>

static struct service_table table;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    static const char *const pods[] = {"10.88.0.4", "10.88.0.5"};
    service_table_init(&table);
    struct service_spec *headless = scene_service("db", "", 0);
    headless->kind = SERVICE_HEADLESS;
    struct service_spec *external = scene_service("far", "", 0);
    external->kind = SERVICE_EXTERNAL_NAME;
    external->external_name = "example.com";
    int r = service_table_upsert(&table, scene_service("web", "10.96.0.5", 0));
    assert(r == 0);
    r = service_table_upsert(&table, headless);
    assert(r == 0);
    r = service_table_upsert(&table, external);
    assert(r == 0);
    r = service_table_upsert_slice(&table, scene_slice("db", "db-1", pods, 2));
    assert(r == 0);
    return 0;
}

static void ask(struct slice query, size_t size_max, size_t answer_max)
{
    CLEANUP(buffer_release) struct buffer answer;
    buffer_init(&answer, DNS_MESSAGE_BYTES_MAX);
    if (dns_answer(&table, "cluster.local", query, size_max, &answer) != DNS_ANSWERED) {
        return;
    }
    assert(buffer_error(&answer) == 0);
    assert(answer.len >= 12 && answer.len <= answer_max);
    assert(answer.data[0] == query.data[0] && answer.data[1] == query.data[1]);
    assert((answer.data[2] & 0x80) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice query = slice_of(data, size);
    ask(query, DNS_UDP_BYTES_DEFAULT, DNS_UDP_BYTES_MAX);
    ask(query, DNS_MESSAGE_BYTES_MAX, DNS_MESSAGE_BYTES_MAX);
    CLEANUP(buffer_release) struct buffer failure;
    buffer_init(&failure, DNS_MESSAGE_BYTES_MAX);
    if (dns_answer_failure(query, &failure)) {
        assert(failure.len >= 12 && failure.data[0] == data[0] && failure.data[1] == data[1]);
    }
    return 0;
}
