/* Keeps APIServices as they should be, on the member that leads: there is one for each version that
 * custom resource definitions serve, and each has its condition Available. (Those of built-in
 * groups are made with the other objects that every cluster has.) Store loop. */
#ifndef APISERVER_API_SERVICE_KEEPER_H
#define APISERVER_API_SERVICE_KEEPER_H
#include "apiserver/default_object.h"

struct api_service_keeper;
struct apiserver;

struct api_service_keeper *api_service_keeper_new(struct apiserver *server);
void api_service_keeper_free(struct api_service_keeper *keeper); /* Nothing may be under way. */
void api_service_keeper_set_leader(struct api_service_keeper *keeper, bool leader);
#endif
