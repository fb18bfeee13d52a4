/* The OpenAPI documents of a server, kept between requests. Any thread. */
#ifndef APISERVER_OPENAPI_DOCUMENTS_H
#define APISERVER_OPENAPI_DOCUMENTS_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"
#include "lib/net/x509.h"

enum { OPENAPI_HASH_SIZE = 2 * X509_SHA256_SIZE + 1 };
void openapi_hash(struct slice bytes, char ret_text[OPENAPI_HASH_SIZE]);

struct openapi_documents;

MUST_USE struct openapi_documents *openapi_documents_new(void);
void openapi_documents_free(struct openapi_documents *documents); /* NULL is a no-op. */
#endif
