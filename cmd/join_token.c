#include "cmd/join_token.h"

#include "lib/base/alloc.h"
#include "lib/net/x509.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum { ID_LEN = 6, SECRET_LEN = 16, HTTP_CREATED = 201, HTTP_CONFLICT = 409 };

static bool token_character(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *join_token_with_ca(const char *token, struct slice ca_pem)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t hash[X509_SHA256_SIZE];
    char hex[2 * X509_SHA256_SIZE + 1] = {0};
    x509_sha256(ca_pem, hash);
    for (size_t i = 0; i < sizeof(hash); i++) {
        hex[2 * i] = digits[hash[i] >> 4];
        hex[2 * i + 1] = digits[hash[i] & 15];
    }
    return alloc_printf("%s:%s", token, hex);
}

int join_token_split(const char *text, char ret_token[JOIN_TOKEN_SIZE],
                     uint8_t ret_ca_hash[JOIN_TOKEN_HASH])
{
    char token[JOIN_TOKEN_SIZE] = {0};
    uint8_t hash[JOIN_TOKEN_HASH];
    if (strlen(text) != JOIN_TOKEN_SIZE + 2 * JOIN_TOKEN_HASH || text[JOIN_TOKEN_SIZE - 1] != ':') {
        return -EINVAL;
    }
    memcpy(token, text, JOIN_TOKEN_SIZE - 1);
    for (size_t i = 0; i < JOIN_TOKEN_HASH; i++) {
        int high = hex_digit(text[JOIN_TOKEN_SIZE + 2 * i]);
        int low = hex_digit(text[JOIN_TOKEN_SIZE + 2 * i + 1]);
        if (high < 0 || low < 0) {
            return -EINVAL;
        }
        hash[i] = (uint8_t)(high << 4 | low);
    }
    if (!join_token_valid(token)) {
        return -EINVAL;
    }
    memcpy(ret_token, token, sizeof(token));
    memcpy(ret_ca_hash, hash, sizeof(hash));
    return 0;
}

bool join_token_valid(const char *token)
{
    for (size_t i = 0; i < ID_LEN + 1 + SECRET_LEN; i++) {
        if (i == ID_LEN ? token[i] != '.' : !token_character(token[i])) {
            return false;
        }
    }
    return token[ID_LEN + 1 + SECRET_LEN] == '\0';
}

int join_token_make(char **ret_token, struct error *reterr)
{
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    enum { LETTERS = sizeof(alphabet) - 1, FAIR = 256 / LETTERS * LETTERS };
    char text[ID_LEN + 1 + SECRET_LEN + 1];
    for (size_t i = 0; i < sizeof(text) - 1;) {
        uint8_t byte;
        if (getrandom(&byte, 1, 0) != 1) {
            return error_set(reterr, -errno, "cannot read random bytes: %s", strerror(errno));
        }
        if (byte < FAIR) { /* The rest would make some letters likelier. */
            text[i++] = alphabet[byte % LETTERS];
        }
    }
    text[ID_LEN] = '.';
    text[sizeof(text) - 1] = '\0';
    *ret_token = alloc_text(text);
    return 0;
}

static void write_secret(const char *token, enum join_token_use use, uint64_t valid_seconds,
                         struct buffer *out)
{
    const char *usages = use == JOIN_TOKEN_MEMBER ? "\"usage-coracle-member\":\"true\""
                                                  : "\"usage-bootstrap-authentication\":\"true\","
                                                    "\"usage-bootstrap-signing\":\"true\"";
    buffer_printf(out,
                  "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":"
                  "\"bootstrap-token-%.6s\",\"namespace\":\"kube-system\"},"
                  "\"type\":\"bootstrap.kubernetes.io/token\",\"stringData\":{"
                  "\"token-id\":\"%.6s\",\"token-secret\":\"%s\",%s",
                  token, token, token + ID_LEN + 1, usages);
    if (valid_seconds > 0) {
        time_t end = time(NULL) + (time_t)valid_seconds;
        struct tm parts;
        char text[32];
        gmtime_r(&end, &parts);
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
        buffer_printf(out, ",\"expiration\":\"%s\"", text);
    }
    buffer_append_text(out, "}}");
}

int join_token_store(const struct api_target *target, const char *token, enum join_token_use use,
                     uint64_t valid_seconds, struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer body;
    CLEANUP(buffer_release) struct buffer answer;
    buffer_init(&body, 4096);
    buffer_init(&answer, API_ANSWER_BYTES_MAX);
    write_secret(token, use, valid_seconds, &body);
    struct api_request request = {
        .method = "POST",
        .path = "/api/v1/namespaces/kube-system/secrets",
        .content_type = "application/json",
        .body = buffer_slice(&body),
    };
    unsigned status = 0;
    int result = api_call(target, &request, &status, &answer, reterr);
    if (result < 0) {
        return result;
    }
    if (status != HTTP_CREATED && status != HTTP_CONFLICT) {
        return error_set(reterr, -EIO, "the API server refused the token (%u): %s", status,
                         buffer_text(&answer));
    }
    return 0;
}
