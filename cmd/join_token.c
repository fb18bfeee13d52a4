#include "cmd/join_token.h"

#include "lib/base/alloc.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum { ID_LEN = 6, SECRET_LEN = 16, HTTP_CREATED = 201, HTTP_CONFLICT = 409 };

static bool token_character(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
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

static void write_secret(const char *token, uint64_t valid_seconds, struct buffer *out)
{
    buffer_printf(out,
                  "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":"
                  "\"bootstrap-token-%.6s\",\"namespace\":\"kube-system\"},"
                  "\"type\":\"bootstrap.kubernetes.io/token\",\"stringData\":{"
                  "\"token-id\":\"%.6s\",\"token-secret\":\"%s\","
                  "\"usage-bootstrap-authentication\":\"true\","
                  "\"usage-bootstrap-signing\":\"true\"",
                  token, token, token + ID_LEN + 1);
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

int join_token_store(const struct api_target *target, const char *token, uint64_t valid_seconds,
                     struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer body;
    CLEANUP(buffer_release) struct buffer answer;
    buffer_init(&body, 4096);
    buffer_init(&answer, API_ANSWER_BYTES_MAX);
    write_secret(token, valid_seconds, &body);
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
