#include "proto/generator/names.h"

#include "lib/base/buffer.h"
#include <ctype.h>

enum { NAME_MAX_BYTES = 4096 };

/* The words that protoc-c does not use as a member. */
static const char *const reserved[] = {
    "and",
    "and_eq",
    "asm",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "class",
    "compl",
    "const",
    "const_cast",
    "continue",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "explicit",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "mutable",
    "namespace",
    "new",
    "not",
    "not_eq",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_cast",
    "struct",
    "switch",
    "template",
    "this",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "union",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
};

const char *name_c_type(struct arena *arena, const char *dotted)
{
    CLEANUP(buffer_release) struct buffer out = {0};
    bool upper = true;

    buffer_init(&out, NAME_MAX_BYTES);
    for (const char *at = dotted; *at != '\0'; at++) {
        if (*at == '.') {
            buffer_append_text(&out, "__");
            upper = true;
        } else if (*at == '_') {
            upper = true;
        } else {
            buffer_append_byte(&out, (uint8_t)(upper ? toupper((uint8_t)*at) : *at));
            upper = false;
        }
    }
    return arena_text(arena, buffer_text(&out));
}

const char *name_c_lower(struct arena *arena, const char *dotted)
{
    CLEANUP(buffer_release) struct buffer out = {0};
    bool was_upper = true;

    buffer_init(&out, NAME_MAX_BYTES);
    for (const char *at = dotted; *at != '\0'; at++) {
        bool upper = isupper((uint8_t)*at) != 0;
        if (*at == '.') {
            buffer_append_text(&out, "__");
            was_upper = true;
            continue;
        }
        if (upper && !was_upper) {
            buffer_append_byte(&out, '_');
        }
        buffer_append_byte(&out, (uint8_t)tolower((uint8_t)*at));
        was_upper = upper;
    }
    return arena_text(arena, buffer_text(&out));
}

const char *name_c_member(struct arena *arena, const char *field)
{
    char *name = arena_text(arena, field);
    for (char *at = name; *at != '\0'; at++) {
        *at = (char)tolower((uint8_t)*at);
    }
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        if (strcmp(name, reserved[i]) == 0) {
            return arena_printf(arena, "%s_", name);
        }
    }
    return name;
}
