#include "adapter/redis/status_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <cstdlib>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "adapter/agent_options.h"
#include "adapter/agent_presence.h"
#include "adapter/redis/engine_link.h"
#include "adapter/redis/resp_value.h"
#include "base/option_table.h"
#include "base/process_log.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/client.h"

namespace cairn::adapter::redis {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitConfig = 2;
constexpr Millis kPatience{2'000};

struct StatusConfig {
  std::string agent;
  std::string log;
  std::string endpoints;
  std::string output = "text";
};

// What one agent says of itself; only the address if it does not answer.
struct Answer {
  std::string address;
  std::string error;  // Empty: it has answered.
  std::map<std::string, std::string> fields;
  std::vector<std::string> others;

  [[nodiscard]] std::string Field(const std::string& name) const {
    const auto it = fields.find(name);
    return it == fields.end() ? "-" : it->second;
  }
  [[nodiscard]] bool serves_as_primary() const {
    return Field("role") == "primary" && Field("ready") == "yes";
  }
};

// The columns: a heading, and the field of CAIRN INFO.
constexpr std::pair<const char*, const char*> kColumns[] = {
    {"ROLE", "role"},     {"STATE", "state"},
    {"EPOCH", "epoch"},   {"LAG_BYTES", "lag_bytes"},
    {"LAG_MS", "lag_ms"}, {"RECORDS_BEHIND", "records_behind"},
    {"LOG", "log"},       {"ENGINE", "engine"},
    {"READY", "ready"}};

void ReadInfo(std::string_view text, Answer* answer) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find("\r\n"));
    text.remove_prefix(std::min(text.size(), line.size() + 2));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view value = line.substr(colon + 1);
    if (line.substr(0, colon) == "agent") {
      answer->others.emplace_back(value.substr(0, value.find(' ')));
    } else {
      answer->fields.emplace(line.substr(0, colon), value);
    }
  }
}

asio::awaitable<void> Ask(asio::any_io_executor executor, Answer* answer) {
  const absl::StatusOr<EngineAddress> address = ParseEngineAddress(answer->address);
  if (!address.ok()) {
    answer->error = ToStd(address.status().message());
    co_return;
  }
  EngineLink link(executor, *address);
  const absl::Status connected = co_await link.Connect(kPatience);
  if (!connected.ok()) {
    answer->error = ToStd(connected.message());
    co_return;
  }
  std::vector<std::string> argv = Argv("CAIRN", "INFO");
  const absl::StatusOr<RespValue> reply = co_await link.CallOk(std::move(argv), kPatience);
  if (reply.ok()) {
    ReadInfo(reply->text, answer);
  } else {
    answer->error = ToStd(reply.status().message());
  }
}

// Asks these agents, and those that they know of.
std::vector<Answer> AskAll(std::vector<std::string> addresses) {
  std::vector<Answer> answers;
  std::set<std::string> asked;
  while (!addresses.empty()) {
    const std::string address = addresses.back();
    addresses.pop_back();
    if (!asked.insert(address).second) continue;
    Answer answer;
    answer.address = address;
    asio::io_context io;
    Spawn(io.get_executor(), Ask(io.get_executor(), &answer));
    io.run();
    addresses.insert(addresses.end(), answer.others.begin(), answer.others.end());
    answers.push_back(std::move(answer));
  }
  std::sort(answers.begin(), answers.end(),
            [](const Answer& a, const Answer& b) { return a.address < b.address; });
  return answers;
}

void PrintTable(const std::vector<Answer>& answers) {
  std::vector<std::vector<std::string>> rows(1, {"ADDRESS"});
  for (const auto& [heading, field] : kColumns) rows.front().emplace_back(heading);
  for (const Answer& answer : answers) {
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

void PrintJson(const std::vector<Answer>& answers) {
  nlohmann::ordered_json object;
  object["agents"] = nlohmann::ordered_json::array();
  for (const Answer& answer : answers) {
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
  const std::vector<Answer> answers = AskAll(*addresses);
  if (config.output == "json") {
    PrintJson(answers);
  } else {
    PrintTable(answers);
  }
  const bool served = std::any_of(answers.begin(), answers.end(),
                                  [](const Answer& one) { return one.serves_as_primary(); });
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
  std::vector<std::string> words = argv;
  std::replace(words.begin(), words.end(), std::string("-o"), std::string("--output"));
  SetUpProcessLog("cairn-agent", "error", "text");
  const absl::StatusOr<OptionTable::Asked> asked =
      table.Parse(words, [](const char* name) -> const char* { return std::getenv(name); });
  absl::Status status = asked.status();
  if (status.ok() && asked->print.empty() && config.agent.empty() == config.log.empty()) {
    status = absl::InvalidArgumentError("expected one of the options agent and log");
  }
  if (!status.ok()) {
    fmt::print(stderr, "cairn-agent: {}\n", ToStd(status.message()));
    return kExitConfig;
  }
  if (!asked->print.empty()) {
    fmt::print("{}\n", asked->print);
    return kExitOk;
  }
  return Report(config);
}

}  // namespace cairn::adapter::redis
