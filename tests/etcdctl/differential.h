/* What the parts of the differential test share: the choice of requests and their printing. */
#ifndef TESTS_ETCDCTL_DIFFERENTIAL_H
#define TESTS_ETCDCTL_DIFFERENTIAL_H
#include "etcd/rpc.pb-c.h"
#include "lib/base/arena.h"
#include "lib/base/buffer.h"
#include <stdbool.h>

struct question {
    const char *path;
    const ProtobufCMessage *message; /* In the arena. */
    const ProtobufCMessageDescriptor *answer;
};

struct chooser {
    uint64_t state;
    int64_t revision; /* Of the stores, as the last answer said. */
};

/* The next request. The first one is one that both have a revision for. */
struct question choose(struct chooser *chooser, struct arena *arena, bool first);
/* One line; fields at their default are left out. */
void message_text(const ProtobufCMessage *message, struct buffer *out);
#endif
