/* coracle.node.v1.NodeService: registration and sessions of node agents, on the API's listener. */
#ifndef APISERVER_NODE_SERVICE_H
#define APISERVER_NODE_SERVICE_H
struct apiserver;
struct node_sessions;

/* Adds its methods to server->grpc. */
struct node_sessions *node_sessions_new(struct apiserver *server);
void node_sessions_free(struct node_sessions *sessions); /* No session may be open. */
#endif
