#include "tests/etcdctl/stream_log.h"

#include "etcd/rpc.pb-c.h"
#include "lib/base/compiler.h"

enum { PIECE_MAX = 16 * 1024 * 1024 };

void stream_log_begin(struct stream_log *log)
{
    stream_log_release(log);
    *log = (struct stream_log){.digest = x509_digest_new(), .adds_up = true};
    buffer_init(&log->last, PIECE_MAX);
}

void stream_log_release(struct stream_log *log)
{
    if (log->digest != NULL) {
        x509_digest_free(TAKE(log->digest));
        buffer_release(&log->last);
    }
}

static void add_piece(struct stream_log *log, const Etcdserverpb__SnapshotResponse *piece)
{
    if (log->answers > 0) {
        x509_digest_add(log->digest, buffer_slice(&log->last));
        uint64_t taken = log->left - piece->remaining_bytes;
        bool is_checksum = log->left == 0 && piece->remaining_bytes == 0;
        log->adds_up = log->adds_up && (is_checksum || taken == piece->blob.len);
    }
    log->left = piece->remaining_bytes;
    buffer_clear(&log->last);
    buffer_append(&log->last, piece->blob.data, piece->blob.len);
}

void stream_log_add(struct stream_log *log, struct slice answer, bool is_snapshot)
{
    if (is_snapshot) {
        Etcdserverpb__SnapshotResponse *piece =
            etcdserverpb__snapshot_response__unpack(NULL, answer.len, answer.data);
        log->adds_up = log->adds_up && piece != NULL;
        if (piece != NULL) {
            add_piece(log, piece);
            etcdserverpb__snapshot_response__free_unpacked(piece, NULL);
        }
    }
    log->answers++;
}

void stream_log_text(struct stream_log *log, bool is_snapshot, struct buffer *out)
{
    if (!is_snapshot || log->answers == 0) {
        buffer_printf(out, "%zu answers", log->answers);
        return;
    }
    uint8_t digest[X509_SHA256_SIZE];
    x509_digest_end(log->digest, digest);
    buffer_printf(
        out, "what is left %s, %s its checksum", log->adds_up ? "adds up" : "does not add up",
        slice_equal(buffer_slice(&log->last), slice_of(digest, sizeof(digest))) ? "with"
                                                                                : "without");
}
