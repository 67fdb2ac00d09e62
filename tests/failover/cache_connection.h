// CacheConnection: a client's connection to an agent or an engine, in the protocol of its kind.
// Values are integers; what a key holds that nobody has stored is 0.
//
// Threads: one. Lifetime: its own. Errors: nullopt: no answer, and what was asked may have been
// done; then the connection is of no more use.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace cairn::failover {

struct CacheAnswer {
  enum class Kind : uint8_t {
    kDone,
    kNotDone,  // It says that nothing was done.
    kUnknown,  // An error that does not say so.
    kNonsense,
  };
  Kind kind = Kind::kNonsense;
  int64_t value = 0;  // kDone: the key's, after the call.
  std::string text;   // Otherwise: the answer.

  [[nodiscard]] bool done() const { return kind == Kind::kDone; }
};

class CacheConnection {
 public:
  virtual ~CacheConnection() = default;
  virtual std::optional<CacheAnswer> Get(const std::string& key) = 0;
  virtual std::optional<CacheAnswer> Set(const std::string& key, int64_t value) = 0;
  virtual std::optional<CacheAnswer> Increment(const std::string& key) = 0;
};

}  // namespace cairn::failover
