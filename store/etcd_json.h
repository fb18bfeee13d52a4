/* The JSON form of etcd's messages, as its gateway has it: the mapping of proto3 with the names of
 * fields in the .proto files, 64-bit integers as texts, bytes in base64, what has its default left
 * out. Reading also takes lowerCamelCase names, integers and enums as numbers, and skips fields
 * that it does not know, as etcd does. Pure. Reference: etcd API v3, "gRPC gateway". */
#ifndef STORE_ETCD_JSON_H
#define STORE_ETCD_JSON_H
#include "lib/base/arena.h"
#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include <protobuf-c/protobuf-c.h>

/* Whether `text` has few enough values that the memory for them stays in proportion. To be asked
 * before etcd_json_read(), once for all of a text. */
bool etcd_json_is_bounded(struct slice text);
/* Reads the first JSON value of `text`, of which *ret_used bytes are it and the space behind it,
 * into a message in the arena, which borrows nothing from `text`. NULL, with the words of etcd's
 * gateway in `reterr` where it has some. */
MUST_USE ProtobufCMessage *etcd_json_read(const ProtobufCMessageDescriptor *descriptor,
                                          struct arena *arena, struct slice text, size_t *ret_used,
                                          struct error *reterr);
void etcd_json_write(const ProtobufCMessage *message, struct buffer *out);
/* A quoted text. */
void etcd_json_write_text(const char *text, struct buffer *out);
#endif
