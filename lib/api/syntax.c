#include "lib/api/syntax.h"

#include "lib/base/compiler.h"
#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <string.h>

#define LABEL_FORMAT     "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define SUBDOMAIN_FORMAT LABEL_FORMAT "(\\." LABEL_FORMAT ")*"
#define SUBDOMAIN_TEXT                                                                             \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "  \
    "for validation is '" SUBDOMAIN_FORMAT "')"
#define QUALIFIED_TEXT                                                                             \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "    \
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "         \
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
#define EMPTY_TEXT        "must be non-empty"
#define TOO_LONG_TEXT(n)  "must be no more than " #n " characters"
#define PREFIX_PART(text) "prefix part " text
#define NAME_PART(text)   "name part " text

enum {
    LABEL_LEN_MAX = 63,
    SUBDOMAIN_LEN_MAX = 253,
    PORT_NAME_LEN_MAX = 15,
    CONFIG_KEY_LEN_MAX = 253,
    PORT_MAX = 65535,
};

static void add(struct api_syntax *syntax, const char *message)
{
    assert(syntax->count < API_SYNTAX_MESSAGES_MAX);
    syntax->messages[syntax->count++] = message;
}

static struct api_syntax one_if(bool wrong, const char *message)
{
    struct api_syntax syntax = {{NULL}, 0};
    if (wrong) {
        add(&syntax, message);
    }
    return syntax;
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z');
}

/* [a-z0-9]([-a-z0-9]*[a-z0-9])? */
static bool label_matches(const char *text, size_t len)
{
    if (len == 0 || text[0] == '-' || text[len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_lower(text[i]) && !is_digit(text[i]) && text[i] != '-') {
            return false;
        }
    }
    return true;
}

static bool subdomain_matches(const char *text)
{
    for (;;) {
        size_t len = strcspn(text, ".");
        if (!label_matches(text, len)) {
            return false;
        }
        if (text[len] == '\0') {
            return true;
        }
        text += len + 1;
    }
}

/* ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9] */
static bool qualified_matches(const char *text, size_t len)
{
    if (len == 0 || !is_alnum(text[0]) || !is_alnum(text[len - 1])) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_alnum(text[i]) && strchr("-_.", text[i]) == NULL) {
            return false;
        }
    }
    return true;
}

struct api_syntax api_syntax_dns1123_label(const char *text)
{
    size_t len = strlen(text);
    struct api_syntax syntax = one_if(len > LABEL_LEN_MAX, TOO_LONG_TEXT(63));
    if (label_matches(text, len)) {
        return syntax;
    }
    add(&syntax, subdomain_matches(text)
                     ? "must not contain dots"
                     : "a lowercase RFC 1123 label must consist of lower case alphanumeric "
                       "characters or '-', and must start and end with an alphanumeric character "
                       "(e.g. 'my-name',  or '123-abc', regex used for validation is '" LABEL_FORMAT
                       "')");
    return syntax;
}

struct api_syntax api_syntax_dns1123_subdomain(const char *text)
{
    struct api_syntax syntax = one_if(strlen(text) > SUBDOMAIN_LEN_MAX, TOO_LONG_TEXT(253));
    if (!subdomain_matches(text)) {
        add(&syntax, SUBDOMAIN_TEXT);
    }
    return syntax;
}

struct api_syntax api_syntax_dns1035_label(const char *text)
{
    size_t len = strlen(text);
    struct api_syntax syntax = one_if(len > LABEL_LEN_MAX, TOO_LONG_TEXT(63));
    if (!label_matches(text, len) || !is_lower(text[0])) {
        add(&syntax,
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start "
            "with an alphabetic character, and end with an alphanumeric character (e.g. "
            "'my-name',  or 'abc-123', regex used for validation is "
            "'[a-z]([-a-z0-9]*[a-z0-9])?')");
    }
    return syntax;
}

struct api_syntax api_syntax_wildcard_subdomain(const char *text)
{
    struct api_syntax syntax = one_if(strlen(text) > SUBDOMAIN_LEN_MAX, TOO_LONG_TEXT(253));
    if (strncmp(text, "*.", 2) != 0 || !subdomain_matches(text + 2)) {
        add(&syntax, "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS "
                     "subdomain, which must consist of lower case alphanumeric characters, '-' or "
                     "'.' and end with an alphanumeric character (e.g. '*.example.com', regex used "
                     "for validation is '\\*\\." SUBDOMAIN_FORMAT "')");
    }
    return syntax;
}

static void qualified_prefix(struct api_syntax *syntax, const char *text, size_t len)
{
    if (len == 0) {
        add(syntax, PREFIX_PART(EMPTY_TEXT));
        return;
    }
    char prefix[SUBDOMAIN_LEN_MAX + 1];
    if (len > SUBDOMAIN_LEN_MAX) {
        add(syntax, PREFIX_PART(TOO_LONG_TEXT(253)));
        return;
    }
    memcpy(prefix, text, len);
    prefix[len] = '\0';
    if (!subdomain_matches(prefix)) {
        add(syntax, PREFIX_PART(SUBDOMAIN_TEXT));
    }
}

struct api_syntax api_syntax_qualified_name(const char *text)
{
    struct api_syntax syntax = {{NULL}, 0};
    const char *name = text;
    const char *slash = strchr(text, '/');
    if (slash != NULL && strchr(slash + 1, '/') != NULL) {
        add(&syntax, "a qualified name " QUALIFIED_TEXT
                     " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')");
        return syntax;
    }
    if (slash != NULL) {
        qualified_prefix(&syntax, text, (size_t)(slash - text));
        name = slash + 1;
    }
    size_t len = strlen(name);
    if (len == 0) {
        add(&syntax, NAME_PART(EMPTY_TEXT));
    } else if (len > LABEL_LEN_MAX) {
        add(&syntax, NAME_PART(TOO_LONG_TEXT(63)));
    }
    if (!qualified_matches(name, len)) {
        add(&syntax, NAME_PART(QUALIFIED_TEXT));
    }
    return syntax;
}

struct api_syntax api_syntax_label_value(const char *text)
{
    size_t len = strlen(text);
    struct api_syntax syntax = one_if(len > LABEL_LEN_MAX, TOO_LONG_TEXT(63));
    if (len != 0 && !qualified_matches(text, len)) {
        add(&syntax,
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' "
            "or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
            "'my_value',  or '12345', regex used for validation is "
            "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')");
    }
    return syntax;
}

/* The relaxed rule, on by default in v1.32 (RelaxedEnvironmentVariableValidation). */
struct api_syntax api_syntax_env_name(const char *text)
{
    bool valid = true;
    for (const char *at = text; *at != '\0'; at++) {
        valid = valid && *at >= ' ' && *at <= '~' && *at != '=';
    }
    if (text[0] == '\0') {
        return one_if(true, "environment variable name " EMPTY_TEXT);
    }
    return one_if(!valid, "a valid environment variable name must consist only of printable ASCII "
                          "characters other than '='");
}

struct api_syntax api_syntax_config_key(const char *text)
{
    bool valid = text[0] != '\0';
    for (const char *at = text; *at != '\0'; at++) {
        valid = valid && (is_alnum(*at) || strchr("-._", *at) != NULL);
    }
    struct api_syntax syntax = one_if(strlen(text) > CONFIG_KEY_LEN_MAX, TOO_LONG_TEXT(253));
    if (!valid) {
        add(&syntax, "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
                     "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation "
                     "is '[-._a-zA-Z0-9]+')");
    }
    if (strcmp(text, ".") == 0) {
        add(&syntax, "must not be '.'");
    } else if (strcmp(text, "..") == 0) {
        add(&syntax, "must not be '..'");
    } else if (strncmp(text, "..", 2) == 0) {
        add(&syntax, "must not start with '..'");
    }
    return syntax;
}

struct api_syntax api_syntax_header_name(const char *text)
{
    bool valid = text[0] != '\0';
    for (const char *at = text; *at != '\0'; at++) {
        valid = valid && (is_alnum(*at) || *at == '-');
    }
    return one_if(!valid, "a valid HTTP header must consist of alphanumeric characters or '-' "
                          "(e.g. 'X-Header-Name', regex used for validation is "
                          "'[-A-Za-z0-9]+')");
}

struct api_syntax api_syntax_port_name(const char *text)
{
    size_t len = strlen(text);
    bool valid = len > 0, letter = false;
    for (size_t i = 0; i < len; i++) {
        letter = letter || is_lower(text[i]);
        valid = valid && (is_lower(text[i]) || is_digit(text[i]) || text[i] == '-');
    }
    struct api_syntax syntax = one_if(len > PORT_NAME_LEN_MAX, TOO_LONG_TEXT(15));
    if (!valid) {
        add(&syntax, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if (!letter) {
        add(&syntax, "must contain at least one letter (a-z)");
    }
    if (strstr(text, "--") != NULL) {
        add(&syntax, "must not contain consecutive hyphens");
    }
    if (len > 0 && (text[0] == '-' || text[len - 1] == '-')) {
        add(&syntax, "must not begin or end with a hyphen");
    }
    return syntax;
}

struct api_syntax api_syntax_percent(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    bool valid = digits > 0 && strcmp(text + digits, "%") == 0;
    return one_if(!valid,
                  "a valid percent string must be a numeric string followed by an ending '%' "
                  "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')");
}

struct api_syntax api_syntax_path_segment(const char *text)
{
    if (strcmp(text, ".") == 0) {
        return one_if(true, "may not be '.'");
    }
    if (strcmp(text, "..") == 0) {
        return one_if(true, "may not be '..'");
    }
    struct api_syntax syntax = one_if(strchr(text, '/') != NULL, "may not contain '/'");
    if (strchr(text, '%') != NULL) {
        add(&syntax, "may not contain '%'");
    }
    return syntax;
}

struct api_syntax api_syntax_fqdn(const char *text)
{
    struct api_syntax syntax = api_syntax_dns1123_subdomain(text);
    if (syntax.count == 0 && strchr(text, '.') == NULL) {
        add(&syntax, "should be a domain with at least two segments separated by dots");
    }
    return syntax;
}

struct api_syntax api_syntax_port_number(int64_t port)
{
    return one_if(port < 1 || port > PORT_MAX, "must be between 1 and 65535, inclusive");
}

bool api_ip_parse_exact(const char *text, uint8_t ret_ip[16], bool *ret_is_v6)
{
    uint8_t v4[4];
    if (inet_pton(AF_INET, text, v4) == 1) {
        memset(ret_ip, 0, 10);
        memset(ret_ip + 10, 0xff, 2);
        memcpy(ret_ip + 12, v4, 4);
        *ret_is_v6 = false;
        return true;
    }
    if (inet_pton(AF_INET6, text, ret_ip) != 1) {
        return false;
    }
    *ret_is_v6 = true;
    return true;
}

enum { PLAIN_SIZE = INET6_ADDRSTRLEN };

/* Writes the address as it is without zeros before its decimal numbers. */
static bool leave_out_zeros(const char *text, char ret_plain[PLAIN_SIZE])
{
    size_t len = 0;
    while (*text != '\0') {
        size_t part = strcspn(text, ".:");
        bool decimal = text[part] == '.' || (len > 0 && ret_plain[len - 1] == '.');
        for (; decimal && *text == '0' && isdigit((unsigned char)text[1]); part--) {
            text++;
        }
        part += text[part] != '\0'; /* With the dot or colon after it. */
        if (part >= PLAIN_SIZE - len) {
            return false;
        }
        memcpy(ret_plain + len, text, part);
        len += part;
        text += part;
    }
    ret_plain[len] = '\0';
    return true;
}

bool api_ip_parse(const char *text, uint8_t ret_ip[16], bool *ret_is_v6)
{
    static const uint8_t mapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char plain[PLAIN_SIZE];
    if (!leave_out_zeros(text, plain) || !api_ip_parse_exact(plain, ret_ip, ret_is_v6)) {
        return false;
    }
    *ret_is_v6 = *ret_is_v6 && memcmp(ret_ip, mapped, sizeof(mapped)) != 0;
    return true;
}

bool api_ipv4_parse(const char *text, struct in_addr *ret_address)
{
    uint8_t ip[16];
    bool is_v6 = false;
    if (!api_ip_parse(text, ip, &is_v6) || is_v6) {
        return false;
    }
    memcpy(ret_address, ip + sizeof(ip) - sizeof(*ret_address), sizeof(*ret_address));
    return true;
}

void api_ip_print(const uint8_t ip[16], bool is_v6, char ret_text[INET6_ADDRSTRLEN])
{
    (void)inet_ntop(is_v6 ? AF_INET6 : AF_INET, is_v6 ? ip : ip + 12, ret_text, INET6_ADDRSTRLEN);
}

typedef bool ip_parser(const char *text, uint8_t ret_ip[16], bool *ret_is_v6);

static bool parse_cidr(ip_parser *parse, const char *text, uint8_t ret_ip[16], unsigned *ret_bits,
                       bool *ret_is_v6)
{
    enum { ADDRESS_SIZE = 128 }; /* With many zeros. */
    char address[ADDRESS_SIZE];
    const char *slash = strchr(text, '/');
    if (slash == NULL || (size_t)(slash - text) >= sizeof(address)) {
        return false;
    }
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    size_t digits = strspn(slash + 1, "0123456789");
    if (digits == 0 || digits > 3 || slash[1 + digits] != '\0' ||
        !parse(address, ret_ip, ret_is_v6)) {
        return false;
    }
    unsigned bits = 0;
    for (size_t i = 1; i <= digits; i++) {
        bits = bits * 10 + (unsigned)(slash[i] - '0');
    }
    *ret_is_v6 = strchr(address, ':') != NULL;
    if (bits > (*ret_is_v6 ? 128U : 32U)) {
        return false;
    }
    *ret_bits = bits;
    return true;
}

bool api_cidr_parse(const char *text, uint8_t ret_ip[16], unsigned *ret_bits, bool *ret_is_v6)
{
    return parse_cidr(api_ip_parse, text, ret_ip, ret_bits, ret_is_v6);
}

bool api_cidr_parse_exact(const char *text, uint8_t ret_ip[16], unsigned *ret_bits, bool *ret_is_v6)
{
    return parse_cidr(api_ip_parse_exact, text, ret_ip, ret_bits, ret_is_v6);
}

struct api_syntax api_syntax_ip(const char *text)
{
    uint8_t ip[16];
    bool is_v6 = false;
    return one_if(!api_ip_parse(text, ip, &is_v6),
                  "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
}

struct api_syntax api_syntax_cidr(const char *text)
{
    uint8_t ip[16];
    unsigned bits = 0;
    bool is_v6 = false;
    return one_if(!api_cidr_parse(text, ip, &bits, &is_v6),
                  "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
}
