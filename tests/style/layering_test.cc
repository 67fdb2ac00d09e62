// Checks every source of the project against the house rules, and the rules against made-up
// sources.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "tests/style/house_rules.h"

namespace cairn::style {
namespace {

struct Source {
  std::string path;
  std::string text;
};

bool IsSource(const std::filesystem::path& path) {
  return path.extension() == ".h" || path.extension() == ".cc";
}

std::vector<Source> ProjectSources() {
  const std::filesystem::path root = CAIRN_SOURCE_DIR;
  std::vector<Source> sources;
  for (const char* folder :
       {"base", "consensus", "storage", "server", "client", "cli", "adapter", "bench", "tests"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file() || !IsSource(entry.path())) continue;
      std::ifstream file(entry.path());
      sources.push_back({std::filesystem::relative(entry.path(), root).generic_string(),
                         {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()}});
    }
  }
  return sources;
}

TEST(LayeringTest, EverySourceIncludesOnlyWhatItsLayerMay) {
  const std::vector<Source> sources = ProjectSources();
  ASSERT_GT(sources.size(), 200u) << "the sources were not found below " << CAIRN_SOURCE_DIR;
  for (const Source& source : sources) {
    for (const std::string& wrong : CheckIncludes(source.path, source.text)) {
      ADD_FAILURE() << wrong;
    }
  }
}

TEST(LayeringTest, EverySourceUsesOnlyWhatItsLayerMay) {
  for (const Source& source : ProjectSources()) {
    for (const std::string& wrong : CheckWords(source.path, source.text)) ADD_FAILURE() << wrong;
  }
}

TEST(LayeringTest, EveryHeaderOpensWithAContract) {
  for (const Source& source : ProjectSources()) {
    if (!source.path.ends_with(".h")) continue;
    EXPECT_EQ(source.text.find("//"), 0u) << source.path << ":1: no header block";
    EXPECT_NE(source.text.find("\n#pragma once\n"), std::string::npos) << source.path;
  }
}

TEST(HouseRulesTest, ForbiddenIncludesAreFound) {
  struct Case {
    const char* path;
    const char* line;
    bool allowed;
  };
  const Case cases[] = {
      {"consensus/a.cc", "#include \"base/ids.h\"", true},
      {"consensus/a.cc", "#include <vector>", true},
      {"consensus/a.cc", "#include \"storage/log_store.h\"", false},
      {"consensus/a.cc", "#include \"cairn/v1/log.pb.h\"", false},
      {"consensus/a.cc", "#include <chrono>", false},
      {"consensus/a.cc", "#include <sys/stat.h>", false},
      {"consensus/a.cc", "#include \"absl/synchronization/mutex.h\"", false},
      {"storage/a.h", "#include \"consensus/types.h\"", false},
      {"storage/a.h", "#include <grpcpp/channel.h>", false},
      {"server/a.cc", "#include \"storage/log_store.h\"", true},
      {"server/a.cc", "#include \"storage/rocks_log_store.h\"", false},
      {"server/a.cc", "#include \"server/group.h\"", true},
      {"server/a.cc", "#include \"server/runtime/a.h\"", false},
      {"server/runtime/a.cc", "#include \"server/rpc/a.h\"", false},
      {"server/runtime/a.cc", "#include <grpcpp/channel.h>", true},
      {"server/runtime/a.cc", "#include <rocksdb/db.h>", false},
      {"server/rpc/a.cc", "#include \"storage/log_store.h\"", false},
      {"client/src/a.cc", "#include \"server/group.h\"", false},
      {"client/include/cairn/a.h", "#include <grpcpp/channel.h>", false},
      {"client/include/cairn/a.h", "#include \"cairn/v1/log.pb.h\"", false},
      {"client/include/cairn/a.h", "#include \"cairn/log.h\"", true},
      {"cli/a.cc", "#include \"tests/support/a.h\"", false},
      {"tests/a.cc", "#include \"server/group.h\"", true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.path) + ": " + c.line);
    EXPECT_EQ(CheckIncludes(c.path, std::string("// A.\n") + c.line + "\n").empty(), c.allowed);
  }
}

TEST(HouseRulesTest, AViolationNamesItsLine) {
  EXPECT_EQ(CheckIncludes("consensus/a.cc", "// A.\n\n#include <thread>\n"),
            std::vector<std::string>{"consensus/a.cc:3: consensus/ must not include thread"});
}

TEST(HouseRulesTest, ForbiddenWordsAreFoundInCodeOnly) {
  struct Case {
    const char* path;
    const char* line;
    bool allowed;
  };
  const Case cases[] = {
      {"server/a.cc", "  absl::MutexLock lock(&mutex_);", true},
      {"server/a.cc", "  absl::Mutex mutex_;", false},
      {"server/a.cc", "  const auto now = absl::Now();", false},
      {"server/a.cc", "  // absl::Now() would be wrong here.", true},
      {"server/a.cc", "  Say(\"absl::Now()\");", true},
      {"server/a.cc", "  std::function<void()> later_;", false},
      {"server/runtime/a.cc", "  absl::Mutex mutex_;", true},
      {"tests/a_test.cc", "  std::this_thread::sleep_for(std::chrono::seconds(1));", false},
      {"tests/a_test.cc", "  absl::SleepFor(absl::Seconds(1));", false},
      {"tests/await.h", "  absl::SleepFor(absl::Seconds(1));", true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.path) + ": " + c.line);
    EXPECT_EQ(CheckWords(c.path, c.line).empty(), c.allowed);
  }
}

}  // namespace
}  // namespace cairn::style
