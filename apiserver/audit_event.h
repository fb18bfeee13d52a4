/* An Event of audit.k8s.io/v1: what is known of an audited request, and its JSON. Pure. */
#ifndef APISERVER_AUDIT_EVENT_H
#define APISERVER_AUDIT_EVENT_H
#include "apiserver/audit_notes.h"
#include "apiserver/audit_policy.h"
#include "lib/api/status.h"
#include "lib/base/buffer.h"

/* Texts are borrowed and never NULL, unless said. */
struct audit_object {
    const char *resource, *namespace, *name, *uid, *group, *version, *resource_version,
        *subresource;
};

struct audit_event {
    struct audit_decision decision;
    const char *id;
    const char *uri; /* As it was sent: path and query. */
    const char *verb;
    const struct user *user;         /* NULL: nobody was authenticated. */
    const struct user *impersonated; /* NULL: nobody is. */
    const char *const *source_ips;
    size_t source_ip_count;
    const char *user_agent;
    bool has_object;
    struct audit_object object;
    unsigned answer_code;            /* What is going to be answered; 0: not known. */
    unsigned code;                   /* 0: no answer yet. */
    const struct api_status *status; /* When the answer is one; else NULL. */
    const char *status_message;      /* Where there is no Status; NULL for none. */
    struct slice request_object;     /* JSON; empty: none, or not asked for. */
    struct slice response_object;
    bool truncated;      /* One of them was too large to be kept. */
    int64_t received_us; /* Since 1970. */
    struct audit_notes notes;
};

/* How every line begins. */
#define AUDIT_EVENT_HEAD "{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\","

/* Prints the event of that stage into `out`, which is empty: one line, newline included. What is
 * longer than out's maximum is cut as kube-apiserver does it, that is, goes without its objects,
 * and an annotation audit.k8s.io/truncated says so. -EMSGSIZE when that is too long, too. */
MUST_USE int audit_event_print(const struct audit_event *event, enum audit_stage stage,
                               int64_t now_us, struct buffer *out);
#endif
