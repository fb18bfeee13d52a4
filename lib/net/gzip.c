#include "lib/base/alloc.h"
#include "lib/net/http_private.h"
#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

/* Level 1: Kubernetes' choice too; a list is sent once, and the CPU is the server's. */
enum { GZIP_LEVEL = 1, GZIP_WINDOW_BITS = 15 + 16, GZIP_MEMORY = 8, GZIP_PIECE = 32 * 1024 };

struct gzip_stream {
    z_stream zlib;
};

struct gzip_stream *gzip_stream_new(void)
{
    struct gzip_stream *gzip = alloc_zeroed(sizeof(*gzip));
    int status = deflateInit2(&gzip->zlib, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY,
                              Z_DEFAULT_STRATEGY);
    assert(status == Z_OK); /* Only out of memory fails here. */
    (void)status;
    return gzip;
}

void gzip_stream_free(struct gzip_stream *gzip)
{
    if (gzip != NULL) {
        deflateEnd(&gzip->zlib);
        free(gzip);
    }
}

void gzip_stream_write(struct gzip_stream *gzip, struct slice bytes, bool end, struct buffer *out)
{
    z_stream *zlib = &gzip->zlib;
    zlib->next_in = (z_const Bytef *)(uintptr_t)bytes.data;
    assert(bytes.len <= UINT32_MAX);
    zlib->avail_in = (uInt)bytes.len;
    do {
        uint8_t *room = buffer_reserve(out, GZIP_PIECE);
        assert(room != NULL);
        zlib->next_out = room;
        zlib->avail_out = GZIP_PIECE;
        int status = deflate(zlib, end ? Z_FINISH : Z_SYNC_FLUSH);
        assert(status != Z_STREAM_ERROR);
        (void)status;
        buffer_commit(out, GZIP_PIECE - zlib->avail_out);
    } while (zlib->avail_out == 0);
}
