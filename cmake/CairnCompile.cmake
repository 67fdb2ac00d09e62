# Flags that every target of Cairn shares, and the helper that declares one.

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

find_program(LLD_PROGRAM ld.lld)
if(LLD_PROGRAM)
  add_link_options(-fuse-ld=lld)
endif()

set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")

if(CAIRN_SANITIZE)
  add_compile_options(-fsanitize=${CAIRN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CAIRN_SANITIZE})
endif()

if(CAIRN_FUZZ)
  # Coverage for the fuzzer; programs that have its main() are linked with -fsanitize=fuzzer.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

set(CAIRN_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
    -Wimplicit-fallthrough -Wno-missing-field-initializers -Werror)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  list(APPEND CAIRN_WARNINGS -Wthread-safety -Wthread-safety-beta -Wno-gnu-zero-variadic-macro-arguments)
else()
  # g++ 12 reports these two inside inlined library code that is correct.
  list(APPEND CAIRN_WARNINGS -Wno-maybe-uninitialized -Wno-restrict)
endif()

# cairn_library(NAME SOURCES... ) is a static library with our warnings on.
function(cairn_library name)
  add_library(${name} STATIC ${ARGN})
  target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_compile_options(${name} PRIVATE ${CAIRN_WARNINGS})
endfunction()

function(cairn_executable name)
  add_executable(${name} ${ARGN})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${CAIRN_WARNINGS})
  if(CAIRN_SANITIZE STREQUAL "thread")
    # Abseil's own locks, which the sanitizer cannot see.
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/tsan_absl.cc)
    target_link_libraries(${name} PRIVATE ${CMAKE_DL_LIBS})
  endif()
endfunction()

# cairn_test(NAME SOURCES... LIBS libs...) is a GoogleTest program; each of its
# tests is one ctest entry. Its own code is compiled with -O1, which saves a third of the time; what
# it tests is compiled as everywhere. The timeout ends what hangs, on slow machines too: no test
# takes a fifth of it on two free cores.
function(cairn_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  cairn_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE -O1)
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
endfunction()
