# Compiler settings shared by every target, and the three helpers with which folders declare theirs.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release)
endif()

set(CORACLE_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them")
option(CORACLE_FUZZ "Build libFuzzer targets (clang)" OFF)
option(CORACLE_PLANTS "Build bugs in that a simulator can switch on (see tests/sim/plants)" OFF)

# Assertions stay on: no NDEBUG in any build type.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")

add_compile_definitions(_GNU_SOURCE)
if(CORACLE_PLANTS)
    add_compile_definitions(CORACLE_PLANTS)
endif()
include_directories(${CMAKE_SOURCE_DIR})
add_compile_options(-fno-strict-aliasing -fno-delete-null-pointer-checks -fstack-protector-strong
                    -fno-omit-frame-pointer -fPIE)
add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack)
if(CORACLE_SANITIZE)
    add_compile_options(-fsanitize=${CORACLE_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${CORACLE_SANITIZE})
else()
    add_compile_options(-fstack-clash-protection -fcf-protection=full -fwrapv)
    if(CMAKE_BUILD_TYPE STREQUAL "Release")
        add_compile_options(-D_FORTIFY_SOURCE=2)
    endif()
endif()
if(CORACLE_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

add_library(coracle_warnings INTERFACE)
target_compile_options(coracle_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes
    -Wvla -Wswitch-enum -Wformat=2 -Wundef -Werror
    # clang takes string literals for const here, which C does not: protobuf-c's members are char *.
    $<$<C_COMPILER_ID:GNU>:-Wcast-qual>)

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# A pkg-config module as an imported target PkgConfig::<name>, looked up once.
function(coracle_package name module)
    if(NOT TARGET PkgConfig::${name})
        pkg_check_modules(${name} REQUIRED IMPORTED_TARGET GLOBAL ${module})
    endif()
endfunction()

# coracle_library(NAME SOURCES ... LINK ...): a static archive under the project's warnings.
function(coracle_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC ${ARG_LINK} PRIVATE coracle_warnings)
endfunction()

# coracle_test(NAME SOURCES ... LINK ...): a check(3) executable that ctest runs.
function(coracle_test name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
    coracle_package(CHECK check)
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_LINK} PkgConfig::CHECK coracle_warnings)
    # check's own macros use GNU variadics and mixed signedness.
    target_compile_options(${name} PRIVATE -Wno-pedantic -Wno-conversion -Wno-sign-conversion)
    add_test(NAME ${name} COMMAND ${name})
    # check ends a test after 4 s unless told otherwise, and after what a suite says: little on a machine that is busy.
    set_tests_properties(${name} PROPERTIES TIMEOUT 1200
                         ENVIRONMENT "CK_DEFAULT_TIMEOUT=30;CK_TIMEOUT_MULTIPLIER=4")
endfunction()

# coracle_fuzz(NAME SOURCES ... LINK ... ): a libFuzzer target; its corpus is tests/fuzz/corpus/NAME.
function(coracle_fuzz name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
    if(NOT CORACLE_FUZZ)
        return()
    endif()
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_LINK} coracle_warnings)
    # libFuzzer calls functions that no header declares. A source's options come after the warnings.
    set_source_files_properties(${ARG_SOURCES} PROPERTIES COMPILE_OPTIONS -Wno-missing-prototypes)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endfunction()
