#include "lib/base/crc32c.h"

#include "lib/base/compiler.h"
#include <stdatomic.h>
#include <string.h>

/* Slicing by 8: table[k][b] is the CRC of byte b followed by k zero bytes. The values are
 * constants, computed from the polynomial in the first call instead of being spelled out as 2048
 * literals. */
#define CRC_POLYNOMIAL_REVERSED UINT32_C(0x82f63b78)

static uint32_t crc_of_byte(uint32_t byte)
{
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) {
        crc = (crc >> 1) ^ ((crc & 1) != 0 ? CRC_POLYNOMIAL_REVERSED : 0);
    }
    return crc;
}

static uint32_t crc_table[8][256];
static atomic_bool crc_ready;

static void crc_fill(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        crc_table[0][byte] = crc_of_byte(byte);
    }
    for (int k = 1; k < 8; k++) {
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t before = crc_table[k - 1][byte];
            crc_table[k][byte] = (before >> 8) ^ crc_table[0][before & 0xff];
        }
    }
    atomic_store(&crc_ready, true);
}

#ifdef TARGET_SSE42
TARGET_SSE42 static uint32_t crc_by_instruction(uint32_t crc, struct slice bytes)
{
    const uint8_t *at = bytes.data;
    size_t left = bytes.len;
    uint64_t sum = ~crc;
    for (; left >= 8; at += 8, left -= 8) {
        uint64_t word; /* The instruction takes bytes in the order of memory. */
        memcpy(&word, at, sizeof(word));
        sum = CRC32C_WORD(sum, word);
    }
    for (; left > 0; at++, left--) {
        sum = CRC32C_BYTE((uint32_t)sum, *at);
    }
    return ~(uint32_t)sum;
}
#endif

uint32_t crc32c(uint32_t crc, struct slice bytes)
{
#ifdef TARGET_SSE42
    if (CPU_HAS_SSE42()) {
        return crc_by_instruction(crc, bytes);
    }
#endif
    return crc32c_by_table(crc, bytes);
}

uint32_t crc32c_by_table(uint32_t crc, struct slice bytes)
{
    if (!atomic_load(&crc_ready)) {
        crc_fill();
    }
    const uint8_t *at = bytes.data;
    size_t left = bytes.len;
    crc = ~crc;
    while (left >= 8) {
        uint32_t low = crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                              (uint32_t)at[3] << 24);
        crc = crc_table[7][low & 0xff] ^ crc_table[6][(low >> 8) & 0xff] ^
              crc_table[5][(low >> 16) & 0xff] ^ crc_table[4][low >> 24] ^ crc_table[3][at[4]] ^
              crc_table[2][at[5]] ^ crc_table[1][at[6]] ^ crc_table[0][at[7]];
        at += 8;
        left -= 8;
    }
    while (left > 0) {
        crc = (crc >> 8) ^ crc_table[0][(crc ^ *at) & 0xff];
        at++;
        left--;
    }
    return ~crc;
}
