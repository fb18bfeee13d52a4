/* Which records a name of the cluster has (Kubernetes DNS specification 1.1.0). Pure. */
#ifndef AGENT_NETWORK_DNS_NAMES_H
#define AGENT_NETWORK_DNS_NAMES_H
#include "agent/network/service_table.h"

enum dns_record_kind { DNS_RECORD_A, DNS_RECORD_SRV, DNS_RECORD_PTR, DNS_RECORD_CNAME };
enum dns_wanted { DNS_WANT_A, DNS_WANT_SRV, DNS_WANT_PTR, DNS_WANT_ANY, DNS_WANT_OTHER };

struct dns_record {
    enum dns_record_kind kind;
    const char *owner; /* Absolute, with the final dot; so is `target`. */
    struct in_addr address;
    const char *target;
    uint16_t port;
    uint16_t weight;
    bool additional; /* Belongs into the additional section. */
};

struct dns_result {
    bool exists; /* False: NXDOMAIN. */
    struct dns_record *records;
    size_t count;
};

/* Looks `name` up (absolute, any case). False when it is not a name of the cluster; otherwise
 * *ret_result is set, its memory being the arena's. */
MUST_USE bool dns_names_lookup(const struct service_table *table, const char *domain,
                               const char *name, enum dns_wanted wanted, struct arena *arena,
                               struct dns_result *ret_result);
#endif
