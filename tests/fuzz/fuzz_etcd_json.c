/* JSON of etcd's gateway from any bytes. The first byte picks the message. What is read is written
 * as JSON, and must be read back as the same. */
#include "etcd/rpc.pb-c.h"
#include "etcd/v3election.pb-c.h"
#include "etcd/v3lock.pb-c.h"
#include "store/etcd_json.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice packed(const ProtobufCMessage *message, struct arena *arena)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc(arena, len + 1);
    (void)protobuf_c_message_pack(message, bytes);
    return slice_of(bytes, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ProtobufCMessageDescriptor *const kinds[] = {
        &etcdserverpb__range_request__descriptor,
        &etcdserverpb__put_request__descriptor,
        &etcdserverpb__txn_request__descriptor,
        &etcdserverpb__txn_response__descriptor,
        &etcdserverpb__watch_request__descriptor,
        &etcdserverpb__watch_response__descriptor,
        &etcdserverpb__lease_grant_request__descriptor,
        &etcdserverpb__member_list_response__descriptor,
        &etcdserverpb__status_response__descriptor,
        &etcdserverpb__auth_role_grant_permission_request__descriptor,
        &etcdserverpb__auth_user_add_request__descriptor,
        &v3electionpb__campaign_request__descriptor,
        &v3lockpb__lock_request__descriptor,
    };
    if (size == 0) {
        return 0;
    }
    const ProtobufCMessageDescriptor *kind = kinds[data[0] % (sizeof(kinds) / sizeof(kinds[0]))];
    struct slice text = slice_of(data + 1, size - 1);
    if (!etcd_json_is_bounded(text)) {
        return 0;
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(error_release) struct error error = {0};
    size_t used = 0;
    ProtobufCMessage *message = etcd_json_read(kind, arena, text, &used, &error);
    assert((message == NULL) == (error.code != 0));
    if (message == NULL) {
        return 0;
    }
    assert(used > 0 && used <= text.len);
    CLEANUP(buffer_release) struct buffer written;
    buffer_init(&written, SIZE_MAX);
    etcd_json_write(message, &written);
    ProtobufCMessage *again = etcd_json_read(kind, arena, buffer_slice(&written), &used, &error);
    assert(again != NULL && used == written.len);
    assert(slice_equal(packed(message, arena), packed(again, arena)));
    return 0;
}
