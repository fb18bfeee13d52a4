/* Writes the tables as C text. */
#ifndef PROTO_GENERATOR_EMIT_H
#define PROTO_GENERATOR_EMIT_H
#include "lib/base/buffer.h"
#include "proto/generator/model.h"

void emit_header(const struct model *model, struct buffer *out);
void emit_source(const struct model *model, struct buffer *out);
void emit_kinds(const struct model *model, struct buffer *out);
#endif
