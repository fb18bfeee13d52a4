/* What is counted of configuration files that are read again while the server runs, under
 * kube-apiserver's names: apiserver_<controller>_config_controller_automatic_reloads_total and
 * ..._automatic_reload_last_timestamp_seconds, by status. Any thread. */
#ifndef APISERVER_CONFIG_RELOADS_H
#define APISERVER_CONFIG_RELOADS_H
#include <stdbool.h>
#include <stdint.h>

struct metric;
struct metrics;

enum config_reload { RELOAD_AUTHENTICATION, RELOAD_AUTHORIZATION, RELOAD_ENCRYPTION };

struct config_reloads {
    struct metric *totals[2], *times[2]; /* [0] of failures, [1] of successes. */
};

/* `server_name` tells servers apart: its digest is a label, as kube-apiserver has it. */
void config_reloads_init(struct config_reloads *reloads, struct metrics *metrics,
                         enum config_reload of, const char *server_name);
void config_reloads_note(struct config_reloads *reloads, bool success, int64_t now_s);
#endif
