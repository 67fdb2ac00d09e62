// Encodes records straight into the wire form of an append request.
//
// A record is written once, into a growing region of `records` fields of cairn.v1.AppendRequest;
// what changes from try to try (log, condition, producer) is put before it as a head. Field order
// is free in protobuf, so head + region is a valid message. No message objects, no allocation per
// record.
//
// Threads: not safe; free functions are pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "cairn/types.h"
#include "cairn/v1/log.pb.h"
#include "client/src/stub.h"

namespace cairn::client {

// Encoded bytes that a record takes in the region.
size_t EncodedRecordSize(std::string_view payload, const RecordMetadata& metadata);

// Appends one record to `region`. Empty metadata costs nothing.
void EncodeRecord(std::string_view payload, const RecordMetadata& metadata, std::string& region);

// An AppendRequest: `head` holds everything but records, `region` the records.
EncodedMessage EncodeAppend(const v1::AppendRequest& head,
                            std::shared_ptr<const std::string> region);

// The same wrapped into an AppendStreamRequest.
EncodedMessage EncodeStreamAppend(const v1::AppendRequest& head,
                                  std::shared_ptr<const std::string> region);

}  // namespace cairn::client
