/* The pure codecs: WebSocket frames, gRPC framing, addresses, and keys and tokens. */
#include "lib/base/hash_map.h"
#include "lib/net/grpc_frame.h"
#include "lib/net/rate_limit.h"
#include "lib/net/send_queue.h"
#include "lib/net/utf8.h"
#include "lib/net/websocket.h"
#include "tests/unit/net/pki.h"

#include <check.h>
#include <errno.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <stdlib.h>

Suite *codecs_suite(void);

/* ---- WebSocket ---- */

/* Decodes `frames` byte by byte and joins all payloads with '|'; the status that ended it. */
static int decode_all(struct slice frames, size_t max, struct buffer *out)
{
    struct websocket_decoder decoder;
    websocket_decoder_init(&decoder, /* expect_mask= */ false, max);
    int status = 0;
    for (size_t i = 0; i < frames.len && status >= 0; i++) {
        struct slice byte = slice_of(frames.data + i, 1);
        enum websocket_opcode opcode = WEBSOCKET_PING;
        struct slice payload;
        while ((status = websocket_decode(&decoder, &byte, &opcode, &payload)) == 1) {
            buffer_append_slice(out, payload);
            buffer_append_byte(out, '|');
        }
    }
    websocket_decoder_release(&decoder);
    return status;
}

static const struct {
    const char *frames;
    size_t len;
    int status;
    const char *payloads;
} websockets[] = {
    {"\x81\x02hi\x82\x00", 6, 0, "hi||"},
    {"\x01\x02he\x89\x01!\x80\x03llo", 12, 0, "!|hello|"}, /* A ping between fragments. */
    {"\x80\x01x", 3, -EPROTO, ""},                         /* A continuation of nothing. */
    {"\x01\x01x\x81\x01y", 6, -EPROTO, ""},                /* A new message inside of one. */
    {"\xc1\x01x", 3, -EPROTO, ""},                         /* A reserved bit. */
    {"\x83\x01x", 3, -EPROTO, ""},                         /* A reserved opcode. */
    {"\x09\x01x", 3, -EPROTO, ""},                         /* A fragmented ping. */
    {"\x89\x7e\x00\x7e", 4, -EPROTO, ""},                  /* A ping of 126 bytes. */
    {"\x81\x7e\x00\x05hello", 9, -EPROTO, ""},             /* Not the shortest length. */
    {"\x81\x81\x00\x00\x00\x00x", 7, -EPROTO, ""},         /* Masked by a server. */
    {"\x82\x7e\x04\x00", 4, -EMSGSIZE, ""},
    {"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10, -EPROTO, ""},
    {"\x81\x02\xc3\x28", 4, -EILSEQ, ""},
};

START_TEST(websocket_frames_are_joined_or_refused)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 1000);
    struct slice frames = slice_of(websockets[_i].frames, websockets[_i].len);
    ck_assert_int_eq(decode_all(frames, /* max= */ 1000, &out), websockets[_i].status);
    ck_assert_str_eq(buffer_text(&out), websockets[_i].payloads);
}
END_TEST

START_TEST(websocket_frames_come_back_from_every_length)
{
    const uint8_t mask[4] = {1, 2, 3, 4};
    uint8_t *bytes = calloc(1, 70000);
    memset(bytes, 'q', 70000);
    const size_t sizes[] = {0, 125, 126, 65535, 65536, 70000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        CLEANUP(buffer_release) struct buffer frame;
        buffer_init(&frame, 1 << 20);
        websocket_encode(&frame, WEBSOCKET_TEXT, slice_of(bytes, sizes[i]), mask);
        struct websocket_decoder decoder;
        websocket_decoder_init(&decoder, /* expect_mask= */ true, 70000);
        struct slice rest = buffer_slice(&frame);
        enum websocket_opcode opcode = WEBSOCKET_PING;
        struct slice payload;
        ck_assert_int_eq(websocket_decode(&decoder, &rest, &opcode, &payload), 1);
        ck_assert_int_eq(opcode, WEBSOCKET_TEXT);
        ck_assert(slice_equal(payload, slice_of(bytes, sizes[i])));
        websocket_decoder_release(&decoder);
    }
    free(bytes);
}
END_TEST

/* ---- gRPC ---- */

START_TEST(grpc_messages_are_cut_however_they_come)
{
    const uint8_t wire[] = {0, 0, 0, 0, 2, 'h', 'i', 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, '!'};
    for (size_t round = 2; round < 2 * sizeof(wire) + 2; round++) {
        size_t step = round / 2;
        bool lent = round % 2 == 0;
        struct grpc_deframer deframer;
        grpc_deframer_init(&deframer, 100);
        CLEANUP(buffer_release) struct buffer out;
        buffer_init(&out, 100);
        for (size_t at = 0; at < sizeof(wire); at += step) {
            size_t len = sizeof(wire) - at < step ? sizeof(wire) - at : step;
            uint8_t bytes[sizeof(wire)]; /* Gone afterwards. */
            memcpy(bytes, wire + at, len);
            struct slice piece = slice_of(bytes, len);
            ck_assert_int_eq(lent ? grpc_deframer_lend(&deframer, piece)
                                  : grpc_deframer_feed(&deframer, piece),
                             0);
            struct slice message;
            while (grpc_deframe(&deframer, &message) == 1) {
                buffer_append_slice(&out, message);
                buffer_append_byte(&out, '|');
            }
            grpc_deframer_keep(&deframer);
            memset(bytes, 0xee, sizeof(bytes));
        }
        ck_assert_str_eq(buffer_text(&out), "hi||!|");
        ck_assert(grpc_deframer_empty(&deframer));
        grpc_deframer_release(&deframer);
    }
}
END_TEST

START_TEST(grpc_refuses_compressed_and_oversized_messages)
{
    const uint8_t wires[][5] = {
        {1, 0, 0, 0, 1}, {0, 0, 0, 0, 101}, {0, 0xff, 0xff, 0xff, 0xff}, {7, 0, 0, 0, 1}};
    const int statuses[] = {-EPROTO, -EMSGSIZE, -EMSGSIZE, -EPROTO};
    const char *const said[] = {"grpc: compressed flag set with identity or empty encoding", "", "",
                                "grpc: received unexpected payload format 7"};
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        struct grpc_deframer deframer;
        struct slice message;
        grpc_deframer_init(&deframer, 100);
        ck_assert_int_eq(grpc_deframer_feed(&deframer, slice_of(wires[i], 5)), 0);
        ck_assert_int_eq(grpc_deframe(&deframer, &message), statuses[i]);
        if (i == 1) { /* As gRPC's own libraries say it. */
            char text[GRPC_REFUSAL_TEXT_SIZE];
            grpc_too_large_text(&deframer, text);
            ck_assert_str_eq(text, "grpc: received message larger than max (101 vs. 100)");
        }
        if (statuses[i] == -EPROTO) {
            char text[GRPC_REFUSAL_TEXT_SIZE];
            grpc_not_plain_text(&deframer, text);
            ck_assert_str_eq(text, said[i]);
        }
        grpc_deframer_release(&deframer);
    }
}
END_TEST

START_TEST(grpc_timeouts_have_units)
{
    uint64_t ms = 0;
    ck_assert_int_eq(grpc_timeout_parse(slice_text("5S"), &ms), 0);
    ck_assert_uint_eq(ms, 5000);
    ck_assert_int_eq(grpc_timeout_parse(slice_text("99999999H"), &ms), 0);
    ck_assert_int_eq(grpc_timeout_parse(slice_text("1500u"), &ms), 0);
    ck_assert_uint_eq(ms, 2);
    ck_assert_int_eq(grpc_timeout_parse(slice_text("5"), &ms), -EINVAL);
    ck_assert_int_eq(grpc_timeout_parse(slice_text("S"), &ms), -EINVAL);
    ck_assert_int_eq(grpc_timeout_parse(slice_text("-5S"), &ms), -EINVAL);
    ck_assert_int_eq(grpc_timeout_parse(slice_text("123456789S"), &ms), -EINVAL);
}
END_TEST

/* ---- Small ones ---- */

START_TEST(utf8_refuses_overlong_and_surrogates)
{
    ck_assert(utf8_is_valid(slice_text("a\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80")));
    const char *bad[] = {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                         "\xe2\x82", "\x80",         "\xff"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert(!utf8_is_valid(slice_text(bad[i])));
    }
}
END_TEST

START_TEST(addresses_are_read_in_all_forms)
{
    struct net_address address;
    ck_assert_int_eq(net_address_parse("https://10.0.0.1:6443", &address), 0);
    ck_assert_str_eq(address.host, "10.0.0.1");
    ck_assert_uint_eq(address.port, 6443);
    ck_assert_int_eq(net_address_parse("[::1]:80", &address), 0);
    ck_assert_str_eq(address.host, "::1");
    ck_assert_int_eq(net_address_parse("unix:///run/x.sock", &address), 0);
    ck_assert_str_eq(address.host, "/run/x.sock");
    const char *bad[] = {"", "host", "::1:80", "host:", "host:65536", ":80", "unix:x", "h:8x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_int_eq(net_address_parse(bad[i], &address), -EINVAL);
    }
}
END_TEST

START_TEST(send_queue_keeps_order_and_references)
{
    struct send_queue queue = {.first = NULL};
    struct send_queue other = {.first = NULL};
    struct chunk *chunk = chunk_new(slice_text("shared"));
    send_queue_append(&queue, slice_text("ab"));
    send_queue_append_chunk(&queue, chunk, chunk->bytes);
    send_queue_append(&queue, slice_text("cd"));
    chunk_unref(chunk);
    send_queue_move(&queue, &other, 5); /* "ab" and half of "shared". */
    ck_assert_uint_eq(queue.bytes, 5);
    ck_assert_uint_eq(other.bytes, 5);
    struct slice pieces[4];
    ck_assert_uint_eq(send_queue_peek(&queue, pieces, 4), 2);
    ck_assert(slice_is(pieces[0], "red"));
    ck_assert(slice_is(pieces[1], "cd"));
    send_queue_consume(&queue, 4);
    ck_assert_uint_eq(send_queue_peek(&queue, pieces, 4), 1);
    ck_assert(slice_is(pieces[0], "d"));
    send_queue_release(&queue);
    send_queue_release(&other);
}
END_TEST

START_TEST(rate_limit_allows_a_burst_and_then_a_rate)
{
    struct rate_limit limit;
    rate_limit_init(&limit, /* burst= */ 3, /* per_s= */ 10);
    for (int i = 0; i < 3; i++) {
        ck_assert(rate_limit_take(&limit, 1000));
    }
    ck_assert(!rate_limit_take(&limit, 1000));
    ck_assert(rate_limit_take(&limit, 1100));
    ck_assert(!rate_limit_take(&limit, 1100));
}
END_TEST

/* ---- Keys, certificates, tokens ---- */

START_TEST(signing_request_round_trips_and_is_checked)
{
    CLEANUP(buffer_release) struct buffer key;
    CLEANUP(buffer_release) struct buffer csr;
    buffer_init(&key, 1 << 16);
    buffer_init(&csr, 1 << 16);
    static const char *const organizations[] = {"system:nodes"};
    static const char *const names[] = {"node-1"};
    static const char *const addresses[] = {"10.0.0.7", "fd00::7"};
    const struct x509_subject subject = {
        .common_name = "system:node:node-1",
        .organizations = organizations,
        .organization_count = 1,
        .dns_names = names,
        .dns_name_count = 1,
        .addresses = addresses,
        .address_count = 2,
    };
    ck_assert_int_eq(x509_make_key(&key, NULL), 0);
    ck_assert_int_eq(x509_make_csr(buffer_slice(&key), &subject, &csr, NULL), 0);
    struct x509_request request;
    ck_assert_int_eq(x509_parse_csr(buffer_slice(&csr), &request, NULL), 0);
    ck_assert_str_eq(request.common_name, "system:node:node-1");
    ck_assert_str_eq(request.organizations[0], "system:nodes");
    ck_assert_str_eq(request.dns_names[0], "node-1");
    ck_assert_str_eq(request.addresses[0], "10.0.0.7");
    ck_assert_str_eq(request.addresses[1], "fd00::7");
    x509_request_release(&request);
    struct error error = {.code = 0};
    ck_assert_int_eq(x509_parse_csr(slice_text("rubbish"), &request, &error), -EINVAL);
    error_release(&error);
}
END_TEST

START_TEST(certificate_verifies_against_its_ca_only)
{
    struct pki ours;
    struct pki theirs;
    pki_init(&ours);
    pki_init(&theirs);
    int64_t now_s = time(NULL);
    struct slice cert = buffer_slice(&ours.client_cert);
    ck_assert_int_eq(x509_verify(cert, buffer_slice(&ours.ca_cert), 0, now_s, NULL), 0);
    ck_assert_int_eq(x509_verify(cert, buffer_slice(&theirs.ca_cert), 0, now_s, NULL), -EACCES);
    ck_assert_int_eq(x509_verify(cert, buffer_slice(&ours.ca_cert), 0, now_s + 7200, NULL),
                     -EACCES);
    struct x509_facts facts;
    ck_assert_int_eq(x509_read(cert, &facts, NULL), 0);
    ck_assert_str_eq(facts.common_name, "alice");
    ck_assert_str_eq(facts.issuer_common_name, "test-ca");
    ck_assert(!facts.is_ca);
    ck_assert_int_ge(facts.not_after_s, now_s + 3500);
    x509_facts_release(&facts);
    pki_release(&ours);
    pki_release(&theirs);
}
END_TEST

/* A key for the algorithm. */
static void make_key(enum jws_algorithm algorithm, struct buffer *pem)
{
    const char *curve = jws_algorithm_curve(algorithm);
    if (curve == NULL) {
        ck_assert_int_eq(x509_make_rsa_key(2048, pem, NULL), 0);
        return;
    }
    EVP_PKEY *key = EVP_EC_gen(curve);
    BIO *bio = BIO_new(BIO_s_mem());
    const char *text = NULL;
    ck_assert_int_eq(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    long len = BIO_get_mem_data(bio, &text);
    buffer_append(pem, text, (size_t)len);
    BIO_free(bio);
    EVP_PKEY_free(key);
}

START_TEST(token_signature_verifies_and_tampering_does_not)
{
    CLEANUP(buffer_release) struct buffer key;
    CLEANUP(buffer_release) struct buffer public_pem;
    CLEANUP(buffer_release) struct buffer signature;
    enum jws_algorithm algorithm = (enum jws_algorithm)_i, own = JWS_ES256;
    buffer_init(&key, 1 << 16);
    buffer_init(&public_pem, 1 << 16);
    buffer_init(&signature, 1 << 16);
    make_key(algorithm, &key);
    ck_assert_int_eq(x509_public_key(buffer_slice(&key), &public_pem, NULL), 0);
    struct slice text = slice_text("header.payload"), public = buffer_slice(&public_pem);
    ck_assert_int_eq(jws_sign_by(buffer_slice(&key), algorithm, text, &signature, NULL), 0);
    struct slice good = buffer_slice(&signature);
    ck_assert_int_eq(jws_verify(public, algorithm, text, good, NULL), 0);
    ck_assert_int_eq(jws_verify(public, algorithm, slice_text("other"), good, NULL), -EACCES);
    for (int other = JWS_ES256; other <= JWS_PS512; other++) {
        int status = jws_verify(public, (enum jws_algorithm)other, text, good, NULL);
        ck_assert_int_eq(status, other == _i ? 0 : -EACCES);
    }
    signature.data[5] ^= 1;
    ck_assert_int_eq(jws_verify(public, algorithm, text, good, NULL), -EACCES);
    ck_assert_int_eq(jws_verify(public, algorithm, text, slice_text(""), NULL), -EACCES);
    ck_assert_int_eq(jws_algorithm_find(jws_algorithm_name(algorithm), &own), 0);
    ck_assert_int_eq(own, algorithm);
}
END_TEST

/* As a JWK Set carries it. */
START_TEST(public_keys_come_back_from_their_parameters)
{
    CLEANUP(buffer_release) struct buffer key;
    CLEANUP(buffer_release) struct buffer public_pem;
    CLEANUP(buffer_release) struct buffer again;
    CLEANUP(buffer_release) struct buffer first;
    CLEANUP(buffer_release) struct buffer second;
    enum jws_algorithm algorithm = JWS_PS256;
    buffer_init(&key, 1 << 16);
    buffer_init(&public_pem, 1 << 16);
    buffer_init(&again, 1 << 16);
    buffer_init(&first, 1 << 16);
    buffer_init(&second, 1 << 16);
    make_key((enum jws_algorithm)_i, &key);
    ck_assert_int_eq(x509_public_key(buffer_slice(&key), &public_pem, NULL), 0);
    ck_assert_int_eq(
        jws_public_parameters(buffer_slice(&public_pem), &algorithm, &first, &second, NULL), 0);
    ck_assert_int_eq(algorithm, _i);
    ck_assert_int_eq(
        jws_make_public(algorithm, buffer_slice(&first), buffer_slice(&second), &again, NULL), 0);
    ck_assert_str_eq(buffer_text(&again), buffer_text(&public_pem));
}
END_TEST

START_TEST(digests_match_published_vectors)
{
    uint8_t digest[X509_SHA256_SIZE];
    x509_sha256(slice_text("abc"), digest);
    ck_assert_int_eq(memcmp(digest, "\xba\x78\x16\xbf\x8f\x01\xcf\xea", 8), 0);
    x509_hmac_sha256(slice_text("Jefe"), slice_text("what do ya want for nothing?"), digest);
    ck_assert_int_eq(memcmp(digest, "\x5b\xdc\xc1\x46\xbf\x60\x75\x4e", 8), 0); /* RFC 4231, 2. */
}
END_TEST

/* Small draws share what OpenSSL gave at once: nothing may be given twice, at whatever lengths. */
START_TEST(random_bytes_are_given_once)
{
    static uint8_t bytes[96 * 1024];
    size_t at = 0, again = 0, eights = 1;
    for (; at + 8 * eights <= sizeof(bytes); eights = (eights + 37) % 80 + 1) {
        x509_random(bytes + at, 8 * eights);
        at += 8 * eights;
    }
    struct hash_map *seen = hash_map_new(/* seed= */ 1);
    for (size_t i = 0; i < at; i += 8) {
        again += hash_map_set(seen, slice_of(bytes + i, 8), bytes) != NULL;
    }
    hash_map_free(seen);
    ck_assert_uint_gt(at, sizeof(bytes) - 8 * 80);
    ck_assert_uint_eq(again, 0);
}
END_TEST

Suite *codecs_suite(void)
{
    Suite *suite = suite_create("net/codecs");
    TCase *tcase = tcase_create("pure");
    tcase_add_loop_test(tcase, websocket_frames_are_joined_or_refused, 0,
                        (int)ARRAY_LEN(websockets));
    tcase_add_test(tcase, websocket_frames_come_back_from_every_length);
    tcase_add_test(tcase, grpc_messages_are_cut_however_they_come);
    tcase_add_test(tcase, grpc_refuses_compressed_and_oversized_messages);
    tcase_add_test(tcase, grpc_timeouts_have_units);
    tcase_add_test(tcase, utf8_refuses_overlong_and_surrogates);
    tcase_add_test(tcase, addresses_are_read_in_all_forms);
    tcase_add_test(tcase, send_queue_keeps_order_and_references);
    tcase_add_test(tcase, rate_limit_allows_a_burst_and_then_a_rate);
    suite_add_tcase(suite, tcase);
    TCase *keys = tcase_create("keys");
    tcase_set_timeout(keys, 30);
    tcase_add_test(keys, signing_request_round_trips_and_is_checked);
    tcase_add_test(keys, certificate_verifies_against_its_ca_only);
    tcase_add_loop_test(keys, token_signature_verifies_and_tampering_does_not, JWS_ES256,
                        JWS_PS512 + 1);
    tcase_add_loop_test(keys, public_keys_come_back_from_their_parameters, JWS_ES256,
                        JWS_RS256 + 1);
    tcase_add_test(keys, digests_match_published_vectors);
    tcase_add_test(keys, random_bytes_are_given_once);
    suite_add_tcase(suite, keys);
    return suite;
}
