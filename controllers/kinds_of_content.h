/* The kinds whose objects the namespace and garbage controllers look after: stored ones that can be
 * listed, watched and deleted, each storage place once. Pure. */
#ifndef CONTROLLERS_KINDS_OF_CONTENT_H
#define CONTROLLERS_KINDS_OF_CONTENT_H
#include "lib/api/kinds.h"

enum { KINDS_OF_CONTENT_MAX = 128 };
/* Fills `ret_kinds` and returns how many. `namespaced` leaves the cluster-scoped ones out. */
size_t kinds_of_content(bool namespaced, const struct api_kind *ret_kinds[KINDS_OF_CONTENT_MAX]);
#endif
