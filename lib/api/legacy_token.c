#include "lib/api/legacy_token.h"

#include "k8s/core_v1.pb-c.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DATE_LEN = 10 };

void legacy_token_date(int64_t seconds, char ret_date[static TIME_TEXT_SIZE])
{
    time_format(seconds, ret_date);
    ret_date[DATE_LEN] = '\0';
}

int legacy_token_parse_date(const char *date, int64_t *ret_seconds)
{
    char text[TIME_TEXT_SIZE];
    int32_t nanos = 0;
    if (strlen(date) != DATE_LEN) {
        return -EINVAL;
    }
    (void)snprintf(text, sizeof(text), "%sT00:00:00Z", date);
    return time_parse(slice_text(text), ret_seconds, &nanos);
}

bool legacy_token_is_generated(const Core__V1__ServiceAccount *account, const char *secret)
{
    for (size_t i = 0; account != NULL && i < account->n_secrets; i++) {
        if (strcmp(text_or_empty(account->secrets[i]->name), secret) == 0) {
            return true;
        }
    }
    return false;
}
