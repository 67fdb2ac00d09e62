// PlainMemcached: a memcached that is no agent's.
//
// Threads: one. Lifetime: the destructor kills it.
#pragma once

#include <string>

#include "tests/integration/process.h"

namespace cairn::integration {

class PlainMemcached {
 public:
  PlainMemcached(int port, std::string output);
  // Returns when it answers. Again after Kill, with nothing in it.
  void Start();
  void Kill() { process_.Kill(); }
  void Signal(int signal) { process_.Signal(signal); }
  [[nodiscard]] std::string address() const;

 private:
  const std::string output_;
  const int port_;
  Process process_;
};

}  // namespace cairn::integration
