/* Compiler attributes and the few macros that every file may use. The only place that names GNU
 * extensions. */
#ifndef LIB_BASE_COMPILER_H
#define LIB_BASE_COMPILER_H
#include <stddef.h>

#define MUST_USE          __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define NORETURN          _Noreturn
#define UNUSED            __attribute__((unused))
#if defined(__x86_64__)
#define TARGET_SSE42           __attribute__((target("sse4.2"))) /* May use CRC32 instructions. */
#define CPU_HAS_SSE42()        (__builtin_cpu_supports("sse4.2") != 0)
#define CRC32C_WORD(crc, word) __builtin_ia32_crc32di(crc, word)
#define CRC32C_BYTE(crc, byte) __builtin_ia32_crc32qi(crc, byte)
#endif
#define FALLTHROUGH   __attribute__((fallthrough))
#define PREFETCH(ptr) __builtin_prefetch(ptr) /* It will be read soon; harmless when it is not. */

/* Runs `fn(&variable)` when the variable's scope ends: CLEANUP(buffer_release) struct buffer b. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Hands a pointer out and leaves NULL behind, so that its clean-up does nothing. */
#define TAKE(ptr)                                                                                  \
    __extension__({                                                                                \
        __typeof__(ptr) take_value_ = (ptr);                                                       \
        (ptr) = NULL;                                                                              \
        take_value_;                                                                               \
    })

#define CONTAINER_OF(ptr, type, member)                                                            \
    ((type *)(void *)((char *)(void *)(ptr)-offsetof(type, member)))

__extension__ typedef unsigned __int128 uint128;

/* Whether this build reports at its end what was not freed. */
#if defined(__SANITIZE_ADDRESS__)
#define LEAKS_ARE_LOOKED_FOR true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LEAKS_ARE_LOOKED_FOR true
#endif
#endif
#ifndef LEAKS_ARE_LOOKED_FOR
#define LEAKS_ARE_LOOKED_FOR false
#endif

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
