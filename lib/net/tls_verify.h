/* Why a peer's certificate is not accepted, in the words of Go's crypto/x509, which people and
 * clients of Kubernetes know. Private to lib/net. */
#ifndef LIB_NET_TLS_VERIFY_H
#define LIB_NET_TLS_VERIFY_H
#include "lib/base/buffer.h"
#include <openssl/x509_vfy.h>

/* Of a verification that is about to fail: "tls: failed to verify certificate: x509: ...". */
void tls_verify_words(X509_STORE_CTX *store, struct buffer *out);
#endif
