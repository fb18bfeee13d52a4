#include "lib/net/secretbox.h"

#include "lib/net/x509.h"
#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>

enum { BLOCK_SIZE = 64, WORDS = 16, ROUNDS = 20, MAC_KEY_SIZE = 32, HEAD_SIZE = 16 };

/* --- Salsa20 --- */

static uint32_t load(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void store(uint8_t *at, uint32_t word)
{
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (uint8_t)(word >> 8 * i);
    }
}

static uint32_t rotated(uint32_t word, unsigned bits)
{
    return word << bits | word >> (32 - bits);
}

static void quarter(uint32_t *x, const uint8_t at[4])
{
    x[at[1]] ^= rotated(x[at[0]] + x[at[3]], 7);
    x[at[2]] ^= rotated(x[at[1]] + x[at[0]], 9);
    x[at[3]] ^= rotated(x[at[2]] + x[at[1]], 13);
    x[at[0]] ^= rotated(x[at[3]] + x[at[2]], 18);
}

/* Columns, then rows: two rounds. */
static void mix(uint32_t *x)
{
    static const uint8_t quarters[8][4] = {{0, 4, 8, 12},  {5, 9, 13, 1},   {10, 14, 2, 6},
                                           {15, 3, 7, 11}, {0, 1, 2, 3},    {5, 6, 7, 4},
                                           {10, 11, 8, 9}, {15, 12, 13, 14}};
    for (unsigned round = 0; round < ROUNDS; round += 2) {
        for (unsigned i = 0; i < 8; i++) {
            quarter(x, quarters[i]);
        }
    }
}

static void set_up(uint32_t *x, const uint8_t *key, const uint8_t *head)
{
    static const uint8_t constant[] = "expand 32-byte k";
    for (unsigned i = 0; i < 4; i++) {
        x[5 * i] = load(constant + 4 * i);
        x[1 + i] = load(key + 4 * i);
        x[6 + i] = load(head + 4 * i);
        x[11 + i] = load(key + 16 + 4 * i);
    }
}

/* The key for the rest of a long nonce. */
static void derive(const uint8_t *key, const uint8_t *nonce, uint8_t *ret_key)
{
    static const uint8_t taken[8] = {0, 5, 10, 15, 6, 7, 8, 9};
    uint32_t x[WORDS] = {0};
    set_up(x, key, nonce);
    mix(x);
    for (unsigned i = 0; i < 8; i++) {
        store(ret_key + 4 * i, x[taken[i]]);
    }
    explicit_bzero(x, sizeof(x));
}

static void print_block(const uint8_t *key, const uint8_t *nonce, uint64_t number, uint8_t *ret)
{
    uint8_t head[HEAD_SIZE] = {0};
    uint32_t before[WORDS] = {0};
    uint32_t x[WORDS] = {0};
    memcpy(head, nonce, 8);
    store(head + 8, (uint32_t)number);
    store(head + 12, (uint32_t)(number >> 32));
    set_up(before, key, head);
    memcpy(x, before, sizeof(x));
    mix(x);
    for (unsigned i = 0; i < WORDS; i++) {
        store(ret + 4 * i, x[i] + before[i]);
    }
    explicit_bzero(before, sizeof(before));
    explicit_bzero(x, sizeof(x));
}

/* --- The box --- */

/* `out` is `bytes` with the stream over it, from behind its first MAC_KEY_SIZE bytes, which go to
 * *ret_mac_key. */
static void apply_stream(const uint8_t *key, const uint8_t *nonce, struct slice bytes, uint8_t *out,
                         uint8_t *ret_mac_key)
{
    uint8_t subkey[SECRETBOX_KEY_SIZE];
    uint8_t block[BLOCK_SIZE];
    derive(key, nonce, subkey);
    print_block(subkey, nonce + HEAD_SIZE, 0, block);
    memcpy(ret_mac_key, block, MAC_KEY_SIZE);
    size_t at = MAC_KEY_SIZE;
    for (size_t i = 0; i < bytes.len; i++, at++) {
        if (at % BLOCK_SIZE == 0) {
            print_block(subkey, nonce + HEAD_SIZE, at / BLOCK_SIZE, block);
        }
        out[i] = bytes.data[i] ^ block[at % BLOCK_SIZE];
    }
    explicit_bzero(subkey, sizeof(subkey));
    explicit_bzero(block, sizeof(block));
}

static void authenticate(const uint8_t *mac_key, struct slice bytes, uint8_t *ret_tag)
{
    EVP_MAC *poly = EVP_MAC_fetch(NULL, "POLY1305", NULL);
    EVP_MAC_CTX *context = poly == NULL ? NULL : EVP_MAC_CTX_new(poly);
    size_t len = 0;
    bool good = context != NULL && EVP_MAC_init(context, mac_key, MAC_KEY_SIZE, NULL) == 1 &&
                EVP_MAC_update(context, bytes.data, bytes.len) == 1 &&
                EVP_MAC_final(context, ret_tag, &len, SECRETBOX_TAG_SIZE) == 1;
    assert(good && len == SECRETBOX_TAG_SIZE); /* Only out of memory fails here. */
    (void)good;
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(poly);
}

void secretbox_seal(struct slice key, struct slice plain, struct buffer *out)
{
    assert(key.len == SECRETBOX_KEY_SIZE);
    uint8_t mac_key[MAC_KEY_SIZE];
    size_t whole = SECRETBOX_NONCE_SIZE + SECRETBOX_TAG_SIZE + plain.len;
    uint8_t *nonce = buffer_reserve(out, whole);
    if (nonce == NULL) {
        return;
    }
    uint8_t *tag = nonce + SECRETBOX_NONCE_SIZE;
    uint8_t *text = tag + SECRETBOX_TAG_SIZE;
    x509_random(nonce, SECRETBOX_NONCE_SIZE);
    apply_stream(key.data, nonce, plain, text, mac_key);
    authenticate(mac_key, slice_of(text, plain.len), tag);
    explicit_bzero(mac_key, sizeof(mac_key));
    buffer_commit(out, whole);
}

int secretbox_open(struct slice key, struct slice sealed, struct buffer *out)
{
    assert(key.len == SECRETBOX_KEY_SIZE);
    uint8_t mac_key[MAC_KEY_SIZE];
    uint8_t tag[SECRETBOX_TAG_SIZE];
    size_t head = SECRETBOX_NONCE_SIZE + SECRETBOX_TAG_SIZE;
    if (sealed.len < head) {
        return -EBADMSG;
    }
    struct slice text = slice_of(sealed.data + head, sealed.len - head);
    uint8_t *plain = buffer_reserve(out, text.len + 1); /* Room for nothing is no room. */
    if (plain == NULL) {
        return -ENOSPC;
    }
    apply_stream(key.data, sealed.data, text, plain, mac_key);
    authenticate(mac_key, text, tag);
    explicit_bzero(mac_key, sizeof(mac_key));
    if (!x509_equal_secret(slice_of(tag, sizeof(tag)),
                           slice_of(sealed.data + SECRETBOX_NONCE_SIZE, SECRETBOX_TAG_SIZE))) {
        explicit_bzero(plain, text.len); /* Not authenticated: nobody may use it. */
        return -EBADMSG;
    }
    buffer_commit(out, text.len);
    return 0;
}
