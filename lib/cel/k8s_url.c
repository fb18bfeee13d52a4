/* Kubernetes' URL library: url, isURL, and the parts of a URL. Source: RFC 3986 as Go's net/url
 * reads it (an absolute URL or an absolute path). */
#include "lib/cel/cel.h"
#include <stdlib.h>

struct url {
    struct slice whole;
    struct slice scheme, host, path, query; /* host with the port; query without "?". */
};

static bool equal(const void *a, const void *b)
{
    return slice_equal(((const struct url *)a)->whole, ((const struct url *)b)->whole);
}

static const struct cel_opaque url_opaque = {.name = "kubernetes.URL", .equal = equal};
static const struct cel_type url_type = {.kind = CEL_TYPE_OPAQUE, .name = "kubernetes.URL"};

static struct slice part(struct slice text, size_t start, size_t end)
{
    return slice_of(text.data + start, end - start);
}

static size_t position(struct slice text, uint8_t wanted)
{
    const uint8_t *found = text.len == 0 ? NULL : memchr(text.data, wanted, text.len);
    return found == NULL ? SIZE_MAX : (size_t)(found - text.data);
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool good_escapes(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '%' &&
            (i + 2 >= text.len || !is_hex(text.data[i + 1]) || !is_hex(text.data[i + 2]))) {
            return false;
        }
    }
    return true;
}

/* The scheme before the first colon; empty when there is none. False for a bad one. */
static bool take_scheme(struct slice *text, struct slice *ret_scheme)
{
    *ret_scheme = slice_of("", 0);
    for (size_t i = 0; i < text->len; i++) {
        uint8_t c = text->data[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (c == ':' && i > 0) {
            *ret_scheme = part(*text, 0, i);
            *text = part(*text, i + 1, text->len);
            return true;
        }
        if (c == ':') {
            return false;
        }
        bool later = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!letter && (i == 0 || !later)) {
            return true;
        }
    }
    return true;
}

/* "host", "host:port", "[::1]:port", after what stands before an "@". */
static bool check_host(struct slice *host)
{
    size_t at = position(*host, '@');
    if (at != SIZE_MAX) {
        *host = part(*host, at + 1, host->len);
    }
    size_t close = position(*host, ']');
    size_t colon = SIZE_MAX;
    if (host->len > 0 && host->data[0] == '[') {
        if (close == SIZE_MAX) {
            return false;
        }
        colon = close + 1 < host->len ? close + 1 : SIZE_MAX;
        if (colon != SIZE_MAX && host->data[colon] != ':') {
            return false;
        }
    } else {
        colon = position(*host, ':');
    }
    for (size_t i = 0; i < host->len; i++) {
        uint8_t c = host->data[i];
        if (c <= ' ' || c == '<' || c == '>' || c == '"' || c == '^' || c == '`' || c == '{' ||
            c == '}' || c == '|' || c == '\\' ||
            (colon != SIZE_MAX && i > colon && (c < '0' || c > '9'))) {
            return false;
        }
    }
    return true;
}

static bool parse(struct slice text, struct url *ret_url)
{
    struct url url = {.whole = text, .host = slice_of("", 0), .query = slice_of("", 0)};
    size_t fragment = position(text, '#'), end;
    struct slice rest = fragment == SIZE_MAX ? text : part(text, 0, fragment);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < ' ' || text.data[i] == 0x7f) {
            return false;
        }
    }
    if (text.len == 0 || !take_scheme(&rest, &url.scheme)) {
        return false;
    }
    end = position(rest, '?');
    if (end != SIZE_MAX) {
        url.query = part(rest, end + 1, rest.len);
        rest = part(rest, 0, end);
    }
    bool absolute_path = rest.len > 0 && rest.data[0] == '/';
    if (!absolute_path && url.scheme.len == 0) {
        return false;
    }
    if (url.scheme.len > 0 && slice_starts_with(rest, slice_text("//"))) {
        rest = part(rest, 2, rest.len);
        end = position(rest, '/');
        url.host = end == SIZE_MAX ? rest : part(rest, 0, end);
        rest = end == SIZE_MAX ? slice_of("", 0) : part(rest, end, rest.len);
        if (!check_host(&url.host)) {
            return false;
        }
    } else if (!absolute_path) {
        rest = slice_of("", 0); /* "mailto:x" has no path. */
    }
    url.path = rest;
    *ret_url = url;
    return good_escapes(url.path);
}

static struct cel_value url_of(struct cel_call *call, const struct cel_value *a)
{
    struct url *url = arena_alloc(call->arena, sizeof(*url));
    if (!parse(a[0].text, url)) {
        return cel_call_error(call,
                              "URL parse error during conversion from string: parse \"%.*s\": "
                              "invalid URI for request",
                              (int)a[0].text.len, (const char *)a[0].text.data);
    }
    return cel_opaque(&url_opaque, url);
}

static struct cel_value is_url(struct cel_call *call, const struct cel_value *a)
{
    struct url url;
    (void)call;
    return cel_bool(parse(a[0].text, &url));
}

static const struct url *url_in(const struct cel_value *value)
{
    return value->opaque.data;
}

static struct cel_value scheme(struct cel_call *call, const struct cel_value *a)
{
    struct slice text = url_in(&a[0])->scheme;
    uint8_t *out = arena_alloc(call->arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        out[i] = text.data[i] >= 'A' && text.data[i] <= 'Z' ? text.data[i] | 0x20 : text.data[i];
    }
    return cel_string(slice_of(out, text.len));
}

static struct cel_value host(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_string(url_in(&a[0])->host);
}

/* Where the port's colon stands; the length of the host when it has none. */
static size_t port_colon(struct slice text)
{
    size_t close = position(text, ']');
    size_t from = close == SIZE_MAX ? 0 : close;
    size_t colon = position(part(text, from, text.len), ':');
    return colon == SIZE_MAX ? text.len : from + colon;
}

static struct cel_value hostname(struct cel_call *call, const struct cel_value *a)
{
    struct slice text = url_in(&a[0])->host;
    (void)call;
    text = part(text, 0, port_colon(text));
    if (text.len > 1 && text.data[0] == '[') {
        text = part(text, 1, text.len - 1);
    }
    return cel_string(text);
}

static struct cel_value port(struct cel_call *call, const struct cel_value *a)
{
    struct slice text = url_in(&a[0])->host;
    size_t colon = port_colon(text);
    (void)call;
    return cel_string(colon == text.len ? slice_of("", 0) : part(text, colon + 1, text.len));
}

static struct cel_value escaped_path(struct cel_call *call, const struct cel_value *a)
{
    struct slice path = url_in(&a[0])->path;
    struct buffer out;
    buffer_init(&out, call->memory_left);
    for (size_t i = 0; i < path.len; i++) {
        uint8_t c = path.data[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}", c) != NULL) {
            buffer_printf(&out, "%%%02X", c);
        } else {
            buffer_append_byte(&out, c);
        }
    }
    struct cel_value value = cel_call_text(call, &out);
    buffer_release(&out);
    return value;
}

static int hex_value(uint8_t c)
{
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static struct cel_value unescape(struct cel_call *call, struct slice text)
{
    uint8_t *out = arena_alloc(call->arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++, len++) {
        out[len] = text.data[i] == '+' ? ' ' : text.data[i];
        if (text.data[i] == '%') {
            out[len] = (uint8_t)(hex_value(text.data[i + 1]) * 16 + hex_value(text.data[i + 2]));
            i += 2;
        }
    }
    return cel_string(slice_of(out, len));
}

struct parameter {
    struct cel_value name, value;
};

/* By name; the values of one name keep their order. */
static struct cel_value group_parameters(struct cel_call *call, const struct parameter *items,
                                         size_t count)
{
    struct cel_value map = cel_map_empty(call->arena), known;
    for (size_t i = 0; i < count; i++) {
        if (cel_map_find(call->arena, &map, &items[i].name, &known)) {
            continue;
        }
        struct cel_value list = cel_list_of(call->arena, NULL, 0);
        for (size_t j = i; j < count; j++) {
            if (cel_equal(call->arena, &items[i].name, &items[j].name)) {
                list = cel_list_append(call->arena, list, items[j].value);
            }
        }
        map = cel_map_add(call->arena, map, items[i].name, list);
    }
    return map;
}

enum { PARAMETERS_MAX = 1000 };

/* Like Go's, pairs that are not well-formed are left out. */
static struct cel_value query(struct cel_call *call, const struct cel_value *a)
{
    struct slice rest = url_in(&a[0])->query;
    struct parameter *items = arena_array(call->arena, PARAMETERS_MAX, sizeof(*items));
    size_t count = 0;
    if (!cel_call_takes(call, PARAMETERS_MAX * sizeof(*items) + rest.len)) {
        return cel_error_memory();
    }
    while (rest.len > 0) {
        size_t end = position(rest, '&');
        struct slice pair = end == SIZE_MAX ? rest : part(rest, 0, end);
        rest = end == SIZE_MAX ? slice_of("", 0) : part(rest, end + 1, rest.len);
        size_t equals = position(pair, '=');
        if (pair.len == 0 || position(pair, ';') != SIZE_MAX || !good_escapes(pair)) {
            continue;
        }
        if (count == PARAMETERS_MAX) {
            return cel_error("URL has too many query parameters");
        }
        items[count].name = unescape(call, equals == SIZE_MAX ? pair : part(pair, 0, equals));
        items[count++].value =
            unescape(call, equals == SIZE_MAX ? slice_of("", 0) : part(pair, equals + 1, pair.len));
    }
    return group_parameters(call, items, count);
}

static const struct cel_row rows[] = {
    {"url", "string_to_url", "(string) kubernetes.URL", url_of, CEL_COST_TEXT_RESULT},
    {"isURL", "is_url_string", "(string) bool", is_url, CEL_COST_ONE},
    {"getScheme", "url_get_scheme", "kubernetes.URL.() string", scheme, CEL_COST_ONE},
    {"getHost", "url_get_host", "kubernetes.URL.() string", host, CEL_COST_ONE},
    {"getHostname", "url_get_hostname", "kubernetes.URL.() string", hostname, CEL_COST_ONE},
    {"getPort", "url_get_port", "kubernetes.URL.() string", port, CEL_COST_ONE},
    {"getEscapedPath", "url_get_escaped_path", "kubernetes.URL.() string", escaped_path,
     CEL_COST_ONE},
    {"getQuery", "url_get_query", "kubernetes.URL.() map<string, list<string>>", query,
     CEL_COST_ONE},
};
static const struct cel_constant types[] = {{"kubernetes.URL", &url_type}};

const struct cel_library cel_library_url = {.name = "url",
                                            .rows = rows,
                                            .row_count = ARRAY_LEN(rows),
                                            .types = types,
                                            .type_count = ARRAY_LEN(types)};
