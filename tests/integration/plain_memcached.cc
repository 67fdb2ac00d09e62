#include "tests/integration/plain_memcached.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "tests/integration/memcache_client.h"

namespace cairn::integration {

PlainMemcached::PlainMemcached(int port, std::string output)
    : output_(std::move(output)), port_(port) {}

void PlainMemcached::Start() {
  process_.Start({.argv = {"/usr/bin/memcached", "-u", "root", "-l", "127.0.0.1", "-U", "0", "-p",
                           std::to_string(port_)},
                  .environment = {},
                  .output = output_});
  CHECK(Eventually([this] { return AskMemcache(address(), "mn\r\n") == "MN\r\n"; }));
}

std::string PlainMemcached::address() const { return fmt::format("127.0.0.1:{}", port_); }

}  // namespace cairn::integration
