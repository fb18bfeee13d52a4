/* coracle.member.v1.MemberService: what a machine needs to become a member of the control plane, on
 * the API's listener. */
#ifndef APISERVER_MEMBER_SERVICE_H
#define APISERVER_MEMBER_SERVICE_H
struct apiserver;

/* Adds its methods to server->grpc; `server` must outlive that. */
void member_service_add(struct apiserver *server);
#endif
