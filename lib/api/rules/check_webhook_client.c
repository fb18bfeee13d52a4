/* Where a webhook is: its URL, or the Service and path. */
#include "lib/api/rules/rules.h"

/* "scheme://user@host/path?query#fragment" as far as the rules ask for it. */
struct url {
    struct slice scheme, user, host, query, fragment;
};

/* What stands before the first `mark`, which is taken off with it; nothing when there is none. */
static bool cut_before(struct slice *text, char mark, struct slice *ret_before)
{
    const uint8_t *at = text->len == 0 ? NULL : memchr(text->data, mark, text->len);
    if (at == NULL) {
        return false;
    }
    size_t len = (size_t)(at - text->data);
    *ret_before = slice_of(text->data, len);
    *text = slice_of(at + 1, text->len - len - 1);
    return true;
}

static struct url url_of(struct slice text)
{
    struct url url = {0};
    struct slice rest = text, before = {0};
    if (cut_before(&rest, '#', &before)) {
        url.fragment = rest;
        text = before;
    }
    rest = text;
    if (cut_before(&rest, '?', &before)) {
        url.query = rest;
        text = before;
    }
    rest = text;
    if (cut_before(&rest, ':', &before) && memchr(before.data, '/', before.len) == NULL) {
        url.scheme = before;
        text = rest;
    }
    if (text.len >= 2 && memcmp(text.data, "//", 2) == 0) {
        url.host = slice_of(text.data + 2, text.len - 2);
        rest = url.host;
        if (cut_before(&rest, '/', &before)) {
            url.host = before;
        }
        rest = url.host;
        if (cut_before(&rest, '@', &before)) {
            url.user = before;
            url.host = rest;
        }
    }
    return url;
}

static struct api_shown shown(struct arena *arena, struct slice text)
{
    return api_shown_text(arena_text_n(arena, (const char *)text.data, text.len));
}

void rules_check_webhook_url(struct api_causes *causes, const struct api_path *parent,
                             const char *text)
{
    struct arena *arena = causes->arena;
    struct url url = url_of(slice_text(text));
    if (!slice_is(url.scheme, "https")) {
        rules_invalid(
            causes, parent, "url", shown(arena, url.scheme),
            "'https' is the only allowed URL scheme; desired format: https://host[/path]");
    }
    if (url.host.len == 0) {
        rules_invalid(causes, parent, "url", api_shown_text(""),
                      "host must be specified; desired format: https://host[/path]");
    }
    if (url.user.data != NULL) {
        rules_invalid(causes, parent, "url", shown(arena, url.user),
                      "user information is not permitted in the URL");
    }
    if (url.fragment.len > 0) {
        rules_invalid(causes, parent, "url", shown(arena, url.fragment),
                      "fragments are not permitted in the URL");
    }
    if (url.query.len > 0) {
        rules_invalid(causes, parent, "url", shown(arena, url.query),
                      "query parameters are not permitted in the URL");
    }
}

static void check_segment(struct api_causes *causes, const struct api_path *at, const char *path,
                          struct slice segment, size_t index)
{
    struct arena *arena = causes->arena;
    if (segment.len == 0) {
        api_cause_invalid(causes, at, api_shown_text(path),
                          arena_printf(arena, "segment[%zu] may not be empty", index));
        return;
    }
    struct api_syntax wrong =
        api_syntax_dns1123_subdomain(arena_text_n(arena, (const char *)segment.data, segment.len));
    for (size_t i = 0; i < wrong.count; i++) {
        api_cause_invalid(causes, at, api_shown_text(path),
                          arena_printf(arena, "segment[%zu]: %s", index, wrong.messages[i]));
    }
}

void rules_check_webhook_path(struct api_causes *causes, const struct api_path *service,
                              const char *path)
{
    struct api_path at = api_path_field(service, "path");
    struct slice rest = slice_text(path), segment = {0};
    if (rest.len == 0 || slice_is(rest, "/")) {
        return;
    }
    if (slice_is(rest, "//")) {
        api_cause_invalid(causes, &at, api_shown_text(path), "segment[0] may not be empty");
        return;
    }
    if (rest.data[0] != '/') {
        api_cause_invalid(causes, &at, api_shown_text(path), "must start with a '/'");
    }
    rest = slice_of(rest.data + 1, rest.len - 1);
    if (rest.len > 0 && rest.data[rest.len - 1] == '/') {
        rest.len--;
    }
    size_t index = 0;
    while (cut_before(&rest, '/', &segment)) {
        check_segment(causes, &at, path, segment, index++);
    }
    check_segment(causes, &at, path, rest, index);
}
