#include "storage/wal_frames.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace cairn::storage {
namespace {

// Odd, so it has an inverse modulo 2^64. What an error in one byte adds to a stamp, times the
// inverse, is more than 2^52 away from 0 either way (wal_frames_test.cc): so many generations
// away is the next stamp of the file for which a damaged one could be taken.
constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15;
constexpr uint64_t kInverse = 0xf1de83e19937733d;
static_assert(kMultiplier * kInverse == 1);

struct HeaderCopy {
  char magic[8];
  uint64_t seed;
  uint64_t number;
  uint64_t checksum;  // XXH3-64 of what is before it.
};
static_assert(sizeof(HeaderCopy) == 32);
constexpr char kMagic[9] = "CarnWal1";

uint64_t ChecksumOf(const HeaderCopy& copy) {
  return XXH3_64bits(&copy, offsetof(HeaderCopy, checksum));
}

// Whether the stamp is that of a generation before this one.
bool IsOlder(uint64_t stamp, const WalGeneration& generation) {
  const uint64_t number = stamp * kInverse - generation.seed;
  return number != 0 && number < generation.number;
}

}  // namespace

bool AllZero(std::string_view bytes) {
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

WalGeneration FirstGeneration(uint64_t random) {
  // Below 2^63 and far from 0: neither a sum with a number nor the distance to one wraps round,
  // so no stamp is 0, and 0 is no stamp.
  return {(random >> 2) | (1ull << 62), 1};
}

uint64_t StampOf(const WalGeneration& generation) {
  CHECK_GT(generation.number, 0u);
  return (generation.seed + generation.number) * kMultiplier;
}

std::string WalHeaderBlock(const WalGeneration& generation) {
  HeaderCopy copy{};
  std::memcpy(copy.magic, kMagic, sizeof copy.magic);
  copy.seed = generation.seed;
  copy.number = generation.number;
  copy.checksum = ChecksumOf(copy);
  std::string block(kWalHeaderBytes, '\0');
  for (size_t at = 0; at < block.size(); at += kWalSectorBytes) {
    std::memcpy(block.data() + at, &copy, sizeof copy);
  }
  return block;
}

std::optional<WalGeneration> ReadWalHeader(std::string_view file) {
  const std::string_view block = file.substr(0, kWalHeaderBytes);
  if (block.size() < sizeof(HeaderCopy) || AllZero(block)) return WalGeneration{};
  std::optional<WalGeneration> newest;
  for (size_t at = 0; at + sizeof(HeaderCopy) <= block.size(); at += kWalSectorBytes) {
    HeaderCopy copy;
    std::memcpy(&copy, block.data() + at, sizeof copy);
    if (std::memcmp(copy.magic, kMagic, sizeof copy.magic) != 0) continue;
    if (copy.checksum != ChecksumOf(copy) || copy.number == 0) continue;
    // A copy that is behind the others was not written when they were.
    if (!newest || copy.number > newest->number) newest = {copy.seed, copy.number};
  }
  return newest;
}

size_t FramePayload(std::string_view payload, uint64_t stamp, char* buffer, size_t capacity,
                    size_t* used) {
  const char* from = payload.data();
  const char* const end = from + payload.size();
  size_t at = *used;
  while (from != end && at != capacity) {
    const size_t room = kWalPayloadBytes - at % kWalSectorBytes;
    const size_t bytes = std::min<size_t>(room, end - from);
    std::memcpy(buffer + at, from, bytes);
    from += bytes;
    at += bytes;
    if (bytes < room) break;
    std::memcpy(buffer + at, &stamp, kWalStampBytes);
    at += kWalStampBytes;
  }
  *used = at;
  return from - payload.data();
}

size_t SealSector(uint64_t stamp, char* buffer, size_t used) {
  const size_t in_sector = used % kWalSectorBytes;
  if (in_sector == 0) return used;
  const size_t left = kWalPayloadBytes - in_sector;
  std::memset(buffer + used, 0, left);
  std::memcpy(buffer + used + left, &stamp, kWalStampBytes);
  return used + left + kWalStampBytes;
}

WalSector KindOfSector(const WalGeneration& generation, std::string_view sector) {
  CHECK_EQ(sector.size(), kWalSectorBytes);
  uint64_t stamp = 0;
  std::memcpy(&stamp, sector.data() + kWalPayloadBytes, kWalStampBytes);
  if (stamp == StampOf(generation)) return WalSector::kCurrent;
  if (IsOlder(stamp, generation)) return WalSector::kEarlier;
  return AllZero(sector) ? WalSector::kUnused : WalSector::kUnknown;
}

size_t UnframeSectors(const WalGeneration& generation, const char* from, size_t bytes, char* to) {
  char* out = to;
  for (size_t at = 0; at < bytes; at += kWalSectorBytes) {
    const size_t payload = std::min<size_t>(kWalPayloadBytes, bytes - at);
    uint64_t stamp = 0;
    if (bytes - at >= kWalSectorBytes) {
      std::memcpy(&stamp, from + at + kWalPayloadBytes, kWalStampBytes);
    }
    if (IsOlder(stamp, generation)) {
      std::memset(out, 0, payload);
    } else {
      std::memmove(out, from + at, payload);
    }
    out += payload;
  }
  return out - to;
}

std::optional<std::string> UnframeWal(std::string file) {
  const std::optional<WalGeneration> generation = ReadWalHeader(file);
  if (!generation) return std::nullopt;
  const size_t header = std::min<size_t>(kWalHeaderBytes, file.size());
  if (generation->number == 0) {
    if (!AllZero(std::string_view(file).substr(header))) return std::nullopt;
    return std::string();
  }
  file.resize(UnframeSectors(*generation, file.data() + header, file.size() - header, file.data()));
  return file;
}

}  // namespace cairn::storage
