/* The .proto files as the generator sees them: messages with their C names, options and comments,
 * found by full name. Everything lives in one arena. */
#ifndef PROTO_GENERATOR_MODEL_H
#define PROTO_GENERATOR_MODEL_H
#include "coracle/options.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "lib/base/arena.h"
#include "lib/base/hash_map.h"

struct model_field {
    const Google__Protobuf__FieldDescriptorProto *proto;
    const Coracle__FieldOptions *options; /* Never NULL. */
    const char *comment;                  /* Never NULL. */
    const char *member;                   /* Name in the C struct. */
    const char *type;                     /* "API_STRING" */
    struct model_message *message;        /* Of the value, when it is one. */
    struct model_message *entry;          /* Of a map. */
};

struct model_message {
    size_t index;
    const Google__Protobuf__DescriptorProto *proto;
    const Coracle__FileOptions *file;
    const Coracle__MessageOptions *options; /* Never NULL. */
    const char *full_name, *c_type, *c_lower, *comment;
    bool is_entry; /* Of a map. */
    size_t field_count;
    struct model_field *fields; /* In order of declaration, which is that of JSON. */
    uint16_t *by_number;        /* Indices into fields, ascending by number. */
};

struct model {
    struct arena *arena;
    struct hash_map *names; /* Full name to message. */
    struct model_message **messages;
    size_t count, capacity;
    const char **headers; /* "k8s/core_v1.pb-c.h" */
    size_t header_count;
};

/* Reads the messages of all files of the set whose name starts with `prefix`. Returns 0, or
 * -EINVAL after printing what is wrong. */
MUST_USE int model_read(struct model *model, const Google__Protobuf__FileDescriptorSet *set,
                        const char *prefix);
/* "API_OBJECT" and so on. */
const char *model_form_type(const struct model_message *message);
#endif
