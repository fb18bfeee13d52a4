/* Descriptors of .proto files, found by the name of a file or of what is declared in one. Reads
 * sets as protoc writes them, from any bytes safely. No I/O; one thread until all is added, then
 * any. */
#ifndef LIB_NET_GRPC_DESCRIPTORS_H
#define LIB_NET_GRPC_DESCRIPTORS_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"

struct grpc_descriptors;

MUST_USE struct grpc_descriptors *grpc_descriptors_new(void);
void grpc_descriptors_free(struct grpc_descriptors *descriptors); /* NULL is a no-op. */
/* An encoded google.protobuf.FileDescriptorSet, borrowed for good. Files that are there already are
 * passed over. 0, or -EPROTO with nothing, or some files, added. */
MUST_USE int grpc_descriptors_add(struct grpc_descriptors *descriptors, struct slice set);

struct grpc_descriptor_file;
const struct grpc_descriptor_file *grpc_descriptors_file(const struct grpc_descriptors *descriptors,
                                                         struct slice name);
/* A message, field, enum, value, service, method or extension by its full name. */
const struct grpc_descriptor_file *
grpc_descriptors_symbol(const struct grpc_descriptors *descriptors, struct slice name);
struct slice grpc_descriptor_file_bytes(const struct grpc_descriptor_file *file); /* Encoded. */
/* Its imports; NULL past the last, and for one that is in no set. */
size_t grpc_descriptor_file_import_count(const struct grpc_descriptor_file *file);
const struct grpc_descriptor_file *
grpc_descriptor_file_import(const struct grpc_descriptors *descriptors,
                            const struct grpc_descriptor_file *file, size_t index);
#endif
