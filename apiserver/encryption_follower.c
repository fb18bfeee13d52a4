#include "apiserver/encryption_follower.h"

#include "apiserver/config_reloads.h"
#include "apiserver/encryption.h"
#include "apiserver/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/net/file_watch.h"
#include <stdlib.h>
#include <time.h>

struct encryption_follower {
    struct encryption *encryption;
    struct file_watch *watch;
    struct config_reloads reloads;
};

static void on_failed(void *data, const char *message)
{
    struct encryption_follower *follower = data;
    config_reloads_note(&follower->reloads, /* success= */ false, time(NULL));
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
    config_reloads_note(&follower->reloads, /* success= */ true, time(NULL));
    LOG_INFO("encryption", "--encryption-provider-config has changed, and is used",
             KV_U64("reloads", encryption_generation(follower->encryption)));
}

struct encryption_follower *
encryption_follower_open(const struct encryption_follower_options *options)
{
    static const struct file_watch_events events = {.changed = on_changed, .failed = on_failed};
    struct encryption_follower *follower = alloc_zeroed(sizeof(*follower));
    follower->encryption = options->encryption;
    config_reloads_init(&follower->reloads, options->metrics, RELOAD_ENCRYPTION,
                        options->server_name);
    const struct file_watch_options file = {
        .path = options->path, .known = options->known, .size_max = ENCRYPTION_FILE_MAX};
    follower->watch = file_watch_open(options->loop, &file, &events, follower);
    return follower;
}

void encryption_follower_close(struct encryption_follower *follower)
{
    if (follower != NULL) {
        file_watch_close(follower->watch);
        free(follower);
    }
}
