#include "client/src/record_encoder.h"

#include <cstring>
#include <utility>

#include "base/check.h"

namespace cairn::client {
namespace {

constexpr uint8_t Tag(uint32_t field) { return static_cast<uint8_t>((field << 3) | 2); }

constexpr uint8_t kRecordsTag = Tag(v1::AppendRequest::kRecordsFieldNumber);
constexpr uint8_t kPayloadTag = Tag(v1::Record::kPayloadFieldNumber);
constexpr uint8_t kMetadataTag = Tag(v1::Record::kMetadataFieldNumber);
constexpr uint8_t kAppendTag = Tag(v1::AppendStreamRequest::kAppendFieldNumber);
constexpr uint8_t kMapKeyTag = Tag(1);  // Of every protobuf map entry.
constexpr uint8_t kMapValueTag = Tag(2);

constexpr size_t VarintSize(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

// Size of a length-delimited field with a one-byte tag.
constexpr size_t FieldSize(size_t bytes) { return 1 + VarintSize(bytes) + bytes; }

size_t EntrySize(const RecordMetadata::value_type& entry) {
  return FieldSize(entry.first.size()) + FieldSize(entry.second.size());
}

size_t BodySize(std::string_view payload, const RecordMetadata& metadata) {
  size_t size = payload.empty() ? 0 : FieldSize(payload.size());
  for (const auto& entry : metadata) size += FieldSize(EntrySize(entry));
  return size;
}

void PutHeader(uint8_t tag, uint64_t size, std::string& out) {
  char buffer[11];
  size_t n = 0;
  buffer[n++] = static_cast<char>(tag);
  for (; size >= 0x80; size >>= 7) buffer[n++] = static_cast<char>((size & 0x7f) | 0x80);
  buffer[n++] = static_cast<char>(size);
  out.append(buffer, n);
}

void PutField(uint8_t tag, std::string_view bytes, std::string& out) {
  PutHeader(tag, bytes.size(), out);
  out.append(bytes);
}

}  // namespace

size_t EncodedRecordSize(std::string_view payload, const RecordMetadata& metadata) {
  return FieldSize(BodySize(payload, metadata));
}

void EncodeRecord(std::string_view payload, const RecordMetadata& metadata, std::string& region) {
  PutHeader(kRecordsTag, BodySize(payload, metadata), region);
  if (!payload.empty()) PutField(kPayloadTag, payload, region);
  for (const auto& entry : metadata) {
    PutHeader(kMetadataTag, EntrySize(entry), region);
    PutField(kMapKeyTag, entry.first, region);
    PutField(kMapValueTag, entry.second, region);
  }
}

EncodedMessage EncodeAppend(const v1::AppendRequest& head,
                            std::shared_ptr<const std::string> region) {
  CHECK_EQ(head.records_size(), 0);
  return {head.SerializeAsString(), std::move(region)};
}

EncodedMessage EncodeStreamAppend(const v1::AppendRequest& head,
                                  std::shared_ptr<const std::string> region) {
  CHECK_EQ(head.records_size(), 0);
  EncodedMessage out;
  PutHeader(kAppendTag, head.ByteSizeLong() + (region ? region->size() : 0), out.head);
  head.AppendToString(&out.head);
  out.body = std::move(region);
  return out;
}

}  // namespace cairn::client
