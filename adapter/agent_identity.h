// AgentIdentity: who this agent is, for ever (the data directory) and for this life.
//
// The directory is locked while the process lives, and the kernel frees it when it dies: so an
// earlier life of this agent is certainly dead when a later one begins (holder_names.h).
//
// Threads: none. Lifetime: as long as the agent may act.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace cairn::adapter {

class AgentIdentity {
 public:
  // Makes the directory (mode 0700) if it is missing.
  // Errors: kFailedPrecondition: another process lives there; kUnavailable: the system's words.
  static absl::StatusOr<std::unique_ptr<AgentIdentity>> Open(const std::string& directory);
  ~AgentIdentity();
  AgentIdentity(const AgentIdentity&) = delete;
  AgentIdentity& operator=(const AgentIdentity&) = delete;

  // Random; belongs to the directory.
  [[nodiscard]] const std::string& agent_id() const { return agent_id_; }
  // Random; belongs to this object.
  [[nodiscard]] const std::string& incarnation() const { return incarnation_; }

 private:
  explicit AgentIdentity(int lock) : lock_(lock) {}

  const int lock_;  // Holds the lock while it is open.
  std::string agent_id_;
  std::string incarnation_;
};

// 128 random bits in hexadecimal digits: a name, or a password.
std::string RandomName();

}  // namespace cairn::adapter
