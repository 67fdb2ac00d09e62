#include "tests/failover/redis_connection.h"

#include <hiredis/hiredis.h>

#include <charconv>
#include <string_view>

namespace cairn::failover {
namespace {

RedisReply Convert(const redisReply& reply) {
  RedisReply out;
  switch (reply.type) {
    case REDIS_REPLY_NIL:
      return out;
    case REDIS_REPLY_INTEGER:
      out.kind = RedisReply::Kind::kInteger;
      out.integer = reply.integer;
      return out;
    case REDIS_REPLY_ERROR:
      out.kind = RedisReply::Kind::kError;
      break;
    case REDIS_REPLY_ARRAY:
      out.kind = RedisReply::Kind::kList;
      for (size_t i = 0; i < reply.elements; ++i) out.items.push_back(Convert(*reply.element[i]));
      return out;
    default:
      out.kind = RedisReply::Kind::kText;
  }
  out.text.assign(reply.str, reply.len);
  return out;
}

// Errors by which an agent says that a write was not done.
bool SaysNotDone(std::string_view error) {
  for (const std::string_view start :
       {"READONLY", "CAIRNLAG", "LOADING", "NOREPLICAS", "MASTERDOWN", "MOVED", "TRYAGAIN"}) {
    if (error.starts_with(start)) return true;
  }
  return false;
}

// Of an integer, or of the text of one.
CacheAnswer AnswerOf(const RedisReply& reply) {
  using Kind = CacheAnswer::Kind;
  switch (reply.kind) {
    case RedisReply::Kind::kNull:
      return {Kind::kDone, 0, ""};
    case RedisReply::Kind::kInteger:
      return {Kind::kDone, reply.integer, ""};
    case RedisReply::Kind::kError:
      return {SaysNotDone(reply.text) ? Kind::kNotDone : Kind::kUnknown, 0, reply.text};
    case RedisReply::Kind::kText: {
      CacheAnswer answer{Kind::kNonsense, 0, reply.text};
      const char* const end = reply.text.data() + reply.text.size();
      const auto [at, error] = std::from_chars(reply.text.data(), end, answer.value);
      if (error == std::errc() && at == end) answer.kind = Kind::kDone;
      return answer;
    }
    case RedisReply::Kind::kList:
      return {Kind::kNonsense, 0, "a list"};
  }
  return {};
}

}  // namespace

void RedisConnection::Close::operator()(redisContext* context) const { redisFree(context); }

std::unique_ptr<RedisConnection> RedisConnection::Adopt(Context context, absl::Duration patience) {
  if (context == nullptr || context->err != 0) return nullptr;
  redisSetTimeout(context.get(), absl::ToTimeval(patience));
  return std::unique_ptr<RedisConnection>(new RedisConnection(std::move(context)));
}

std::unique_ptr<RedisConnection> RedisConnection::Connect(const std::string& host, int port,
                                                          absl::Duration patience) {
  return Adopt(Context(redisConnectWithTimeout(host.c_str(), port, absl::ToTimeval(patience))),
               patience);
}

std::unique_ptr<RedisConnection> RedisConnection::ConnectUnix(const std::string& path,
                                                              absl::Duration patience) {
  return Adopt(Context(redisConnectUnixWithTimeout(path.c_str(), absl::ToTimeval(patience))),
               patience);
}

std::optional<CacheAnswer> RedisConnection::Get(const std::string& key) {
  const std::optional<RedisReply> reply = Do({"GET", key});
  return reply ? std::optional(AnswerOf(*reply)) : std::nullopt;
}

std::optional<CacheAnswer> RedisConnection::Set(const std::string& key, int64_t value) {
  const std::optional<RedisReply> reply = Do({"SET", key, std::to_string(value)});
  if (!reply) return std::nullopt;
  if (reply->text == "OK") return CacheAnswer{CacheAnswer::Kind::kDone, value, ""};
  if (reply->error()) return AnswerOf(*reply);
  return CacheAnswer{CacheAnswer::Kind::kNonsense, 0, reply->text};
}

std::optional<CacheAnswer> RedisConnection::Increment(const std::string& key) {
  const std::optional<RedisReply> reply = Do({"INCR", key});
  return reply ? std::optional(AnswerOf(*reply)) : std::nullopt;
}

bool RedisConnection::IsPrimary() {
  const std::optional<RedisReply> role = Do({"ROLE"});
  return role && !role->items.empty() && role->items[0].text == "master";
}

std::optional<RedisReply> RedisConnection::Do(const std::vector<std::string>& argv) {
  std::vector<const char*> words;
  std::vector<size_t> sizes;
  for (const std::string& word : argv) {
    words.push_back(word.data());
    sizes.push_back(word.size());
  }
  auto* const reply = static_cast<redisReply*>(
      redisCommandArgv(context_.get(), static_cast<int>(words.size()), words.data(), sizes.data()));
  if (reply == nullptr) return std::nullopt;
  RedisReply out = Convert(*reply);
  freeReplyObject(reply);
  return out;
}

}  // namespace cairn::failover
