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

// `+1700000000.123456 [0 unix:/path] "ROLE"`: quotes inside of an argument would be escaped.
bool IsAgentsQuestion(std::string_view monitor_line) {
  return monitor_line.ends_with("] \"ROLE\"\r\n") || monitor_line.ends_with("] \"INFO\"\r\n");
}

}  // namespace cairn::adapter::redis
