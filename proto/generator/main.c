/* Turns the descriptor set of .proto files into the tables of lib/api/schema.h and lib/api/kinds.h.
 * Usage: schema_generator SET.bin PREFIX OUT.c OUT.h KINDS.c. Run by the build. */
#include "lib/base/buffer.h"
#include "proto/generator/emit.h"
#include <stdio.h>
#include <stdlib.h>

enum { FILE_BYTES_MAX = 64 * 1024 * 1024 };

static int read_all(const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "rb");
    uint8_t chunk[65536];
    size_t n;
    if (file == NULL) {
        return -1;
    }
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        buffer_append(out, chunk, n);
    }
    n = (size_t)ferror(file);
    fclose(file);
    return n != 0 || buffer_error(out) < 0 ? -1 : 0;
}

static int write_all(const char *path, const struct buffer *text)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return -1;
    }
    if (fwrite(text->data, 1, text->len, file) != text->len) {
        fclose(file);
        return -1;
    }
    return fclose(file) == 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    CLEANUP(buffer_release) struct buffer bytes = {0}, source = {0}, header = {0}, kinds = {0};
    struct model model = {.arena = arena_new(SIZE_MAX), .names = hash_map_new(/* seed= */ 1)};
    Google__Protobuf__FileDescriptorSet *set;

    buffer_init(&bytes, FILE_BYTES_MAX);
    buffer_init(&source, FILE_BYTES_MAX);
    buffer_init(&header, FILE_BYTES_MAX);
    buffer_init(&kinds, FILE_BYTES_MAX);
    if (argc != 6) {
        fprintf(stderr, "usage: %s SET.bin PREFIX OUT.c OUT.h KINDS.c\n", argv[0]);
        return EXIT_FAILURE;
    }
    if (read_all(argv[1], &bytes) < 0) {
        perror(argv[1]);
        return EXIT_FAILURE;
    }
    set = google__protobuf__file_descriptor_set__unpack(NULL, bytes.len, bytes.data);
    if (set == NULL) {
        fprintf(stderr, "%s: not a descriptor set\n", argv[1]);
        return EXIT_FAILURE;
    }
    if (model_read(&model, set, argv[2]) < 0) {
        return EXIT_FAILURE;
    }
    emit_header(&model, &header);
    emit_source(&model, &source);
    emit_kinds(&model, &kinds);
    if (buffer_error(&source) < 0 || write_all(argv[3], &source) < 0 ||
        write_all(argv[4], &header) < 0 || write_all(argv[5], &kinds) < 0) {
        fprintf(stderr, "cannot write %s, %s and %s\n", argv[3], argv[4], argv[5]);
        return EXIT_FAILURE;
    }
    hash_map_free(model.names);
    free(model.messages);
    google__protobuf__file_descriptor_set__free_unpacked(set, NULL);
    arena_free(model.arena);
    return EXIT_SUCCESS;
}
