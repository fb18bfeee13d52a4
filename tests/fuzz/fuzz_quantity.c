/* Quantities: the canonical text of a quantity is its own canonical text, of the same value. */
#include "lib/api/quantity.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[QUANTITY_TEXT_SIZE], again[QUANTITY_TEXT_SIZE];
    struct quantity quantity, parsed;

    if (quantity_parse(slice_of(data, size), &quantity, NULL) < 0) {
        return 0;
    }
    quantity_format(quantity, text);
    int r = quantity_parse(slice_text(text), &parsed, NULL);
    assert(r == 0); /* Canonical text parses. */
    quantity_format(parsed, again);
    assert(strcmp(text, again) == 0);
    (void)quantity_add(quantity, parsed);
    (void)quantity_milli_value(quantity);
    return 0;
}
