/* Watch answers as bytes: what is shared, what is joined, and what is never cut. */
#include "lib/base/buffer.h"
#include "lib/net/grpc_frame.h"
#include "store/etcd_watch.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { READ_BYTES_MAX = 64 * 1024 * 1024 };

struct sink {
    struct buffer bytes;
    struct chunk *shared; /* The only one that is not a copy, when one is expected. */
    size_t pieces, shared_pieces;
};

static void take(void *data, struct chunk *messages)
{
    struct sink *sink = data;
    sink->pieces++;
    sink->shared_pieces += messages == sink->shared;
    buffer_append_slice(&sink->bytes, messages->bytes);
}

static struct store_event put(const char *key, size_t value_len, int64_t revision)
{
    char *value = calloc(1, value_len + 1);
    memset(value, 'v', value_len);
    struct store_kv *kv = store_kv_new(slice_text(key), slice_of(value, value_len));
    kv->create_revision = kv->mod_revision = revision;
    kv->version = 1;
    free(value);
    return (struct store_event){.kind = STORE_EVENT_PUT, .kv = kv};
}

static struct watch_block *block_for(struct watch_encoder *encoder, int64_t revision,
                                     const struct store_event *events, size_t count)
{
    struct watch_block *block =
        watch_encoder_find(encoder, revision, events, count, /* with_prev= */ false);
    if (block == NULL) {
        struct etcd_header header = {.cluster_id = 1, .member_id = 2, .term = 3, revision};
        block = watch_encoder_make(encoder, &header, events, count, /* with_prev= */ false);
    }
    return block;
}

/* Each message as "watch@revision:key,key" with a "+" when more of it follows. */
static void read_back(struct sink *sink, char *text, size_t size)
{
    struct slice message;
    struct grpc_deframer deframer;
    size_t len = 0;
    text[0] = '\0';
    grpc_deframer_init(&deframer, READ_BYTES_MAX);
    ck_assert_int_eq(grpc_deframer_feed(&deframer, buffer_slice(&sink->bytes)), 0);
    while (grpc_deframe(&deframer, &message) == 1) {
        Etcdserverpb__WatchResponse *read =
            etcdserverpb__watch_response__unpack(NULL, message.len, message.data);
        ck_assert_ptr_nonnull(read);
        len += (size_t)snprintf(text + len, size - len, "%s%d@%d%s", len == 0 ? "" : " ",
                                (int)read->watch_id, (int)read->header->revision,
                                read->canceled ? "!" : "");
        for (size_t i = 0; i < read->n_events; i++) {
            ck_assert_int_le(read->events[i]->kv->mod_revision, read->header->revision);
            len += (size_t)snprintf(text + len, size - len, "%c%.*s", i == 0 ? ':' : ',',
                                    (int)read->events[i]->kv->key.len,
                                    (const char *)read->events[i]->kv->key.data);
        }
        len += (size_t)snprintf(text + len, size - len, "%s", read->fragment ? "+" : "");
        etcdserverpb__watch_response__free_unpacked(read, NULL);
    }
    ck_assert(grpc_deframer_empty(&deframer));
    grpc_deframer_release(&deframer);
}

static void check_written(struct watch_outbox *outbox, struct sink *sink, const char *wanted)
{
    char text[4096];
    buffer_init(&sink->bytes, READ_BYTES_MAX);
    watch_outbox_write(outbox, take, sink);
    read_back(sink, text, sizeof(text));
    ck_assert_str_eq(text, wanted);
    buffer_release(&sink->bytes);
    watch_outbox_release(outbox);
}

static void add(struct watch_outbox *outbox, struct watch_encoder *encoder,
                const struct store_event *event, int64_t watch_id)
{
    watch_outbox_add(outbox, block_for(encoder, event->kv->mod_revision, event, /* count= */ 1),
                     watch_id,
                     /* fragment= */ false);
}

START_TEST(the_same_events_are_encoded_once)
{
    struct watch_encoder encoder;
    watch_encoder_init(&encoder);
    struct store_event first[] = {put("a", 1, 5), put("b", 1, 5)}, second = put("a", 1, 6);
    struct store_event copy[] = {first[0], first[1]};
    struct watch_block *block = block_for(&encoder, 5, first, 2);
    ck_assert_ptr_eq(block_for(&encoder, 5, copy, 2), block);
    ck_assert_ptr_null(watch_encoder_find(&encoder, 5, first, 1, /* with_prev= */ false));
    ck_assert_ptr_null(watch_encoder_find(&encoder, 5, first, 2, /* with_prev= */ true));
    ck_assert_ptr_null(watch_encoder_find(&encoder, 6, &second, 1, /* with_prev= */ false));
    watch_encoder_forget(&encoder);
    ck_assert_ptr_null(watch_encoder_find(&encoder, 5, first, 2, /* with_prev= */ false));
    watch_encoder_release(&encoder);
    store_kv_unref(first[0].kv);
    store_kv_unref(first[1].kv);
    store_kv_unref(second.kv);
}
END_TEST

START_TEST(revisions_in_a_row_for_the_same_watches_are_one_message_of_each)
{
    struct watch_encoder encoder;
    struct watch_outbox outbox = {.runs = NULL};
    struct sink sink = {.pieces = 0};
    watch_encoder_init(&encoder);
    struct store_event events[] = {put("a", 9, 5), put("b", 9, 6), put("c", 9, 7), put("d", 9, 8)};
    for (int revision = 0; revision < 2; revision++) {
        add(&outbox, &encoder, &events[revision], 0);
        add(&outbox, &encoder, &events[revision], 7);
    }
    add(&outbox, &encoder, &events[2], 7); /* Another set of watches: a message of its own. */
    add(&outbox, &encoder, &events[3], 7);
    add(&outbox, &encoder, &events[3], 9);
    check_written(&outbox, &sink, "0@6:a,b 7@6:a,b 7@7:c 7@8:d 9@8:d");
    ck_assert_uint_eq(sink.pieces, 1);
    watch_encoder_release(&encoder);
    for (size_t i = 0; i < 4; i++) {
        store_kv_unref(events[i].kv);
    }
}
END_TEST

START_TEST(other_answers_keep_their_place_among_events)
{
    struct watch_encoder encoder;
    struct watch_outbox outbox = {.runs = NULL};
    struct sink sink = {.pieces = 0};
    watch_encoder_init(&encoder);
    struct store_event events[] = {put("a", 9, 5), put("b", 9, 6)};
    struct etcd_header header = {.revision = 5};
    Etcdserverpb__WatchResponse response;
    etcdserverpb__watch_response__init(&response);
    response.watch_id = 3;
    response.canceled = true;
    add(&outbox, &encoder, &events[0], 1);
    struct watch_block *answer = watch_block_of_answer(&header, &response);
    watch_outbox_add(&outbox, answer, 3, /* fragment= */ false);
    chunk_unref(&answer->chunk);
    add(&outbox, &encoder, &events[1], 1);
    check_written(&outbox, &sink, "1@5:a 3@5! 1@6:b");
    watch_encoder_release(&encoder);
    store_kv_unref(events[0].kv);
    store_kv_unref(events[1].kv);
}
END_TEST

START_TEST(large_events_are_lent_and_not_joined)
{
    struct watch_encoder encoder;
    struct watch_outbox outbox = {.runs = NULL};
    struct sink sink = {.pieces = 0};
    watch_encoder_init(&encoder);
    struct store_event events[] = {put("a", 100000, 5), put("b", 9, 6)};
    add(&outbox, &encoder, &events[0], 1);
    add(&outbox, &encoder, &events[0], 2);
    sink.shared = &outbox.runs[0].block->chunk;
    add(&outbox, &encoder, &events[1], 1);
    add(&outbox, &encoder, &events[1], 2);
    check_written(&outbox, &sink, "1@5:a 2@5:a 1@6:b 2@6:b");
    ck_assert_uint_eq(sink.shared_pieces, 2);
    watch_encoder_release(&encoder);
    store_kv_unref(events[0].kv);
    store_kv_unref(events[1].kv);
}
END_TEST

START_TEST(only_who_asked_gets_a_revision_in_fragments)
{
    struct watch_encoder encoder;
    struct watch_outbox outbox = {.runs = NULL};
    struct sink sink = {.pieces = 0};
    watch_encoder_init(&encoder);
    struct store_event events[] = {put("a", 1500000, 5), put("b", 1500000, 5), put("c", 9, 5)};
    struct watch_block *block = block_for(&encoder, 5, events, 3);
    watch_outbox_add(&outbox, block, 1, /* fragment= */ true);
    watch_outbox_add(&outbox, block, 2, /* fragment= */ false);
    check_written(&outbox, &sink, "1@5:a+ 1@5:b,c 2@5:a,b,c");
    watch_encoder_release(&encoder);
    for (size_t i = 0; i < 3; i++) {
        store_kv_unref(events[i].kv);
    }
}
END_TEST

START_TEST(an_outbox_over_its_limit_takes_nothing_more)
{
    struct watch_encoder encoder;
    struct watch_outbox outbox = {.runs = NULL};
    watch_encoder_init(&encoder);
    struct store_event event = put("a", 1 << 20, 5);
    struct watch_block *block = block_for(&encoder, 5, &event, 1);
    for (int i = 0; i < WATCH_OUTBOX_BYTES_MAX >> 20; i++) {
        watch_outbox_add(&outbox, block, i, /* fragment= */ false);
    }
    ck_assert(outbox.overflowed);
    ck_assert_uint_lt(outbox.bytes, WATCH_OUTBOX_BYTES_MAX);
    watch_outbox_release(&outbox);
    ck_assert(!outbox.overflowed);
    watch_encoder_release(&encoder);
    store_kv_unref(event.kv);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/watch_encode");
    TCase *tcase = tcase_create("watch_encode");
    tcase_add_test(tcase, the_same_events_are_encoded_once);
    tcase_add_test(tcase, revisions_in_a_row_for_the_same_watches_are_one_message_of_each);
    tcase_add_test(tcase, other_answers_keep_their_place_among_events);
    tcase_add_test(tcase, large_events_are_lent_and_not_joined);
    tcase_add_test(tcase, only_who_asked_gets_a_revision_in_fragments);
    tcase_add_test(tcase, an_outbox_over_its_limit_takes_nothing_more);
    suite_add_tcase(suite, tcase);
    Suite *suites[] = {suite};
    return unit_main(suites, 1);
}
