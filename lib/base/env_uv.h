/* The env of a real process: libuv loop, CLOCK_MONOTONIC, getrandom(2), and one thread of its own
 * that carries out file operations in order, so that a slow disk never stops the loop. */
#ifndef LIB_BASE_ENV_UV_H
#define LIB_BASE_ENV_UV_H
#include "lib/base/env.h"

struct env_uv;
typedef struct uv_loop_s uv_loop_t;
struct metric_histogram;

/* The loop must outlive the env. Returns 0 or a negative errno. */
MUST_USE int env_uv_new(uv_loop_t *loop, struct env_uv **ret_env);
struct env *env_uv_env(struct env_uv *env); /* Borrowed: lives as long as `env`. */
/* Where env_send() goes; NULL (the default) drops every message with -ENOTCONN. */
void env_uv_set_transport(struct env_uv *env,
                          int (*send)(void *data, uint64_t peer, struct slice message), void *data);
/* What each flush to disk took, in seconds, from now on. NULL: nothing. */
void env_uv_observe_flushes(struct env_uv *env, struct metric_histogram *histogram);
/* Waits for file operations under way, then closes the handles; `closed` runs on the loop, after
 * which `env` is gone. */
void env_uv_close(struct env_uv *env, void (*closed)(void *data), void *data);
#endif
