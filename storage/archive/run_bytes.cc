#include "storage/archive/run_bytes.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <xxhash.h>

#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "base/record_region.h"
#include "base/status_macros.h"
#include "cairn/v1/log.pb.h"

namespace cairn::archive {
namespace {

using cairn::v1::RecordBatch;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

static_assert(std::endian::native == std::endian::little, "numbers are stored as they lie");

constexpr size_t kHeadBytes = 12;

constexpr uint32_t VarintTag(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_VARINT);
}

void PutField(std::string& out, int field, uint64_t value) {
  uint8_t bytes[20];
  uint8_t* end = CodedOutputStream::WriteTagToArray(VarintTag(field), bytes);
  end = CodedOutputStream::WriteVarint64ToArray(value, end);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(end - bytes));
}

void PutBlock(std::string& out, std::string_view fields, std::string_view records) {
  std::string body;
  body.reserve(fields.size() + records.size());
  body.append(fields).append(records);
  const auto length = static_cast<uint32_t>(body.size());
  const uint64_t checksum = XXH3_64bits(body.data(), body.size());
  char head[kHeadBytes];
  std::memcpy(head, &length, sizeof length);
  std::memcpy(head + sizeof length, &checksum, sizeof checksum);
  out.append(head, sizeof head).append(body);
}

// The fields before the records; what is left of `body` are these.
std::optional<Batch> ParseBody(std::string_view body) {
  CodedInputStream in(reinterpret_cast<const uint8_t*>(body.data()), static_cast<int>(body.size()));
  Batch batch;
  int consumed = 0;
  while (true) {
    consumed = in.CurrentPosition();
    const uint32_t tag = in.ReadTag();
    uint64_t value = 0;
    if (tag != VarintTag(RecordBatch::kFirstSeqFieldNumber) &&
        tag != VarintTag(RecordBatch::kTimestampUsFieldNumber) &&
        tag != VarintTag(RecordBatch::kChainFieldNumber)) {
      break;
    }
    if (!in.ReadVarint64(&value)) return std::nullopt;
    switch (WireFormatLite::GetTagFieldNumber(tag)) {
      case RecordBatch::kFirstSeqFieldNumber:
        batch.first_seq = Seq(value);
        break;
      case RecordBatch::kTimestampUsFieldNumber:
        batch.timestamp_us = static_cast<int64_t>(value);
        break;
      default:
        batch.chain = value;
    }
  }
  batch.records = body.substr(static_cast<size_t>(consumed));
  return batch;
}

struct Counted {
  uint32_t count = 0;
  uint64_t chain = 0;
};

// nullopt when the region is not whole.
std::optional<Counted> Follow(std::string_view records, uint64_t chain) {
  Counted counted{.chain = chain};
  while (!records.empty()) {
    const std::optional<std::string_view> record = SplitRecord(records);
    if (!record) return std::nullopt;
    counted.chain = ChainNext(counted.chain, *record);
    ++counted.count;
  }
  return counted;
}

// The first block, which is taken off `rest`; its records follow `chain`, from `next` on.
absl::StatusOr<Batch> TakeBlock(std::string_view& rest, Seq next, uint64_t chain) {
  uint32_t length = 0;
  uint64_t checksum = 0;
  if (rest.size() < kHeadBytes) return absl::DataLossError("a block is cut short");
  std::memcpy(&length, rest.data(), sizeof length);
  std::memcpy(&checksum, rest.data() + sizeof length, sizeof checksum);
  if (length > rest.size() - kHeadBytes) return absl::DataLossError("a block is cut short");
  const std::string_view body = rest.substr(kHeadBytes, length);
  if (XXH3_64bits(body.data(), body.size()) != checksum) {
    return absl::DataLossError("a block does not match its checksum");
  }
  std::optional<Batch> batch = ParseBody(body);
  const std::optional<Counted> counted = batch ? Follow(batch->records, chain) : std::nullopt;
  if (!counted || counted->count == 0) return absl::DataLossError("a block does not parse");
  if (batch->first_seq != next) {
    return absl::DataLossError(fmt::format("expected seq {}, found {}", next, batch->first_seq));
  }
  batch->count = counted->count;
  batch->chain = counted->chain;
  rest.remove_prefix(kHeadBytes + length);
  return *batch;
}

}  // namespace

RunBuilder::RunBuilder(Seq first_seq, uint64_t chain_before)
    : name_{.first_seq = first_seq,
            .last_seq = first_seq.Previous(),
            .chain_before = chain_before,
            .chain = chain_before} {}

absl::Status RunBuilder::Add(int64_t timestamp_us, std::string_view records) {
  const std::optional<Counted> counted = Follow(records, name_.chain);
  if (!counted || counted->count == 0) {
    return absl::DataLossError(
        fmt::format("the records from seq {} on, as they were read, are not whole", next_seq()));
  }
  std::string fields;
  PutField(fields, RecordBatch::kFirstSeqFieldNumber, next_seq().value());
  PutField(fields, RecordBatch::kTimestampUsFieldNumber, static_cast<uint64_t>(timestamp_us));
  PutField(fields, RecordBatch::kChainFieldNumber, counted->chain);
  PutBlock(bytes_, fields, records);
  name_.last_seq = name_.last_seq + counted->count;
  name_.chain = counted->chain;
  name_.timestamp_us = timestamp_us;
  return absl::OkStatus();
}

absl::StatusOr<Run> Run::Verify(const RunName& name, std::string bytes) {
  Run run(name, std::move(bytes));
  RETURN_IF_ERROR(run.Read());
  return run;
}

absl::Status Run::Read() {
  std::string_view rest = bytes_.view();
  Seq next = name_.first_seq;
  uint64_t chain = name_.chain_before;
  while (!rest.empty()) {
    const size_t at = bytes_.size() - rest.size();
    absl::StatusOr<Batch> batch = TakeBlock(rest, next, chain);
    if (!batch.ok()) return Annotate(batch.status(), fmt::format("byte {}", at));
    chain = batch->chain;
    next = next + batch->count;
    batches_.push_back(*batch);
  }
  if (next == name_.last_seq + 1 && chain == name_.chain) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("its records end with seq {} and chain {:016x}, its name says {} and {:016x}",
                  next.Previous(), chain, name_.last_seq, name_.chain));
}

}  // namespace cairn::archive
