#include "tests/unit/controllers/cluster.h"

#include "k8s/certificates_v1.pb-c.h"
#include "tests/unit/controllers/permissions.h"
#include <assert.h>
#include <check.h>
#include <string.h>

static uint64_t heartbeat_age_ms(void *data, const char *node)
{
    struct cluster *cluster = data;
    if (strcmp(node, "n1") != 0 || cluster->silent_since_ns == 0) {
        return 0;
    }
    return (cluster->env.now_ns - cluster->silent_since_ns) / NS_PER_MS;
}

static size_t api_endpoints(void *data, const char **ret_addresses, size_t max, uint16_t *ret_port)
{
    const struct cluster *cluster = data;
    assert(max >= cluster->member_count);
    for (size_t i = 0; i < cluster->member_count; i++) {
        ret_addresses[i] = cluster->members[i];
    }
    *ret_port = 6443;
    return cluster->member_count;
}

static bool may_request(void *data, const Certificates__V1__CertificateSigningRequestSpec *request,
                        const char *subresource)
{
    (void)data;
    return strcmp(subresource, "nodeclient") == 0 && strcmp(request->username, "trusted") == 0;
}

static int account_token(void *data, const Meta__V1__ObjectMeta *account, const char *secret,
                         struct buffer *token, struct error *reterr)
{
    (void)data;
    (void)reterr;
    buffer_printf(token, "%s of %s", secret, account->name);
    return 0;
}

static void start(struct cluster *cluster)
{
    struct controllers_config config = {
        .env = &cluster->env.env,
        .client = fake_client_client(cluster->api),
        .cluster_cidr = "10.244.0.0/16",
        .service_cidr = "10.96.0.0/12",
        .ca_pem = cluster->ca_pem,
        .server_url = "https://10.0.0.1:6443",
        .ca_key_pem = cluster->ca_key_pem,
        .heartbeat_age_ms = heartbeat_age_ms,
        .heartbeat_data = cluster,
        .api_endpoints = api_endpoints,
        .api_endpoints_data = cluster,
        .may_request = may_request,
        .grace = {.legacy_token_s = 2 * 24 * 3600},
        .account_token = account_token,
    };
    cluster->controllers = controllers_open(&config);
    controllers_set_leader(cluster->controllers, true);
}

void cluster_open_bare(struct cluster *cluster)
{
    *cluster =
        (struct cluster){.members = {"10.0.0.2", "10.0.0.1"}, .member_count = 2, .ca_pem = "PEM"};
    fake_env_init(&cluster->env);
    cluster->api = fake_client_new(&cluster->env);
    fake_client_set_check(cluster->api, permissions_check);
}

void cluster_open(struct cluster *cluster)
{
    cluster_open_bare(cluster);
    start(cluster);
}

void cluster_open_signing(struct cluster *cluster, const char *ca_pem, const char *ca_key_pem)
{
    cluster_open_bare(cluster);
    cluster->ca_pem = ca_pem;
    cluster->ca_key_pem = ca_key_pem;
    start(cluster);
}

static void stopped(void *data)
{
    ((struct cluster *)data)->stopped = true;
}

static void stop(struct cluster *cluster)
{
    if (cluster->controllers == NULL) {
        return;
    }
    cluster->stopped = false;
    controllers_close(cluster->controllers, stopped, cluster);
    cluster_run_ms(cluster, 30 * 1000);
    ck_assert(cluster->stopped);
}

void cluster_close(struct cluster *cluster)
{
    stop(cluster);
    fake_client_free(cluster->api);
    fake_env_release(&cluster->env);
}

void cluster_restart(struct cluster *cluster)
{
    stop(cluster);
    fake_client_fail_after(cluster->api, SIZE_MAX);
    start(cluster);
}

void cluster_run_ms(struct cluster *cluster, uint64_t ms)
{
    fake_env_run_ms(&cluster->env, ms);
}

void cluster_agents(struct cluster *cluster)
{
    static struct fake_list pods;
    fake_client_list(cluster->api, api_kind_find("", "v1", "pods"), &pods);
    for (size_t i = 0; i < pods.count; i++) {
        const Core__V1__Pod *pod = pods.items[i]->message;
        const Core__V1__PodStatus *status = pod->status;
        if (pod->metadata->deletion_timestamp != NULL) {
            fake_client_remove(cluster->api, pods.items[i]);
        } else if (status->phase == NULL || strcmp(status->phase, "Running") != 0) {
            fake_client_patch(
                cluster->api, pods.items[i],
                "{\"spec\":{\"nodeName\":\"n1\"},\"status\":{\"phase\":\"Running\",\"podIP\":"
                "\"10.1.0.9\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\","
                "\"lastTransitionTime\":\"2023-11-14T22:13:20Z\"}]}}");
        }
    }
}

void cluster_settle(struct cluster *cluster)
{
    for (int i = 0; i < 60; i++) {
        cluster_run_ms(cluster, 200);
        cluster_agents(cluster);
    }
    cluster_run_ms(cluster, 2000);
}

const struct client_object *cluster_add(struct cluster *cluster, const char *api_version,
                                        const char *kind, const char *json)
{
    return fake_client_add(cluster->api, api_version, kind, json);
}

const struct client_object *cluster_get(struct cluster *cluster, const char *group,
                                        const char *plural, const char *namespace_,
                                        const char *name)
{
    return fake_client_get(cluster->api, api_kind_find(group, "v1", plural), namespace_, name);
}

size_t cluster_count(struct cluster *cluster, const char *group, const char *plural,
                     const char *namespace_)
{
    static struct fake_list list;
    size_t count = 0;
    fake_client_list(cluster->api, api_kind_find(group, "v1", plural), &list);
    for (size_t i = 0; i < list.count; i++) {
        count += strcmp(client_object_namespace(list.items[i]), namespace_) == 0;
    }
    return count;
}
