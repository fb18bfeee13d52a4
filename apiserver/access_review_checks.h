/* What a review of access must say about what is asked for, in v1.32's words: the attributes of the
 * three kinds that ask one question. Pure. */
#ifndef APISERVER_ACCESS_REVIEW_CHECKS_H
#define APISERVER_ACCESS_REVIEW_CHECKS_H
#include "lib/api/status.h"

struct Authorization__V1__NonResourceAttributes;
struct Authorization__V1__ResourceAttributes;
struct Meta__V1__ObjectMeta;

/* That there is one of the two. */
void access_review_check_attributes(struct api_causes *causes,
                                    const struct Authorization__V1__ResourceAttributes *resource,
                                    const struct Authorization__V1__NonResourceAttributes *path);
/* The selectors of `resource`, which may be NULL. Operators that nobody knows are no fault: newer
 * clients are answered, too, as if they had not used them. */
void access_review_check_selectors(struct api_causes *causes,
                                   const struct Authorization__V1__ResourceAttributes *resource);
/* A question has no name; a local one has a namespace. Who set its fields is said in any object. */
void access_review_check_metadata(struct api_causes *causes,
                                  const struct Meta__V1__ObjectMeta *given, bool local);
#endif
