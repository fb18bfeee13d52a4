/* Kubernetes' libraries of IP addresses and ranges: ip, isIP, cidr, isCIDR and their methods. */
#include "lib/cel/cel.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

enum { IPV4_BYTES = 4, IPV6_BYTES = 16, ADDRESS_TEXT_SIZE = 64 };

/* An address, or a range when prefix >= 0. */
struct address {
    uint8_t bytes[IPV6_BYTES];
    size_t size; /* IPV4_BYTES or IPV6_BYTES */
    int prefix;
};

static bool equal(const void *a, const void *b)
{
    const struct address *left = a, *right = b;
    return left->size == right->size && left->prefix == right->prefix &&
           memcmp(left->bytes, right->bytes, left->size) == 0;
}

static uint64_t ip_size(const void *data)
{
    return ((const struct address *)data)->size;
}

static uint64_t cidr_size(const void *data)
{
    return (uint64_t)(((const struct address *)data)->prefix + 7) / 8;
}

static const struct cel_opaque ip_opaque = {.name = "net.IP", .equal = equal, .size_of = ip_size};
static const struct cel_opaque cidr_opaque = {
    .name = "net.CIDR", .equal = equal, .size_of = cidr_size};
static const struct cel_type ip_type = {.kind = CEL_TYPE_OPAQUE, .name = "net.IP"};
static const struct cel_type cidr_type = {.kind = CEL_TYPE_OPAQUE, .name = "net.CIDR"};

static const struct address *address_in(const struct cel_value *value)
{
    return value->opaque.data;
}

/* --- Text --------------------------------------------------------------------------------------
 */

static bool is_mapped(const struct address *address)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return address->size == IPV6_BYTES && memcmp(address->bytes, prefix, sizeof(prefix)) == 0;
}

static bool parse_address(struct slice text, struct address *ret_address)
{
    char copy[ADDRESS_TEXT_SIZE];
    struct address address = {.prefix = -1};
    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.data, 0, text.len) != NULL) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    address.size = strchr(copy, ':') == NULL ? IPV4_BYTES : IPV6_BYTES;
    if (inet_pton(address.size == IPV4_BYTES ? AF_INET : AF_INET6, copy, address.bytes) != 1) {
        return false;
    }
    *ret_address = address;
    return true;
}

static bool parse_range(struct slice text, struct address *ret_range)
{
    const uint8_t *slash = text.len == 0 ? NULL : memchr(text.data, '/', text.len);
    int prefix = 0;
    if (slash == NULL ||
        !parse_address(slice_of(text.data, (size_t)(slash - text.data)), ret_range)) {
        return false;
    }
    size_t digits = text.len - (size_t)(slash + 1 - text.data);
    if (digits == 0 || digits > 3 || (digits > 1 && slash[1] == '0')) {
        return false;
    }
    for (size_t i = 1; i <= digits; i++) {
        if (slash[i] < '0' || slash[i] > '9') {
            return false;
        }
        prefix = prefix * 10 + slash[i] - '0';
    }
    ret_range->prefix = prefix;
    return prefix <= (int)ret_range->size * 8;
}

/* RFC 5952: the longest run of two or more zero groups becomes "::". */
static void print_ipv6(const uint8_t *bytes, struct buffer *out)
{
    size_t best = 8, best_len = 1;
    for (size_t i = 0; i < 8; i++) {
        size_t len = 0;
        while (i + len < 8 && bytes[2 * (i + len)] == 0 && bytes[2 * (i + len) + 1] == 0) {
            len++;
        }
        if (len > best_len) {
            best = i;
            best_len = len;
        }
    }
    for (size_t i = 0; i < 8;) {
        if (i == best) {
            buffer_append_text(out, "::");
            i += best_len;
            continue;
        }
        buffer_printf(out, "%s%x", i == 0 || i == best + best_len ? "" : ":",
                      (unsigned)(bytes[2 * i] << 8 | bytes[2 * i + 1]));
        i++;
    }
}

static struct cel_value text_of(struct cel_call *call, const struct address *address)
{
    struct buffer out;
    buffer_init(&out, ADDRESS_TEXT_SIZE);
    if (address->size == IPV4_BYTES) {
        buffer_printf(&out, "%u.%u.%u.%u", address->bytes[0], address->bytes[1], address->bytes[2],
                      address->bytes[3]);
    } else {
        print_ipv6(address->bytes, &out);
    }
    if (address->prefix >= 0) {
        buffer_printf(&out, "/%d", address->prefix);
    }
    struct cel_value value = cel_call_text(call, &out);
    buffer_release(&out);
    return value;
}

static struct cel_value address_value(struct cel_call *call, struct address address)
{
    struct address *copy = arena_alloc(call->arena, sizeof(*copy));
    *copy = address;
    return cel_opaque(address.prefix >= 0 ? &cidr_opaque : &ip_opaque, copy);
}

static struct cel_value bad_address(struct cel_call *call, struct slice text)
{
    return cel_call_error(call,
                          "IP Address \"%.*s\" parse error during conversion from string: "
                          "ParseAddr(\"%.*s\"): unable to parse IP",
                          (int)text.len, (const char *)text.data, (int)text.len,
                          (const char *)text.data);
}

static struct cel_value mapped_address(struct cel_call *call, struct slice text)
{
    return cel_call_error(call, "IPv4-mapped IPv6 address \"%.*s\" is not allowed", (int)text.len,
                          (const char *)text.data);
}

/* CEL_ERROR, or CEL_NULL with the address filled in. */
static struct cel_value take_address(struct cel_call *call, struct slice text,
                                     struct address *ret_address)
{
    if (!parse_address(text, ret_address)) {
        return bad_address(call, text);
    }
    return is_mapped(ret_address) ? mapped_address(call, text) : cel_null();
}

static struct cel_value take_range(struct cel_call *call, struct slice text,
                                   struct address *ret_range)
{
    if (!parse_range(text, ret_range)) {
        return cel_call_error(call,
                              "network address parse error during conversion from string: "
                              "netip.ParsePrefix(\"%.*s\"): invalid CIDR address",
                              (int)text.len, (const char *)text.data);
    }
    return is_mapped(ret_range) ? mapped_address(call, text) : cel_null();
}

/* --- Functions ---------------------------------------------------------------------------------
 */

static struct cel_value ip_of(struct cel_call *call, const struct cel_value *a)
{
    struct address address = {.prefix = -1};
    struct cel_value error = take_address(call, a[0].text, &address);
    return cel_is_error(&error) ? error : address_value(call, address);
}

static struct cel_value cidr_of(struct cel_call *call, const struct cel_value *a)
{
    struct address range = {.prefix = -1};
    struct cel_value error = take_range(call, a[0].text, &range);
    return cel_is_error(&error) ? error : address_value(call, range);
}

static struct cel_value is_ip(struct cel_call *call, const struct cel_value *a)
{
    struct address address = {.prefix = -1};
    (void)call;
    return cel_bool(parse_address(a[0].text, &address) && !is_mapped(&address));
}

static struct cel_value is_cidr(struct cel_call *call, const struct cel_value *a)
{
    struct address range = {.prefix = -1};
    (void)call;
    return cel_bool(parse_range(a[0].text, &range) && !is_mapped(&range));
}

static struct cel_value is_canonical(struct cel_call *call, const struct cel_value *a)
{
    struct address address = {.prefix = -1};
    struct cel_value text = take_address(call, a[0].text, &address);
    if (cel_is_error(&text)) {
        return text;
    }
    text = text_of(call, &address);
    return cel_bool(slice_equal(text.text, a[0].text));
}

static struct cel_value print_address(struct cel_call *call, const struct cel_value *a)
{
    return text_of(call, address_in(&a[0]));
}

static struct cel_value family(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_int(address_in(&a[0])->size == IPV4_BYTES ? 4 : 6);
}

static bool unspecified(const struct address *ip)
{
    static const uint8_t zero[IPV6_BYTES];
    return memcmp(ip->bytes, zero, ip->size) == 0;
}

static bool loopback(const struct address *ip)
{
    static const uint8_t one[IPV6_BYTES] = {[15] = 1};
    return ip->size == IPV4_BYTES ? ip->bytes[0] == 127 : memcmp(ip->bytes, one, ip->size) == 0;
}

static bool multicast(const struct address *ip)
{
    return ip->size == IPV4_BYTES ? (ip->bytes[0] & 0xf0) == 0xe0 : ip->bytes[0] == 0xff;
}

static bool link_local_multicast(const struct address *ip)
{
    return ip->size == IPV4_BYTES ? ip->bytes[0] == 224 && ip->bytes[1] == 0 && ip->bytes[2] == 0
                                  : ip->bytes[0] == 0xff && (ip->bytes[1] & 0x0f) == 2;
}

static bool link_local_unicast(const struct address *ip)
{
    return ip->size == IPV4_BYTES ? ip->bytes[0] == 169 && ip->bytes[1] == 254
                                  : ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

static bool global_unicast(const struct address *ip)
{
    static const uint8_t broadcast[IPV4_BYTES] = {255, 255, 255, 255};
    return !unspecified(ip) && !loopback(ip) && !multicast(ip) && !link_local_unicast(ip) &&
           !(ip->size == IPV4_BYTES && memcmp(ip->bytes, broadcast, ip->size) == 0);
}

#define PREDICATE(name)                                                                            \
    static struct cel_value is_##name(struct cel_call *call, const struct cel_value *a)            \
    {                                                                                              \
        (void)call;                                                                                \
        return cel_bool(name(address_in(&a[0])));                                                  \
    }
PREDICATE(unspecified)
PREDICATE(loopback)
PREDICATE(link_local_multicast)
PREDICATE(link_local_unicast)
PREDICATE(global_unicast)
#undef PREDICATE

/* --- Ranges ------------------------------------------------------------------------------------
 */

static struct address mask(struct address range)
{
    for (int bit = range.prefix; bit < (int)range.size * 8; bit++) {
        range.bytes[bit / 8] &= (uint8_t) ~(0x80 >> (bit % 8));
    }
    return range;
}

/* Whether the address lies in the range. */
static bool covers(const struct address *range, struct address address)
{
    struct address base = mask(*range);
    if (address.size != range->size) {
        return false;
    }
    address.prefix = range->prefix;
    address = mask(address);
    return memcmp(base.bytes, address.bytes, address.size) == 0;
}

static struct cel_value contains_ip(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_bool(covers(address_in(&a[0]), *address_in(&a[1])));
}

static struct cel_value contains_ip_text(struct cel_call *call, const struct cel_value *a)
{
    struct address address = {.prefix = -1};
    struct cel_value error = take_address(call, a[1].text, &address);
    return cel_is_error(&error) ? error : cel_bool(covers(address_in(&a[0]), address));
}

static struct cel_value contains_range(const struct address *outer, const struct address *inner)
{
    return cel_bool(inner->prefix >= outer->prefix && covers(outer, *inner));
}

static struct cel_value contains_cidr(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return contains_range(address_in(&a[0]), address_in(&a[1]));
}

static struct cel_value contains_cidr_text(struct cel_call *call, const struct cel_value *a)
{
    struct address range = {.prefix = -1};
    struct cel_value error = take_range(call, a[1].text, &range);
    return cel_is_error(&error) ? error : contains_range(address_in(&a[0]), &range);
}

static struct cel_value address_of(struct cel_call *call, const struct cel_value *a)
{
    struct address address = *address_in(&a[0]);
    address.prefix = -1;
    return address_value(call, address);
}

static struct cel_value prefix_length(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_int(address_in(&a[0])->prefix);
}

static struct cel_value masked(struct cel_call *call, const struct cel_value *a)
{
    return address_value(call, mask(*address_in(&a[0])));
}

static const struct cel_row rows[] = {
    {"ip", "string_to_ip", "(string) net.IP", ip_of, CEL_COST_TEXT},
    {"isIP", "is_ip", "(string) bool", is_ip, CEL_COST_TEXT},
    {"ip.isCanonical", "ip_is_canonical", "(string) bool", is_canonical, CEL_COST_TEXT_TWICE},
    {"string", "ip_to_string", "(net.IP) string", print_address, CEL_COST_ONE},
    {"family", "ip_family", "net.IP.() int", family, CEL_COST_ONE},
    {"isUnspecified", "ip_is_unspecified", "net.IP.() bool", is_unspecified, CEL_COST_ONE},
    {"isLoopback", "ip_is_loopback", "net.IP.() bool", is_loopback, CEL_COST_ONE},
    {"isLinkLocalMulticast", "ip_is_link_local_multicast", "net.IP.() bool",
     is_link_local_multicast, CEL_COST_ONE},
    {"isLinkLocalUnicast", "ip_is_link_local_unicast", "net.IP.() bool", is_link_local_unicast,
     CEL_COST_ONE},
    {"isGlobalUnicast", "ip_is_global_unicast", "net.IP.() bool", is_global_unicast, CEL_COST_ONE},
    {"cidr", "string_to_cidr", "(string) net.CIDR", cidr_of, CEL_COST_TEXT},
    {"isCIDR", "is_cidr", "(string) bool", is_cidr, CEL_COST_TEXT},
    {"string", "cidr_to_string", "(net.CIDR) string", print_address, CEL_COST_ONE},
    {"containsIP", "cidr_contains_ip_string", "net.CIDR.(string) bool", contains_ip_text,
     CEL_COST_CONTAINS_IP_TEXT},
    {"containsIP", "cidr_contains_ip_ip", "net.CIDR.(net.IP) bool", contains_ip,
     CEL_COST_CONTAINS_IP},
    {"containsCIDR", "cidr_contains_cidr_string", "net.CIDR.(string) bool", contains_cidr_text,
     CEL_COST_CONTAINS_CIDR_TEXT},
    {"containsCIDR", "cidr_contains_cidr", "net.CIDR.(net.CIDR) bool", contains_cidr,
     CEL_COST_CONTAINS_CIDR},
    {"ip", "cidr_ip", "net.CIDR.() net.IP", address_of, CEL_COST_ONE},
    {"prefixLength", "cidr_prefix_length", "net.CIDR.() int", prefix_length, CEL_COST_ONE},
    {"masked", "cidr_masked", "net.CIDR.() net.CIDR", masked, CEL_COST_ONE},
};
static const struct cel_constant types[] = {{"net.IP", &ip_type}, {"net.CIDR", &cidr_type}};

const struct cel_library cel_library_ip = {.name = "ip",
                                           .rows = rows,
                                           .row_count = ARRAY_LEN(rows),
                                           .types = types,
                                           .type_count = ARRAY_LEN(types)};
