#include "apiserver/config_reloads.h"

#include "lib/base/metrics.h"
#include "lib/net/x509.h"
#include <stdio.h>

static const struct {
    const char *total, *time;
} names[] = {
    [RELOAD_AUTHENTICATION] = {"apiserver_authentication_config_controller_automatic_reloads_total",
                               "apiserver_authentication_config_controller_automatic_reload_"
                               "last_timestamp_seconds"},
    [RELOAD_AUTHORIZATION] = {"apiserver_authorization_config_controller_automatic_reloads_total",
                              "apiserver_authorization_config_controller_automatic_reload_"
                              "last_timestamp_seconds"},
    [RELOAD_ENCRYPTION] = {"apiserver_encryption_config_controller_automatic_reloads_total",
                           "apiserver_encryption_config_controller_automatic_reload_"
                           "last_timestamp_seconds"},
};

void config_reloads_init(struct config_reloads *reloads, struct metrics *metrics,
                         enum config_reload of, const char *server_name)
{
    static const char *const states[] = {"failure", "success"};
    uint8_t digest[X509_SHA256_SIZE];
    char hex[2 * X509_SHA256_SIZE + 1], labels[160];
    x509_sha256(slice_text(server_name), digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(labels, sizeof(labels), "apiserver_id_hash=\"sha256:%s\",status=\"%s\"", hex,
                       states[i]);
        reloads->totals[i] =
            metrics_counter(metrics, names[of].total,
                            "Times that the changed configuration file was taken, or not.", labels);
        reloads->times[i] = metrics_gauge(metrics, names[of].time,
                                          "When that was last, in seconds since 1970.", labels);
    }
}

void config_reloads_note(struct config_reloads *reloads, bool success, int64_t now_s)
{
    metric_add(reloads->totals[success], 1);
    metric_set(reloads->times[success], now_s);
}
