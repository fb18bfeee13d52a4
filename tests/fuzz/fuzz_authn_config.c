/* The AuthenticationConfiguration that an operator writes: it is read or refused. */
#include "apiserver/authn_config.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct authn_config config;
    CLEANUP(error_release) struct error error = {0};
    struct arena *arena = arena_new(SIZE_MAX);
    int status = authn_config_parse(arena, slice_of(data, size), &config, &error);
    assert(status == 0 || (status == -EINVAL && error_message(&error)[0] != 0));
    for (size_t i = 0; status == 0 && i < config.issuer_count; i++) {
        assert(config.issuers[i].audiences.count > 0);
        assert(config.issuers[i].username_claim[0] != 0);
    }
    if (status == 0) {
        (void)authn_config_lets_in_nobody(&config, /* by_flag= */ true, "/livez");
    }
    arena_free(arena);
    return 0;
}
