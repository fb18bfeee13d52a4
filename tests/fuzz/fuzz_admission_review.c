/* What a webhook answers: any bytes give a verdict or words about what is wrong with them. */
#include "apiserver/admission_review.h"
#include "apiserver/webhook_client.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_as(struct slice answer, bool mutating)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct webhook_call call = {.status = 200, .answer = answer};
    struct review_answer read = {0};
    const char *problem = admission_review_read(arena, &call, "v1", "u", mutating, &read);
    if (problem == NULL && !read.allowed) {
        const struct api_status *denial = admission_review_denial(arena, "w", read.status);
        assert(denial->code >= 400 && denial->message != NULL);
    }
    assert(mutating || problem != NULL || read.patch.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_as(slice_of(data, size), /* mutating= */ true);
    read_as(slice_of(data, size), /* mutating= */ false);
    return 0;
}
