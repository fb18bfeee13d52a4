/* Rules of CronJob. */
#include "lib/api/cron.h"
#include "lib/api/rules/rules.h"
#include "lib/api/time_zones.h"
#include <strings.h>

/* Of a CronJob that is replaced; else NULL. */
static const Batch__V1__CronJobSpec *spec_before(const struct api_frame *frame)
{
    const Batch__V1__CronJob *before = frame->parent->before;
    return before == NULL ? NULL : before->spec;
}

/* Parts of one to fourteen letters, with slashes between them. */
static bool is_zone_name(const char *zone)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_+";
    enum { PART_MAX = 14 };
    for (const char *part = zone; part != NULL;) {
        size_t len = strcspn(part, "/");
        bool dots = (len == 1 && part[0] == '.') || (len == 2 && strncmp(part, "..", 2) == 0);
        if (len == 0 || len > PART_MAX || dots || *part == '-' || strspn(part, letters) < len) {
            return false;
        }
        part = part[len] == '\0' ? NULL : part + len + 1;
    }
    return true;
}

bool rules_cron_schedule(struct api_causes *causes, const struct api_frame *frame)
{
    CLEANUP(error_release) struct error error = {0};
    const Batch__V1__CronJobSpec *spec = frame->message;
    const char *schedule = text_or_empty(spec->schedule);
    struct cron cron;
    if (*schedule == '\0') {
        return true; /* Its option says so. */
    }
    if (cron_parse(schedule, &cron, &error) < 0) {
        rules_invalid(causes, frame->at, "schedule", api_shown_text(schedule),
                      error_message(&error));
    }
    const Batch__V1__CronJobSpec *before = spec_before(frame);
    bool had_zone = before != NULL && strstr(text_or_empty(before->schedule), "TZ") != NULL;
    if (strstr(schedule, "TZ") == NULL || (had_zone && spec->time_zone == NULL)) {
        return true;
    }
    rules_invalid(causes, frame->at, "schedule", api_shown_text(schedule),
                  had_zone ? "cannot use both timeZone field and TZ or CRON_TZ in schedule"
                           : "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
    return true;
}

bool rules_cron_time_zone(struct api_causes *causes, const struct api_frame *frame)
{
    const Batch__V1__CronJobSpec *spec = frame->message;
    const char *zone = spec->time_zone;
    struct api_path at = api_path_field(frame->at, "timeZone");
    const Batch__V1__CronJobSpec *before = spec_before(frame);
    if (zone == NULL || (before != NULL && rules_is(before->time_zone, zone))) {
        return true;
    }
    if (*zone == '\0') {
        api_cause_invalid(causes, &at, api_shown_text(zone),
                          "timeZone must be nil or non-empty string");
        return true;
    }
    const char *unknown = arena_printf(causes->arena, "unknown time zone %s", zone);
    if (!is_zone_name(zone)) {
        api_cause_invalid(causes, &at, api_shown_text(zone), unknown);
        return true;
    }
    if (strcasecmp(zone, "Local") == 0) {
        api_cause_invalid(causes, &at, api_shown_text(zone),
                          "timeZone must be an explicit time zone as defined in "
                          "https://www.iana.org/time-zones");
    }
    if (strcmp(zone, "Local") != 0 && !api_time_zone_exists(zone)) {
        api_cause_invalid(causes, &at, api_shown_text(zone), unknown);
    }
    return true;
}

/* The names of its jobs have eleven characters more. */
void rules_check_cron_job(struct api_causes *causes, const void *message)
{
    enum { NAME_MAX_BYTES = 52 };
    const Batch__V1__CronJob *job = message;
    struct api_path at = api_path_field(NULL, "metadata");
    if (strlen(text_or_empty(job->metadata->name)) > NAME_MAX_BYTES) {
        rules_invalid(causes, &at, "name", api_shown_text(job->metadata->name),
                      "must be no more than 52 characters");
    }
}
