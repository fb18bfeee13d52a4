/* CRC-32C (Castagnoli): of what is on disk, and of what etcd's tools compare. Pure; any thread. */
#ifndef LIB_BASE_CRC32C_H
#define LIB_BASE_CRC32C_H
#include "lib/base/slice.h"

/* Of the bytes before, whose sum `crc` is (0: none), and these. */
uint32_t crc32c(uint32_t crc, struct slice bytes);
/* The same on processors without an instruction for it; here so that it can be tested. */
uint32_t crc32c_by_table(uint32_t crc, struct slice bytes);
#endif
