// Replays the corpora of all fuzz targets in a build of any kind, without a fuzzer: what once
// crashed stays mended. Each target also gets its seeds as they are made now, cut short at every
// place, and with every byte changed: the cheapest inputs that are nearly right.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/fuzz/fuzz_target.h"

namespace cairn::fuzz {
namespace {

// Some inputs stand for many steps of a whole node; enough of them for a second or two.
constexpr size_t kMaxVariants = 400;
constexpr size_t kMaxCorpusFileBytes = 4096;

class FuzzCorpusTest : public ::testing::TestWithParam<FuzzTarget> {};

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

TEST_P(FuzzCorpusTest, FilesOfTheCorpus) {
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(CAIRN_CORPUS_DIR) / GetParam().name)) {
    SCOPED_TRACE(entry.path().filename().string());
    const std::string bytes = ReadFile(entry.path());
    EXPECT_LE(bytes.size(), kMaxCorpusFileBytes);
    GetParam().run(bytes);
    ++files;
  }
  EXPECT_GE(files, GetParam().seeds().size()) << "fuzz_seeds tests/fuzz/corpus writes them";
}

TEST_P(FuzzCorpusTest, SeedsCutShortAndChanged) {
  GetParam().run("");
  const std::vector<Seed> seeds = GetParam().seeds();
  EXPECT_FALSE(seeds.empty());
  for (const Seed& seed : seeds) {
    SCOPED_TRACE(seed.name);
    GetParam().run(seed.bytes);
    const size_t step = seed.bytes.size() * seeds.size() / kMaxVariants + 1;
    for (size_t at = 0; at < seed.bytes.size(); at += step) {
      GetParam().run(std::string_view(seed.bytes).substr(0, at));
      std::string changed = seed.bytes;
      changed[at] = static_cast<char>(changed[at] ^ (1 << (at % 8)));
      GetParam().run(changed);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzCorpusTest, ::testing::ValuesIn(Targets()),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace cairn::fuzz
