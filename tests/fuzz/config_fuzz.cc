// A node's configuration from all its sources (server/runtime/config.h): flags, environment, file.
//
// The input is flags a line each, then after an empty line the environment's, then the file's.
// Beyond "no crash": what is accepted is complete and within the bounds that the rest of the node
// relies on, and is accepted again; what is not is refused with kInvalidArgument and words.
#include <fstream>
#include <map>

#include "base/check.h"
#include "base/option_table.h"
#include "server/runtime/config.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/temp_dir.h"

namespace cairn::fuzz {
namespace {

using server::Invocation;
using server::NodeConfig;

constexpr size_t kMaxFlags = 40;

// What the lookup, a function without a state of its own, answers from.
std::map<std::string, std::string>& Environment() {
  static auto* const environment = new std::map<std::string, std::string>();
  return *environment;
}

const char* Lookup(const char* name) {
  const auto found = Environment().find(name);
  return found == Environment().end() ? nullptr : found->second.c_str();
}

std::string_view TakeUntil(std::string_view& text, std::string_view end) {
  const size_t at = text.find(end);
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + end.size());
  return taken;
}

void CheckComplete(NodeConfig config) {
  CHECK(!config.name.empty() && !config.data_dir.empty());
  CHECK_EQ(CheckHostPort(config.listen), "");
  CHECK_EQ(CheckHostPort(config.advertise), "");
  CHECK(!config.initial_cluster.empty());
  CHECK_GT(config.workers, 0u);
  CHECK_GT(config.tick_us(), 0);
  CHECK_GT(config.election_ticks, config.heartbeat_ticks);  // consensus::RaftCore requires it.
  CHECK_GE(config.max_batch_bytes, config.max_record_bytes);
  const uint64_t hash = server::InitialClusterHash(config);
  CHECK(server::FinishConfig(config).ok());
  CHECK_EQ(server::InitialClusterHash(config), hash);
}

void Run(std::string_view bytes) {
  static const testing::TempDir temp;
  std::string_view flags = TakeUntil(bytes, "\n\n");
  std::string_view environment = TakeUntil(bytes, "\n\n");
  std::vector<std::string> texts = {"cairnd", "--config", temp.File("cairnd.toml")};
  while (!flags.empty() && texts.size() < kMaxFlags) {
    texts.emplace_back(TakeUntil(flags, "\n"));
    // A name of another file is none of the fuzzer's business.
    if (texts.back().starts_with("--c")) return;
  }
  Environment().clear();
  while (!environment.empty()) {
    std::string_view line = TakeUntil(environment, "\n");
    const std::string name(TakeUntil(line, "="));
    Environment()[name] = std::string(line);
  }
  std::ofstream(temp.File("cairnd.toml"), std::ios::binary | std::ios::trunc) << bytes;
  std::vector<const char*> argv;
  for (const std::string& text : texts) argv.push_back(text.c_str());

  const absl::StatusOr<Invocation> invocation =
      server::ParseInvocation(static_cast<int>(argv.size()), argv.data(), Lookup);
  if (!invocation.ok()) {
    CHECK(invocation.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(!invocation.status().message().empty());
  } else if (invocation->action == Invocation::Action::kPrint) {
    CHECK(!invocation->text.empty());
  } else {
    CheckComplete(invocation->config);
  }
}

std::vector<Seed> Seeds() {
  return {
      {"flags", "--name=a\n--data-dir=/d\n--listen=127.0.0.1:7101\n--tick-ms=20\n\n\n\n"},
      {"environment",
       "--name=a\n\nCAIRND_DATA_DIR=/d\nCAIRND_LISTEN=[::1]:7101\nCAIRND_LEASE_READS=true\n\n"},
      {"file",
       "--name\na\n\nCAIRND_ZONE=z\n\ndata-dir = \"/d\"\nadvertise = \"h:1\"\ntick-ms = 10\n"
       "cache-bytes = \"8MiB\"\nlease-reads = false\n"},
      {"cluster", "--name=b\n--data-dir=/d\n--initial-cluster=a=h:1,b=h:2,c=[::]:3\n\n\n# none\n"},
      {"help", "--help\n\n\n"},
      {"together", "--name=a\n--data-dir=/d\n--listen=h:1\n--heartbeat-ticks=9\n\n\n"},
  };
}

const Registered registered({.name = "config", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
