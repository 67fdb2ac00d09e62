// Wire: the bytes of a ReadResponse or a TailResponse, made without re-encoding a record.
//
// A batch's records region is the field RecordBatch.records as it travels (storage/
// entry_codec.h), so a response is a few header bytes followed by a slice that shares the
// entry's memory. Small regions are copied, since a shared slice costs more than they do.
//
// Pure functions; any thread. The result keeps the entries' bytes alive for as long as the
// transport needs them.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <vector>

#include "server/group_events.h"

namespace cairn::rpc {

// Whether `next` may share a message with the chunks before it. A message's marks apply after
// its batches, so nothing with batches may follow a mark.
[[nodiscard]] bool MayShareMessage(const std::vector<server::TailChunk>& chunks,
                                   const server::TailChunk& next);

// Requires: each chunk may share the message with those before it.
[[nodiscard]] grpc::ByteBuffer EncodeReadResponse(const std::vector<server::TailChunk>& chunks);
// `log_id` 0: not the first message.
[[nodiscard]] grpc::ByteBuffer EncodeTailResponse(const std::vector<server::TailChunk>& chunks,
                                                  uint64_t log_id);

}  // namespace cairn::rpc
