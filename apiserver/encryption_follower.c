#include "apiserver/encryption_follower.h"

#include "apiserver/encryption.h"
#include "apiserver/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "lib/net/file_watch.h"
#include <stdlib.h>
#include <time.h>

struct outcome {
    struct metric *total, *last_seconds;
};

struct encryption_follower {
    struct encryption *encryption;
    struct file_watch *watch;
    struct outcome success, failure;
};

static struct outcome outcome_of(struct metrics *metrics, const char *labels)
{
    return (struct outcome){
        .total = metrics_counter(metrics,
                                 "apiserver_encryption_config_controller_automatic_reloads_total",
                                 "Reloads of the encryption configuration.", labels),
        .last_seconds = metrics_gauge(
            metrics,
            "apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds",
            "When the encryption configuration was last reloaded.", labels)};
}

static void count(const struct outcome *outcome)
{
    metric_add(outcome->total, 1);
    metric_set(outcome->last_seconds, (int64_t)time(NULL));
}

static void on_failed(void *data, const char *message)
{
    struct encryption_follower *follower = data;
    count(&follower->failure);
    LOG_ERROR("encryption", "the new --encryption-provider-config is not used: the old one stays",
              KV_TEXT("reason", message));
}

static void on_changed(void *data, struct slice bytes)
{
    struct encryption_follower *follower = data;
    CLEANUP(error_release) struct error error = {0};
    if (encryption_reload(follower->encryption, bytes, &error) < 0) {
        on_failed(follower, error_message(&error));
        return;
    }
    count(&follower->success);
    LOG_INFO("encryption", "--encryption-provider-config has changed, and is used",
             KV_U64("reloads", encryption_generation(follower->encryption)));
}

struct encryption_follower *encryption_follower_open(struct loop *loop,
                                                     struct encryption *encryption,
                                                     const char *path, struct slice known,
                                                     struct metrics *metrics)
{
    static const struct file_watch_events events = {.changed = on_changed, .failed = on_failed};
    struct encryption_follower *follower = alloc_zeroed(sizeof(*follower));
    follower->encryption = encryption;
    follower->success = outcome_of(metrics, "status=\"success\"");
    follower->failure = outcome_of(metrics, "status=\"failure\"");
    const struct file_watch_options options = {
        .path = path, .known = known, .size_max = ENCRYPTION_FILE_MAX};
    follower->watch = file_watch_open(loop, &options, &events, follower);
    return follower;
}

void encryption_follower_close(struct encryption_follower *follower)
{
    if (follower != NULL) {
        file_watch_close(follower->watch);
        free(follower);
    }
}
