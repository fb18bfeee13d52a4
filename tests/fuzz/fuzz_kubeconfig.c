/* The kubeconfig of a webhook: it is read or refused. */
#include "apiserver/kubeconfig_text.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kubeconfig_text text;
    CLEANUP(error_release) struct error error = {0};
    struct arena *arena = arena_new(SIZE_MAX);
    int status = kubeconfig_parse(arena, slice_of(data, size), &text, &error);
    assert(status == 0 || (status == -EINVAL && error_message(&error)[0] != 0));
    if (status == 0) {
        assert(text.server[0] == 'h');
    }
    arena_free(arena);
    return 0;
}
