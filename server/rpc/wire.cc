#include "server/rpc/wire.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "cairn/v1/log.pb.h"

namespace cairn::rpc {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;

// Regions from this size on are shared, not copied.
constexpr size_t kShareBytes = 4096;

constexpr uint32_t VarintTag(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_VARINT);
}
constexpr uint32_t LengthTag(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

void AppendVarint(std::string& out, uint64_t value) {
  uint8_t bytes[10];
  const uint8_t* end = CodedOutputStream::WriteVarint64ToArray(value, bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(end - bytes));
}

// Proto3: a zero is not written.
void AppendField(std::string& out, int field, uint64_t value) {
  if (value == 0) return;
  AppendVarint(out, VarintTag(field));
  AppendVarint(out, value);
}

template <class Message>
void AppendMessage(std::string& out, int field, const Message& message) {
  AppendVarint(out, LengthTag(field));
  AppendVarint(out, message.ByteSizeLong());
  message.AppendToString(&out);
}

// Bytes, some of them copied and some shared.
class Pieces {
 public:
  std::string& copied() { return copied_; }

  void Add(const server::TailBatch& batch) {
    if (batch.records.size() < kShareBytes) {
      copied_.append(batch.records);
      return;
    }
    Flush();
    auto* keep_alive = new Bytes(batch.owner);
    slices_.emplace_back(
        const_cast<char*>(batch.records.data()), batch.records.size(),
        [](void* owner) { delete static_cast<Bytes*>(owner); }, keep_alive);
  }

  grpc::ByteBuffer Finish() {
    Flush();
    return grpc::ByteBuffer(slices_.data(), slices_.size());
  }

 private:
  void Flush() {
    if (copied_.empty()) return;
    slices_.emplace_back(copied_);
    copied_.clear();
  }

  std::string copied_;
  std::vector<grpc::Slice> slices_;
};

// `field` is that of `batches` in the response.
void AddBatch(Pieces& pieces, int field, const server::TailBatch& batch) {
  std::string header;
  AppendField(header, v1::RecordBatch::kFirstSeqFieldNumber, batch.first_seq.value());
  AppendField(header, v1::RecordBatch::kTimestampUsFieldNumber,
              static_cast<uint64_t>(batch.timestamp_us));
  AppendField(header, v1::RecordBatch::kChainFieldNumber, batch.chain);
  std::string& out = pieces.copied();
  AppendVarint(out, LengthTag(field));
  AppendVarint(out, header.size() + batch.records.size());
  out.append(header);
  pieces.Add(batch);
}

void AddBatches(Pieces& pieces, int field, const std::vector<server::TailChunk>& chunks) {
  for (const server::TailChunk& chunk : chunks) {
    for (const server::TailBatch& batch : chunk.batches) AddBatch(pieces, field, batch);
  }
}

bool HasMark(const server::TailChunk& chunk) {
  return !chunk.renewed.empty() || chunk.caught_up.has_value() || chunk.heartbeat.has_value();
}

}  // namespace

bool MayShareMessage(const std::vector<server::TailChunk>& chunks, const server::TailChunk& next) {
  return next.batches.empty() || std::none_of(chunks.begin(), chunks.end(), HasMark);
}

grpc::ByteBuffer EncodeReadResponse(const std::vector<server::TailChunk>& chunks) {
  Pieces pieces;
  AddBatches(pieces, v1::ReadResponse::kBatchesFieldNumber, chunks);
  const bool stale = std::any_of(chunks.begin(), chunks.end(),
                                 [](const server::TailChunk& chunk) { return chunk.stale; });
  AppendField(pieces.copied(), v1::ReadResponse::kStaleFieldNumber, stale ? 1 : 0);
  return pieces.Finish();
}

grpc::ByteBuffer EncodeTailResponse(const std::vector<server::TailChunk>& chunks, uint64_t log_id) {
  Pieces pieces;
  AddBatches(pieces, v1::TailResponse::kBatchesFieldNumber, chunks);
  std::string& out = pieces.copied();
  std::optional<v1::CaughtUpMark> caught_up;  // The newest of each says all.
  std::optional<v1::TailHeartbeat> heartbeat;
  for (const server::TailChunk& chunk : chunks) {
    for (const v1::LeaseRenewedMark& mark : chunk.renewed) {
      AppendMessage(out, v1::TailResponse::kRenewedFieldNumber, mark);
    }
    if (chunk.caught_up) caught_up = chunk.caught_up;
    if (chunk.heartbeat) {
      heartbeat.emplace().set_last_seq(chunk.heartbeat->value());
      heartbeat->set_stale(chunk.stale);
    }
  }
  if (caught_up) AppendMessage(out, v1::TailResponse::kCaughtUpFieldNumber, *caught_up);
  if (heartbeat) AppendMessage(out, v1::TailResponse::kHeartbeatFieldNumber, *heartbeat);
  AppendField(out, v1::TailResponse::kLogIdFieldNumber, log_id);
  return pieces.Finish();
}

}  // namespace cairn::rpc
