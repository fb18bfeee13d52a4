/* A JSON scanner over borrowed bytes (RFC 8259), with the words of Go's encoding/json for what is
 * wrong. Internal to lib/api; never allocates but to unescape. Its depth is bounded, so that
 * callers may recurse once per level. */
#ifndef LIB_API_JSON_SCAN_H
#define LIB_API_JSON_SCAN_H
#include "lib/base/arena.h"
#include "lib/base/error.h"

struct json_scan {
    const uint8_t *at, *start, *end;
    unsigned depth;
    int code; /* 0, or the first error; nothing moves after that. */
    struct error *reterr;
};

/* A string as it stands between its quotes. */
struct json_token {
    struct slice raw;
    bool plain; /* ASCII without escapes: the raw bytes are the text. */
};

/* For each byte '.' when it stands for itself in every string, as Go's encoding/json writes them:
 * no control character, quote, backslash, < > & (HTML), nor part of what is not ASCII. */
extern const char json_plain_bytes[];
/* The first byte from `at` on that is not so, or `end`. */
static inline const uint8_t *json_skip_plain(const uint8_t *at, const uint8_t *end)
{
    while (at < end && json_plain_bytes[*at] == '.') {
        at++;
    }
    return at;
}

void json_scan_init(struct json_scan *scan, struct slice text, struct error *reterr);
/* First byte of the next value or punctuation after white space; -1 at the end of the text. */
int json_scan_peek(struct json_scan *scan);
/* Reports the byte at `at` (or the end) with the words that follow "invalid character 'x' ". */
int json_scan_fail(struct json_scan *scan, const char *where);
int json_scan_fail_code(struct json_scan *scan, int code, const char *message);

/* All return 0 or the error's code. */
MUST_USE int json_scan_string(struct json_scan *scan, struct json_token *ret_token);
MUST_USE int json_scan_number(struct json_scan *scan, struct slice *ret_text);
MUST_USE int json_scan_literal(struct json_scan *scan, const char *word);
MUST_USE int json_scan_skip(struct json_scan *scan); /* One value of any type. */
MUST_USE int json_scan_end(struct json_scan *scan);  /* Nothing but white space may follow. */

/* Loops over objects and arrays: enter, then next until it returns 0 (1: an element is there,
 * negative: error). next_member also reads the name and the colon. */
MUST_USE int json_scan_enter(struct json_scan *scan);
MUST_USE int json_scan_next_member(struct json_scan *scan, bool *first,
                                   struct json_token *ret_name);
MUST_USE int json_scan_next_item(struct json_scan *scan, bool *first);

/* The text of a string: the raw bytes when plain, else unescaped into `arena`, invalid UTF-8 and
 * lone surrogates as U+FFFD. */
struct slice json_token_text(struct arena *arena, struct json_token token);
#endif
