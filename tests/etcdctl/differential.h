/* What the parts of the differential test share: the choice of requests and their printing. */
#ifndef TESTS_ETCDCTL_DIFFERENTIAL_H
#define TESTS_ETCDCTL_DIFFERENTIAL_H
#include "etcd/rpc.pb-c.h"
#include "lib/base/arena.h"
#include "lib/base/buffer.h"
#include <stdbool.h>

enum question_kind {
    QUESTION_UNARY,
    QUESTION_KEEPALIVE, /* On a stream: an answer to each. */
    QUESTION_WATCH,     /* On a stream: answers when there are any (watch_log.h). */
    QUESTION_STREAM,    /* On a stream of its own, which the server ends. */
};

/* Who asks, while users are required. */
enum asker { ASK_ROOT, ASK_ALICE, ASK_NOBODY, ASK_STRANGER, ASKERS };

struct question {
    enum question_kind kind;
    const char *path;
    const ProtobufCMessage *message; /* In the arena. */
    const ProtobufCMessageDescriptor *answer;
    enum asker asker;
    bool takes_history; /* Watches that have still to read it come first. */
};

struct chooser {
    uint64_t state;
    int64_t revision;   /* Of the stores, as the last answer said. */
    uint64_t watches;   /* Asked for. */
    int64_t last_start; /* The latest revision that one of them begins at. */
    bool users;         /* Are required: alice and root exist and stay. */
};

uint64_t random_below(struct chooser *chooser, uint64_t limit);
bool one_in(struct chooser *chooser, uint64_t count);
ProtobufCBinaryData choose_key(struct chooser *chooser, struct arena *arena);
ProtobufCBinaryData choose_end(struct chooser *chooser, struct arena *arena);
/* A range that ends where it begins or before; not one "to the end". */
bool is_inverted(ProtobufCBinaryData key, ProtobufCBinaryData end);
struct question question_of(const char *path, const void *message,
                            const ProtobufCMessageDescriptor *answer);

/* The next request. The first one is one that both have a revision for. */
struct question choose(struct chooser *chooser, struct arena *arena, bool first);
struct question choose_auth(struct chooser *chooser, struct arena *arena);

/* Step by step: what chance rarely asks. False after the last. */
bool corners(size_t at, struct arena *arena, struct question *ret_question);

/* Step by step: alice and root come about and users are required; and all that is left of users and
 * roles goes again, asked for by root. False after the last. */
bool users_begin(size_t at, struct arena *arena, struct question *ret_question);
bool users_end(size_t at, struct arena *arena, struct question *ret_question);
/* In between: what is refused. */
bool guarded(size_t at, struct arena *arena, struct question *ret_question);
struct question authenticate(const char *name, struct arena *arena);

/* One line; fields at their default are left out. */
void message_text(const ProtobufCMessage *message, struct buffer *out);
#endif
