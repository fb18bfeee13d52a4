/* How protoc-c names things in C. */
#ifndef PROTO_GENERATOR_NAMES_H
#define PROTO_GENERATOR_NAMES_H
#include "lib/base/arena.h"

/* "core.v1.Pod" is Core__V1__Pod and core__v1__pod. */
const char *name_c_type(struct arena *arena, const char *dotted);
const char *name_c_lower(struct arena *arena, const char *dotted);
/* Member of a struct: lower case, a final underscore after a word that C or C++ reserves. */
const char *name_c_member(struct arena *arena, const char *field);
#endif
