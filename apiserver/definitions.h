/* What happens to CustomResourceDefinitions after they are written, on the member that leads: their
 * names are accepted and they are established; when one is deleted, its objects go first. Store
 * loop. */
#ifndef APISERVER_DEFINITIONS_H
#define APISERVER_DEFINITIONS_H
#include <stdbool.h>

struct apiserver;
struct definitions;

struct definitions *definitions_new(struct apiserver *server);
void definitions_free(struct definitions *definitions); /* Nothing may be under way. */
void definitions_set_leader(struct definitions *definitions, bool leader);
#endif
