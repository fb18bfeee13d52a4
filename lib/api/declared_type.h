/* Object types of CEL that are known beforehand: a table of fields. Constant; any thread. Pure. */
#ifndef LIB_API_DECLARED_TYPE_H
#define LIB_API_DECLARED_TYPE_H
#include "lib/base/compiler.h"
#include "lib/cel/type.h"

struct declared_member {
    const char *name;
    const struct cel_type *type;
};

struct declared_members {
    const struct declared_member *items;
    size_t count;
};

/* The type of a field, or NULL; `field` of types whose `data` are members. */
const struct cel_type *declared_member_type(const struct cel_type *type, struct slice name);

/* Defines `id`_type, which has these members. */
#define DECLARED_TYPE(id, type_name, ...)                                                          \
    static const struct declared_member id##_members[] = {__VA_ARGS__};                            \
    static const struct declared_members id##_list = {id##_members, ARRAY_LEN(id##_members)};      \
    static const struct cel_type id##_type = {.kind = CEL_TYPE_OBJECT,                             \
                                              .name = (type_name),                                 \
                                              .field = declared_member_type,                       \
                                              .data = &id##_list}

extern const struct cel_type declared_texts_type; /* list(string) */
extern const struct cel_type declared_extra_type; /* map(string, list(string)) */
extern const struct cel_type declared_user_type;  /* kubernetes.UserInfo */
#endif
