/* What Go's netip.ParseAddr says of a text that is no address, in its words: warnings quote it. */
#include "lib/api/limits.h"
#include "lib/api/rules/warnings.h"

enum { GROUP_BYTES = 2, GROUP_DIGITS = 4, V4_BYTES = 4, V4_FIELDS = 4, V6_BYTES = 16 };

/* `rest` is where it is found; nothing for the text as a whole. */
static const char *wrong(struct arena *arena, const char *text, const char *words,
                         struct slice rest)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, API_SHOWN_MAX);
    buffer_append_text(&out, "ParseAddr(");
    api_print_quoted(text, &out);
    buffer_printf(&out, "): %s", words);
    if (rest.len > 0) {
        buffer_append_text(&out, " (at ");
        api_print_quoted(arena_text_n(arena, (const char *)rest.data, rest.len), &out);
        buffer_append_text(&out, ")");
    }
    return arena_text(arena, buffer_text(&out));
}

static struct slice after(struct slice text, size_t count)
{
    return slice_of(text.data + count, text.len - count);
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Of `four`, which is the last part of the text or all of it. NULL where nothing is wrong. */
static const char *wrong_four(struct arena *arena, const char *text, struct slice four)
{
    const struct slice whole = slice_text("");
    unsigned value = 0, digits = 0, fields = 1;
    for (size_t i = 0; i < four.len; i++) {
        uint8_t c = four.data[i];
        if (is_digit(c)) {
            if (digits == 1 && value == 0) {
                return wrong(arena, text, "IPv4 field has octet with leading zero", whole);
            }
            value = value * 10 + (c - (unsigned)'0');
            digits++;
            if (value > UINT8_MAX) {
                return wrong(arena, text, "IPv4 field has value >255", whole);
            }
        } else if (c != '.') {
            return wrong(arena, text, "unexpected character", after(four, i));
        } else if (i == 0 || i + 1 == four.len || four.data[i - 1] == '.') {
            return wrong(arena, text, "IPv4 field must have at least one digit", after(four, i));
        } else if (fields == V4_FIELDS) {
            return wrong(arena, text, "IPv4 address too long", whole);
        } else {
            fields++;
            value = digits = 0;
        }
    }
    return fields < V4_FIELDS ? wrong(arena, text, "IPv4 address too short", whole) : NULL;
}

/* An address of IPv6 while it is read. */
struct groups {
    struct arena *arena;
    const char *text;
    struct slice rest;
    size_t bytes;   /* So far. */
    bool shortened; /* There was "::". */
    bool ended;
};

static const char *wrong_end(struct groups *groups)
{
    if (!groups->shortened && groups->bytes != V6_BYTES - V4_BYTES) {
        return wrong(groups->arena, groups->text,
                     "embedded IPv4 address must replace the final 2 fields of the address",
                     groups->rest);
    }
    if (groups->bytes + V4_BYTES > V6_BYTES) {
        return wrong(groups->arena, groups->text,
                     "too many hex fields to fit an embedded IPv4 at the end of the address",
                     groups->rest);
    }
    const char *problem = wrong_four(groups->arena, groups->text, groups->rest);
    groups->rest = slice_text("");
    groups->bytes += V4_BYTES;
    groups->ended = true;
    return problem;
}

/* What stands between two groups, or ends the address. */
static const char *wrong_colons(struct groups *groups)
{
    if (groups->rest.len == 0) {
        groups->ended = true;
        return NULL;
    }
    if (groups->rest.data[0] != ':') {
        return wrong(groups->arena, groups->text, "unexpected character, want colon", groups->rest);
    }
    if (groups->rest.len == 1) {
        return wrong(groups->arena, groups->text, "colon must be followed by more characters",
                     groups->rest);
    }
    groups->rest = after(groups->rest, 1);
    if (groups->rest.data[0] == ':') {
        if (groups->shortened) {
            return wrong(groups->arena, groups->text, "multiple :: in address", groups->rest);
        }
        groups->shortened = true;
        groups->rest = after(groups->rest, 1);
        groups->ended = groups->rest.len == 0;
    }
    return NULL;
}

static const char *wrong_group(struct groups *groups)
{
    size_t digits = 0;
    while (digits < groups->rest.len && is_hex(groups->rest.data[digits])) {
        if (++digits > GROUP_DIGITS) {
            return wrong(groups->arena, groups->text, "each group must have 4 or less digits",
                         groups->rest);
        }
    }
    if (digits == 0) {
        return wrong(groups->arena, groups->text,
                     "each colon-separated field must have at least one digit", groups->rest);
    }
    if (digits < groups->rest.len && groups->rest.data[digits] == '.') {
        return wrong_end(groups);
    }
    groups->bytes += GROUP_BYTES;
    groups->rest = after(groups->rest, digits);
    return wrong_colons(groups);
}

/* Of the text up to its zone. */
static const char *wrong_six(struct arena *arena, const char *text, size_t len)
{
    const struct slice whole = slice_text("");
    struct groups groups = {.arena = arena, .text = text, .rest = slice_of(text, len)};
    if (len >= 2 && text[0] == ':' && text[1] == ':') {
        groups.shortened = true;
        groups.rest = after(groups.rest, 2);
        groups.ended = groups.rest.len == 0;
    }
    while (!groups.ended && groups.bytes < V6_BYTES) {
        const char *problem = wrong_group(&groups);
        if (problem != NULL) {
            return problem;
        }
    }
    if (groups.rest.len > 0) {
        return wrong(arena, text, "trailing garbage after address", groups.rest);
    }
    if (groups.bytes < V6_BYTES && !groups.shortened) {
        return wrong(arena, text, "address string too short", whole);
    }
    return groups.bytes == V6_BYTES && groups.shortened
               ? wrong(arena, text, "the :: must expand to at least one field of zeros", whole)
               : NULL;
}

const char *rules_address_problem(struct arena *arena, const char *text)
{
    const struct slice whole = slice_text("");
    size_t zone = strcspn(text, "%");
    switch (text[strcspn(text, ".:%")]) {
    case '.':
        return wrong_four(arena, text, slice_text(text));
    case ':':
        return text[zone] == '%' && text[zone + 1] == '\0'
                   ? wrong(arena, text, "zone must be a non-empty string", whole)
                   : wrong_six(arena, text, zone);
    case '%': /* The address in front of the zone is not there. */
        return wrong(arena, text, "missing IPv6 address", whole);
    default:
        return wrong(arena, text, "unable to parse IP", whole);
    }
}
