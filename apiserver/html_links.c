/* A scanner, not a parser: it follows tags, attributes, comments and raw text just far enough to
 * know which bytes are a link. Every byte that is none goes out as it came in. */
#include "apiserver/html_links.h"

#include <ctype.h>
#include <strings.h>

/* --- One link ----------------------------------------------------------------------------------
 */

static struct slice after(struct slice text, size_t len)
{
    return slice_of(text.data + len, text.len - len);
}

/* "http:" or "https:", whose length is returned; 0 for none. */
static size_t scheme_len(struct slice link)
{
    static const char *const schemes[] = {"http:", "https:"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (link.len >= len && strncasecmp((const char *)link.data, schemes[i], len) == 0) {
            return len;
        }
    }
    return 0;
}

static size_t host_len(struct slice text)
{
    size_t len = 0;
    while (len < text.len && strchr("/?#", text.data[len]) == NULL) {
        len++;
    }
    return len;
}

static bool same_text(struct slice a, struct slice b)
{
    return a.len > 0 && a.len == b.len &&
           strncasecmp((const char *)a.data, (const char *)b.data, a.len) == 0;
}

void link_rewrite(const struct link_base *base, struct slice link, struct buffer *out)
{
    size_t scheme = scheme_len(link);
    struct slice path = after(link, scheme);
    struct slice origin = slice_of(NULL, 0); /* What stays before the path. */
    bool has_host = slice_starts_with(path, slice_text("//"));
    if (has_host) {
        struct slice rest = after(path, 2);
        struct slice host = slice_of(rest.data, host_len(rest));
        bool at_client = same_text(host, base->client_host);
        if (!at_client && !same_text(host, slice_text(base->server_host))) {
            buffer_append_slice(out, link);
            return;
        }
        origin = slice_of(link.data, at_client ? scheme + 2 + host.len : 0);
        path = after(rest, host.len);
    }
    if (path.len == 0 || path.data[0] != '/' || (scheme > 0 && !has_host)) {
        buffer_append_slice(out, link);
        return;
    }
    buffer_append_slice(out, origin);
    if (!slice_starts_with(path, slice_text(base->prefix))) {
        buffer_append_text(out, base->prefix);
    }
    buffer_append_slice(out, path);
}

/* --- The page ----------------------------------------------------------------------------------
 */

enum state {
    IN_TEXT,
    AFTER_LESS,     /* "<" */
    IN_DECLARATION, /* "<!", "<?" and "</": until ">" */
    IN_COMMENT,     /* "<!--" until "-->" */
    IN_TAG_NAME,
    IN_TAG,     /* Between attributes. */
    IN_NAME,    /* Of an attribute. */
    AFTER_NAME, /* Perhaps with "=" to come. */
    BEFORE_VALUE,
    IN_VALUE, /* Until `quote`, or a space or ">" without one. */
    IN_RAW,   /* Of a script and the like: until its end tag. */
};

enum { NAME_MAX_LEN = 16 };

struct name {
    char text[NAME_MAX_LEN]; /* Lower case; "" when it is too long to be one that matters. */
    size_t len;
};

struct html_links {
    struct link_base base;
    enum state state;
    struct name tag, attribute;
    char quote;            /* '"', '\'' or 0. */
    bool is_link;          /* The value is held back. */
    size_t matched;        /* Of what ends a comment, or begins one, or ends raw text. */
    uint8_t *value_memory; /* HTML_LINK_MAX */
    size_t value_len;
};

/* Elements and those of their attributes that are links. */
static const struct {
    const char *tag, *attribute;
} link_attributes[] = {
    {"a", "href"},          {"applet", "codebase"},   {"area", "href"},
    {"audio", "src"},       {"base", "href"},         {"blockquote", "cite"},
    {"body", "background"}, {"button", "formaction"}, {"command", "icon"},
    {"del", "cite"},        {"embed", "src"},         {"form", "action"},
    {"frame", "longdesc"},  {"frame", "src"},         {"head", "profile"},
    {"html", "manifest"},   {"iframe", "longdesc"},   {"iframe", "src"},
    {"img", "longdesc"},    {"img", "src"},           {"img", "usemap"},
    {"input", "src"},       {"input", "usemap"},      {"input", "formaction"},
    {"ins", "cite"},        {"link", "href"},         {"object", "classid"},
    {"object", "codebase"}, {"object", "data"},       {"object", "usemap"},
    {"q", "cite"},          {"script", "src"},        {"source", "src"},
    {"video", "poster"},    {"video", "src"},
};
/* Elements whose text is not looked at for tags. */
static const char *const raw_tags[] = {"script",   "style",    "textarea", "title",    "xmp",
                                       "noscript", "noframes", "noembed",  "plaintext"};

static void name_clear(struct name *name)
{
    name->len = 0;
    name->text[0] = '\0';
}

static void name_add(struct name *name, uint8_t byte)
{
    if (name->len + 1 < sizeof(name->text)) {
        name->text[name->len] = (char)tolower(byte);
        name->text[name->len + 1] = '\0';
    } else {
        name->text[0] = '\0';
    }
    name->len++;
}

static bool is_link(const struct html_links *links)
{
    for (size_t i = 0; i < ARRAY_LEN(link_attributes); i++) {
        if (strcmp(link_attributes[i].tag, links->tag.text) == 0 &&
            strcmp(link_attributes[i].attribute, links->attribute.text) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_raw(const struct html_links *links)
{
    for (size_t i = 0; i < ARRAY_LEN(raw_tags); i++) {
        if (strcmp(raw_tags[i], links->tag.text) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

struct html_links *html_links_new(struct arena *arena, const struct link_base *base)
{
    struct html_links *links = arena_zeroed(arena, sizeof(*links));
    links->base = *base;
    links->value_memory = arena_alloc(arena, HTML_LINK_MAX);
    return links;
}

static void release_value(struct html_links *links, bool complete, struct buffer *out)
{
    struct slice value = slice_of(links->value_memory, links->value_len);
    if (complete && links->is_link) {
        link_rewrite(&links->base, value, out);
    } else {
        buffer_append_slice(out, value);
    }
    links->value_len = 0;
}

static void end_tag(struct html_links *links)
{
    links->state = is_raw(links) ? IN_RAW : IN_TEXT;
    links->matched = 0;
}

/* Between attributes, or where one begins. */
static void in_tag(struct html_links *links, uint8_t byte)
{
    if (byte == '>') {
        end_tag(links);
    } else if (!is_space(byte) && byte != '/') {
        name_clear(&links->attribute);
        name_add(&links->attribute, byte);
        links->state = IN_NAME;
    } else {
        links->state = IN_TAG;
    }
}

static void after_less(struct html_links *links, uint8_t byte)
{
    links->matched = 0;
    if (isalpha(byte)) {
        name_clear(&links->tag);
        name_add(&links->tag, byte);
        links->state = IN_TAG_NAME;
    } else if (byte == '!' || byte == '?' || byte == '/') {
        links->state = IN_DECLARATION;
    } else {
        links->state = byte == '<' ? AFTER_LESS : IN_TEXT;
    }
}

/* "<!--" begins a comment; its dashes come first of all. */
static void in_declaration(struct html_links *links, uint8_t byte)
{
    links->matched = byte == '-' && links->matched < 2 ? links->matched + 1 : 3;
    if (links->matched == 2) {
        links->state = IN_COMMENT; /* "<!-->" is a whole one. */
    } else if (byte == '>') {
        links->state = IN_TEXT;
    }
}

static void in_comment(struct html_links *links, uint8_t byte)
{
    if (byte == '>' && links->matched >= 2) {
        links->state = IN_TEXT;
    }
    links->matched = byte == '-' ? links->matched + 1 : 0;
}

/* Until "</name". */
static void in_raw(struct html_links *links, uint8_t byte)
{
    const char *name = links->tag.text;
    size_t at = links->matched;
    char wanted = at == 0 ? '<' : at == 1 ? '/' : name[at - 2];
    if (tolower(byte) != wanted) {
        links->matched = byte == '<' ? 1 : 0;
        return;
    }
    links->matched++;
    if (links->matched >= 2 && links->matched - 2 == strlen(name)) {
        links->state = IN_DECLARATION;
        links->matched = 3; /* No comment begins here. */
    }
}

static void begin_value(struct html_links *links, uint8_t byte)
{
    bool quoted = byte == '"' || byte == '\'';
    links->state = IN_VALUE;
    links->quote = quoted ? (char)byte : '\0';
    links->is_link = is_link(links);
}

static bool ends_value(const struct html_links *links, uint8_t byte)
{
    return links->quote != '\0' ? byte == (uint8_t)links->quote : is_space(byte) || byte == '>';
}

/* A byte of a value goes to the end of the link, or out. */
static void in_value(struct html_links *links, uint8_t byte, struct buffer *out)
{
    if (ends_value(links, byte)) {
        release_value(links, true, out);
        buffer_append_byte(out, byte);
        links->state = IN_TAG;
        if (links->quote == '\0' && byte == '>') {
            end_tag(links);
        }
        return;
    }
    if (links->is_link && links->value_len == HTML_LINK_MAX) { /* No link is that long. */
        release_value(links, false, out);
        links->is_link = false;
    }
    if (links->is_link) {
        links->value_memory[links->value_len++] = byte;
    } else {
        buffer_append_byte(out, byte);
    }
}

/* True: the byte was the first of a value without quotes. */
static bool before_value(struct html_links *links, uint8_t byte)
{
    if (is_space(byte)) {
        return false;
    }
    if (byte == '>') {
        end_tag(links);
        return false;
    }
    begin_value(links, byte);
    return links->quote == '\0';
}

static void after_name(struct html_links *links, uint8_t byte)
{
    if (byte == '=') {
        links->state = BEFORE_VALUE;
    } else if (is_space(byte)) {
        links->state = AFTER_NAME;
    } else {
        in_tag(links, byte);
    }
}

static void in_name(struct html_links *links, uint8_t byte)
{
    if (byte == '=' || byte == '>' || byte == '/' || is_space(byte)) {
        after_name(links, byte);
    } else {
        name_add(&links->attribute, byte);
    }
}

static void in_tag_name(struct html_links *links, uint8_t byte)
{
    if (byte == '>' || byte == '/' || is_space(byte)) {
        in_tag(links, byte);
    } else {
        name_add(&links->tag, byte);
    }
}

/* All but the bytes of values, which in_value() sends on. */
static void step(struct html_links *links, uint8_t byte)
{
    switch (links->state) {
    case IN_TEXT:
        links->state = byte == '<' ? AFTER_LESS : IN_TEXT;
        break;
    case AFTER_LESS:
        after_less(links, byte);
        break;
    case IN_DECLARATION:
        in_declaration(links, byte);
        break;
    case IN_COMMENT:
        in_comment(links, byte);
        break;
    case IN_TAG_NAME:
        in_tag_name(links, byte);
        break;
    case IN_TAG:
        in_tag(links, byte);
        break;
    case IN_NAME:
        in_name(links, byte);
        break;
    case AFTER_NAME:
        after_name(links, byte);
        break;
    case IN_RAW:
        in_raw(links, byte);
        break;
    case BEFORE_VALUE:
    case IN_VALUE:
        break;
    }
}

void html_links_feed(struct html_links *links, struct slice bytes, struct buffer *out)
{
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t byte = bytes.data[i];
        bool of_value =
            links->state == IN_VALUE || (links->state == BEFORE_VALUE && before_value(links, byte));
        if (of_value) {
            in_value(links, byte, out);
            continue;
        }
        if (links->state != BEFORE_VALUE && links->state != IN_VALUE) {
            step(links, byte);
        }
        buffer_append_byte(out, byte);
    }
}

void html_links_end(struct html_links *links, struct buffer *out)
{
    release_value(links, false, out);
}
