#include "lib/api/definition_approval.h"

#include "lib/base/arena.h"
#include <ctype.h>
#include <string.h>

#define SEE "see https://github.com/kubernetes/enhancements/pull/1111"

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), tail = strlen(end);
    return len >= tail && strcmp(text + len - tail, end) == 0;
}

bool definition_needs_approval(const char *group)
{
    return strcmp(group, "k8s.io") == 0 || strcmp(group, "kubernetes.io") == 0 ||
           ends_with(group, ".k8s.io") || ends_with(group, ".kubernetes.io");
}

/* With a scheme and a host. */
static bool is_url(const char *text)
{
    const char *at = text;
    for (; isalnum((unsigned char)*at) || *at == '+' || *at == '-' || *at == '.'; at++) {
    }
    if (!isalpha((unsigned char)*text) || strncmp(at, "://", 3) != 0) {
        return false;
    }
    for (const char *c = at; *c != '\0'; c++) {
        if (iscntrl((unsigned char)*c)) {
            return false;
        }
    }
    size_t host = strcspn(at + 3, "/?#");
    return host > 0 && memchr(at + 3, ' ', host) == NULL;
}

enum definition_approval definition_approval_of(struct arena *arena,
                                                const Meta__V1__ObjectMeta *meta,
                                                const char **ret_reason)
{
    const char *text = text_or_empty(api_meta_annotation(meta, DEFINITION_APPROVAL));
    if (*text == '\0') {
        *ret_reason =
            "protected groups must have approval annotation \"" DEFINITION_APPROVAL "\", " SEE;
        return DEFINITION_APPROVAL_MISSING;
    }
    if (strncmp(text, "unapproved", strlen("unapproved")) == 0) {
        *ret_reason = arena_printf(arena, "not approved: \"%s\"", text);
        return DEFINITION_APPROVAL_BYPASSED;
    }
    if (is_url(text)) {
        *ret_reason = arena_printf(arena, "approved in %s", text);
        return DEFINITION_APPROVAL_GIVEN;
    }
    *ret_reason = "protected groups must have approval annotation \"" DEFINITION_APPROVAL
                  "\" with either a URL or a reason starting with \"unapproved\", " SEE;
    return DEFINITION_APPROVAL_INVALID;
}
