#include "store/remote/remote.h"

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "store/remote/remote_private.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* --- As a storage. */

static struct remote_store *remote_of(struct storage *storage)
{
    return CONTAINER_OF(storage, struct remote_store, storage);
}

static int64_t revision(const struct storage *storage)
{
    return mirror_revision(remote_of((struct storage *)(uintptr_t)storage)->mirror);
}

static struct store_snapshot *snapshot(struct storage *storage)
{
    return mirror_snapshot(remote_of(storage)->mirror);
}

static struct store_watch *watch(struct storage *storage, const struct store_watch_options *options)
{
    return mirror_watch(remote_of(storage)->mirror, options);
}

static const struct storage_ops remote_ops = {
    .txn = remote_txn,
    .read_barrier = remote_read_barrier,
    .revision = revision,
    .snapshot = snapshot,
    .watch = watch,
    .lease_grant = remote_lease_grant,
    .lease_keepalive = remote_lease_keepalive,
    .lease_ttl = remote_lease_ttl,
    .on_leadership = remote_on_leadership,
};

struct storage *remote_store_storage(struct remote_store *remote)
{
    return &remote->storage;
}

/* --- What the mirror has to do later. */

static void pump_fired(void *data)
{
    struct remote_store *remote = data;
    if (mirror_pump(remote->mirror)) {
        env_timer_start(remote->env, &remote->pump, 0);
    }
}

static void wake(void *data)
{
    struct remote_store *remote = data;
    if (remote->pump.position == 0) {
        env_timer_start(remote->env, &remote->pump, 0);
    }
}

/* --- Life. */

static void metrics_init(struct remote_store *remote)
{
    struct metrics *m = remote->config.metrics;
    struct remote_metrics *r = &remote->metrics;
    if (m == NULL) {
        return;
    }
    r->up = metrics_gauge(m, "coracle_remote_store_up", "1 while etcd is followed.", NULL);
    r->connects = metrics_counter(m, "coracle_remote_store_connects_total",
                                  "Connections to etcd that were tried.", NULL);
    r->lists = metrics_counter(m, "coracle_remote_store_lists_total",
                               "Times the mirror was filled by a list.", NULL);
    r->revision =
        metrics_gauge(m, "coracle_remote_store_revision", "Revision of the mirror.", NULL);
    r->keys = metrics_gauge(m, "coracle_remote_store_keys", "Keys in the mirror.", NULL);
    r->ticks = metrics_counter(m, "coracle_remote_store_ticks_total",
                               "Keys written only to see that the mirror is current.", NULL);
}

static char *copy(const char *text)
{
    return text == NULL ? NULL : alloc_text(text);
}

int remote_store_open(const struct remote_store_config *config, struct remote_store **ret_remote,
                      struct error *reterr)
{
    struct remote_keys keys;
    if (remote_keys_init(&keys, config->prefix) != 0) {
        return error_set(reterr, -EINVAL, "store prefix %s: must be like /registry",
                         config->prefix);
    }
    assert(config->endpoint_count > 0 && config->endpoint_count <= REMOTE_ENDPOINTS_MAX);
    struct remote_store *remote = alloc_zeroed(sizeof(*remote));
    remote->storage.ops = &remote_ops;
    remote->config = *config;
    remote->env = config->env;
    memcpy(remote->endpoints, config->endpoints,
           config->endpoint_count * sizeof(remote->endpoints[0]));
    remote->config.tls = config->tls == NULL ? NULL : tls_config_ref(config->tls);
    remote->prefix = copy(config->prefix);
    remote->user = copy(config->user);
    remote->password = copy(config->password == NULL ? "" : config->password);
    remote->name = copy(config->name);
    remote->api_url = copy(config->api_url);
    int status = remote_keys_init(&remote->keys, remote->prefix);
    assert(status == 0); /* As above. */
    (void)status;
    remote->mirror = mirror_new(&remote->keys, wake, remote);
    remote->pump = (struct env_timer){.fire = pump_fired, .data = remote};
    metrics_init(remote);
    calls_init(remote);
    follow_init(remote);
    leader_init(remote);
    compact_init(remote);
    link_init(remote);
    *ret_remote = remote;
    return 0;
}

static void close_now(void *data)
{
    struct remote_store *remote = data;
    void (*closed)(void *data) = remote->closed;
    void *closed_data = remote->closed_data;
    link_release(remote); /* Ends what is under way; the rest may hear of it. */
    calls_release(remote);
    leader_release(remote);
    compact_release(remote);
    follow_release(remote);
    mirror_free(remote->mirror);
    env_timer_stop(remote->env, &remote->pump);
    env_timer_stop(remote->env, &remote->close_timer);
    tls_config_unref(remote->config.tls);
    free(remote->prefix);
    free(remote->user);
    free(remote->password);
    free(remote->name);
    free(remote->api_url);
    free(remote);
    closed(closed_data);
}

void remote_store_close(struct remote_store *remote, void (*closed)(void *data), void *data)
{
    assert(!remote->closing);
    remote_store_resign(remote);
    remote->closing = true;
    remote->closed = closed;
    remote->closed_data = data;
    remote->close_timer = (struct env_timer){.fire = close_now, .data = remote};
    uint64_t wait_ms = remote->leader.revoking ? REMOTE_CLOSE_MS : 0;
    env_timer_start(remote->env, &remote->close_timer, wait_ms * NS_PER_MS);
}
