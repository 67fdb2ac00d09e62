// Guard: which requests of browsers are served at all, and what browsers are told to do with the
// answers (decision 021).
//
// A page of another origin must not read this node's API through the browser of somebody who can
// reach it. Browsers keep foreign pages from reading answers, but not if a name of the attacker's
// is made to point here (DNS rebinding), nor from sending. So: the Host must be an address, or a
// name that the cluster goes by; and what changes something must be a POST of JSON with a header
// that no foreign page can add unasked.
//
// Threads: any; constant.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/http_server.h"

namespace cairn::console {

// The header that a POST must bear, with any value.
inline constexpr char kWriteHeader[] = "x-cairn-console";

class Guard {
 public:
  // `names`: hosts, or "host:port", by which people may reach this node; case does not matter.
  explicit Guard(const std::vector<std::string>& names);

  // Why `request` is not served; nullopt when it is.
  [[nodiscard]] std::optional<std::string> Refusal(const HttpRequest& request) const;

  // Adds the headers that every answer of the console bears.
  static void Protect(HttpResponse& response);

 private:
  [[nodiscard]] bool IsKnownHost(const std::string& host) const;

  std::set<std::string> names_;  // In lower case, without ports.
};

// "host" of "host:port", in lower case; brackets of IPv6 go.
std::string HostOf(const std::string& host_port);

}  // namespace cairn::console
