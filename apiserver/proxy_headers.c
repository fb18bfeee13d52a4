#include "apiserver/proxy_headers.h"

#include "lib/base/base64.h"
#include "lib/base/buffer.h"
#include "lib/net/limits.h"
#include "lib/net/utf8.h"
#include <errno.h>

static bool is_one_of(struct slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (http_name_is(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* Takes the next element of a comma-separated list off `*list`, without white space around it. */
static bool next_element(struct slice *list, struct slice *ret_element)
{
    if (list->len == 0) {
        return false;
    }
    const uint8_t *comma = memchr(list->data, ',', list->len);
    size_t len = comma == NULL ? list->len : (size_t)(comma - list->data);
    struct slice element = slice_of(list->data, len);
    size_t skip = len + (comma == NULL ? 0 : 1);
    *list = slice_of(list->data + skip, list->len - skip);
    while (element.len > 0 && (element.data[0] == ' ' || element.data[0] == '\t')) {
        element = slice_of(element.data + 1, element.len - 1);
    }
    while (element.len > 0 &&
           (element.data[element.len - 1] == ' ' || element.data[element.len - 1] == '\t')) {
        element.len--;
    }
    *ret_element = element;
    return true;
}

/* "Connection: a, b" makes fields a and b those of the connection, too. */
static bool is_of_connection(const struct http_header *headers, size_t count, struct slice name)
{
    static const char *const names[] = {"connection",
                                        "keep-alive",
                                        "proxy-authenticate",
                                        "proxy-authorization",
                                        "proxy-connection",
                                        "te",
                                        "trailer",
                                        "transfer-encoding",
                                        "upgrade"};
    if (is_one_of(name, names, ARRAY_LEN(names))) {
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        struct slice list = headers[i].value;
        struct slice element;
        while (http_name_is(headers[i].name, "connection") && next_element(&list, &element)) {
            if (element.len == name.len &&
                strncasecmp((const char *)element.data, (const char *)name.data, name.len) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Compares as a server does that keeps names as variables: '_' for '-', no case. */
static bool begins_alike(struct slice name, const char *prefix)
{
    size_t i = 0;
    for (; i < name.len && prefix[i] != 0; i++) {
        uint8_t c = name.data[i] == '_' ? '-' : name.data[i];
        c = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
        if (c != (uint8_t)prefix[i]) {
            return false;
        }
    }
    return prefix[i] == 0;
}

static bool ends_here(struct slice name)
{
    static const char *const names[] = {"host", "content-length", "expect", "authorization",
                                        "x-forwarded-for"};
    return is_one_of(name, names, ARRAY_LEN(names)) || begins_alike(name, "x-remote-") ||
           begins_alike(name, "impersonate-");
}

/* A client that cannot set fields shows its token as one of the protocols that it speaks. */
static const char token_prefix[] = "base64url.bearer.authorization.k8s.io.";

bool websocket_protocol_is_token(struct slice protocol)
{
    return slice_starts_with(protocol, slice_text(token_prefix));
}

int websocket_token(struct arena *arena, struct slice protocols, struct slice *ret_token)
{
    CLEANUP(buffer_release) struct buffer token;
    struct slice element;
    size_t tokens = 0, others = 0;
    buffer_init(&token, HTTP_HEADERS_BYTES_MAX);
    while (next_element(&protocols, &element)) {
        if (!websocket_protocol_is_token(element)) {
            others++;
            continue;
        }
        size_t skip = sizeof(token_prefix) - 1;
        if (tokens++ > 0 ||
            base64url_decode(slice_of(element.data + skip, element.len - skip), &token) < 0 ||
            !utf8_is_valid(buffer_slice(&token))) {
            return -EACCES;
        }
    }
    if (token.len > 0 && others == 0) {
        return -EACCES; /* One has to be left that can be agreed on. */
    }
    *ret_token = token.len > 0 ? arena_slice(arena, buffer_slice(&token)) : slice_of(NULL, 0);
    return 0;
}

static struct slice without_token(struct arena *arena, struct slice protocols)
{
    CLEANUP(buffer_release) struct buffer out;
    struct slice element;
    buffer_init(&out, SIZE_MAX / 2);
    while (next_element(&protocols, &element)) {
        if (!websocket_protocol_is_token(element)) {
            buffer_append_text(&out, out.len > 0 ? ", " : "");
            buffer_append_slice(&out, element);
        }
    }
    return arena_slice(arena, buffer_slice(&out));
}

/* Whether "TE" says that the client takes trailers: of the codings in it this is for all the way.
 */
static bool takes_trailers(struct slice codings)
{
    struct slice element;
    while (next_element(&codings, &element)) {
        if (http_name_is(element, "trailers")) {
            return true;
        }
    }
    return false;
}

size_t proxy_headers_of_request(struct arena *arena, const struct http_header *headers,
                                size_t count, struct http_header *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (http_name_is(headers[i].name, "te") && takes_trailers(headers[i].value)) {
            out[kept++] = http_header("te", "trailers");
            continue;
        }
        if (ends_here(headers[i].name) || is_of_connection(headers, count, headers[i].name)) {
            continue;
        }
        out[kept] = headers[i];
        if (http_name_is(headers[i].name, "sec-websocket-protocol")) {
            out[kept].value = without_token(arena, headers[i].value);
        }
        kept++;
    }
    return kept;
}

static struct slice lower(struct arena *arena, struct slice name)
{
    uint8_t *copy = arena_alloc(arena, name.len + 1);
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        copy[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
    }
    return slice_of(copy, name.len);
}

size_t proxy_headers_of_answer(struct arena *arena, const struct http_header *headers, size_t count,
                               struct http_header *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        /* The date is that of our own answer. */
        if (http_name_is(headers[i].name, "date") ||
            is_of_connection(headers, count, headers[i].name)) {
            continue;
        }
        out[kept++] = (struct http_header){lower(arena, headers[i].name),
                                           arena_slice(arena, headers[i].value)};
    }
    return kept;
}

const char *proxy_header_escape(struct arena *arena, const char *text)
{
    static const char keep[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "!#$&'*+-.^_`|~";
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX / 2);
    for (const char *c = text; *c != 0; c++) {
        if (strchr(keep, *c) != NULL) {
            buffer_append_byte(&out, (uint8_t)*c);
        } else {
            buffer_printf(&out, "%%%02X", (unsigned)(uint8_t)*c);
        }
    }
    return arena_text(arena, buffer_text(&out));
}
