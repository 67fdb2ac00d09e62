// Convert (convert.h) for the calls that make a log again from a backup.
#include <google/protobuf/io/coded_stream.h>

#include <cstdint>
#include <string>

#include "base/check.h"
#include "server/rpc/convert.h"

namespace cairn::rpc {
namespace {

using google::protobuf::io::CodedOutputStream;

constexpr uint32_t kRecordTag = 0x22;  // Of a records region (storage/entry_codec.h).

// The records as they are, one behind the other: their bytes are what the chain covers.
std::string RecordsRegion(const v1::ImportBatch& batch) {
  size_t total = 0;
  for (const std::string& record : batch.records()) {
    const auto size = static_cast<uint32_t>(record.size());
    total += 1 + CodedOutputStream::VarintSize32(size) + size;
  }
  std::string region(total, '\0');
  auto* at = reinterpret_cast<uint8_t*>(region.data());
  for (const std::string& record : batch.records()) {
    at = CodedOutputStream::WriteTagToArray(kRecordTag, at);
    at = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(record.size()), at);
    at = CodedOutputStream::WriteRawToArray(record.data(), static_cast<int>(record.size()), at);
  }
  CHECK_EQ(at - reinterpret_cast<uint8_t*>(region.data()), static_cast<ptrdiff_t>(total));
  return region;
}

}  // namespace

server::CatalogOp ToOp(const v1::BeginImportRequest& request) {
  server::CatalogOp op;
  v1::LogCreated* created = op.command.mutable_log_created();
  created->set_name(request.name());
  *created->mutable_settings() = request.settings();
  *created->mutable_base() = request.base();
  return op;
}

server::ImportOp ToOp(const v1::ImportRecordsRequest& request) {
  server::ImportOp op;
  op.if_last_seq = Seq(request.if_last_seq());
  for (const v1::ImportBatch& batch : request.batches()) {
    op.batches.push_back({.records = RecordsRegion(batch),
                          .count = static_cast<uint32_t>(batch.records_size()),
                          .timestamp_us = batch.timestamp_us()});
  }
  return op;
}

server::FinishImportOp ToOp(const v1::FinishImportRequest& request) {
  return {.last_seq = Seq(request.last_seq()), .chain = request.chain()};
}

server::GetChainOp ToOp(const v1::GetChainRequest& request) {
  server::GetChainOp op;
  if (request.has_seq()) op.seq = Seq(request.seq());
  return op;
}

void Fill(const server::CatalogDone& done, v1::BeginImportResponse& response) {
  response.set_log_id(done.log_id.value());
}

void Fill(const server::AppendDone& done, v1::ImportRecordsResponse& response) {
  response.set_last_seq(done.last_seq.value());
  response.set_chain(done.chain);
}

void Fill(const server::Done& /*done*/, v1::FinishImportResponse& /*response*/) {}

void Fill(const server::ChainView& view, v1::GetChainResponse& response) {
  response.set_seq(view.seq.value());
  response.set_chain(view.chain);
  response.set_importing(view.importing);
}

}  // namespace cairn::rpc
