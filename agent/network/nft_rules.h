/* Turns a service table into nftables commands: the base table once, then only what changed. Pure:
 * writes text for libnftables, carries nothing out. What it wrote counts as installed; after a
 * failed transaction start over with nft_rules_reset(). One thread only.
 *
 * Shape (table ip coracle): verdict maps from (protocol, address, port) and (protocol, node port)
 * to one chain per Service port, whose single rule picks an endpoint at random; so a packet costs
 * one lookup however many Services there are (KEP-3866 has the same idea). */
#ifndef AGENT_NETWORK_NFT_RULES_H
#define AGENT_NETWORK_NFT_RULES_H
#include "agent/network/service_table.h"
#include "lib/base/buffer.h"

struct nft_rules;

struct nft_rules_config {
    const char *node_name;    /* For traffic policy Local. Borrowed, as the next two. */
    const char *cluster_cidr; /* Pod addresses of the whole cluster. */
    const char *pod_cidr;     /* This node's; "" while it is not known. */
    bool masquerade_bridged;  /* Replies between pods of one bridge do not pass netfilter. */
};

MUST_USE struct nft_rules *nft_rules_new(void);
void nft_rules_free(struct nft_rules *rules, struct service_table *table);

/* Writes the transaction that makes the table anew with every Service of `table` in it. */
void nft_rules_reset(struct nft_rules *rules, const struct nft_rules_config *config,
                     struct service_table *table, struct buffer *script);
/* Writes one transaction for the entries that changed since; nothing when none did. */
void nft_rules_update(struct nft_rules *rules, const struct nft_rules_config *config,
                      struct service_table *table, struct buffer *script);
#endif
