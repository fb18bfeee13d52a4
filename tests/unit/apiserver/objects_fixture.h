/* A whole API server over TLS on the test's loop, and clients of coracle.v1.Objects: the
 * administrator, and jane, who may do nothing. Each call is waited for by turning the loop. */
#ifndef TESTS_UNIT_APISERVER_OBJECTS_FIXTURE_H
#define TESTS_UNIT_APISERVER_OBJECTS_FIXTURE_H
#include "apiserver/apiserver.h"
#include "apiserver/pki.h"
#include "coracle/v1/objects.pb-c.h"
#include "k8s/meta_v1.pb-c.h"
#include "lib/net/grpc.h"
#include "tests/unit/apiserver/registry_fixture.h"

enum { ANSWER_MESSAGES_MAX = 512, ANSWER_WARNINGS_MAX = 8 };

/* All that came of one call; texts and messages are in the fixture's arena. */
struct answer {
    struct arena *arena;
    enum grpc_code code;
    const char *message;
    const Meta__V1__Status *status; /* Of the error's details; NULL when there are none. */
    struct slice messages[ANSWER_MESSAGES_MAX];
    size_t count;
    const char *warnings[ANSWER_WARNINGS_MAX];
    size_t warning_count;
    bool headers;
    bool over;
    struct grpc_stream *stream;
};

struct objects_fixture {
    struct fixture base;
    struct pki pki;
    struct metrics *metrics;
    struct apiserver *server;
    struct grpc_channel *admin, *jane;
};

void objects_fixture_init(struct objects_fixture *fixture); /* With a namespace "ns". */
/* Ends the clients and waits until the server is gone; release does so where it was not done. */
void objects_fixture_close(struct objects_fixture *fixture);
void objects_fixture_release(struct objects_fixture *fixture);
/* Another client; `user` NULL is nobody. The caller closes it. */
struct grpc_channel *objects_fixture_channel(struct objects_fixture *fixture, const char *user,
                                             const char *const *groups, size_t group_count);

/* Sends the message to /coracle.v1.Objects/`method` and returns at once. */
struct answer *objects_open(struct objects_fixture *fixture, struct grpc_channel *channel,
                            const char *method, const void *message,
                            const struct grpc_call_options *options);
/* Waits for the end of the call, or until it has so many messages. */
void objects_await(struct objects_fixture *fixture, struct answer *answer, size_t messages);
/* Both, without options. */
struct answer *objects_ask(struct objects_fixture *fixture, struct grpc_channel *channel,
                           const char *method, const void *message);

/* The message unpacked, in the arena; fails the test when it is malformed. */
void *objects_unpack(struct answer *answer, size_t index,
                     const ProtobufCMessageDescriptor *descriptor);
/* The answer's only message; fails the test unless the call went well. */
Objects__V1__Object *objects_only(struct answer *answer);
#endif
