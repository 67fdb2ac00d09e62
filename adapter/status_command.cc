#include "adapter/status_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "adapter/agent_answer.h"
#include "adapter/agent_options.h"
#include "adapter/agent_presence.h"
#include "adapter/memcache/agent_question.h"
#include "adapter/redis/agent_question.h"
#include "adapter/tool_process.h"
#include "base/option_table.h"
#include "base/process_log.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/client.h"

namespace cairn::adapter {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr Millis kPatience{2'000};

struct StatusConfig {
  std::string agent;
  std::string log;
  std::string endpoints;
  std::string output = "text";
};

// The columns: a heading, and the field of the answer.
constexpr std::pair<const char*, const char*> kColumns[] = {
    {"ROLE", "role"},     {"STATE", "state"},
    {"EPOCH", "epoch"},   {"LAG_BYTES", "lag_bytes"},
    {"LAG_MS", "lag_ms"}, {"RECORDS_BEHIND", "records_behind"},
    {"LOG", "log"},       {"ENGINE", "engine"},
    {"READY", "ready"}};

// An agent of memcached knows no other protocol than memcached's; Redis, and its agents, say an
// error to what they do not know.
asio::awaitable<absl::Status> AskEither(asio::any_io_executor executor, AgentAnswer* answer) {
  const absl::StatusOr<EngineAddress> address = ParseEngineAddress(answer->address);
  if (!address.ok()) co_return address.status();
  const absl::Status asked =
      co_await memcache::AskMemcachedAgent(executor, *address, kPatience, answer);
  if (!absl::IsNotFound(asked)) co_return asked;
  co_return co_await redis::AskRedisAgent(executor, *address, kPatience, answer);
}

asio::awaitable<void> Ask(asio::any_io_executor executor, AgentAnswer* answer) {
  const absl::Status asked = co_await AskEither(std::move(executor), answer);
  answer->error = ToStd(asked.message());
}

// Asks these agents, and those that they know of.
std::vector<AgentAnswer> AskAll(std::vector<std::string> addresses) {
  std::vector<AgentAnswer> answers;
  std::set<std::string> asked;
  while (!addresses.empty()) {
    const std::string address = addresses.back();
    addresses.pop_back();
    if (!asked.insert(address).second) continue;
    AgentAnswer answer;
    answer.address = address;
    asio::io_context io;
    Spawn(io.get_executor(), Ask(io.get_executor(), &answer));
    io.run();
    addresses.insert(addresses.end(), answer.others.begin(), answer.others.end());
    answers.push_back(std::move(answer));
  }
  std::sort(answers.begin(), answers.end(),
            [](const AgentAnswer& a, const AgentAnswer& b) { return a.address < b.address; });
  return answers;
}

void PrintTable(const std::vector<AgentAnswer>& answers) {
  std::vector<std::vector<std::string>> rows(1, {"ADDRESS"});
  for (const auto& [heading, field] : kColumns) rows.front().emplace_back(heading);
  for (const AgentAnswer& answer : answers) {
    std::vector<std::string>& row = rows.emplace_back(1, answer.address);
    for (const auto& [heading, field] : kColumns) row.push_back(answer.Field(field));
    if (!answer.error.empty()) row.back() = answer.error;
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t column = 0; column < row.size(); ++column) {
      size_t width = 0;
      for (const auto& one : rows) width = std::max(width, one[column].size());
      line += column + 1 == row.size() ? row[column] : fmt::format("{:<{}}  ", row[column], width);
    }
    fmt::print("{}\n", line);
  }
}

void PrintJson(const std::vector<AgentAnswer>& answers) {
  nlohmann::ordered_json object;
  object["agents"] = nlohmann::ordered_json::array();
  for (const AgentAnswer& answer : answers) {
    nlohmann::ordered_json one;
    one["address"] = answer.address;
    if (!answer.error.empty()) one["error"] = answer.error;
    for (const auto& [name, value] : answer.fields) {
      uint64_t number = 0;
      if (absl::SimpleAtoi(value, &number)) {
        one[name] = number;
      } else {
        one[name] = value;
      }
    }
    object["agents"].push_back(std::move(one));
  }
  fmt::print("{}\n", object.dump());
}

absl::StatusOr<std::vector<std::string>> AddressesOf(const StatusConfig& config) {
  if (!config.agent.empty()) return std::vector<std::string>{config.agent};
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> client,
                   Client::Connect(ClusterOptions(config.endpoints)));
  ASSIGN_OR_RETURN(const std::vector<PresentAgent> agents,
                   AgentPresence::List(client.get(), config.log));
  std::vector<std::string> addresses;
  for (const PresentAgent& agent : agents) addresses.push_back(agent.address);
  if (!addresses.empty()) return addresses;
  return absl::NotFoundError(ToAbsl(fmt::format("no agent of the log {} is there", config.log)));
}

int Report(const StatusConfig& config) {
  const absl::StatusOr<std::vector<std::string>> addresses = AddressesOf(config);
  if (!addresses.ok()) {
    fmt::print(stderr, "cairn-agent: {}\n", ToStd(addresses.status().message()));
    return kExitFailed;
  }
  const std::vector<AgentAnswer> answers = AskAll(*addresses);
  if (config.output == "json") {
    PrintJson(answers);
  } else {
    PrintTable(answers);
  }
  const bool served = std::any_of(answers.begin(), answers.end(),
                                  [](const AgentAnswer& one) { return one.serves_as_primary(); });
  return served ? kExitOk : kExitFailed;
}

void AddOptions(OptionTable& table, StatusConfig& config) {
  table.Text("agent", &config.agent, CheckHostPort,
             "host:port of one agent; the others are asked, too.");
  table.Text("log", &config.log, CheckNotEmpty, "The cache's log, in place of --agent.");
  table.Text("endpoints", &config.endpoints, CheckNotEmpty,
             "With --log: host:port of some nodes of the cluster, with commas. Default: "
             "CAIRN_ENDPOINTS.");
  table.Text("output", &config.output, OneOf({"text", "json"}), "Also -o.");
}

}  // namespace

int RunStatusCommand(const std::vector<std::string>& argv) {
  StatusConfig config;
  OptionTable table({.name = "cairn-agent status",
                     .about = "cairn-agent status: who of a cache's agents is who.",
                     .environment = "CAIRN_AGENT_",
                     .version = CAIRN_VERSION,
                     .footer = "Exit codes: 0 a primary serves; 1 none does; 2 wrong "
                               "configuration."});
  AddOptions(table, config);
  SetUpProcessLog("cairn-agent", "error", "text");
  const auto finish = [&config] {
    return config.agent.empty() == config.log.empty()
               ? absl::InvalidArgumentError("expected one of the options agent and log")
               : absl::OkStatus();
  };
  return RunToolProcess(table, argv, finish,
                        [&config](const OptionTable::Asked&) { return Report(config); });
}

}  // namespace cairn::adapter
