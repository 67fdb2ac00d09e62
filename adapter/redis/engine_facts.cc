#include "adapter/redis/engine_facts.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <utility>

#include "base/status_macros.h"

namespace cairn::adapter::redis {
namespace {

// Reads number fields of INFO; remembers the first that is missing or none.
class InfoReader {
 public:
  explicit InfoReader(std::string_view info) : info_(info) {}

  std::string Text(std::string_view field) {
    const std::optional<std::string_view> value = FindInfoField(info_, field);
    if (!value) Fail(field);
    return std::string(value.value_or(""));
  }
  std::string TextOr(std::string_view field, std::string_view otherwise) const {
    return std::string(FindInfoField(info_, field).value_or(otherwise));
  }
  int64_t Number(std::string_view field) {
    const std::string text = Text(field);
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) Fail(field);
    return number;
  }
  [[nodiscard]] absl::Status status() const {
    if (failed_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(fmt::format("INFO: field {} is missing or wrong", failed_));
  }

 private:
  void Fail(std::string_view field) {
    if (failed_.empty()) failed_ = field;
  }

  std::string_view info_;
  std::string failed_;
};

// "7.0.15" is 7'000'015; what follows the third number does not count.
uint64_t VersionNumber(std::string_view text) {
  uint64_t number = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (int part = 0; part < 3; ++part) {
    uint64_t value = 0;
    at = std::from_chars(at, end, value).ptr;
    number = number * 1000 + (value < 999 ? value : 999);
    if (at != end && *at == '.') ++at;
  }
  return number;
}

StreamOffset ToOffset(int64_t value) { return StreamOffset(value < 0 ? 0 : value); }

void ReadIdentity(InfoReader* info, EngineFacts* facts) {
  facts->kind = info->TextOr("server_name", "redis");
  // Valkey's redis_version is the one it is compatible with.
  const std::string own_version = info->TextOr(facts->kind + "_version", "");
  facts->version = own_version.empty() ? info->Text("redis_version") : own_version;
  facts->version_number = VersionNumber(facts->version);
  facts->run_id = info->Text("run_id");
  facts->pid = info->Number("process_id");
}

void ReadReplication(InfoReader* info, EngineFacts* facts) {
  facts->primary = info->Text("role") == "master";
  facts->replid = info->Text("master_replid");
  facts->offset = ToOffset(info->Number("master_repl_offset"));
  facts->former_replid = info->Text("master_replid2");
  // What it says is the first offset that is not of the former history; -1 for none.
  const int64_t second = info->Number("second_repl_offset");
  facts->former_end = ToOffset(second - 1);
  if (facts->primary) return;
  facts->link_up = info->Text("master_link_status") == "up";
  facts->primary_host = info->Text("master_host");
  facts->primary_port = static_cast<uint16_t>(info->Number("master_port"));
}

void ReadUse(const InfoReader& info, EngineUse* use) {
  const auto number = [&](std::string_view field) {
    const std::string text = info.TextOr(field, "0");
    uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  use->memory_bytes = number("used_memory");
  use->evicted_keys = number("evicted_keys");
  use->hits = number("keyspace_hits");
  use->misses = number("keyspace_misses");
}

}  // namespace

absl::StatusOr<EngineFacts> ParseEngineFacts(std::string_view info) {
  InfoReader reader(info);
  EngineFacts facts;
  ReadIdentity(&reader, &facts);
  facts.loading = reader.TextOr("loading", "0") != "0";
  // A database is listed when it has keys.
  facts.has_data = info.find("\ndb") != std::string_view::npos ||
                   reader.TextOr("number_of_libraries", "0") != "0";
  ReadReplication(&reader, &facts);
  ReadUse(reader, &facts.use);
  RETURN_IF_ERROR(reader.status());
  return facts;
}

asio::awaitable<absl::StatusOr<EngineFacts>> ObserveEngine(EngineLink* link, Millis timeout) {
  std::vector<std::string> argv = Argv("INFO");
  const absl::StatusOr<RespValue> reply = co_await link->CallOk(std::move(argv), timeout);
  if (!reply.ok()) co_return reply.status();
  co_return ParseEngineFacts(reply->text);
}

}  // namespace cairn::adapter::redis
