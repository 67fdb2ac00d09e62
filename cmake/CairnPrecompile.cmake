# The two precompiled headers of CAIRN_PRECOMPILE, included after the dependencies. Only headers of
# libraries: our own would make every source depend on them. Two, since a precompiled header
# serves only sources with the same flags, and those of programs are not those of libraries.
if(NOT CAIRN_PRECOMPILE)
  return()
endif()

# What the headers can see must be the same everywhere, and some libraries' targets set these two.
add_compile_definitions(NOMINMAX)
add_compile_options(-pthread)

set(CAIRN_PRECOMPILED_HEADERS
  <algorithm> <atomic> <cstdint> <deque> <functional> <map> <memory> <optional> <set> <span>
  <string> <string_view> <thread> <unordered_map> <utility> <variant> <vector>
  <absl/base/thread_annotations.h> <absl/status/status.h> <absl/status/statusor.h>
  <absl/synchronization/mutex.h> <fmt/format.h>
  <google/protobuf/map_field_inl.h> <google/protobuf/message.h>
  <google/protobuf/unknown_field_set.h>)

# cairn_add_precompiled(NAME HEADERS...)
function(cairn_add_precompiled name)
  set(empty ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc)
  file(GENERATE OUTPUT ${empty} CONTENT "")
  add_library(${name} OBJECT ${empty})
  target_link_libraries(${name} PRIVATE fmt::fmt)
  # Some of them change what is predefined.
  target_compile_options(${name} PRIVATE ${CAIRN_WARNINGS})
  target_precompile_headers(${name} PRIVATE ${ARGN})
endfunction()

cairn_add_precompiled(cairn_precompiled ${CAIRN_PRECOMPILED_HEADERS} <grpcpp/grpcpp.h>)
if(CAIRN_BUILD_TESTS)
  cairn_add_precompiled(cairn_precompiled_tests ${CAIRN_PRECOMPILED_HEADERS}
    <gmock/gmock.h> <gtest/gtest.h>)
  target_link_libraries(cairn_precompiled_tests PRIVATE GTest::gmock)
  set_target_properties(cairn_precompiled_tests PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(cairn_precompiled_tests PRIVATE -fPIE -O1)
endif()
