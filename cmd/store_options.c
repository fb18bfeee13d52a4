#include "cmd/store_options.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { MS_PER_SECOND = 1000, MS_PER_MINUTE = 60 * 1000, MS_PER_HOUR = 60 * 60 * 1000 };

#define AGE_MAX_HOURS UINT64_C(100000)

static uint64_t unit_ms(const char *text)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } units[] = {{"", MS_PER_HOUR}, {"h", MS_PER_HOUR}, {"m", MS_PER_MINUTE}, {"s", MS_PER_SECOND}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text, units[i].text) == 0) {
            return units[i].ms;
        }
    }
    return 0;
}

/* As etcd: a number is hours, or has a unit; 0 is never. */
static int parse_age(const char *text, uint64_t *ret_ms, struct error *reterr)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    uint64_t unit = end == text || *text == '-' ? 0 : unit_ms(end);
    if (errno != 0 || unit == 0 || number > AGE_MAX_HOURS * MS_PER_HOUR / unit) {
        return error_set(reterr, -EINVAL,
                         "--auto-compaction-retention=%s: must be like 30m, 5h or 1 (hour)", text);
    }
    *ret_ms = number * unit;
    return 0;
}

static int parse_retention(const struct flag_set *set, struct store_options *options,
                           struct error *reterr)
{
    const char *mode = flag_text(set, "auto-compaction-mode");
    const char *retention = flag_text(set, "auto-compaction-retention");
    bool by_revision = strcmp(mode, "revision") == 0;
    if (!by_revision && strcmp(mode, "periodic") != 0) {
        return error_set(reterr, -EINVAL, "--auto-compaction-mode=%s: must be periodic or revision",
                         mode);
    }
    if (by_revision) {
        long revisions = 0;
        options->compact_age_ms = 0;
        if (retention == NULL) {
            return 0;
        }
        int result = flag_number(set, "auto-compaction-retention", 0, LONG_MAX, &revisions, reterr);
        options->compact_revisions = revisions;
        return result;
    }
    return retention == NULL ? 0 : parse_age(retention, &options->compact_age_ms, reterr);
}

int store_options_from(const struct flag_set *set, uint64_t fallback_age_ms,
                       struct store_options *ret_options, struct error *reterr)
{
    struct store_options options = {.compact_age_ms = fallback_age_ms};
    long quota = 0;
    int result = flag_number(set, "quota-bytes", 0, LONG_MAX, &quota, reterr);
    if (result == 0) {
        result = parse_retention(set, &options, reterr);
    }
    if (result < 0) {
        return result;
    }
    options.quota_bytes = (uint64_t)quota;
    *ret_options = options;
    return 0;
}
