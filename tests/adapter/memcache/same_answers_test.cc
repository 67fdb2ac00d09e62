// The agent's rules over one memcached, beside another memcached that clients reach directly: both
// must answer the same bytes to the same bytes.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "tests/adapter/memcache/alike.h"
#include "tests/adapter/memcache/lone_front.h"

namespace cairn::adapter::memcache {
namespace {

// Sent behind each input; nothing else is answered like that.
const std::string kLastLine = "mg last-of-all k\r\n";
constexpr std::string_view kLastAnswer = "EN klast-of-all\r\n";

// What a client gets that sends `bytes` and reads all of the answer, or until the end.
std::string Directly(Memcached* memcached, const std::string& bytes) {
  const auto connection = memcached->Connect();
  connection->Send(bytes + kLastLine);
  return connection->ReadUntil(kLastAnswer);
}

std::string ByAgent(Memcached* memcached, const std::string& bytes, bool byte_by_byte) {
  LoneFront front(memcached, CasTokens::Plain());
  const std::string all = bytes + kLastLine;
  if (!byte_by_byte) return front.Feed(all);
  std::string out;
  for (const char byte : all) out += front.Feed(std::string_view(&byte, 1));
  return out;
}

// Reads odd_inputs.txt, where the form is described.
std::string Unescape(const std::string& line) {
  std::string bytes;
  for (size_t at = 0; at < line.size(); ++at) {
    const char c = line[at];
    if (c == '\\') {
      const char letter = line[++at];
      if (letter == 'x') {
        bytes.push_back(static_cast<char>(std::stoi(line.substr(at + 1, 2), nullptr, 16)));
        at += 2;
      } else {
        bytes.push_back(letter == 'r' ? '\r' : letter == 'n' ? '\n' : letter == 't' ? '\t' : '\0');
      }
    } else if (c == '{') {
      const size_t end = line.find('}', at + 1);
      bytes.append(std::stoul(line.substr(at + 1)), line[end - 1]);
      at = end;
    } else {
      bytes.push_back(c);
    }
  }
  return bytes;
}

std::vector<std::string> OddInputs() {
  std::ifstream file(std::string(CAIRN_GOLDEN_DIR) + "/odd_inputs.txt");
  std::vector<std::string> inputs;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with('#')) inputs.push_back(Unescape(line));
  }
  CHECK(!inputs.empty());
  return inputs;
}

std::string Shown(const std::string& input) {
  return input.size() < 200 ? input
                            : input.substr(0, 80) + "... (" + std::to_string(input.size()) + ")";
}

class SameAnswers : public ::testing::Test {
 protected:
  void Check(const std::string& input, bool byte_by_byte) {
    const std::string theirs = Directly(&plain_, input);
    const std::string ours = ByAgent(&engine_, input, byte_by_byte);
    EXPECT_EQ(Comparison().Compare(theirs, ours), "") << Shown(input);
  }

  // As in random_answers_test.cc.
  Memcached plain_{{"-o", "no_lru_maintainer"}};
  Memcached engine_{{"-o", "no_lru_maintainer"}};
};

TEST_F(SameAnswers, ToOddInputs) {
  for (const std::string& input : OddInputs()) {
    Check(input, /*byte_by_byte=*/false);
  }
}

TEST_F(SameAnswers, HoweverTheBytesArrive) {
  for (const std::string& input : OddInputs()) {
    // Beyond that memcached itself answers by what it has got of a line.
    if (input.size() > 2000) continue;
    Check(input, /*byte_by_byte=*/true);
  }
}

}  // namespace
}  // namespace cairn::adapter::memcache
