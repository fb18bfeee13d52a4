/* A KMS plugin for tests: a real gRPC server on a unix socket, whose keys are as secret as their
 * names. What it seals is its key id, and the bytes with a mask. */
#ifndef TESTS_UNIT_APISERVER_KMS_DOUBLE_H
#define TESTS_UNIT_APISERVER_KMS_DOUBLE_H
#include "lib/net/grpc.h"

struct kms_double {
    /* What it says; change it at any time on the loop. */
    char key_id[64], healthz[64];
    bool refuses; /* Encrypt and Decrypt fail. */
    /* Before each call, for who keeps these elsewhere; or NULL. */
    void (*look)(struct kms_double *kms);
    void *data;

    size_t statuses, encrypts, decrypts;
    struct loop *loop;
    struct grpc_server *grpc;
    struct http_server *http;
    bool closed;
};

/* Serves on `loop` at once; 0 or a negative errno. */
int kms_double_start(struct kms_double *kms, struct loop *loop, const char *path);
void kms_double_stop(struct kms_double *kms); /* Turns the loop until it has closed. */
#endif
