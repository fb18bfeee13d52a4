/* Structured log: one line per event, `ts=… level=… component=… msg="…" key=value …`, to standard
 * error. Levels: error needs a human; warn says what was ignored; info is a state change; debug is
 * for developers. Pure code (`_core` archives) never logs. Thread-safe; a line is one write. */
#ifndef LIB_BASE_LOG_H
#define LIB_BASE_LOG_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_field {
    const char *key;
    enum log_kind {
        LOG_KIND_TEXT,
        LOG_KIND_U64,
        LOG_KIND_ID,
        LOG_KIND_I64,
        LOG_KIND_F64,
        LOG_KIND_SLICE
    } kind;
    union {
        const char *text;
        uint64_t u64;
        int64_t i64;
        double f64;
        struct slice slice;
    } value;
};

#define KV_TEXT(k, v) ((struct log_field){(k), LOG_KIND_TEXT, {.text = (v)}})
#define KV_U64(k, v)  ((struct log_field){(k), LOG_KIND_U64, {.u64 = (v)}})
/* Of a member or cluster: in hex, as commands and etcd's tools show it. */
#define KV_ID(k, v)    ((struct log_field){(k), LOG_KIND_ID, {.u64 = (v)}})
#define KV_I64(k, v)   ((struct log_field){(k), LOG_KIND_I64, {.i64 = (v)}})
#define KV_F64(k, v)   ((struct log_field){(k), LOG_KIND_F64, {.f64 = (v)}})
#define KV_SLICE(k, v) ((struct log_field){(k), LOG_KIND_SLICE, {.slice = (v)}})

/* LOG_INFO("raft", "became leader", KV_U64("term", term)); at least one field. */
#define LOG_AT(level, component, message, ...)                                                     \
    log_write((level), (component), (message), (const struct log_field[]){__VA_ARGS__},            \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
#define LOG_ERROR(component, message, ...) LOG_AT(LOG_LEVEL_ERROR, component, message, __VA_ARGS__)
#define LOG_WARN(component, message, ...)  LOG_AT(LOG_LEVEL_WARN, component, message, __VA_ARGS__)
#define LOG_INFO(component, message, ...)  LOG_AT(LOG_LEVEL_INFO, component, message, __VA_ARGS__)
#define LOG_DEBUG(component, message, ...) LOG_AT(LOG_LEVEL_DEBUG, component, message, __VA_ARGS__)

void log_write(enum log_level level, const char *component, const char *message,
               const struct log_field *fields, size_t field_count);
void log_set_level(enum log_level level); /* The only process-wide state of the code base. */
MUST_USE int log_level_parse(const char *name, enum log_level *ret_level); /* 0 or -EINVAL. */
#endif
