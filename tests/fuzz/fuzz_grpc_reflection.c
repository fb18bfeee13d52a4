/* Server reflection: requests from any bytes against real descriptors, and descriptor sets from any
 * bytes. The first byte chooses. */
#include "descriptors/etcd_services.h"
#include "lib/net/grpc_descriptors.h"
#include "lib/net/grpc_reflection.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_set(struct slice bytes)
{
    struct grpc_descriptors *descriptors = grpc_descriptors_new();
    int status = grpc_descriptors_add(descriptors, bytes);
    assert(status == 0 || status == -EPROTO);
    (void)grpc_descriptors_symbol(descriptors, slice_text("a.B"));
    grpc_descriptors_free(descriptors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct grpc_reflection *reflection; /* Made once: it does not change. */
    if (reflection == NULL) {
        reflection = grpc_reflection_new();
        int status = grpc_reflection_add(
            reflection, slice_of(proto_etcd_services_set, proto_etcd_services_set_size));
        assert(status == 0);
    }
    if (size > 0 && data[0] % 2 == 0) {
        fuzz_set(slice_of(data + 1, size - 1));
    } else if (size > 0) {
        struct buffer out;
        buffer_init(&out, 1024 * 1024);
        int status = grpc_reflection_answer(reflection, slice_of(data + 1, size - 1), &out);
        assert(status == 0 || status == -EPROTO || status == -ENOSPC);
        buffer_release(&out);
    }
    return 0;
}
