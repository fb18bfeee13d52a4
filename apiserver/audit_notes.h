/* What was found out about a request on its way, for the audit log: the annotations of its events,
 * such as why it was allowed or which policy it violates. Pure; one thread at a time, with the
 * request. */
#ifndef APISERVER_AUDIT_NOTES_H
#define APISERVER_AUDIT_NOTES_H
#include "lib/base/arena.h"

struct audit_note {
    const char *key; /* "authorization.k8s.io/decision" */
    const char *value;
};

struct audit_notes {
    struct arena *arena;      /* The request's. */
    struct audit_note *items; /* By key. */
    size_t count, capacity;
    bool has_bodies; /* The level asks for what is in requests: patches may be noted. */
};

/* Copies both. The first value of a key stays, as in Kubernetes; after AUDIT_NOTES_MAX nothing is
 * added. NULL, for a request that is not audited, is a no-op. */
void audit_note(struct audit_notes *notes, const char *key, const char *value);
#endif
