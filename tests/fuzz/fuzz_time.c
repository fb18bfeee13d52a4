/* Times and durations: what parses is written as a text that parses to the same. */
#include "lib/api/time.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    char text[API_TIME_TEXT_SIZE];
    int64_t seconds, again, nanos;
    int32_t fraction, rest;

    if (api_time_parse(input, &seconds, &fraction) == 0) {
        api_micro_time_format(seconds, fraction, text);
        /* An offset may lead out of the four-digit years. */
        if (api_time_parse(slice_text(text), &again, &rest) == 0) {
            assert(again == seconds);
            assert(rest == fraction / 1000 * 1000);
        }
    }
    if (api_duration_parse(input, &nanos) == 0) {
        api_duration_format(nanos, text);
    }
    return 0;
}
