// AgentAnswer: what one agent says of itself when it is asked how it is.
//
//   status_command ──► AskRedisAgent or AskMemcachedAgent ──► AgentAnswer
//
// Agents of all engines use the same names for the same things; the values are text for people and
// programs alike.
//
// Threads: plain values.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::adapter {

struct AgentAnswer {
  std::string address;  // "host:port"
  std::string error;    // Empty: it has answered.
  std::map<std::string, std::string> fields;
  std::vector<std::string> others;  // Addresses of the agents that it knows of, itself included.

  // "agent" adds to the others; its value may go on behind a blank.
  void Add(std::string_view name, std::string_view value) {
    if (name == "agent") {
      others.emplace_back(value.substr(0, value.find(' ')));
    } else {
      fields.emplace(name, value);
    }
  }
  // "-": it has not said.
  [[nodiscard]] std::string Field(const std::string& name) const {
    const auto it = fields.find(name);
    return it == fields.end() ? "-" : it->second;
  }
  [[nodiscard]] bool serves_as_primary() const {
    return Field("role") == "primary" && Field("ready") == "yes";
  }
};

}  // namespace cairn::adapter
