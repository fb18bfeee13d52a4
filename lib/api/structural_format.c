/* Formats of strings that v1.32 checks in custom resources. */
#include "lib/api/structural.h"

#include "lib/api/syntax.h"
#include "lib/base/time_text.h"
#include "lib/cel/regex.h"

typedef bool format_rule(struct slice text);

static bool date_time(struct slice text)
{
    int64_t seconds;
    int32_t nanos;
    return time_parse(text, &seconds, &nanos) == 0;
}

static bool date(struct slice text)
{
    char full[32];
    int64_t seconds;
    int32_t nanos;
    if (text.len != 10) {
        return false;
    }
    memcpy(full, text.data, text.len);
    memcpy(full + text.len, "T00:00:00Z", sizeof("T00:00:00Z"));
    return time_parse(slice_text(full), &seconds, &nanos) == 0;
}

static bool duration(struct slice text)
{
    int64_t nanos;
    return duration_parse(text, &nanos) == 0;
}

static bool address(struct slice text, bool v6)
{
    uint8_t ip[16];
    bool is_v6 = false;
    return api_ip_parse_exact((const char *)text.data, ip, &is_v6) && is_v6 == v6;
}

static bool ipv4(struct slice text)
{
    return address(text, false);
}

static bool ipv6(struct slice text)
{
    return address(text, true);
}

static bool cidr(struct slice text)
{
    uint8_t ip[16];
    unsigned bits = 0;
    bool is_v6 = false;
    return api_cidr_parse_exact((const char *)text.data, ip, &bits, &is_v6);
}

static bool byte(struct slice text)
{
    if (text.len % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool digit = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                     c == '+' || c == '/';
        if (!digit && !(c == '=' && i + 2 >= text.len)) {
            return false;
        }
    }
    return true;
}

static bool matches(struct slice text, const char *pattern)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct cel_regex *regex = NULL;
    return cel_regex_compile(arena, slice_text(pattern), &regex, NULL) == 0 &&
           cel_regex_find(regex, text, 0, NULL);
}

static bool uuid(struct slice text)
{
    return matches(text, "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$");
}

static bool mac(struct slice text)
{
    return matches(text, "(?i)^([0-9a-f]{2}[:-]){5}([0-9a-f]{2}[:-]){0,2}[0-9a-f]{2}$|"
                         "^([0-9A-Fa-f]{4}\\.){2}[0-9A-Fa-f]{4}$");
}

static bool uri(struct slice text)
{
    return matches(text, "^([A-Za-z][-A-Za-z0-9+.]*:|/)[^\\x00-\\x20\\x7f]*$");
}

static bool email(struct slice text)
{
    return matches(text, "^[^@\\s<>]+@[^@\\s<>]+$");
}

static bool hostname(struct slice text)
{
    return text.len <= 255 && matches(text, "(?i)^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
                                            "(\\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*\\.?$");
}

static bool hexcolor(struct slice text)
{
    return matches(text, "^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$");
}

static bool bsonobjectid(struct slice text)
{
    return matches(text, "^[0-9a-fA-F]{24}$");
}

static const struct {
    const char *name;
    format_rule *rule;
} formats[] = {
    {"date-time", date_time},
    {"datetime", date_time},
    {"date", date},
    {"duration", duration},
    {"ipv4", ipv4},
    {"ipv6", ipv6},
    {"cidr", cidr},
    {"byte", byte},
    {"uuid", uuid},
    {"mac", mac},
    {"uri", uri},
    {"email", email},
    {"hostname", hostname},
    {"hexcolor", hexcolor},
    {"bsonobjectid", bsonobjectid},
};

bool structural_format_matches(const char *format, struct slice text)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (strcmp(text_or_empty(format), formats[i].name) == 0) {
            return formats[i].rule(text);
        }
    }
    return true;
}
