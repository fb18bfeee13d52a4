#include "agent/log_line.h"

#include "lib/api/time.h"
#include <errno.h>

static bool take_word(struct slice *rest, struct slice *ret_word)
{
    const uint8_t *space = rest->len == 0 ? NULL : memchr(rest->data, ' ', rest->len);
    if (space == NULL) {
        return false;
    }
    size_t len = (size_t)(space - rest->data);
    *ret_word = slice_of(rest->data, len);
    *rest = slice_of(space + 1, rest->len - len - 1);
    return true;
}

int log_line_parse(struct slice line, struct log_line *ret_line)
{
    struct log_line parsed = {.partial = false};
    struct slice rest = line, stream, tag;
    if (!take_word(&rest, &parsed.time) || !take_word(&rest, &stream) || !take_word(&rest, &tag) ||
        api_time_parse(parsed.time, &parsed.time_s, &parsed.time_ns) < 0) {
        return -EINVAL;
    }
    parsed.is_stderr = slice_is(stream, "stderr");
    if (!parsed.is_stderr && !slice_is(stream, "stdout")) {
        return -EINVAL;
    }
    /* Tags are separated by ':'; the first says partial or full. */
    parsed.partial = tag.len > 0 && tag.data[0] == 'P' && (tag.len == 1 || tag.data[1] == ':');
    parsed.text = rest;
    *ret_line = parsed;
    return 0;
}

static bool ends_output(struct slice line)
{
    struct log_line parsed;
    return log_line_parse(line, &parsed) < 0 || !parsed.partial;
}

size_t log_tail_offset(struct slice bytes, uint64_t count)
{
    size_t end = bytes.len;
    uint64_t found = 0;
    if (end > 0 && bytes.data[end - 1] == '\n') {
        end--;
    }
    if (count == 0) {
        return bytes.len;
    }
    /* Backwards: a line of output begins after a full line. */
    while (end > 0) {
        size_t start = end;
        while (start > 0 && bytes.data[start - 1] != '\n') {
            start--;
        }
        if (start == 0) {
            return 0;
        }
        size_t before_end = start - 1;
        size_t before = before_end;
        while (before > 0 && bytes.data[before - 1] != '\n') {
            before--;
        }
        if (ends_output(slice_of(bytes.data + before, before_end - before)) && ++found == count) {
            return start;
        }
        end = before_end;
    }
    return 0;
}
