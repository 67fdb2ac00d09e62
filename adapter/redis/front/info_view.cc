#include "adapter/redis/front/info_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "adapter/redis/resp_value.h"

namespace cairn::adapter::redis {
namespace {

// Of the section on replication: lines that the agent words itself, at the section's head.
constexpr std::string_view kReplaced[] = {"connected_slaves", "master_host", "master_link_status",
                                          "master_port",      "role",        "slave"};

// "slave" stands for "slave0", "slave1", …
bool IsReplaced(std::string_view name) {
  while (!name.empty() && name.back() >= '0' && name.back() <= '9') name.remove_suffix(1);
  return std::find(std::begin(kReplaced), std::end(kReplaced), name) != std::end(kReplaced);
}

std::string ReplicationHead(const InfoView& view) {
  std::string head = fmt::format("role:{}\r\n", view.replica ? "slave" : "master");
  if (view.replica) {
    const auto [host, port] = SplitAddress(view.primary);
    head += fmt::format("master_host:{}\r\nmaster_port:{}\r\nmaster_link_status:{}\r\n", host,
                        port.empty() ? "0" : port, host.empty() ? "down" : "up");
    return head + "connected_slaves:0\r\n";
  }
  head += fmt::format("connected_slaves:{}\r\n", view.others.size());
  for (size_t i = 0; i < view.others.size(); ++i) {
    const auto [host, port] = SplitAddress(view.others[i]);
    head += fmt::format("slave{}:ip={},port={},state=online,offset={},lag=0\r\n", i, host, port,
                        view.committed);
  }
  return head;
}

// What stands in place of a line of another section; the line itself if nothing does.
std::string OtherLine(std::string_view line, std::string_view name, const InfoView& view) {
  if (name == "connected_clients") return fmt::format("{}:{}", name, view.clients);
  if (name == "maxclients") return fmt::format("{}:{}", name, view.max_clients);
  if (name == "tcp_port") {
    return fmt::format("{}:{}", name, SplitAddress(view.own_address).second);
  }
  if (view.cluster && name == "redis_mode") return fmt::format("{}:cluster", name);
  if (view.cluster && name == "cluster_enabled") return fmt::format("{}:1", name);
  return std::string(line);
}

}  // namespace

std::pair<std::string, std::string> SplitAddress(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return {};
  return {std::string(address.substr(0, colon)), std::string(address.substr(colon + 1))};
}

std::string RewriteInfo(std::string_view text, const InfoView& view) {
  std::string out;
  out.reserve(text.size() + 256);
  bool replication = false;
  while (!text.empty()) {
    const size_t end = text.find("\r\n");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
    if (line.starts_with("# ")) {
      replication = line == "# Replication";
      out += fmt::format("{}\r\n", line);
      if (replication) out += ReplicationHead(view);
      continue;
    }
    const std::string_view name = line.substr(0, line.find(':'));
    if (replication && IsReplaced(name)) continue;
    out += OtherLine(line, name, view);
    out += "\r\n";
  }
  return out;
}

std::string RewriteInfoReply(std::string reply, RespVersion version, const InfoView& view) {
  const absl::StatusOr<RespValue> value = ReadRespValue(reply);
  if (!value.ok() || !value->string()) return reply;
  const std::string text = RewriteInfo(value->text, view);
  reply.clear();
  ReplyWriter(version, &reply).Verbatim("txt", text);
  return reply;
}

}  // namespace cairn::adapter::redis
