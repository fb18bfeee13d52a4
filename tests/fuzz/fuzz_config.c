/* Configuration files. What is accepted is within the limits and complete. */
#include "lib/base/config.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(error_release) struct error error = {0};
    struct config config = {0};
    if (config_parse(slice_of(data, size), &config, &error) < 0) {
        assert(config.pairs == NULL && config.count == 0);
        return 0;
    }
    assert(size <= CONFIG_BYTES_MAX && config.count <= CONFIG_PAIRS_MAX);
    for (size_t i = 0; i < config.count; i++) {
        assert(config.pairs[i].key != NULL && config.pairs[i].value != NULL);
        assert(config.pairs[i].line >= 1);
    }
    config_release(&config);
    return 0;
}
