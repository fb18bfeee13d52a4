/* Syntax of what only few fields hold: paths, finalizers, addresses of endpoints, sysctls. */
#include "lib/api/syntax.h"

#include "lib/base/compiler.h"
#include "lib/cel/cel.h"
#include <assert.h>
#include <ctype.h>
#include <string.h>

enum { SYSCTL_NAME_MAX = 253, KEY_TEXT_MAX = 512 };

static const char NO_BACKSTEPS[] = "must not contain '..'";
static const char UNQUALIFIED[] =
    "name is neither a standard finalizer name nor is it fully qualified";

static void add(struct api_syntax *syntax, bool wrong, const char *message)
{
    assert(syntax->count < API_SYNTAX_MESSAGES_MAX);
    if (wrong) {
        syntax->messages[syntax->count++] = message;
    }
}

static struct api_syntax one_if(bool wrong, const char *message)
{
    struct api_syntax syntax = {{NULL}, 0};
    add(&syntax, wrong, message);
    return syntax;
}

/* --- Paths -------------------------------------------------------------------------------------
 */

static bool has_backstep(const char *path)
{
    for (const char *part = path; part != NULL; part = strchr(part, '/')) {
        part += *part == '/';
        if (strcspn(part, "/") == 2 && strncmp(part, "..", 2) == 0) {
            return true;
        }
    }
    return false;
}

struct api_syntax api_syntax_relative_path(const char *path)
{
    struct api_syntax syntax = one_if(*path == '/', "must be a relative path");
    add(&syntax, has_backstep(path), NO_BACKSTEPS);
    return syntax;
}

/* A relative path that the kubelet has no use of its own for: it keeps its links in "..data". */
struct api_syntax api_syntax_local_path(const char *path)
{
    struct api_syntax syntax = api_syntax_relative_path(path);
    add(&syntax, strncmp(path, "..", 2) == 0 && strncmp(path, "../", 3) != 0,
        "must not start with '..'");
    return syntax;
}

struct api_syntax api_syntax_host_path(const char *path)
{
    return one_if(has_backstep(path), NO_BACKSTEPS);
}

struct api_syntax api_syntax_absolute_path(const char *path)
{
    return one_if(*path != '/', "must be an absolute path");
}

/* --- Names -------------------------------------------------------------------------------------
 */

struct api_syntax api_syntax_trimmed(const char *text)
{
    size_t len = strlen(text);
    bool spaced = len > 0 && (strchr(" \t\r\n\v\f", text[0]) != NULL ||
                              strchr(" \t\r\n\v\f", text[len - 1]) != NULL);
    return one_if(spaced, "must not have leading or trailing whitespace");
}

/* Keys of annotations may have capital letters in their prefix. */
struct api_syntax api_syntax_annotation_key(const char *key)
{
    char
        lower[KEY_TEXT_MAX]; /* Far more than a key may have: one that is cut is too long anyway. */
    size_t len = 0;
    for (; key[len] != '\0' && len + 1 < sizeof(lower); len++) {
        lower[len] = (char)tolower((unsigned char)key[len]);
    }
    lower[len] = '\0';
    return api_syntax_qualified_name(lower);
}

struct api_syntax api_syntax_namespace_finalizer(const char *name)
{
    struct api_syntax syntax = api_syntax_qualified_name(name);
    add(&syntax, strchr(name, '/') == NULL && strcmp(name, "kubernetes") != 0, UNQUALIFIED);
    return syntax;
}

struct api_syntax api_syntax_object_finalizer(const char *name)
{
    struct api_syntax syntax = api_syntax_qualified_name(name);
    bool known = strchr(name, '/') != NULL || strcmp(name, "kubernetes") == 0 ||
                 strcmp(name, "orphan") == 0 || strcmp(name, "foregroundDeletion") == 0;
    add(&syntax, !known, UNQUALIFIED);
    return syntax;
}

/* A search path of DNS: a domain that may end with a dot, or the root alone. */
struct api_syntax api_syntax_search_domain(const char *domain)
{
    char name[KEY_TEXT_MAX];
    size_t len = strlen(domain);
    if (strcmp(domain, ".") == 0) {
        return one_if(false, "");
    }
    len -= len > 0 && domain[len - 1] == '.';
    if (len >= sizeof(name)) {
        return api_syntax_dns1123_subdomain(domain);
    }
    memcpy(name, domain, len);
    name[len] = '\0';
    return api_syntax_dns1123_subdomain(name);
}

/* ([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])? */
static bool sysctl_name_matches(const char *name)
{
    static const char alphanumeric[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    if (strlen(name) > SYSCTL_NAME_MAX) {
        return false;
    }
    for (;;) {
        size_t len = strcspn(name, "./");
        if (len == 0 || strchr(alphanumeric, name[0]) == NULL ||
            strchr(alphanumeric, name[len - 1]) == NULL ||
            strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") < len) {
            return false;
        }
        if (name[len] == '\0') {
            return true;
        }
        name += len + 1;
    }
}

struct api_syntax api_syntax_sysctl_name(const char *name)
{
    return one_if(!sysctl_name_matches(name),
                  "must have at most 253 characters and match regex "
                  "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$");
}

/* --- Addresses ---------------------------------------------------------------------------------
 */

/* No unspecified, loopback, link-local or multicast address. */
struct api_syntax api_syntax_non_special_ip(const char *ip)
{
    static const uint8_t zero[16] = {0};
    uint8_t bytes[16];
    bool is_v6 = false;
    if (!api_ip_parse(ip, bytes, &is_v6)) {
        return one_if(true, "must be a valid IP address");
    }
    const uint8_t *v4 = bytes + 12;
    bool unspecified = is_v6 ? memcmp(bytes, zero, 16) == 0 : memcmp(v4, zero, 4) == 0;
    bool loopback = is_v6 ? memcmp(bytes, zero, 15) == 0 && bytes[15] == 1 : v4[0] == 127;
    bool link_local =
        is_v6 ? bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80 : v4[0] == 169 && v4[1] == 254;
    bool multicast = is_v6 ? bytes[0] == 0xff && (bytes[1] & 0x0f) == 2
                           : v4[0] == 224 && v4[1] == 0 && v4[2] == 0;
    struct api_syntax syntax = {{NULL}, 0};
    add(&syntax, unspecified,
        is_v6 ? "may not be unspecified (::)" : "may not be unspecified (0.0.0.0)");
    add(&syntax, loopback, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    add(&syntax, link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    add(&syntax, multicast,
        "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    return syntax;
}

struct api_syntax api_syntax_endpoint_ip(const char *ip)
{
    struct api_syntax syntax = api_syntax_ip(ip), special = api_syntax_non_special_ip(ip);
    for (size_t i = 0; i < special.count; i++) {
        add(&syntax, true, special.messages[i]);
    }
    return syntax;
}

struct api_syntax api_syntax_external_ip(const char *ip)
{
    struct api_syntax syntax = api_syntax_ip(ip);
    return syntax.count > 0 ? syntax : api_syntax_non_special_ip(ip);
}

/* --- Hosts, drivers, identifiers ---------------------------------------------------------------
 */

static const char NOT_AN_ADDRESS[] = "must be a DNS name, not an IP address";

static bool is_address(const char *text)
{
    uint8_t ip[16];
    bool is_v6 = false;
    return api_ip_parse(text, ip, &is_v6);
}

struct api_syntax api_syntax_wildcard_or_subdomain(const char *text)
{
    return strchr(text, '*') != NULL ? api_syntax_wildcard_subdomain(text)
                                     : api_syntax_dns1123_subdomain(text);
}

struct api_syntax api_syntax_ingress_host(const char *text)
{
    struct api_syntax syntax = api_syntax_wildcard_or_subdomain(text);
    add(&syntax, is_address(text), NOT_AN_ADDRESS);
    return syntax;
}

struct api_syntax api_syntax_ingress_hostname(const char *text)
{
    struct api_syntax syntax = api_syntax_dns1123_subdomain(text);
    add(&syntax, is_address(text), NOT_AN_ADDRESS);
    return syntax;
}

/* The rule for the text in lower case; one that is too long to be right is left as it is. */
static struct api_syntax in_lower_case(api_syntax_rule *rule, const char *text)
{
    char lower[KEY_TEXT_MAX];
    size_t len = strlen(text);
    if (len >= sizeof(lower)) {
        return rule(text);
    }
    for (size_t i = 0; i <= len; i++) {
        lower[i] = (char)tolower((unsigned char)text[i]);
    }
    return rule(lower);
}

struct api_syntax api_syntax_driver_name(const char *text)
{
    return in_lower_case(api_syntax_dns1123_subdomain, text);
}

struct api_syntax api_syntax_provisioner(const char *text)
{
    return in_lower_case(api_syntax_qualified_name, text);
}

struct api_syntax api_syntax_cel_identifier(const char *text)
{
    bool wrong = !isalpha((unsigned char)*text) && *text != '_';
    for (const char *at = text; *at != '\0' && !wrong; at++) {
        wrong = !isalnum((unsigned char)*at) && *at != '_';
    }
    wrong = wrong || cel_is_reserved(slice_text(text));
    return one_if(wrong, "name is not a valid CEL identifier");
}
