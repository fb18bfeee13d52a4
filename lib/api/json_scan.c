#include "lib/api/json_scan.h"

#include "lib/api/limits.h"
#include "lib/base/utf8.h"
#include <errno.h>
#include <stdio.h>

const char json_plain_bytes[] = "################################"
                                "..#...#.....................#.#."
                                "............................#..."
                                "................................"
                                "################################"
                                "################################"
                                "################################"
                                "################################";

void json_scan_init(struct json_scan *scan, struct slice text, struct error *reterr)
{
    *scan = (struct json_scan){
        .at = text.data, .start = text.data, .end = text.data + text.len, .reterr = reterr};
}

int json_scan_fail_code(struct json_scan *scan, int code, const char *message)
{
    if (scan->code == 0) {
        scan->code = error_set(scan->reterr, code, "%s", message);
        scan->at = scan->end;
    }
    return scan->code;
}

int json_scan_fail(struct json_scan *scan, const char *where)
{
    char shown[16];
    uint8_t byte;

    if (scan->code != 0) {
        return scan->code;
    }
    if (scan->at >= scan->end) {
        return json_scan_fail_code(scan, -EBADMSG, "unexpected end of JSON input");
    }
    byte = *scan->at;
    if (byte == '\'') {
        memcpy(shown, "'\\''", 5);
    } else if (byte == '\n' || byte == '\t' || byte == '\r') {
        (void)snprintf(shown, sizeof(shown), "'\\%c'",
                       byte == '\n' ? 'n' : (byte == '\t' ? 't' : 'r'));
    } else if (byte == '\\') {
        memcpy(shown, "'\\\\'", 5);
    } else if (byte < 0x20 || byte == 0x7f) {
        (void)snprintf(shown, sizeof(shown), "'\\x%02x'", byte);
    } else if (byte < 0x7f) {
        (void)snprintf(shown, sizeof(shown), "'%c'", byte);
    } else if (byte < 0xa1) {
        (void)snprintf(shown, sizeof(shown), "'\\u00%02x'", byte);
    } else { /* Go shows the byte as the Latin-1 character of that number. */
        (void)snprintf(shown, sizeof(shown), "'%c%c'", 0xc0 | byte >> 6, 0x80 | (byte & 0x3f));
    }
    scan->code = error_set(scan->reterr, -EBADMSG, "invalid character %s %s", shown, where);
    scan->at = scan->end;
    return scan->code;
}

int json_scan_peek(struct json_scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' || *scan->at == '\r')) {
        scan->at++;
    }
    return scan->at < scan->end ? *scan->at : -1;
}

static int scan_hex(struct json_scan *scan)
{
    for (int i = 0; i < 4; i++, scan->at++) {
        bool hex =
            scan->at < scan->end && ((*scan->at >= '0' && *scan->at <= '9') ||
                                     ((*scan->at | 0x20) >= 'a' && (*scan->at | 0x20) <= 'f'));
        if (!hex) {
            return json_scan_fail(scan, "in \\u hexadecimal character escape");
        }
    }
    return 0;
}

static int scan_escape(struct json_scan *scan)
{
    scan->at++;
    if (scan->at >= scan->end) {
        return json_scan_fail(scan, "");
    }
    switch (*scan->at) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        scan->at++;
        return 0;
    case 'u':
        scan->at++;
        return scan_hex(scan);
    default:
        return json_scan_fail(scan, "in string escape code");
    }
}

int json_scan_string(struct json_scan *scan, struct json_token *ret_token)
{
    const uint8_t *first;
    bool plain = true;

    if (json_scan_peek(scan) != '"') {
        return json_scan_fail(scan, "looking for beginning of value");
    }
    first = ++scan->at;
    for (;;) {
        uint8_t byte;
        scan->at = json_skip_plain(scan->at, scan->end);
        if (scan->at >= scan->end) {
            return json_scan_fail(scan, "");
        }
        byte = *scan->at;
        if (byte == '"') {
            break;
        }
        if (byte == '\\') {
            int r = scan_escape(scan);
            plain = false;
            if (r < 0) {
                return r;
            }
            continue;
        }
        if (byte < 0x20) {
            return json_scan_fail(scan, "in string literal");
        }
        plain = plain && byte < 0x80;
        scan->at++;
    }
    *ret_token = (struct json_token){slice_of(first, (size_t)(scan->at - first)), plain};
    scan->at++;
    return 0;
}

static bool at_digit(const struct json_scan *scan)
{
    return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

static int scan_digits(struct json_scan *scan, const char *where)
{
    if (!at_digit(scan)) {
        return json_scan_fail(scan, where);
    }
    while (at_digit(scan)) {
        scan->at++;
    }
    return 0;
}

int json_scan_number(struct json_scan *scan, struct slice *ret_text)
{
    const uint8_t *first;
    int r;

    (void)json_scan_peek(scan);
    first = scan->at;
    if (scan->at < scan->end && *scan->at == '-') {
        scan->at++;
    }
    if (scan->at < scan->end && *scan->at == '0') {
        scan->at++;
    } else if ((r = scan_digits(scan, first == scan->at ? "looking for beginning of value"
                                                        : "in numeric literal")) < 0) {
        return r;
    }
    if (scan->at < scan->end && *scan->at == '.') {
        scan->at++;
        if ((r = scan_digits(scan, "after decimal point in numeric literal")) < 0) {
            return r;
        }
    }
    if (scan->at < scan->end && (*scan->at | 0x20) == 'e') {
        scan->at++;
        if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-')) {
            scan->at++;
        }
        if ((r = scan_digits(scan, "in exponent of numeric literal")) < 0) {
            return r;
        }
    }
    *ret_text = slice_of(first, (size_t)(scan->at - first));
    return 0;
}

int json_scan_literal(struct json_scan *scan, const char *word)
{
    (void)json_scan_peek(scan);
    for (const char *letter = word; *letter != '\0'; letter++, scan->at++) {
        if (scan->at >= scan->end || *scan->at != (uint8_t)*letter) {
            char where[64];
            if (letter == word) {
                return json_scan_fail(scan, "looking for beginning of value");
            }
            (void)snprintf(where, sizeof(where), "in literal %s (expecting '%c')", word, *letter);
            return json_scan_fail(scan, where);
        }
    }
    return 0;
}

int json_scan_enter(struct json_scan *scan)
{
    scan->at++;
    if (++scan->depth > API_DEPTH_MAX) {
        return json_scan_fail_code(scan, -E2BIG, "exceeded max depth");
    }
    return 0;
}

int json_scan_next_member(struct json_scan *scan, bool *first, struct json_token *ret_name)
{
    int byte = json_scan_peek(scan);
    int r;
    if (byte == '}') {
        scan->at++;
        scan->depth--;
        return scan->code;
    }
    if (!*first) {
        if (byte != ',') {
            return json_scan_fail(scan, "after object key:value pair");
        }
        scan->at++;
        byte = json_scan_peek(scan);
    }
    *first = false;
    if (byte != '"') {
        return json_scan_fail(scan, "looking for beginning of object key string");
    }
    if ((r = json_scan_string(scan, ret_name)) < 0) {
        return r;
    }
    if (json_scan_peek(scan) != ':') {
        return json_scan_fail(scan, "after object key");
    }
    scan->at++;
    return 1;
}

int json_scan_next_item(struct json_scan *scan, bool *first)
{
    int byte = json_scan_peek(scan);
    if (byte == ']' && *first) {
        scan->at++;
        scan->depth--;
        return scan->code;
    }
    if (!*first) {
        if (byte == ']') {
            scan->at++;
            scan->depth--;
            return scan->code;
        }
        if (byte != ',') {
            return json_scan_fail(scan, "after array element");
        }
        scan->at++;
    }
    *first = false;
    return 1;
}

static int skip_object(struct json_scan *scan)
{
    struct json_token name;
    bool first = true;
    int r = json_scan_enter(scan);
    while (r == 0 && (r = json_scan_next_member(scan, &first, &name)) > 0) {
        r = json_scan_skip(scan);
    }
    return r;
}

static int skip_array(struct json_scan *scan)
{
    bool first = true;
    int r = json_scan_enter(scan);
    while (r == 0 && (r = json_scan_next_item(scan, &first)) > 0) {
        r = json_scan_skip(scan);
    }
    return r;
}

int json_scan_skip(struct json_scan *scan)
{
    struct json_token token;
    struct slice number;
    switch (json_scan_peek(scan)) {
    case '{':
        return skip_object(scan);
    case '[':
        return skip_array(scan);
    case '"':
        return json_scan_string(scan, &token);
    case 't':
        return json_scan_literal(scan, "true");
    case 'f':
        return json_scan_literal(scan, "false");
    case 'n':
        return json_scan_literal(scan, "null");
    default:
        return json_scan_number(scan, &number);
    }
}

int json_scan_end(struct json_scan *scan)
{
    if (scan->code != 0) {
        return scan->code;
    }
    return json_scan_peek(scan) == -1 ? 0 : json_scan_fail(scan, "after top-level value");
}

/* --- Unescaping ------------------------------------------------------------------------------- */

static uint32_t hex4(const uint8_t *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t digit = at[i];
        value = value << 4 | (uint32_t)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
    }
    return value;
}

/* At "\uXXXX"; returns how many bytes of the raw text it took. */
static size_t unescape_unicode(const uint8_t *at, const uint8_t *end, uint32_t *ret_rune)
{
    uint32_t rune = hex4(at + 2);
    *ret_rune = rune;
    if (rune < 0xd800 || rune > 0xdfff) {
        return 6;
    }
    *ret_rune = UTF8_REPLACEMENT;
    if (rune < 0xdc00 && end - at >= 12 && at[6] == '\\' && at[7] == 'u') {
        uint32_t low = hex4(at + 8);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *ret_rune = 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
            return 12;
        }
    }
    return 6;
}

static uint8_t unescape_letter(uint8_t letter)
{
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return letter;
    }
}

struct slice json_token_text(struct arena *arena, struct json_token token)
{
    const uint8_t *at = token.raw.data, *end = at + token.raw.len;
    uint8_t *text, *out;

    if (token.plain) {
        return token.raw;
    }
    /* An invalid byte grows to three; an escape never grows. */
    text = out = arena_alloc(arena, token.raw.len * 3 + 1);
    while (at < end) {
        uint32_t rune;
        if (*at == '\\' && at[1] == 'u') {
            at += unescape_unicode(at, end, &rune);
            out += utf8_put(out, rune);
        } else if (*at == '\\') {
            *out++ = unescape_letter(at[1]);
            at += 2;
        } else if (*at < 0x80) {
            *out++ = *at++;
        } else {
            at += utf8_get(at, end, &rune);
            out += utf8_put(out, rune);
        }
    }
    *out = '\0';
    return slice_of(text, (size_t)(out - text));
}
