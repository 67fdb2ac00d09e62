#include "adapter/redis/front/reply_signs.h"

#include <algorithm>
#include <iterator>

namespace cairn::adapter::redis {
namespace {

constexpr std::string_view kScripts[] = {"eval",       "eval_ro", "evalsha",
                                         "evalsha_ro", "fcall",   "fcall_ro"};

}  // namespace

bool RunsScript(std::string_view command) {
  return std::find(std::begin(kScripts), std::end(kScripts), command) != std::end(kScripts);
}

bool SaysNotBegun(std::string_view reply) {
  return reply.starts_with("-BUSY ") || reply.starts_with("-EXECABORT ");
}

bool IsGreeting(std::string_view reply) {
  return reply.substr(std::min(reply.find('\n'), reply.size())).starts_with("\n$6\r\nserver\r\n");
}

// `+1700000000.123456 [0 unix:/path] "ROLE"`. What a script calls has "lua" for an address.
bool IsAgentsQuestion(std::string_view monitor_line) {
  const size_t end = monitor_line.find("] \"");
  if (end == std::string_view::npos || monitor_line.substr(0, end).ends_with(" lua")) return false;
  const std::string_view call = monitor_line.substr(end + 2);
  return call == "\"ROLE\"\r\n" || call == "\"RESET\"\r\n" || call == "\"INFO\"\r\n" ||
         call == "\"CLIENT\" \"ID\"\r\n" || call.starts_with("\"SELECT\" ") ||
         call.starts_with("\"HELLO\"");
}

}  // namespace cairn::adapter::redis
