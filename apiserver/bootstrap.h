/* The namespaces, roles and bindings that every cluster has, made by whoever leads. Store loop. */
#ifndef APISERVER_BOOTSTRAP_H
#define APISERVER_BOOTSTRAP_H
#include <stdbool.h>

struct apiserver;
struct bootstrap;

struct bootstrap *bootstrap_new(struct apiserver *server);
void bootstrap_free(struct bootstrap *bootstrap); /* Nothing may be under way. */
void bootstrap_set_leader(struct bootstrap *bootstrap, bool leader);
#endif
