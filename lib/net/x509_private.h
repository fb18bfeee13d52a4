/* OpenSSL pieces that x509.c and jws.c share. Private to lib/net. */
#ifndef LIB_NET_X509_PRIVATE_H
#define LIB_NET_X509_PRIVATE_H
#include "lib/net/x509.h"
#include <openssl/evp.h>
#include <openssl/pem.h>

/* Fills *reterr with "what: OpenSSL's reason", empties OpenSSL's queue and returns `code`. */
int x509_openssl_error(struct error *reterr, int code, const char *what);
void x509_bio_freep(BIO **bio);
void x509_key_freep(EVP_PKEY **key);
void x509_certificate_freep(X509 **certificate);
BIO *x509_bio_of(struct slice pem);              /* Reads the slice in place. */
EVP_PKEY *x509_private_key(struct slice pem);    /* NULL when it is none. */
X509 *x509_certificate_of(struct slice pem);     /* The first; NULL when there is none. */
int x509_take_bio(BIO *bio, struct buffer *out); /* Appends what is in a memory BIO. */
/* 1, or 0 when the value (as openssl's configuration has it) makes no sense. */
int x509_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value);
void x509_set_serial(X509 *certificate); /* 128 random bits. */
int64_t x509_seconds_of(const ASN1_TIME *time);
EVP_PKEY *x509_any_public_key(struct slice pem); /* Of a public or a private key. */
#endif
