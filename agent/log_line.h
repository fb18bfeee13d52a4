/* One line of a container log in CRI's format: "<RFC 3339 time> stdout|stderr P|F <text>". Pure. */
#ifndef AGENT_LOG_LINE_H
#define AGENT_LOG_LINE_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"

struct log_line {
    struct slice time; /* As written. */
    int64_t time_s;
    int32_t time_ns;
    bool is_stderr;
    bool partial;      /* The next line goes on with the same line of output. */
    struct slice text; /* Without the newline. */
};

/* `line` is without its newline; the result points into it. 0 or -EINVAL. */
MUST_USE int log_line_parse(struct slice line, struct log_line *ret_line);
/* The offset at which the last `count` lines of output begin (lines that are parts of one line
 * count once); 0 when there are fewer. `bytes` may end without a newline. */
size_t log_tail_offset(struct slice bytes, uint64_t count);
#endif
