# cmake -DIN=SET -DOUT=FILE.c -DOUT_H=FILE.h -DNAME=name -P embed.cmake: a file as an array of C.
file(READ ${IN} hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
file(WRITE ${OUT} "#include \"descriptors/${NAME}.h\"\nconst unsigned char proto_${NAME}_set[] = {\n${bytes}};\nconst size_t proto_${NAME}_set_size = sizeof(proto_${NAME}_set);\n")
file(WRITE ${OUT_H} "#ifndef PROTO_${NAME}_SET\n#define PROTO_${NAME}_SET\n#include <stddef.h>\nextern const unsigned char proto_${NAME}_set[];\nextern const size_t proto_${NAME}_set_size;\n#endif\n")
