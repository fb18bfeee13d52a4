/* Expectations: own writes that the cache has not shown yet. A control loop that decides from a
 * cache waits until they are seen, so that it never creates or deletes twice. Pure: time is an
 * argument; an expectation that nothing fulfils within 5 minutes counts as fulfilled. */
#ifndef LIB_CLIENT_EXPECTATIONS_H
#define LIB_CLIENT_EXPECTATIONS_H
#include "lib/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct expectations;

MUST_USE struct expectations *expectations_new(void);
void expectations_free(struct expectations *expectations); /* NULL is a no-op. */
/* `key` will see `count` more creations. */
void expectations_add_creations(struct expectations *expectations, const char *key, size_t count,
                                uint64_t now_ns);
/* `key` will see the object with this uid go (or be marked as going). */
void expectations_add_deletion(struct expectations *expectations, const char *key, const char *uid,
                               uint64_t now_ns);
/* What the cache showed, or a write that failed. Unknown ones are ignored. */
void expectations_saw_creation(struct expectations *expectations, const char *key);
void expectations_saw_deletion(struct expectations *expectations, const char *key, const char *uid);
bool expectations_fulfilled(struct expectations *expectations, const char *key, uint64_t now_ns);
void expectations_forget(struct expectations *expectations, const char *key);
#endif
