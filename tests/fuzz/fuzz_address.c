/* Addresses: what a warning finds wrong with one, and what the C library takes for one, agree; and
 * what is read leniently is written as one that both take. */
#include "lib/api/rules/warnings.h"
#include "lib/api/syntax.h"
#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_address(const char *text)
{
    uint8_t ip[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, text, ip) == 1 || inet_pton(AF_INET6, text, ip) == 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(1024 * 1024);
    const char *text = arena_text_n(arena, (const char *)data, size);
    const char *problem = rules_address_problem(arena, text);
    uint8_t ip[16];
    char written[INET6_ADDRSTRLEN];
    bool is_v6 = false;
    if (strchr(text, '%') == NULL) { /* The C library knows no zones. */
        assert((problem == NULL) == is_address(text));
    }
    assert(problem == NULL || strncmp(problem, "ParseAddr(\"", 11) == 0);
    if (api_ip_parse(text, ip, &is_v6)) {
        api_ip_print(ip, is_v6, written);
        assert(is_address(written) && rules_address_problem(arena, written) == NULL);
    }
    return 0;
}
