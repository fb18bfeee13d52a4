#include "agent/network/dns_answer.h"

#include "agent/network/dns_names.h"
#include "agent/network/limits.h"
#include "lib/base/alloc.h"
#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <stdlib.h>

enum { DNS_HEADER_BYTES = 12, DNS_FLAG_RESPONSE = 0x80, DNS_RCODE_SERVFAIL = 2 };

static void query_free(ldns_pkt **packet)
{
    ldns_pkt_free(*packet);
}

static ldns_rr *record_new(const char *owner, ldns_rr_type type)
{
    ldns_rdf *name = ldns_dname_new_frm_str(owner);
    if (name == NULL) {
        return NULL;
    }
    ldns_rr *record = ldns_rr_new();
    ldns_rr_set_owner(record, name);
    ldns_rr_set_type(record, type);
    ldns_rr_set_class(record, LDNS_RR_CLASS_IN);
    ldns_rr_set_ttl(record, DNS_TTL_SECONDS);
    return record;
}

/* Names come from API objects; one that DNS cannot carry is left out of the answer. */
static bool push_name(ldns_rr *record, const char *name)
{
    ldns_rdf *data = ldns_dname_new_frm_str(name);
    return data != NULL && ldns_rr_push_rdf(record, data);
}

static void push_u16(ldns_rr *record, uint16_t value)
{
    (void)ldns_rr_push_rdf(record, ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, value));
}

static void push_record(ldns_pkt *packet, ldns_pkt_section section, ldns_rr *record, bool complete)
{
    if (record == NULL) {
        return;
    }
    if (!complete) {
        ldns_rr_free(record);
        return;
    }
    (void)ldns_pkt_push_rr(packet, section, record); /* Fails only without memory. */
}

static void push_dns_record(ldns_pkt *packet, ldns_pkt_section section,
                            const struct dns_record *from)
{
    static const ldns_rr_type types[] = {
        [DNS_RECORD_A] = LDNS_RR_TYPE_A,
        [DNS_RECORD_SRV] = LDNS_RR_TYPE_SRV,
        [DNS_RECORD_PTR] = LDNS_RR_TYPE_PTR,
        [DNS_RECORD_CNAME] = LDNS_RR_TYPE_CNAME,
    };
    ldns_rr *record = record_new(from->owner, types[from->kind]);
    if (record == NULL) {
        return;
    }
    bool complete = true;
    switch (from->kind) {
    case DNS_RECORD_A:
        (void)ldns_rr_push_rdf(
            record, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_A, sizeof(from->address), &from->address));
        break;
    case DNS_RECORD_SRV:
        push_u16(record, 0); /* priority */
        push_u16(record, from->weight);
        push_u16(record, from->port);
        complete = push_name(record, from->target);
        break;
    case DNS_RECORD_PTR:
    case DNS_RECORD_CNAME:
        complete = push_name(record, from->target);
        break;
    }
    push_record(packet, section, record, complete);
}

/* RFC 2308: how long "no such name" may be remembered is in the SOA. */
static void push_soa(ldns_pkt *packet, const char *domain)
{
    char *owner = alloc_printf("%s.", domain);
    char *server = alloc_printf("ns.dns.%s.", domain);
    char *mailbox = alloc_printf("hostmaster.%s.", domain);
    ldns_rr *record = record_new(owner, LDNS_RR_TYPE_SOA);
    if (record != NULL) {
        bool complete = push_name(record, server) && push_name(record, mailbox);
        static const uint32_t numbers[] = {1, 7200, 1800, 86400, DNS_TTL_SECONDS};
        for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
            (void)ldns_rr_push_rdf(record, ldns_native2rdf_int32(LDNS_RDF_TYPE_INT32, numbers[i]));
        }
        push_record(packet, LDNS_SECTION_AUTHORITY, record, complete);
    }
    free(owner);
    free(server);
    free(mailbox);
}

static ldns_pkt *response_new(const ldns_pkt *query, const ldns_rr *question)
{
    ldns_pkt *packet = ldns_pkt_new();
    ldns_pkt_set_id(packet, ldns_pkt_id(query));
    ldns_pkt_set_qr(packet, true);
    ldns_pkt_set_aa(packet, true);
    ldns_pkt_set_rd(packet, ldns_pkt_rd(query));
    ldns_pkt_set_ra(packet, true);
    if (ldns_pkt_edns(query)) {
        ldns_pkt_set_edns_udp_size(packet, DNS_UDP_BYTES_MAX);
    }
    (void)ldns_pkt_push_rr(packet, LDNS_SECTION_QUESTION, ldns_rr_clone(question));
    return packet;
}

static bool append_wire(const ldns_pkt *packet, size_t size_max, struct buffer *answer)
{
    uint8_t *wire = NULL;
    size_t size = 0;
    if (ldns_pkt2wire(&wire, packet, &size) != LDNS_STATUS_OK) {
        return false;
    }
    bool fits = size <= size_max;
    if (fits) {
        buffer_append(answer, wire, size);
    }
    free(wire);
    return fits;
}

static enum dns_verdict respond(const ldns_pkt *query, const ldns_rr *question, const char *domain,
                                const struct dns_result *result, size_t size_max,
                                struct buffer *answer)
{
    ldns_pkt *packet = response_new(query, question);
    for (size_t i = 0; i < result->count; i++) {
        push_dns_record(
            packet, result->records[i].additional ? LDNS_SECTION_ADDITIONAL : LDNS_SECTION_ANSWER,
            &result->records[i]);
    }
    if (result->count == 0) {
        push_soa(packet, domain);
    }
    ldns_pkt_set_rcode(packet, result->exists ? LDNS_RCODE_NOERROR : LDNS_RCODE_NXDOMAIN);
    bool sent = append_wire(packet, size_max, answer);
    ldns_pkt_free(packet);
    if (!sent) {
        packet = response_new(query, question);
        ldns_pkt_set_tc(packet, true);
        sent = append_wire(packet, size_max, answer);
        ldns_pkt_free(packet);
    }
    return sent ? DNS_ANSWERED : DNS_DROP;
}

static enum dns_wanted wanted_type(ldns_rr_type type)
{
    if (type == LDNS_RR_TYPE_A) {
        return DNS_WANT_A;
    }
    if (type == LDNS_RR_TYPE_SRV) {
        return DNS_WANT_SRV;
    }
    if (type == LDNS_RR_TYPE_PTR) {
        return DNS_WANT_PTR;
    }
    return type == LDNS_RR_TYPE_ANY ? DNS_WANT_ANY : DNS_WANT_OTHER;
}

static size_t answer_size(const ldns_pkt *query, size_t size_max)
{
    size_t asked = ldns_pkt_edns(query) ? ldns_pkt_edns_udp_size(query) : 0;
    if (asked <= size_max) {
        return size_max;
    }
    return asked < DNS_UDP_BYTES_MAX ? asked : DNS_UDP_BYTES_MAX;
}

enum dns_verdict dns_answer(const struct service_table *table, const char *domain,
                            struct slice query_bytes, size_t size_max, struct buffer *answer)
{
    CLEANUP(query_free) ldns_pkt *query = NULL;
    if (query_bytes.len < DNS_HEADER_BYTES || (query_bytes.data[2] & DNS_FLAG_RESPONSE) != 0 ||
        ldns_wire2pkt(&query, query_bytes.data, query_bytes.len) != LDNS_STATUS_OK) {
        return DNS_DROP;
    }
    if (ldns_pkt_get_opcode(query) != LDNS_PACKET_QUERY || ldns_pkt_qdcount(query) != 1) {
        return DNS_DROP;
    }
    const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(query), 0);
    if (question == NULL || ldns_rr_owner(question) == NULL) {
        return DNS_DROP;
    }
    char *name = ldns_rdf2str(ldns_rr_owner(question));
    if (name == NULL) {
        return DNS_DROP;
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(NETWORK_OBJECT_BYTES_MAX);
    struct dns_result result;
    bool ours = dns_names_lookup(table, domain, name, wanted_type(ldns_rr_get_type(question)),
                                 arena, &result);
    free(name);
    if (!ours) {
        return DNS_FORWARD;
    }
    size_t limit = size_max == DNS_MESSAGE_BYTES_MAX ? size_max : answer_size(query, size_max);
    return respond(query, question, domain, &result, limit, answer);
}

bool dns_answer_failure(struct slice query, struct buffer *answer)
{
    if (query.len < DNS_HEADER_BYTES) {
        return false;
    }
    uint8_t header[DNS_HEADER_BYTES] = {query.data[0], query.data[1]};
    header[2] = (uint8_t)(DNS_FLAG_RESPONSE | (query.data[2] & 0x79)); /* opcode and RD stay */
    header[3] = 0x80 | DNS_RCODE_SERVFAIL;                             /* RA */
    buffer_append(answer, header, sizeof(header));
    return true;
}
