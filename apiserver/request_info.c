#include "apiserver/request_info.h"

#include "lib/base/buffer.h"
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

enum { SEGMENTS_MAX = 64, QUERY_PARAMS_MAX = 256 };

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes %XX (and '+' in queries). Returns NULL for a malformed escape or a NUL. */
static char *unescape(struct arena *arena, struct slice text, bool plus_is_space)
{
    char *out = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '%') {
            int high = text.len - i > 2 ? hex_digit(text.data[i + 1]) : -1;
            int low = text.len - i > 2 ? hex_digit(text.data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return NULL;
            }
            c = (uint8_t)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == 0) {
            return NULL;
        }
        out[len++] = (char)c;
    }
    out[len] = 0;
    return out;
}

const char *percent_decoded(struct arena *arena, struct slice text)
{
    return unescape(arena, text, false);
}

static int parse_query(struct arena *arena, struct slice text, struct query *ret_query)
{
    size_t limit = text.len == 0 ? 0 : 1;
    for (size_t i = 0; i < text.len; i++) {
        limit += text.data[i] == '&';
    }
    if (limit > QUERY_PARAMS_MAX) {
        return -EINVAL;
    }
    struct query_param *params = arena_array(arena, limit + 1, sizeof(*params));
    size_t count = 0;
    size_t start = 0;
    while (start < text.len) {
        size_t end = start;
        size_t equals = SIZE_MAX;
        while (end < text.len && text.data[end] != '&') {
            if (text.data[end] == '=' && equals == SIZE_MAX) {
                equals = end;
            }
            end++;
        }
        if (end > start) {
            size_t key_end = equals == SIZE_MAX ? end : equals;
            struct slice key = slice_of(text.data + start, key_end - start);
            struct slice value = equals == SIZE_MAX
                                     ? slice_text("")
                                     : slice_of(text.data + equals + 1, end - equals - 1);
            params[count].key = unescape(arena, key, true);
            params[count].value = unescape(arena, value, true);
            if (params[count].key == NULL || params[count].value == NULL) {
                return -EINVAL;
            }
            count++;
        }
        start = end + 1;
    }
    *ret_query = (struct query){.params = params, .count = count};
    return 0;
}

/* Whether "." or ".." is among what stands between the slashes, of which a segment has some when
 * they were encoded. */
static bool climbs(const char *segment)
{
    const char *at = segment;
    for (;;) {
        size_t len = strcspn(at, "/");
        if (len > 0 && len <= 2 && strncmp(at, "..", len) == 0) {
            return true;
        }
        if (at[len] == 0) {
            return false;
        }
        at += len + 1;
    }
}

/* `*ret_plain`: so many segments come before the first that has an encoded slash. */
static int split_path(struct arena *arena, struct slice path, const char **segments,
                      size_t *ret_count, size_t *ret_plain)
{
    size_t count = 0, plain = SIZE_MAX;
    size_t start = 0;
    while (start < path.len) {
        size_t end = start;
        while (end < path.len && path.data[end] != '/') {
            end++;
        }
        if (end > start) {
            if (count == SEGMENTS_MAX) {
                return -EINVAL;
            }
            const char *text = unescape(arena, slice_of(path.data + start, end - start), false);
            if (text == NULL) {
                return -EINVAL;
            }
            if (climbs(text)) {
                return -EPERM;
            }
            plain = plain == SIZE_MAX && strchr(text, '/') != NULL ? count : plain;
            segments[count++] = text;
        }
        start = end + 1;
    }
    *ret_count = count;
    *ret_plain = plain;
    return 0;
}

static const char *join(struct arena *arena, const char *const *segments, size_t from, size_t count)
{
    return from < count ? arena_join(arena, segments + from, count - from, "/") : "";
}

static enum request_verb verb_of(const char *method, bool named, bool watch)
{
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
        if (watch) {
            return VERB_WATCH;
        }
        return named ? VERB_GET : VERB_LIST;
    }
    if (strcmp(method, "POST") == 0) {
        return VERB_CREATE;
    }
    if (strcmp(method, "PUT") == 0) {
        return VERB_UPDATE;
    }
    if (strcmp(method, "PATCH") == 0) {
        return VERB_PATCH;
    }
    if (strcmp(method, "DELETE") == 0) {
        return named ? VERB_DELETE : VERB_DELETE_COLLECTION;
    }
    return VERB_NONE;
}

/* segments[at...] = ["watch"] [namespaces NS] resource [name [subresource [rest]]]. A namespace is
 * itself a resource: namespaces/NS/{status,finalize} are its subresources. */
static void parse_resource(struct arena *arena, const char *const *segments, size_t at,
                           size_t count, struct request_info *info)
{
    if (at < count && strcmp(segments[at], "watch") == 0) {
        info->verb_in_path = true;
        at++;
    }
    info->is_resource = at < count || info->verb_in_path;
    if (at >= count) {
        return;
    }
    bool namespace_object = count - at <= 2 || strcmp(segments[at + 2], "status") == 0 ||
                            strcmp(segments[at + 2], "finalize") == 0;
    if (strcmp(segments[at], "namespaces") == 0) {
        if (count - at >= 2) {
            info->namespace = segments[at + 1];
        }
        if (!namespace_object) {
            at += 2;
        }
    }
    info->resource = segments[at];
    info->name = count - at > 1 ? segments[at + 1] : "";
    info->subresource = count - at > 2 ? segments[at + 2] : "";
    info->rest_at = at + 3;
    info->rest = join(arena, segments, at + 3, count);
    info->too_many_segments = count - at > 3;
    /* By its own path an object is read, whatever the query says. */
    bool named = info->name[0] != 0;
    bool watch = info->verb_in_path || (!named && query_bool(&info->query, "watch", false));
    info->verb = verb_of(info->method, named, watch);
}

int request_info_parse(struct arena *arena, const char *method, struct slice path,
                       struct slice query, struct request_info *ret_info)
{
    struct request_info info = {.method = method,
                                .prefix = "",
                                .group = "",
                                .version = "",
                                .namespace = "",
                                .resource = "",
                                .name = "",
                                .subresource = "",
                                .rest = ""};
    int status = parse_query(arena, query, &info.query);
    if (status < 0) {
        return status;
    }
    const char *segments[SEGMENTS_MAX];
    size_t count = 0, plain = 0;
    status = split_path(arena, path, segments, &count, &plain);
    if (status < 0) {
        return status;
    }
    info.path = arena_printf(arena, "/%s%s", join(arena, segments, 0, count),
                             count > 0 && path.data[path.len - 1] == '/' ? "/" : "");
    info.verb = verb_of(method, true, false);
    if (count > 0 && (strcmp(segments[0], "api") == 0 || strcmp(segments[0], "apis") == 0)) {
        info.prefix = segments[0];
        bool core = info.prefix[3] == 0;
        size_t version_at = core ? 1 : 2;
        if (!core && count > 1) {
            info.group = segments[1];
        }
        if (count > version_at) {
            info.version = segments[version_at];
            parse_resource(arena, segments, version_at + 1, count, &info);
        }
    }
    bool is_passed_on =
        info.is_resource && strcmp(info.subresource, "proxy") == 0 && plain >= info.rest_at;
    if (plain < count && !is_passed_on) {
        return -EPERM;
    }
    *ret_info = info;
    return 0;
}

bool request_info_is_connection(const struct request_info *info)
{
    static const char *const names[] = {"log", "exec", "attach", "portforward", "proxy"};
    for (size_t i = 0; info->is_resource && i < ARRAY_LEN(names); i++) {
        if (strcmp(info->subresource, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

const char *request_verb_name(enum request_verb verb)
{
    static const char *const names[] = {
        [VERB_NONE] = "",
        [VERB_GET] = "get",
        [VERB_LIST] = "list",
        [VERB_WATCH] = "watch",
        [VERB_CREATE] = "create",
        [VERB_UPDATE] = "update",
        [VERB_PATCH] = "patch",
        [VERB_DELETE] = "delete",
        [VERB_DELETE_COLLECTION] = "deletecollection",
    };
    return names[verb];
}

const char *query_get(const struct query *query, const char *key)
{
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->params[i].key, key) == 0) {
            return query->params[i].value;
        }
    }
    return NULL;
}

bool query_bool(const struct query *query, const char *key, bool fallback)
{
    const char *value = query_get(query, key);
    if (value == NULL) {
        return fallback;
    }
    return strcmp(value, "0") != 0 && strcasecmp(value, "false") != 0;
}

int query_int(const struct query *query, const char *key, int64_t *ret_value)
{
    const char *value = query_get(query, key);
    if (value == NULL || value[0] == 0) {
        return -ENOENT;
    }
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    bool leading_space = value[0] == ' ' || value[0] == '\t';
    if (errno != 0 || *end != 0 || leading_space) {
        return -EINVAL;
    }
    *ret_value = number;
    return 0;
}

#define UNRESERVED "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~"

static void append_escaped(struct buffer *out, const char *text, const char *keep)
{
    for (const char *c = text; *c != 0; c++) {
        if (strchr(keep, *c) != NULL) {
            buffer_append_byte(out, (uint8_t)*c);
        } else {
            buffer_printf(out, "%%%02X", (unsigned)(uint8_t)*c);
        }
    }
}

void percent_append(struct buffer *out, const char *text)
{
    append_escaped(out, text, UNRESERVED);
}

void query_append(struct buffer *out, bool first, const char *key, const char *value)
{
    buffer_append_byte(out, first ? '?' : '&');
    percent_append(out, key);
    buffer_append_byte(out, '=');
    percent_append(out, value);
}

void path_append(struct buffer *out, const char *path)
{
    append_escaped(out, path, UNRESERVED "/!$&'()*+,;=:@");
}
