// How a write-ahead log file tells what was written to it from what was left in it by logs before.
//
// A file is used for one log after another, without being emptied in between. Each use is a
// *generation* of the file. Every sector (512 bytes) ends in a stamp that names the generation
// in which it was written, so 504 of its bytes are payload:
//
//   block 0 (4 KiB)    the header, once in each of its sectors:
//                        magic(8) "CarnWal1"  seed(8)  number(8)  checksum(8)  zeros
//   each sector after  payload(504)  stamp(8)
//
// Stamps: (seed + number) times an odd constant. The seed is random, drawn when the file was last
// zeros throughout; the number counts its uses since. Multiplication can be undone, so a reader
// knows the stamps of all earlier generations without a list of them.
//
// What reads as zeros: sectors of earlier generations, and those that were never written (they
// are zeros). All other sectors read as they stand: if their stamp is not one that this file ever
// bore, it is damaged, and the checksums of the log's records tell whether the payload is, too.
// Hiding such a sector would be worse: the log could end before it without a flaw, one turn
// early. An error in one byte never makes a stamp another one of the same file's.
//
// So a reader sees a log followed by zeros, as if the file had been zeroed before, and recovery
// (wal_scan.h) need not know of any of this. A disk writes a sector whole or not at all.
//
// Pure functions. "Logical" offsets count payload, "physical" ones bytes of the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn::storage {

inline constexpr uint64_t kWalHeaderBytes = 4096;
inline constexpr uint64_t kWalSectorBytes = 512;
inline constexpr uint64_t kWalStampBytes = 8;
inline constexpr uint64_t kWalPayloadBytes = kWalSectorBytes - kWalStampBytes;  // Of a sector.

// One use of a file.
struct WalGeneration {
  uint64_t seed = 0;
  uint64_t number = 0;  // From 1; 0: the file was never used.
  bool operator==(const WalGeneration&) const = default;

  [[nodiscard]] WalGeneration Next() const { return {seed, number + 1}; }
};

// The first generation of a file that is zeros throughout. Any `random` number will do.
WalGeneration FirstGeneration(uint64_t random);

// Never 0. Requires: the file is in use.
uint64_t StampOf(const WalGeneration& generation);

// Where a byte of the log is in the file.
constexpr uint64_t PhysicalWalOffset(uint64_t logical) {
  return kWalHeaderBytes + logical / kWalPayloadBytes * kWalSectorBytes +
         logical % kWalPayloadBytes;
}
// How many bytes of the log are before an offset in the file.
constexpr uint64_t LogicalWalOffset(uint64_t physical) {
  if (physical <= kWalHeaderBytes) return 0;
  const uint64_t behind = physical - kWalHeaderBytes;
  const uint64_t in_sector = behind % kWalSectorBytes;
  return behind / kWalSectorBytes * kWalPayloadBytes +
         (in_sector < kWalPayloadBytes ? in_sector : kWalPayloadBytes);
}
// At most this many bytes of sectors are begun or filled by so much payload.
constexpr uint64_t FramedWalBytes(uint64_t payload) {
  return (payload / kWalPayloadBytes + 2) * kWalSectorBytes;
}

// ---- Writing ------------------------------------------------------------------------

// kWalHeaderBytes bytes.
std::string WalHeaderBlock(const WalGeneration& generation);

// Adds payload to sectors in `buffer`, of which `used` bytes are filled, until it or the buffer
// (`capacity` bytes, whole sectors) ends; stamps those that it fills. Returns how much it took.
size_t FramePayload(std::string_view payload, uint64_t stamp, char* buffer, size_t capacity,
                    size_t* used);

// Pads the sector that is not full and stamps it; what is added next may overwrite that.
// Returns where the sectors end that hold something.
size_t SealSector(uint64_t stamp, char* buffer, size_t used);

// Whether there is nothing but zeros.
bool AllZero(std::string_view bytes);

// ---- Reading ------------------------------------------------------------------------

// From the first bytes of a file: any intact copy is enough. Number 0: no header was ever written
// (the block is zeros, or the file ends within the first copy). nullopt: it is damaged.
std::optional<WalGeneration> ReadWalHeader(std::string_view file);

// What a whole sector is to a reader of this generation's log.
enum class WalSector : uint8_t {
  kCurrent,  // Written in this generation.
  kEarlier,  // Left over from an earlier one: reads as zeros.
  kUnused,   // Zeros throughout: never written.
  kUnknown,  // Its stamp is damaged.
};
// Requires: kWalSectorBytes bytes.
WalSector KindOfSector(const WalGeneration& generation, std::string_view sector);

// The payload of `bytes` bytes of sectors, the last of which may be cut short, goes to `to`, which
// may be `from` or before it. Returns its size.
size_t UnframeSectors(const WalGeneration& generation, const char* from, size_t bytes, char* to);

// The payload of a whole file. nullopt: its header is damaged, or missing though something stands
// behind it (it is durable before anything else is).
std::optional<std::string> UnframeWal(std::string file);

}  // namespace cairn::storage
