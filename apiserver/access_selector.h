/* Selectors as authorization sees them: those of requests, of expressions and of access reviews in
 * one form. What cannot be read is left out and noted, as a question about more than is asked for
 * never allows too much. Pure; all is in the arena. Source: Kubernetes v1.32,
 * AuthorizeWithSelectors (KEP-4601). */
#ifndef APISERVER_ACCESS_SELECTOR_H
#define APISERVER_ACCESS_SELECTOR_H
#include "apiserver/access.h"

struct Authorization__V1__FieldSelectorAttributes;
struct Authorization__V1__LabelSelectorAttributes;

/* Of the text of a query; NULL and "" are none. */
struct access_selector access_selector_of_fields(struct arena *arena, const char *text);
struct access_selector access_selector_of_labels(struct arena *arena, const char *text);
/* Of a review, which has been checked. NULL is none. */
struct access_selector
access_selector_of_reviewed_fields(struct arena *arena,
                                   const struct Authorization__V1__FieldSelectorAttributes *from);
struct access_selector
access_selector_of_reviewed_labels(struct arena *arena,
                                   const struct Authorization__V1__LabelSelectorAttributes *from);

struct access_selector access_selector_copy(struct arena *arena,
                                            const struct access_selector *selector);
bool access_selector_equal(const struct access_selector *a, const struct access_selector *b);
/* The one value that it asks this field to have, or NULL. */
const char *access_selector_pinned(const struct access_selector *selector, const char *field);
/* "In" and the like; NULL for what reviews have no word for (> and <). */
const char *access_selector_operator(enum api_selector_op op);
#endif
