/* Syntax rules of names, labels, ports, addresses and the like, with the exact messages of v1.32.
 * Pure text in, static messages out: nothing is allocated. */
#ifndef LIB_API_SYNTAX_H
#define LIB_API_SYNTAX_H
#include "lib/api/schema.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { API_SYNTAX_MESSAGES_MAX = 6 };

/* What is wrong with a text; count 0 when nothing is. Messages are static. */
struct api_syntax {
    const char *messages[API_SYNTAX_MESSAGES_MAX];
    size_t count;
};

typedef struct api_syntax api_syntax_rule(const char *text);

/* All take NUL-terminated text, never NULL. */
api_syntax_rule api_syntax_dns1123_label, api_syntax_dns1123_subdomain, api_syntax_dns1035_label,
    api_syntax_wildcard_subdomain, api_syntax_qualified_name, api_syntax_label_value,
    api_syntax_env_name, api_syntax_config_key, api_syntax_header_name, api_syntax_port_name,
    api_syntax_percent, api_syntax_path_segment, api_syntax_fqdn, api_syntax_ip, api_syntax_cidr;
/* Of what only few fields hold (syntax_fields.c). */
api_syntax_rule api_syntax_annotation_key, api_syntax_trimmed, api_syntax_absolute_path,
    api_syntax_relative_path, api_syntax_local_path, api_syntax_host_path, api_syntax_search_domain,
    api_syntax_sysctl_name, api_syntax_namespace_finalizer, api_syntax_object_finalizer,
    api_syntax_endpoint_ip, api_syntax_external_ip, api_syntax_non_special_ip,
    api_syntax_ingress_host, api_syntax_ingress_hostname, api_syntax_wildcard_or_subdomain,
    api_syntax_driver_name, api_syntax_provisioner, api_syntax_cel_identifier;

/* The rule that options call by this name; NULL for API_SYNTAX_NONE. */
api_syntax_rule *api_syntax_by_id(enum api_syntax_id id);

struct api_syntax api_syntax_port_number(int64_t port); /* 1-65535. */

/* An address as 16 bytes (IPv4 as ::ffff:a.b.c.d). False when `text` is none: zones and ports are
 * refused. "010.0.0.1" is 10.0.0.1, as it was before Go refused it, and so is
 * "::ffff:10.0.0.1"; but a CIDR of the latter is one of IPv6. */
bool api_ip_parse(const char *text, uint8_t ret_ip[16], bool *ret_is_v6);
/* False when `text` is no address of IPv4. */
bool api_ipv4_parse(const char *text, struct in_addr *ret_address);
/* What was parsed, as it is written everywhere: without zeros before its numbers. */
void api_ip_print(const uint8_t ip[16], bool is_v6, char ret_text[INET6_ADDRSTRLEN]);
/* An address and the length of the prefix. False when `text` is none. */
bool api_cidr_parse(const char *text, uint8_t ret_ip[16], unsigned *ret_bits, bool *ret_is_v6);
/* The same without leading zeros. */
bool api_ip_parse_exact(const char *text, uint8_t ret_ip[16], bool *ret_is_v6);
bool api_cidr_parse_exact(const char *text, uint8_t ret_ip[16], unsigned *ret_bits,
                          bool *ret_is_v6);
#endif
