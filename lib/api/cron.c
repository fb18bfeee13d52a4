#include "lib/api/cron.h"

#include "lib/base/buffer.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FIELDS = 5, TEXT_MAX = 256, NAME_LENGTH = 3 };

static const struct bounds {
    unsigned min, max;
    const char *names; /* Three letters each, the first is `min`; or NULL. */
} BOUNDS[FIELDS] = {{0, 59, NULL},
                    {0, 23, NULL},
                    {1, 31, NULL},
                    {1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"},
                    {0, 6, "SUNMONTUEWEDTHUFRISAT"}};

static const struct {
    const char *name, *fields;
} NAMED[] = {{"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
             {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
             {"@hourly", "0 * * * *"}};

/* --- One field ---------------------------------------------------------------------------------
 */

static int read_value(const char *text, const struct bounds *bounds, unsigned *ret_value,
                      struct error *reterr)
{
    size_t names = bounds->names == NULL ? 0 : strlen(bounds->names) / NAME_LENGTH;
    for (unsigned i = 0; i < names && strlen(text) == NAME_LENGTH; i++) {
        if (strncasecmp(bounds->names + (size_t)i * NAME_LENGTH, text, NAME_LENGTH) == 0) {
            *ret_value = bounds->min + i;
            return 0;
        }
    }
    if (!isdigit((unsigned char)*text) || strspn(text, "0123456789") != strlen(text) ||
        strlen(text) > 9) {
        return error_set(reterr, -EINVAL, "failed to parse int from %s", text);
    }
    *ret_value = (unsigned)strtoul(text, NULL, /* base= */ 10);
    return 0;
}

/* "a", "a-b" or "*": its ends, and whether it was written with one value only. */
static int read_ends(char *text, const struct bounds *bounds, unsigned ret_ends[2],
                     bool *ret_single, struct error *reterr)
{
    char *dash = strchr(text, '-');
    *ret_single = false;
    if (strcmp(text, "*") == 0 || strcmp(text, "?") == 0) {
        ret_ends[0] = bounds->min;
        ret_ends[1] = bounds->max;
        return 0;
    }
    if (dash != NULL) {
        *dash = '\0';
    }
    int r = read_value(text, bounds, &ret_ends[0], reterr);
    if (r < 0) {
        return r;
    }
    ret_ends[1] = ret_ends[0];
    *ret_single = dash == NULL;
    return dash == NULL ? 0 : read_value(dash + 1, bounds, &ret_ends[1], reterr);
}

static int add_range(char *text, const struct bounds *bounds, uint64_t *bits, struct error *reterr)
{
    static const struct bounds any = {0, 0, NULL};
    char *slash = strchr(text, '/');
    unsigned ends[2] = {0, 0}, step = 1;
    bool single = false;
    if (slash != NULL) {
        *slash = '\0';
    }
    int r = read_ends(text, bounds, ends, &single, reterr);
    if (r == 0 && slash != NULL) {
        r = read_value(slash + 1, &any, &step, reterr);
        ends[1] = single ? bounds->max : ends[1];
    }
    if (r < 0) {
        return r;
    }
    if (ends[0] < bounds->min) {
        return error_set(reterr, -EINVAL, "beginning of range (%u) below minimum (%u): %s", ends[0],
                         bounds->min, text);
    }
    if (ends[1] > bounds->max) {
        return error_set(reterr, -EINVAL, "end of range (%u) above maximum (%u): %s", ends[1],
                         bounds->max, text);
    }
    if (ends[0] > ends[1]) {
        return error_set(reterr, -EINVAL, "beginning of range (%u) beyond end of range (%u): %s",
                         ends[0], ends[1], text);
    }
    if (step == 0) {
        return error_set(reterr, -EINVAL, "step of range should be a positive number: %s", text);
    }
    for (unsigned value = ends[0]; value <= ends[1]; value += step) {
        *bits |= UINT64_C(1) << value;
    }
    return 0;
}

static int read_field(char *text, const struct bounds *bounds, uint64_t *ret_bits, bool *ret_any,
                      struct error *reterr)
{
    char *rest = NULL;
    uint64_t bits = 0;
    *ret_any = *text == '*' || *text == '?';
    for (char *part = strtok_r(text, ",", &rest); part != NULL; part = strtok_r(NULL, ",", &rest)) {
        int r = add_range(part, bounds, &bits, reterr);
        if (r < 0) {
            return r;
        }
    }
    *ret_bits = bits;
    return bits == 0 ? error_set(reterr, -EINVAL, "failed to parse int from ") : 0;
}

/* --- The whole ---------------------------------------------------------------------------------
 */

static int read_fields(char *text, struct cron *cron, struct error *reterr)
{
    uint64_t *const bits[FIELDS] = {&cron->minutes, &cron->hours, &cron->days, &cron->months,
                                    &cron->weekdays};
    bool any[FIELDS] = {false};
    char *fields[FIELDS], *rest = NULL;
    size_t count = 0;
    CLEANUP(buffer_release) struct buffer shown;
    buffer_init(&shown, SIZE_MAX / 2);
    for (char *field = strtok_r(text, " \t\r\n", &rest); field != NULL;
         field = strtok_r(NULL, " \t\r\n", &rest)) {
        if (count < FIELDS) {
            fields[count] = field;
        }
        buffer_printf(&shown, "%s%s", count == 0 ? "" : " ", field);
        count++;
    }
    if (count != FIELDS) {
        return error_set(reterr, -EINVAL, "expected exactly 5 fields, found %zu: [%s]", count,
                         buffer_text(&shown));
    }
    for (size_t i = 0; i < FIELDS; i++) {
        int r = read_field(fields[i], &BOUNDS[i], bits[i], &any[i], reterr);
        if (r < 0) {
            return r;
        }
    }
    cron->any_day = any[2];
    cron->any_weekday = any[4];
    return 0;
}

/* "1h30m", "90s": hours, minutes and seconds. */
static int read_interval(const char *text, struct cron *cron, struct error *reterr)
{
    enum { MINUTE = 60, HOUR = 3600, DIGITS_MAX = 9 };
    const char *at = text;
    int64_t total = 0;
    while (*at != '\0') {
        size_t digits = strspn(at, "0123456789");
        int64_t unit = at[digits] == 'h' ? HOUR : at[digits] == 'm' ? MINUTE : 1;
        if (digits == 0 || digits > DIGITS_MAX || strchr("hms", at[digits]) == NULL ||
            at[digits] == '\0') {
            return error_set(reterr, -EINVAL, "failed to parse duration @every %s", text);
        }
        total += strtoll(at, NULL, /* base= */ 10) * unit;
        at += digits + 1;
    }
    if (total <= 0) {
        return error_set(reterr, -EINVAL, "failed to parse duration @every %s", text);
    }
    cron->every_s = total;
    return 0;
}

static int read_named(const char *text, struct cron *cron, struct error *reterr)
{
    static const char every[] = "@every ";
    for (size_t i = 0; i < ARRAY_LEN(NAMED); i++) {
        if (strcmp(text, NAMED[i].name) == 0) {
            char fields[TEXT_MAX];
            (void)snprintf(fields, sizeof(fields), "%s", NAMED[i].fields);
            return read_fields(fields, cron, reterr);
        }
    }
    if (strncmp(text, every, strlen(every)) == 0) {
        return read_interval(text + strlen(every), cron, reterr);
    }
    return error_set(reterr, -EINVAL, "unrecognized descriptor: %s", text);
}

int cron_parse(const char *text, struct cron *ret_cron, struct error *reterr)
{
    struct cron cron = {0};
    char copy[TEXT_MAX];
    if (strncmp(text, "TZ=", strlen("TZ=")) == 0 ||
        strncmp(text, "CRON_TZ=", strlen("CRON_TZ=")) == 0) {
        const char *space = strchr(text, ' ');
        text = space == NULL ? "" : space + strspn(space, " ");
    }
    if (*text == '\0') {
        return error_set(reterr, -EINVAL, "empty spec string");
    }
    if (strlen(text) >= sizeof(copy)) {
        return error_set(reterr, -EINVAL, "the schedule is longer than %d characters", TEXT_MAX);
    }
    (void)snprintf(copy, sizeof(copy), "%s", text);
    int r = *copy == '@' ? read_named(copy, &cron, reterr) : read_fields(copy, &cron, reterr);
    if (r == 0) {
        *ret_cron = cron;
    }
    return r;
}
