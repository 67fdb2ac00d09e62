#include "server/console/guard.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace cairn::console {
namespace {

// Scripts, styles and calls of this origin only; no frame may hold the page; and text never turns
// into markup, since the browser refuses the functions that would do it.
constexpr char kPolicy[] =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

bool IsAddress(const std::string& host) {
  in6_addr parsed{};
  return inet_pton(AF_INET, host.c_str(), &parsed) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &parsed) == 1;
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// Why a request that changes something is not that of our own page.
std::optional<std::string> WriteRefusal(const HttpRequest& request) {
  if (request.Header("content-type").rfind("application/json", 0) != 0) {
    return "a change must be sent as application/json";
  }
  if (request.Header(kWriteHeader).empty()) {
    return fmt::format("a change must bear the header {}", kWriteHeader);
  }
  const std::string origin = request.Header("origin");
  const size_t scheme = origin.find("://");
  if (!origin.empty() &&
      (scheme == std::string::npos || origin.substr(scheme + 3) != request.Header("host"))) {
    return fmt::format("a page of {} may not change anything here", origin);
  }
  return std::nullopt;
}

}  // namespace

std::string HostOf(const std::string& host_port) {
  std::string host = Lower(host_port);
  if (!host.empty() && host.front() == '[') return host.substr(1, host.find(']') - 1);
  // Several colons without brackets: an IPv6 address without a port.
  if (std::count(host.begin(), host.end(), ':') == 1) host.resize(host.find(':'));
  if (!host.empty() && host.back() == '.') host.pop_back();
  return host;
}

Guard::Guard(const std::vector<std::string>& names) {
  for (const std::string& name : names) names_.insert(HostOf(name));
}

bool Guard::IsKnownHost(const std::string& host) const {
  return host == "localhost" || IsAddress(host) || names_.count(host) != 0;
}

std::optional<std::string> Guard::Refusal(const HttpRequest& request) const {
  const std::string host = HostOf(request.Header("host"));
  if (!IsKnownHost(host)) {
    return fmt::format(
        "this node does not go by the name \"{}\": use its address, or add the name to "
        "--console-hosts",
        host.substr(0, 255));
  }
  if (request.Header("sec-fetch-site") == "cross-site" &&
      request.Header("sec-fetch-mode") != "navigate") {
    return "pages of other origins may not ask here";
  }
  if (request.method != "GET") return WriteRefusal(request);
  return std::nullopt;
}

void Guard::Protect(HttpResponse& response) {
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"Content-Security-Policy", kPolicy},
           {"X-Content-Type-Options", "nosniff"},
           {"X-Frame-Options", "DENY"},
           {"Referrer-Policy", "no-referrer"},
           {"Cross-Origin-Resource-Policy", "same-origin"},
           {"Cross-Origin-Opener-Policy", "same-origin"}}) {
    response.headers.emplace_back(name, value);
  }
}

}  // namespace cairn::console
