// What libFuzzer calls: the one target that is linked into this program.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const cairn::fuzz::FuzzTarget& target = [&]() -> const cairn::fuzz::FuzzTarget& {
    CHECK_EQ(cairn::fuzz::Targets().size(), size_t{1});
    return cairn::fuzz::Targets().front();
  }();
  target.run({reinterpret_cast<const char*>(data), size});
  return 0;
}
