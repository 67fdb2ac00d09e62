// Records as they are stored, sent and hashed: one behind the other, each a tag, a length and a
// serialized cairn.v1.Record. Byte for byte the field `records` (number 4) of cairn.v1.RecordBatch.
//
// The chain of a log covers the serialized records:
//   chain(n) = XXH3_64bits_withSeed(serialized record n, seed = chain(n-1))
//
// All decoding is bounds-checked. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn {

// Appends one record, with its tag and length, to a region.
void AppendRecordTo(std::string& region, std::string_view serialized_record);

// Splits the first record off `region`; nullopt, with `region` untouched, when it is not whole.
// Lengths must be minimal: then a region has one spelling only, and bytes that differ mean records
// that differ.
std::optional<std::string_view> SplitRecord(std::string_view& region);

// chain(n) from chain(n-1) and the serialized record n.
uint64_t ChainNext(uint64_t chain, std::string_view record);

}  // namespace cairn
