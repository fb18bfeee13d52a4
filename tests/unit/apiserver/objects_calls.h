/* Unary calls of coracle.v1.Objects, short: as the administrator unless a channel is named. What
 * they are made of lies in the fixture's arena. */
#ifndef TESTS_UNIT_APISERVER_OBJECTS_CALLS_H
#define TESTS_UNIT_APISERVER_OBJECTS_CALLS_H
#include "tests/unit/apiserver/objects_fixture.h"

/* Messages of protobuf-c hold what they do not change as if they could. */
static inline char *objects_text(const char *literal)
{
    return (char *)(uintptr_t)literal;
}

Objects__V1__Resource *objects_in(struct objects_fixture *fixture, const char *group,
                                  const char *version, const char *plural, const char *namespace);
Objects__V1__Resource *objects_config_maps(struct objects_fixture *fixture); /* Of "ns". */
Objects__V1__Object *objects_json(struct objects_fixture *fixture, const char *body);
Objects__V1__Format *objects_format(struct objects_fixture *fixture,
                                    Objects__V1__Encoding encoding);

/* Each waits for its answer, which is JSON unless an encoding is named. */
struct answer *objects_create(struct objects_fixture *fixture, Objects__V1__Resource *resource,
                              Objects__V1__Object *object, Objects__V1__WriteOptions *options);
struct answer *objects_create_json(struct objects_fixture *fixture, Objects__V1__Resource *resource,
                                   const char *body);
struct answer *objects_get(struct objects_fixture *fixture, struct grpc_channel *channel,
                           Objects__V1__Resource *resource, const char *name,
                           Objects__V1__Encoding encoding);
struct answer *objects_get_json(struct objects_fixture *fixture, Objects__V1__Resource *resource,
                                const char *name);
/* Of a config map of "ns". */
struct answer *objects_patch(struct objects_fixture *fixture, const char *name,
                             Objects__V1__PatchRequest__Type type, const char *patch,
                             const char *manager, bool force);
struct answer *objects_update_json(struct objects_fixture *fixture, Objects__V1__Resource *resource,
                                   const char *name, const char *body);
struct answer *objects_delete(struct objects_fixture *fixture, Objects__V1__Resource *resource,
                              const char *name, Objects__V1__DeleteOptions *options);
/* A config map of "ns" with {"a": "1"}; fails the test when it cannot be made. */
void objects_make(struct objects_fixture *fixture, const char *name);
#endif
