#include "lib/net/cipher.h"

#include "lib/net/x509.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>

enum mode { MODE_GCM, MODE_CBC };

bool cipher_key_size_good(size_t len)
{
    return len == 16 || len == 24 || len == 32;
}

static const EVP_CIPHER *cipher_of(enum mode mode, size_t key_len)
{
    assert(cipher_key_size_good(key_len));
    if (mode == MODE_GCM) {
        return key_len == 16   ? EVP_aes_128_gcm()
               : key_len == 24 ? EVP_aes_192_gcm()
                               : EVP_aes_256_gcm();
    }
    return key_len == 16   ? EVP_aes_128_cbc()
           : key_len == 24 ? EVP_aes_192_cbc()
                           : EVP_aes_256_cbc();
}

static void context_freep(EVP_CIPHER_CTX **context)
{
    EVP_CIPHER_CTX_free(*context);
}

/* The sizes of OpenSSL are int; ours come from buffers with limits far below. */
static int int_of(size_t len)
{
    assert(len <= INT_MAX);
    return (int)len;
}

void cipher_gcm_seal(struct slice key, struct slice context, struct slice plain, struct buffer *out)
{
    CLEANUP(context_freep) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    size_t whole = CIPHER_GCM_NONCE_SIZE + plain.len + CIPHER_GCM_TAG_SIZE;
    uint8_t *nonce = buffer_reserve(out, whole);
    if (nonce == NULL) {
        return;
    }
    uint8_t *text = nonce + CIPHER_GCM_NONCE_SIZE;
    int len = 0, rest = 0;
    x509_random(nonce, CIPHER_GCM_NONCE_SIZE);
    bool good =
        EVP_EncryptInit_ex(cipher, cipher_of(MODE_GCM, key.len), NULL, key.data, nonce) == 1 &&
        EVP_EncryptUpdate(cipher, NULL, &len, context.data, int_of(context.len)) == 1 &&
        EVP_EncryptUpdate(cipher, text, &len, plain.data, int_of(plain.len)) == 1 &&
        EVP_EncryptFinal_ex(cipher, text + len, &rest) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, CIPHER_GCM_TAG_SIZE, text + plain.len) ==
            1;
    assert(good && (size_t)(len + rest) == plain.len); /* Only out of memory fails here. */
    (void)good;
    buffer_commit(out, whole);
}

int cipher_gcm_open(struct slice key, struct slice context, struct slice sealed, struct buffer *out)
{
    CLEANUP(context_freep) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    if (sealed.len < CIPHER_GCM_NONCE_SIZE + CIPHER_GCM_TAG_SIZE) {
        return -EBADMSG;
    }
    size_t text_len = sealed.len - CIPHER_GCM_NONCE_SIZE - CIPHER_GCM_TAG_SIZE;
    const uint8_t *text = sealed.data + CIPHER_GCM_NONCE_SIZE;
    uint8_t *plain = buffer_reserve(out, text_len + 1); /* Room for nothing is no room. */
    uint8_t tag[CIPHER_GCM_TAG_SIZE];
    int len = 0, rest = 0;
    if (plain == NULL) {
        return -ENOSPC;
    }
    memcpy(tag, text + text_len, sizeof(tag));
    bool good = EVP_DecryptInit_ex(cipher, cipher_of(MODE_GCM, key.len), NULL, key.data,
                                   sealed.data) == 1 &&
                EVP_DecryptUpdate(cipher, NULL, &len, context.data, int_of(context.len)) == 1 &&
                EVP_DecryptUpdate(cipher, plain, &len, text, int_of(text_len)) == 1 &&
                EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, CIPHER_GCM_TAG_SIZE, tag) == 1 &&
                EVP_DecryptFinal_ex(cipher, plain + len, &rest) == 1;
    ERR_clear_error();
    if (!good) {
        explicit_bzero(plain, text_len); /* Not authenticated: nobody may use it. */
        return -EBADMSG;
    }
    buffer_commit(out, text_len);
    return 0;
}

void cipher_cbc_seal(struct slice key, struct slice plain, struct buffer *out)
{
    CLEANUP(context_freep) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    size_t padded = plain.len / CIPHER_BLOCK_SIZE * CIPHER_BLOCK_SIZE + CIPHER_BLOCK_SIZE;
    uint8_t *vector = buffer_reserve(out, CIPHER_BLOCK_SIZE + padded);
    if (vector == NULL) {
        return;
    }
    uint8_t *text = vector + CIPHER_BLOCK_SIZE;
    int len = 0, rest = 0;
    x509_random(vector, CIPHER_BLOCK_SIZE);
    bool good =
        EVP_EncryptInit_ex(cipher, cipher_of(MODE_CBC, key.len), NULL, key.data, vector) == 1 &&
        EVP_EncryptUpdate(cipher, text, &len, plain.data, int_of(plain.len)) == 1 &&
        EVP_EncryptFinal_ex(cipher, text + len, &rest) == 1;
    assert(good && (size_t)(len + rest) == padded); /* Only out of memory fails here. */
    (void)good;
    buffer_commit(out, CIPHER_BLOCK_SIZE + padded);
}

int cipher_cbc_open(struct slice key, struct slice sealed, struct buffer *out)
{
    CLEANUP(context_freep) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    if (sealed.len < 2 * CIPHER_BLOCK_SIZE || sealed.len % CIPHER_BLOCK_SIZE != 0) {
        return -EBADMSG;
    }
    size_t text_len = sealed.len - CIPHER_BLOCK_SIZE;
    uint8_t *plain = buffer_reserve(out, text_len + CIPHER_BLOCK_SIZE);
    int len = 0, rest = 0;
    if (plain == NULL) {
        return -ENOSPC;
    }
    bool good = EVP_DecryptInit_ex(cipher, cipher_of(MODE_CBC, key.len), NULL, key.data,
                                   sealed.data) == 1 &&
                EVP_DecryptUpdate(cipher, plain, &len, sealed.data + CIPHER_BLOCK_SIZE,
                                  int_of(text_len)) == 1 &&
                EVP_DecryptFinal_ex(cipher, plain + len, &rest) == 1;
    ERR_clear_error();
    if (!good) {
        return -EBADMSG;
    }
    buffer_commit(out, (size_t)len + (size_t)rest);
    return 0;
}
