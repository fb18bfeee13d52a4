#include "cmd/audit_flags.h"

#include <errno.h>
#include <string.h>

enum { DAYS_MAX = 36500, BACKUPS_MAX = 4096, MEGABYTES_MAX = 1 << 20 };

int audit_options_from(const struct flag_set *set, struct arena *arena,
                       struct audit_options *ret_options, struct error *reterr)
{
    struct audit_options options = {.log_path = flag_text(set, "audit-log-path")};
    long days = 0;
    long backups = 0;
    long megabytes = 0;
    if (strcmp(flag_text(set, "audit-log-format"), "json") != 0) {
        return error_set(reterr, -EINVAL, "--audit-log-format=%s: must be json",
                         flag_text(set, "audit-log-format"));
    }
    int result = flag_number(set, "audit-log-maxage", 0, DAYS_MAX, &days, reterr);
    if (result == 0) {
        result = flag_number(set, "audit-log-maxbackup", 0, BACKUPS_MAX, &backups, reterr);
    }
    if (result == 0) {
        result = flag_number(set, "audit-log-maxsize", 0, MEGABYTES_MAX, &megabytes, reterr);
    }
    if (result == 0) {
        result = flag_file(set, "audit-policy-file", arena, &options.policy, reterr);
    }
    if (result == 0 && options.log_path != NULL && options.policy == NULL) {
        result = error_set(reterr, -EINVAL, "--audit-log-path needs --audit-policy-file");
    }
    if (result == 0) {
        options.log_age_days_max = (uint32_t)days;
        options.log_backups_max = (uint32_t)backups;
        options.log_size_max = (uint64_t)megabytes << 20;
        *ret_options = options;
    }
    return result;
}
