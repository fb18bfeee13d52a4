/* Streams to a node's agent over mutual TLS: pods/log, exec, attach, portforward. */
#ifndef APISERVER_PROXY_H
#define APISERVER_PROXY_H
struct apiserver;
struct proxy;

struct proxy *proxy_new(struct apiserver *server);
void proxy_free(struct proxy *proxy);
#endif
