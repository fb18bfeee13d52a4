/* The container runtime as the agent sees it: asynchronous calls with the messages of CRI v1. Two
 * kinds: a CRI endpoint, and `hollow`, which keeps containers in memory only. One loop. */
#ifndef AGENT_RUNTIME_H
#define AGENT_RUNTIME_H
#include "cri/runtime.pb-c.h"
#include "lib/base/compiler.h"
#include "lib/base/error.h"
#include <stdbool.h>
#include <stdint.h>

struct loop;
struct runtime;

enum runtime_method {
    RUNTIME_VERSION,
    RUNTIME_STATUS,
    RUNTIME_RUN_POD_SANDBOX,
    RUNTIME_STOP_POD_SANDBOX,
    RUNTIME_REMOVE_POD_SANDBOX,
    RUNTIME_POD_SANDBOX_STATUS,
    RUNTIME_LIST_POD_SANDBOX,
    RUNTIME_CREATE_CONTAINER,
    RUNTIME_START_CONTAINER,
    RUNTIME_STOP_CONTAINER,
    RUNTIME_REMOVE_CONTAINER,
    RUNTIME_LIST_CONTAINERS,
    RUNTIME_CONTAINER_STATUS,
    RUNTIME_REOPEN_CONTAINER_LOG,
    RUNTIME_EXEC_SYNC,
    RUNTIME_EXEC,
    RUNTIME_ATTACH,
    RUNTIME_PORT_FORWARD,
    RUNTIME_LIST_IMAGES,
    RUNTIME_IMAGE_STATUS,
    RUNTIME_PULL_IMAGE,
    RUNTIME_METHODS,
};

/* `status` is 0 with a response, or a negative errno with a message: -ENOENT (not found), -EEXIST,
 * -ETIMEDOUT, -ENOTCONN (the runtime is not there), -ECANCELED (runtime_close), -EIO (the rest).
 * The response and message are lent for the call. */
typedef void (*runtime_done)(void *data, int status, const char *message,
                             const ProtobufCMessage *response);

/* The endpoint need not be there yet: calls fail with -ENOTCONN until it is. */
MUST_USE int runtime_open_cri(struct loop *loop, const char *endpoint, struct runtime **ret_runtime,
                              struct error *reterr);
MUST_USE struct runtime *runtime_new_hollow(struct loop *loop);
/* Answers all calls under way with -ECANCELED, inside, and frees. NULL is a no-op. */
void runtime_close(struct runtime *runtime);
bool runtime_is_hollow(const struct runtime *runtime);

/* Sends a request (encoded before this returns). `done` runs once, later or in runtime_close(),
 * never inside this call. timeout_ms 0: AGENT_CRI_TIMEOUT_MS. */
void runtime_call(struct runtime *runtime, enum runtime_method method,
                  const ProtobufCMessage *request, uint64_t timeout_ms, runtime_done done,
                  void *data);

/* For implementations. */
struct runtime_ops {
    void (*call)(struct runtime *runtime, enum runtime_method method,
                 const ProtobufCMessage *request, uint64_t timeout_ms, runtime_done done,
                 void *data);
    void (*close)(struct runtime *runtime);
};
struct runtime {
    const struct runtime_ops *ops;
    bool hollow;
};
#endif
