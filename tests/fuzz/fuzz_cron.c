/* Schedules: what is accepted has a minute that fits, and is refused with words otherwise. */
#include "lib/api/cron.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cron cron = {0};
    CLEANUP(error_release) struct error error = {0};
    char *text = malloc(size + 1);
    if (text == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    if (cron_parse(text, &cron, &error) == 0) {
        assert(cron.every_s > 0 || (cron.minutes != 0 && cron.hours != 0 && cron.days != 0 &&
                                    cron.months != 0 && cron.weekdays != 0));
        assert(cron.minutes >> 60 == 0 && cron.hours >> 24 == 0 && cron.weekdays >> 7 == 0);
    } else {
        assert(error_message(&error)[0] != '\0');
    }
    free(text);
    return 0;
}
