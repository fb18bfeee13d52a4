/* Container logs: lines and tails. Whatever the bytes, results point into them. */
#include "agent/log_line.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);
    struct log_line line;
    if (log_line_parse(bytes, &line) == 0) {
        assert(line.text.len <= size);
        assert(line.text.data + line.text.len == data + size);
    }
    for (uint64_t count = 0; count < 4; count++) {
        assert(log_tail_offset(bytes, count) <= size);
    }
    return 0;
}
