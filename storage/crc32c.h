// CRC-32C (Castagnoli), the checksum of RocksDB's logs, by the processor's own instruction.
//
// Also RocksDB's: distributions build it for the oldest processor they support, where it
// computes the checksum from tables, at under 1 GB/s (measured: 1.18 ms for 1 MiB, more than
// the sync that follows). The library calls rocksdb::crc32c::Extend through its symbol table,
// so a program that defines that function replaces it; crc32c.cc does. The bytes on disk are
// the same, and where the replacement does not take (another build of the library), RocksDB
// is only as slow as before. docs/decisions/011-crc32c.md tells the whole story.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <string_view>

namespace cairn::storage {

// The CRC of what `crc` is the CRC of (0: nothing) followed by `bytes`.
uint32_t Crc32cExtend(uint32_t crc, std::string_view bytes);

inline uint32_t Crc32c(std::string_view bytes) { return Crc32cExtend(0, bytes); }

// The same without the instruction, for processors that lack it.
uint32_t Crc32cByTable(uint32_t crc, std::string_view bytes);

}  // namespace cairn::storage
