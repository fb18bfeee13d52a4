#include "lib/base/url_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool url_list_next(const char **at, struct slice *ret_url)
{
    const char *begin = *at;
    if (*begin == '\0') {
        return false;
    }
    size_t len = strcspn(begin, ",");
    *at = begin + len + (begin[len] == ',' ? 1 : 0);
    *ret_url = slice_of(begin, len);
    return true;
}

size_t url_list_count(const char *list)
{
    struct slice url;
    size_t count = 0;
    while (url_list_next(&list, &url)) {
        count++;
    }
    return count;
}

static bool has(const char *list, struct slice wanted)
{
    struct slice url;
    while (url_list_next(&list, &url)) {
        if (slice_equal(url, wanted)) {
            return true;
        }
    }
    return false;
}

bool url_list_has(const char *list, const char *url)
{
    return has(list, slice_text(url));
}

bool url_list_overlaps(const char *list, const char *other)
{
    struct slice url;
    while (url_list_next(&list, &url)) {
        if (has(other, url)) {
            return true;
        }
    }
    return false;
}

static int by_bytes(const void *left, const void *right)
{
    const char *const *a = left;
    const char *const *b = right;
    return strcmp(*a, *b);
}

int url_list_join(const char *const *urls, size_t count, char *ret_list, size_t size)
{
    const char *sorted[URL_LIST_MAX];
    size_t total = 0;
    if (count == 0 || count > URL_LIST_MAX) {
        return -EINVAL;
    }
    for (size_t i = 0; i < count; i++) {
        if (urls[i][0] == '\0' || strchr(urls[i], ',') != NULL) {
            return -EINVAL;
        }
        sorted[i] = urls[i];
    }
    qsort(sorted, count, sizeof(sorted[0]), by_bytes);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || strcmp(sorted[kept - 1], sorted[i]) != 0) {
            sorted[kept++] = sorted[i];
            total += strlen(sorted[i]) + 1;
        }
    }
    if (total > size) {
        return -ENAMETOOLONG;
    }
    char *end = ret_list;
    for (size_t i = 0; i < kept; i++) {
        size_t len = strlen(sorted[i]);
        memcpy(end, sorted[i], len);
        end += len;
        *end++ = i + 1 < kept ? ',' : '\0';
    }
    return 0;
}
