#include "lib/base/log.h"

#include "lib/base/buffer.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LOG_LINE_MAX = 8192 };

static _Atomic int log_threshold = LOG_LEVEL_INFO;

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

void log_set_level(enum log_level level)
{
    atomic_store(&log_threshold, (int)level);
}

int log_level_parse(const char *name, enum log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

static bool needs_quotes(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = value.data[i];
        if (byte <= ' ' || byte == '"' || byte == '=' || byte == '\\' || byte >= 0x7f) {
            return true;
        }
    }
    return value.len == 0;
}

static void append_value(struct buffer *line, struct slice value)
{
    if (!needs_quotes(value)) {
        buffer_append_slice(line, value);
        return;
    }
    buffer_append_byte(line, '"');
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = value.data[i];
        if (byte == '"' || byte == '\\') {
            buffer_append_byte(line, '\\');
            buffer_append_byte(line, byte);
        } else if (byte == '\n') {
            buffer_append_text(line, "\\n");
        } else if (byte < ' ' || byte == 0x7f) {
            buffer_printf(line, "\\x%02x", byte);
        } else {
            buffer_append_byte(line, byte);
        }
    }
    buffer_append_byte(line, '"');
}

static void append_field(struct buffer *line, const struct log_field *field)
{
    buffer_printf(line, " %s=", field->key);
    switch (field->kind) {
    case LOG_KIND_TEXT:
        append_value(line, slice_text(field->value.text));
        break;
    case LOG_KIND_U64:
        buffer_printf(line, "%llu", (unsigned long long)field->value.u64);
        break;
    case LOG_KIND_ID:
        buffer_printf(line, "%016llx", (unsigned long long)field->value.u64);
        break;
    case LOG_KIND_I64:
        buffer_printf(line, "%lld", (long long)field->value.i64);
        break;
    case LOG_KIND_F64:
        buffer_printf(line, "%g", field->value.f64);
        break;
    case LOG_KIND_SLICE:
        append_value(line, field->value.slice);
        break;
    }
}

void log_write(enum log_level level, const char *component, const char *message,
               const struct log_field *fields, size_t field_count)
{
    if ((int)level > atomic_load_explicit(&log_threshold, memory_order_relaxed)) {
        return;
    }
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    char stamp[32];
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &parts);

    CLEANUP(buffer_release) struct buffer line;
    buffer_init(&line, LOG_LINE_MAX);
    buffer_printf(&line, "ts=%s.%03ldZ level=%s component=%s msg=", stamp, now.tv_nsec / 1000000,
                  level_names[level], component);
    append_value(&line, slice_text(message));
    for (size_t i = 0; i < field_count; i++) {
        append_field(&line, &fields[i]);
    }
    if (line.len == LOG_LINE_MAX) {
        line.len--; /* A line over the maximum is cut. */
    }
    buffer_append_byte(&line, '\n');
    /* Nobody can be told that the log itself failed. */
    ssize_t written = write(STDERR_FILENO, line.data, line.len);
    (void)written;
}
