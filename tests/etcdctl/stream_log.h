/* What a server says on a stream that it ends itself, put shortly: so that two can be compared that
 * cut it into pieces differently. */
#ifndef TESTS_ETCDCTL_STREAM_LOG_H
#define TESTS_ETCDCTL_STREAM_LOG_H
#include "lib/base/buffer.h"
#include "lib/net/x509.h"
#include <stdint.h>

struct stream_log {
    size_t answers;
    /* Of Maintenance.Snapshot. */
    struct x509_digest *digest; /* Of all pieces but the last, which should be it. */
    struct buffer last;
    uint64_t left; /* As the piece before has said. */
    bool adds_up;  /* What is left has become less by each piece. */
};

void stream_log_begin(struct stream_log *log);
void stream_log_add(struct stream_log *log, struct slice answer, bool is_snapshot);
/* "3 answers": of a snapshot rather whether it is whole. */
void stream_log_text(struct stream_log *log, bool is_snapshot, struct buffer *out);
void stream_log_release(struct stream_log *log);
#endif
