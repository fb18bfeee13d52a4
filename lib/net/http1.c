#include "lib/net/http1.h"

#include "lib/net/http.h"
#include "lib/net/limits.h"
#include <assert.h>
#include <errno.h>

/* ---- Characters ---- */

static bool is_token_char(uint8_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
        return true;
    }
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool http1_name_is(struct slice name, const char *lower_case)
{
    size_t i = 0;
    while (i < name.len && lower_case[i] != '\0' && lower(name.data[i]) == (uint8_t)lower_case[i]) {
        i++;
    }
    return i == name.len && lower_case[i] == '\0';
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = slice_of(text.data + 1, text.len - 1);
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

bool http1_list_has(struct slice list, const char *token)
{
    size_t start = 0;
    for (size_t i = 0; i <= list.len; i++) {
        if (i == list.len || list.data[i] == ',') {
            if (http1_name_is(trim(slice_of(list.data + start, i - start)), token)) {
                return true;
            }
            start = i + 1;
        }
    }
    return false;
}

/* ---- Heads ---- */

size_t http1_head_length(struct slice bytes, size_t *scanned)
{
    size_t at = *scanned < 3 ? 0 : *scanned - 3;
    while (at + 4 <= bytes.len) {
        const uint8_t *cr = memchr(bytes.data + at, '\r', bytes.len - at - 3);
        if (cr == NULL) {
            break;
        }
        if (memcmp(cr, "\r\n\r\n", 4) == 0) {
            return (size_t)(cr - bytes.data) + 4;
        }
        at = (size_t)(cr - bytes.data) + 1;
    }
    *scanned = bytes.len;
    return 0;
}

/* Takes one line without its CRLF off *rest. False when there is none, or it has a stray CR, LF or
 * NUL. */
static bool take_line(struct slice *rest, struct slice *ret_line)
{
    const uint8_t *end = memchr(rest->data, '\n', rest->len);
    if (end == NULL || end == rest->data || end[-1] != '\r') {
        return false;
    }
    size_t len = (size_t)(end - rest->data) - 1;
    if (memchr(rest->data, '\r', len) != NULL || memchr(rest->data, 0, len) != NULL) {
        return false;
    }
    *ret_line = slice_of(rest->data, len);
    *rest = slice_of(end + 1, rest->len - len - 2);
    return true;
}

static bool take_word(struct slice *line, struct slice *ret_word)
{
    const uint8_t *space = memchr(line->data, ' ', line->len);
    if (space == NULL || space == line->data) {
        return false;
    }
    size_t len = (size_t)(space - line->data);
    *ret_word = slice_of(line->data, len);
    *line = slice_of(space + 1, line->len - len - 1);
    return true;
}

static int parse_version(struct slice text, int *ret_minor)
{
    if (text.len != 8 || memcmp(text.data, "HTTP/", 5) != 0 || text.data[6] != '.') {
        return -EBADMSG;
    }
    if (text.data[5] != '1' || text.data[7] < '0' || text.data[7] > '9') {
        return -EPROTONOSUPPORT;
    }
    *ret_minor = text.data[7] == '0' ? 0 : 1;
    return 0;
}

static bool has_control(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

/* Splits the request target: origin form, absolute form, or "*". */
static int parse_target(struct slice target, struct http1_head *head)
{
    if (target.len > HTTP_TARGET_BYTES_MAX) {
        return -ENAMETOOLONG;
    }
    if (target.len == 0 || has_control(target)) {
        return -EBADMSG;
    }
    struct slice http = slice_text("http://");
    struct slice https = slice_text("https://");
    if (slice_starts_with(target, http) || slice_starts_with(target, https)) {
        size_t skip = slice_starts_with(target, http) ? http.len : https.len;
        struct slice rest = slice_of(target.data + skip, target.len - skip);
        const uint8_t *slash = rest.len == 0 ? NULL : memchr(rest.data, '/', rest.len);
        size_t host_len = slash == NULL ? rest.len : (size_t)(slash - rest.data);
        head->authority = slice_of(rest.data, host_len);
        target = slash == NULL ? slice_text("/") : slice_of(slash, rest.len - host_len);
    } else if (target.data[0] != '/' && !slice_is(target, "*")) {
        return -EBADMSG;
    }
    const uint8_t *mark = memchr(target.data, '?', target.len);
    size_t path_len = mark == NULL ? target.len : (size_t)(mark - target.data);
    head->path = slice_of(target.data, path_len);
    head->query = mark == NULL ? slice_of(target.data + target.len, 0)
                               : slice_of(mark + 1, target.len - path_len - 1);
    return 0;
}

static int parse_length(struct slice text, uint64_t *ret_length)
{
    uint64_t length = 0;
    if (text.len == 0 || text.len > 18) {
        return -EBADMSG;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return -EBADMSG;
        }
        length = length * 10 + (uint64_t)(text.data[i] - '0');
    }
    *ret_length = length;
    return 0;
}

/* What a head's fields say about framing. */
struct framing {
    bool has_length;
    bool has_transfer_encoding;
    bool chunked;
    bool close;
    bool keep_alive;
    size_t host_count;
};

static int note_field(struct http1_head *head, struct framing *framing, struct slice name,
                      struct slice value)
{
    if (http1_name_is(name, "content-length")) {
        uint64_t length = 0;
        if (parse_length(value, &length) != 0 ||
            (framing->has_length && length != head->content_length)) {
            return -EBADMSG;
        }
        framing->has_length = true;
        head->content_length = length;
    } else if (http1_name_is(name, "transfer-encoding")) {
        if (framing->has_transfer_encoding) {
            return -EBADMSG;
        }
        framing->has_transfer_encoding = true;
        framing->chunked = http1_name_is(value, "chunked");
    } else if (http1_name_is(name, "connection")) {
        framing->close |= http1_list_has(value, "close");
        framing->keep_alive |= http1_list_has(value, "keep-alive");
        head->upgrade |= http1_list_has(value, "upgrade");
    } else if (http1_name_is(name, "expect")) {
        head->expect_continue |= http1_name_is(value, "100-continue");
    } else if (http1_name_is(name, "host")) {
        framing->host_count++;
        if (head->authority.len == 0) {
            head->authority = value;
        }
    }
    return 0;
}

static int parse_fields(struct slice rest, struct http1_head *head, struct framing *framing)
{
    struct slice line = {.len = 0};
    while (take_line(&rest, &line)) {
        if (line.len == 0) {
            return rest.len == 0 ? 0 : -EBADMSG;
        }
        if (head->header_count == HTTP_HEADER_COUNT_MAX) {
            return -E2BIG;
        }
        size_t name_len = 0;
        while (name_len < line.len && is_token_char(line.data[name_len])) {
            name_len++;
        }
        /* A space before the colon, or a folded line, starts with no token or ends it early. */
        if (name_len == 0 || name_len == line.len || line.data[name_len] != ':') {
            return -EBADMSG;
        }
        struct slice name = slice_of(line.data, name_len);
        struct slice value = trim(slice_of(line.data + name_len + 1, line.len - name_len - 1));
        head->headers[head->header_count++] = (struct http_header){name, value};
        int status = note_field(head, framing, name, value);
        if (status != 0) {
            return status;
        }
    }
    return -EBADMSG;
}

int http1_parse_trailers(struct slice trailers, struct http_header *headers, size_t *ret_count)
{
    struct http1_head head = {.headers = headers};
    struct framing unused = {.has_length = false};
    int status = parse_fields(trailers, &head, &unused);
    if (status == 0) {
        *ret_count = head.header_count;
    }
    return status;
}

static void set_keep_alive(struct http1_head *head, const struct framing *framing)
{
    head->keep_alive = head->minor >= 1 ? !framing->close : framing->keep_alive && !framing->close;
}

int http1_parse_request(struct slice rest, struct http_header *headers, struct http1_head *ret_head)
{
    struct http1_head head = {.headers = headers};
    struct framing framing = {.has_length = false};
    struct slice line = {.len = 0};
    if (rest.len > HTTP_HEADERS_BYTES_MAX) {
        return -E2BIG;
    }
    struct slice target = {.len = 0};
    if (!take_line(&rest, &line) || !take_word(&line, &head.method) || !take_word(&line, &target)) {
        return -EBADMSG;
    }
    for (size_t i = 0; i < head.method.len; i++) {
        if (!is_token_char(head.method.data[i])) {
            return -EBADMSG;
        }
    }
    int status = parse_version(line, &head.minor);
    if (status == 0) {
        status = parse_target(target, &head);
    }
    if (status == 0) {
        status = parse_fields(rest, &head, &framing);
    }
    if (status != 0) {
        return status;
    }
    if (framing.host_count > 1 || (framing.host_count == 0 && head.minor >= 1)) {
        return -EBADMSG;
    }
    if (framing.has_transfer_encoding) {
        if (framing.has_length || head.minor == 0) {
            return -EBADMSG; /* The two ways to smuggle a request. */
        }
        if (!framing.chunked) {
            return -ENOSYS;
        }
        head.body_kind = HTTP1_BODY_CHUNKED;
    } else if (framing.has_length && head.content_length > 0) {
        head.body_kind = HTTP1_BODY_LENGTH;
    }
    set_keep_alive(&head, &framing);
    *ret_head = head;
    return 0;
}

static int parse_status_line(struct slice line, struct http1_head *head)
{
    if (line.len < 12 || line.data[8] != ' ' || (line.len > 12 && line.data[12] != ' ') ||
        parse_version(slice_of(line.data, 8), &head->minor) != 0) {
        return -EBADMSG;
    }
    uint64_t code = 0;
    if (parse_length(slice_of(line.data + 9, 3), &code) != 0 || code < 100) {
        return -EBADMSG;
    }
    head->status = (unsigned)code;
    return 0;
}

int http1_parse_response(struct slice rest, bool to_head, struct http_header *headers,
                         struct http1_head *ret_head)
{
    struct http1_head head = {.headers = headers};
    struct framing framing = {.has_length = false};
    struct slice line = {.len = 0};
    if (rest.len > HTTP_HEADERS_BYTES_MAX) {
        return -E2BIG;
    }
    if (!take_line(&rest, &line) || parse_status_line(line, &head) != 0) {
        return -EBADMSG;
    }
    int status = parse_fields(rest, &head, &framing);
    if (status != 0) {
        return status;
    }
    set_keep_alive(&head, &framing);
    bool bodyless = to_head || head.status < 200 || head.status == 204 || head.status == 304;
    if (framing.has_transfer_encoding && (framing.has_length || !framing.chunked)) {
        return -EBADMSG;
    }
    if (bodyless) {
        head.body_kind = HTTP1_BODY_NONE;
    } else if (framing.chunked) {
        head.body_kind = HTTP1_BODY_CHUNKED;
    } else if (framing.has_length) {
        head.body_kind = head.content_length > 0 ? HTTP1_BODY_LENGTH : HTTP1_BODY_NONE;
    } else {
        head.body_kind = HTTP1_BODY_TO_END;
        head.keep_alive = false;
    }
    *ret_head = head;
    return 0;
}

/* ---- Bodies ---- */

void http1_body_init(struct http1_body *body, enum http1_body_kind kind, uint64_t content_length)
{
    *body = (struct http1_body){.kind = kind, .left = content_length, .state = HTTP1_DATA};
    if (kind == HTTP1_BODY_NONE || (kind == HTTP1_BODY_LENGTH && content_length == 0)) {
        body->state = HTTP1_DONE;
    } else if (kind == HTTP1_BODY_CHUNKED) {
        body->state = HTTP1_SIZE_LINE;
        body->left = 0;
    } else if (kind == HTTP1_BODY_TO_END) {
        body->left = UINT64_MAX;
    }
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int size_line_end(struct http1_body *body)
{
    if (!body->size_digits) {
        return -EBADMSG;
    }
    body->state = body->left == 0 ? HTTP1_TRAILERS : HTTP1_DATA;
    body->line_len = 0;
    body->size_digits = body->in_extension = body->after_cr = false;
    return 0;
}

/* One byte of a chunk's size line. */
static int read_size(struct http1_body *body, uint8_t c)
{
    if (++body->line_len > HTTP_CHUNK_LINE_BYTES_MAX) {
        return -EBADMSG;
    }
    if (body->after_cr) {
        return c == '\n' ? size_line_end(body) : -EBADMSG;
    }
    if (c == '\r') {
        body->after_cr = true;
        return 0;
    }
    if (body->in_extension) {
        return c == '\n' || c == 0 ? -EBADMSG : 0;
    }
    int digit = hex_digit(c);
    if (digit >= 0) {
        if (body->left > (UINT64_MAX >> 8)) {
            return -EBADMSG;
        }
        body->left = body->left * 16 + (uint64_t)digit;
        body->size_digits = true;
        return 0;
    }
    if (body->size_digits && (c == ';' || c == ' ' || c == '\t')) {
        body->in_extension = true;
        return 0;
    }
    return -EBADMSG;
}

/* One byte of the CRLF behind a chunk, or of the trailers. */
static int read_end(struct http1_body *body, uint8_t c)
{
    if (body->state == HTTP1_TRAILERS && body->trailers != NULL) {
        buffer_append_byte(body->trailers, c);
    }
    if (body->after_cr) {
        if (c != '\n') {
            return -EBADMSG;
        }
        body->after_cr = false;
        if (body->state == HTTP1_DATA_END) {
            body->state = HTTP1_SIZE_LINE;
        } else if (body->size_digits) { /* Here: this line was not empty. */
            body->size_digits = false;
        } else {
            body->state = HTTP1_DONE;
        }
        return 0;
    }
    if (c == '\r') {
        body->after_cr = true;
        return 0;
    }
    if (body->state == HTTP1_DATA_END || c == '\n' || c == 0 ||
        ++body->line_len > HTTP_TARGET_BYTES_MAX) {
        return -EBADMSG;
    }
    body->size_digits = true;
    return 0;
}

static struct slice take_data(struct http1_body *body, struct slice *bytes)
{
    size_t len = bytes->len < body->left ? bytes->len : (size_t)body->left;
    struct slice piece = slice_of(bytes->data, len);
    *bytes = slice_of(bytes->data + len, bytes->len - len);
    if (body->kind == HTTP1_BODY_TO_END) {
        return piece;
    }
    body->left -= len;
    if (body->left == 0) {
        body->state = body->kind == HTTP1_BODY_CHUNKED ? HTTP1_DATA_END : HTTP1_DONE;
    }
    return piece;
}

int http1_body_read(struct http1_body *body, struct slice *bytes, struct slice *ret_piece)
{
    struct slice piece = {.len = 0};
    while (bytes->len > 0 && body->state != HTTP1_DONE) {
        if (body->state == HTTP1_DATA) {
            piece = take_data(body, bytes);
            break;
        }
        uint8_t c = bytes->data[0];
        *bytes = slice_of(bytes->data + 1, bytes->len - 1);
        int status = body->state == HTTP1_SIZE_LINE ? read_size(body, c) : read_end(body, c);
        if (status != 0) {
            return status;
        }
    }
    *ret_piece = piece;
    return 0;
}
