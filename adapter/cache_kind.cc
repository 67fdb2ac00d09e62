#include "adapter/cache_kind.h"

#include <fmt/format.h>

#include <string>

#include "adapter/log_lookback.h"
#include "adapter/memcache/record_mark.h"
#include "adapter/redis/stream_mark.h"
#include "adapter/snapshot_fetch.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace cairn::adapter {
namespace {

const std::string* MarkOf(const Record& record, std::string_view key) {
  const auto mark = record.metadata.find(std::string(key));
  return mark == record.metadata.end() ? nullptr : &mark->second;
}

absl::StatusOr<CacheKind> KindOfRecord(const Record& record, std::string_view log_name) {
  if (MarkOf(record, redis::kStreamMarkKey) != nullptr) return CacheKind::kRedis;
  if (MarkOf(record, memcache::kRecordMarkKey) != nullptr) return CacheKind::kMemcached;
  return absl::FailedPreconditionError(
      fmt::format("record {} of the log {} was written by no agent: this is the log of neither a "
                  "Redis nor a memcached",
                  record.seq, log_name));
}

template <class Mark, class Part>
std::optional<Seq> BeginOf(const Mark& mark, Part none, Part last, Seq seq) {
  if (mark.part == none) return seq;
  if (mark.part == last) return seq - (mark.run_number - 1);
  return std::nullopt;
}

}  // namespace

std::string_view Name(CacheKind kind) {
  switch (kind) {
    case CacheKind::kRedis:
      return "Redis";
    case CacheKind::kMemcached:
      return "memcached";
  }
  CHECK_UNREACHABLE();
}

absl::StatusOr<CacheKind> KindOfLog(const Log& log) {
  ASSIGN_OR_RETURN(const LogDescription log_now, DescribeNow(log));
  absl::StatusOr<CacheKind> kind = absl::FailedPreconditionError(
      fmt::format("the log {} has no records of a cache yet", log.name()));
  if (log_now.last_seq < log_now.first_seq) return kind;
  const auto look = [&](const Record& record) -> absl::StatusOr<std::optional<Seq>> {
    if (record.kind != RecordKind::kData) return std::nullopt;
    kind = KindOfRecord(record, log.name());
    return record.seq;
  };
  RETURN_IF_ERROR(FindNewest(log, log_now.first_seq, log_now.last_seq, look).status());
  return kind;
}

absl::StatusOr<std::optional<Seq>> UnitBegin(CacheKind kind, const Record& record) {
  if (kind == CacheKind::kRedis) {
    const std::string* const text = MarkOf(record, redis::kStreamMarkKey);
    if (text == nullptr) return std::nullopt;
    ASSIGN_OR_RETURN(const redis::StreamMark mark, redis::StreamMark::Parse(*text));
    return BeginOf(mark, RunPart::kNone, RunPart::kLast, record.seq);
  }
  const std::string* const text = MarkOf(record, memcache::kRecordMarkKey);
  if (text == nullptr) return std::nullopt;
  ASSIGN_OR_RETURN(const memcache::RecordMark mark, memcache::RecordMark::Parse(*text));
  return BeginOf(mark, RunPart::kNone, RunPart::kLast, record.seq);
}

}  // namespace cairn::adapter
