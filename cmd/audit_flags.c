#include "cmd/audit_flags.h"

#include "lib/base/time_text.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
    DAYS_MAX = 36500,
    BACKUPS_MAX = 4096,
    MEGABYTES_MAX = 1 << 20,
    EVENTS_MAX = 1 << 20,
    RATE_MAX = 1 << 20,
    TIME_MAX_MS = 24 * 3600 * 1000,
};

/* Reads flags until one is wrong; what comes after that is left as it is. */
struct reader {
    const struct flag_set *set;
    const char *prefix; /* "audit-log-" */
    int status;
    struct error *reterr;
};

/* "audit-log-mode" for "mode"; it is in the table. */
static const char *full_name(const struct reader *reader, const char *name, char room[64])
{
    (void)snprintf(room, 64, "%s%s", reader->prefix, name);
    return room;
}

static void refuse(struct reader *reader, const char *name, const char *what)
{
    reader->status = error_set(reader->reterr, -EINVAL, "--%s=%s: must be %s", name,
                               flag_text(reader->set, name), what);
}

static long number(struct reader *reader, const char *name, long min, long max)
{
    char room[64];
    long value = 0;
    if (reader->status == 0) {
        reader->status = flag_number(reader->set, full_name(reader, name, room), min, max, &value,
                                     reader->reterr);
    }
    return value;
}

/* Which of `words` (NULL-terminated) it is; `all` names them. */
static int word(struct reader *reader, const char *name, const char *const *words, const char *all)
{
    char room[64];
    const char *flag = full_name(reader, name, room);
    const char *text = flag_text(reader->set, flag);
    int index = 0;
    while (words[index] != NULL && strcmp(words[index], text) != 0) {
        index++;
    }
    if (words[index] == NULL && reader->status == 0) {
        refuse(reader, flag, all);
    }
    return index;
}

static void must_be(struct reader *reader, const char *name, const char *only)
{
    const char *const words[] = {only, NULL};
    (void)word(reader, name, words, only);
}

static bool boolean(struct reader *reader, const char *name)
{
    char room[64];
    return flag_on(reader->set, full_name(reader, name, room));
}

static enum audit_mode mode(struct reader *reader)
{
    static const char *const words[] = {"batch", "blocking", "blocking-strict", NULL};
    static const enum audit_mode modes[] = {AUDIT_BATCH, AUDIT_BLOCKING, AUDIT_BLOCKING_STRICT,
                                            AUDIT_BATCH};
    return modes[word(reader, "mode", words, "batch, blocking or blocking-strict")];
}

static uint64_t time_ms(struct reader *reader, const char *name)
{
    char room[64];
    int64_t nanos = 0;
    const char *flag = full_name(reader, name, room);
    bool good = duration_parse(slice_text(flag_text(reader->set, flag)), &nanos) == 0 &&
                nanos >= 0 && nanos / 1000000 <= TIME_MAX_MS;
    if (!good && reader->status == 0) {
        refuse(reader, flag, "a time of up to a day, such as 30s or 500ms");
    }
    return good ? (uint64_t)nanos / 1000000 : 0;
}

static struct audit_truncate_options truncation(struct reader *reader)
{
    struct audit_truncate_options truncate = {
        .enabled = boolean(reader, "truncate-enabled"),
        .event_max = (size_t)number(reader, "truncate-max-event-size", 1, INT_MAX),
        .batch_max = (size_t)number(reader, "truncate-max-batch-size", 1, INT_MAX)};
    if (reader->status == 0 && truncate.enabled && truncate.batch_max < truncate.event_max) {
        char room[64];
        refuse(reader, full_name(reader, "truncate-max-batch-size", room),
               "no less than the size of an event");
    }
    return truncate;
}

static void read_log(struct reader *reader, struct audit_options *options)
{
    reader->prefix = "audit-log-";
    must_be(reader, "format", "json");
    must_be(reader, "version", "audit.k8s.io/v1");
    options->log_mode = mode(reader);
    options->log_age_days_max = (uint32_t)number(reader, "maxage", 0, DAYS_MAX);
    options->log_backups_max = (uint32_t)number(reader, "maxbackup", 0, BACKUPS_MAX);
    options->log_size_max = (uint64_t)number(reader, "maxsize", 0, MEGABYTES_MAX) << 20;
    options->log_compress = boolean(reader, "compress");
    options->log_truncate = truncation(reader);
}

static void read_webhook(struct reader *reader, struct audit_options *options)
{
    reader->prefix = "audit-webhook-";
    must_be(reader, "version", "audit.k8s.io/v1");
    options->webhook_mode = mode(reader);
    options->webhook_backoff_ms = time_ms(reader, "initial-backoff");
    options->webhook_batch = (struct audit_batch_options){
        .buffer_size = (size_t)number(reader, "batch-buffer-size", 1, EVENTS_MAX),
        .max_size = (size_t)number(reader, "batch-max-size", 1, EVENTS_MAX),
        .max_wait_ms = time_ms(reader, "batch-max-wait"),
        .throttled = boolean(reader, "batch-throttle-enable"),
        .throttle_qps = (uint64_t)number(reader, "batch-throttle-qps", 1, RATE_MAX),
        .throttle_burst = (uint64_t)number(reader, "batch-throttle-burst", 1, RATE_MAX)};
    options->webhook_truncate = truncation(reader);
}

int audit_options_from(const struct flag_set *set, struct arena *arena,
                       struct audit_options *ret_options, struct error *reterr)
{
    struct audit_options options = {.log_path = flag_text(set, "audit-log-path"),
                                    .webhook_config = flag_text(set, "audit-webhook-config-file")};
    struct reader reader = {.set = set, .reterr = reterr};
    read_log(&reader, &options);
    read_webhook(&reader, &options);
    if (reader.status == 0) {
        reader.status = flag_file(set, "audit-policy-file", arena, &options.policy, reterr);
    }
    bool kept = options.log_path != NULL || options.webhook_config != NULL;
    if (reader.status == 0 && kept && options.policy == NULL) {
        reader.status =
            error_set(reterr, -EINVAL, "--%s needs --audit-policy-file",
                      options.log_path != NULL ? "audit-log-path" : "audit-webhook-config-file");
    }
    if (reader.status == 0) {
        *ret_options = options;
    }
    return reader.status;
}
