#include "tests/failover/cache_connection.h"

#include <hiredis/hiredis.h>

namespace cairn::failover {
namespace {

CacheReply Convert(const redisReply& reply) {
  CacheReply out;
  switch (reply.type) {
    case REDIS_REPLY_NIL:
      return out;
    case REDIS_REPLY_INTEGER:
      out.kind = CacheReply::Kind::kInteger;
      out.integer = reply.integer;
      return out;
    case REDIS_REPLY_ERROR:
      out.kind = CacheReply::Kind::kError;
      break;
    case REDIS_REPLY_ARRAY:
      out.kind = CacheReply::Kind::kList;
      for (size_t i = 0; i < reply.elements; ++i) out.items.push_back(Convert(*reply.element[i]));
      return out;
    default:
      out.kind = CacheReply::Kind::kText;
  }
  out.text.assign(reply.str, reply.len);
  return out;
}

}  // namespace

void CacheConnection::Close::operator()(redisContext* context) const { redisFree(context); }

std::unique_ptr<CacheConnection> CacheConnection::Adopt(Context context, absl::Duration patience) {
  if (context == nullptr || context->err != 0) return nullptr;
  redisSetTimeout(context.get(), absl::ToTimeval(patience));
  return std::unique_ptr<CacheConnection>(new CacheConnection(std::move(context)));
}

std::unique_ptr<CacheConnection> CacheConnection::Connect(const std::string& host, int port,
                                                          absl::Duration patience) {
  return Adopt(Context(redisConnectWithTimeout(host.c_str(), port, absl::ToTimeval(patience))),
               patience);
}

std::unique_ptr<CacheConnection> CacheConnection::ConnectUnix(const std::string& path,
                                                              absl::Duration patience) {
  return Adopt(Context(redisConnectUnixWithTimeout(path.c_str(), absl::ToTimeval(patience))),
               patience);
}

std::optional<CacheReply> CacheConnection::Do(const std::vector<std::string>& argv) {
  std::vector<const char*> words;
  std::vector<size_t> sizes;
  for (const std::string& word : argv) {
    words.push_back(word.data());
    sizes.push_back(word.size());
  }
  auto* const reply = static_cast<redisReply*>(
      redisCommandArgv(context_.get(), static_cast<int>(words.size()), words.data(), sizes.data()));
  if (reply == nullptr) return std::nullopt;
  CacheReply out = Convert(*reply);
  freeReplyObject(reply);
  return out;
}

}  // namespace cairn::failover
