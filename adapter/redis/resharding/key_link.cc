#include "adapter/redis/resharding/key_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "adapter/redis/resp_encoder.h"
#include "base/check.h"
#include "base/strings.h"

namespace cairn::adapter::redis {
namespace {

constexpr Millis kConnectPatience{5'000};
// A key of a gigabyte is dumped or made in some seconds.
constexpr Millis kCallPatience{60'000};

// One call for many keys: a call for each costs several times as much here as what the engine does
// for it. A dump that is too large is told by its size: the reply could be, too.
constexpr const char* kWholeKeys =
    "local a, n = {}, 0 for i, k in ipairs(KEYS) do local d = redis.call('DUMP', k) "
    "if d and #d > tonumber(ARGV[1]) then d = #d elseif d then n = n + #d end "
    "if n > tonumber(ARGV[2]) and i > 1 then break end "
    "a[2 * i - 1] = d a[2 * i] = redis.call('PEXPIRETIME', k) end return a";

absl::Status Strange(std::string_view command) {
  return absl::InternalError(
      ToAbsl(fmt::format("the engine answers {} with something else", command)));
}

// Of DUMP, or the size of what it says, and PEXPIRETIME.
WholeKey ToWholeKey(RespValue* dump, int64_t expires_ms) {
  WholeKey key;
  if (expires_ms < -1) return key;  // Gone in between.
  key.dump = std::move(dump->text);
  key.too_large = static_cast<uint64_t>(dump->integer);
  if (!key.dump.empty() || key.too_large > 0) key.expires_ms = expires_ms;
  return key;
}

// What makes `key` equal to `as`.
void AppendWrite(std::string_view key, const WholeKey& as, std::string* out) {
  if (as.dump.empty()) return AppendCommand({"UNLINK", key}, out);
  const std::string when = std::to_string(std::max<int64_t>(as.expires_ms, 0));
  AppendCommand({"RESTORE", key, when, as.dump, "REPLACE", "ABSTTL"}, out);
}

}  // namespace

KeyLink::KeyLink(asio::any_io_executor executor, EngineAddress address, uint64_t max_dump_bytes)
    : link_(std::move(executor), std::move(address), kMaxReplyBytes),
      max_dump_bytes_(max_dump_bytes) {}

asio::awaitable<absl::Status> KeyLink::Connect() {
  const absl::Status connected = co_await link_.Connect(kConnectPatience);
  if (!connected.ok()) co_return connected;
  if (!engine_id_.empty()) {
    std::vector<std::string> kill = Argv("CLIENT", "KILL", "ID", engine_id_);
    const absl::StatusOr<RespValue> killed = co_await link_.CallOk(std::move(kill), kCallPatience);
    if (!killed.ok()) co_return killed.status();
  }
  std::vector<std::string> ask = Argv("CLIENT", "ID");
  const absl::StatusOr<RespValue> id = co_await link_.CallOk(std::move(ask), kCallPatience);
  if (!id.ok()) co_return id.status();
  engine_id_ = std::to_string(id->integer);
  co_return absl::OkStatus();
}

asio::awaitable<absl::StatusOr<std::vector<std::string>>> KeyLink::List(SlotRange slots,
                                                                        std::string* cursor,
                                                                        size_t page_keys) {
  const std::string count = std::to_string(page_keys);
  std::vector<std::string> scan = Argv("SCAN", *cursor, "COUNT", count);
  absl::StatusOr<RespValue> page = co_await link_.CallOk(std::move(scan), kCallPatience);
  if (!page.ok()) co_return page.status();
  if (page->items.size() != 2) co_return Strange("SCAN");
  *cursor = page->items[0].text;
  std::vector<std::string> keys;
  for (RespValue& key : page->items[1].items) {
    if (slots.Contains(KeySlot(key.text))) keys.push_back(std::move(key.text));
  }
  co_return keys;
}

asio::awaitable<absl::StatusOr<std::vector<WholeKey>>> KeyLink::Read(std::vector<std::string> keys,
                                                                     uint64_t max_bytes) {
  CHECK(!keys.empty());
  if (keys.size() > kPageKeys) keys.resize(kPageKeys);
  const size_t asked = keys.size();
  std::vector<std::string> eval = Argv("EVAL_RO", kWholeKeys, std::to_string(asked));
  for (std::string& key : keys) eval.push_back(std::move(key));
  eval.push_back(std::to_string(max_dump_bytes_));
  eval.push_back(std::to_string(max_bytes));
  absl::StatusOr<RespValue> reply = co_await link_.CallOk(std::move(eval), kCallPatience);
  if (!reply.ok()) co_return reply.status();
  std::vector<RespValue>& items = reply->items;
  if (items.size() < 2 || items.size() > 2 * asked || items.size() % 2 != 0) {
    co_return Strange("EVAL_RO");
  }
  std::vector<WholeKey> found;
  for (size_t i = 0; i < items.size(); i += 2) {
    found.push_back(ToWholeKey(&items[i], items[i + 1].integer));
  }
  co_return found;
}

asio::awaitable<absl::Status> KeyLink::Write(std::vector<std::string> keys,
                                             std::vector<WholeKey> as) {
  CHECK_EQ(keys.size(), as.size());
  EngineLink::Batch batch;
  batch.name = "RESTORE";
  batch.count = keys.size();
  for (size_t i = 0; i < keys.size(); ++i) {
    CHECK_EQ(as[i].too_large, uint64_t{0});
    AppendWrite(keys[i], as[i], &batch.commands);
    as[i] = WholeKey();  // Its bytes are in memory once.
  }
  co_return co_await link_.CallAll(std::move(batch), kCallPatience);
}

asio::awaitable<absl::Status> KeyLink::Remove(std::vector<std::string> keys) {
  if (keys.empty()) co_return absl::OkStatus();
  std::vector<std::string> unlink = Argv("UNLINK");
  for (std::string& key : keys) unlink.push_back(std::move(key));
  const absl::StatusOr<RespValue> removed = co_await link_.CallOk(std::move(unlink), kCallPatience);
  co_return removed.status();
}

}  // namespace cairn::adapter::redis
