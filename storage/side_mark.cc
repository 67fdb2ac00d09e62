#include "storage/side_mark.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <array>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "storage/rocks_status.h"
#include "storage/wal_frames.h"

namespace cairn::storage {
namespace {

constexpr uint64_t kMagic = 0x6b72614d6e726143;  // "CarnMark"
constexpr size_t kSlots = 2;
constexpr size_t kSlotStride = 4096;
constexpr size_t kBootIdBytes = 40;

struct Slot {
  uint64_t magic = kMagic;
  uint64_t turn = 0;
  std::array<char, kBootIdBytes> boot_id{};
  uint64_t manifest_number = 0;
  uint64_t manifest_bytes = 0;
  uint64_t checksum = 0;

  [[nodiscard]] ManifestExtent manifest() const { return {manifest_number, manifest_bytes}; }
};
static_assert(sizeof(Slot) == 80 && offsetof(Slot, checksum) == 72, "a format");

uint64_t ChecksumOf(const Slot& slot) { return XXH3_64bits(&slot, offsetof(Slot, checksum)); }

Slot MakeSlot(uint64_t turn, const std::string& boot_id, ManifestExtent manifest) {
  Slot slot;
  slot.turn = turn;
  slot.manifest_number = manifest.number;
  slot.manifest_bytes = manifest.bytes;
  std::memcpy(slot.boot_id.data(), boot_id.data(), std::min(boot_id.size(), kBootIdBytes));
  slot.checksum = ChecksumOf(slot);
  return slot;
}

struct Newest {
  Slot slot;
  size_t number = 0;
  bool other_damaged = false;
};

// A slot that was never written.
bool IsEmpty(const Slot& slot) {
  static constexpr std::array<char, sizeof(Slot)> kZeros{};
  return std::memcmp(&slot, kZeros.data(), sizeof slot) == 0;
}

std::optional<Newest> FindNewest(std::string_view bytes) {
  std::optional<Newest> newest;
  bool damaged = false;
  for (size_t i = 0; i < kSlots; ++i) {
    Slot slot;
    if (bytes.size() < i * kSlotStride + sizeof slot) {
      damaged = true;
      continue;
    }
    std::memcpy(&slot, bytes.data() + i * kSlotStride, sizeof slot);
    if (slot.magic != kMagic || slot.checksum != ChecksumOf(slot)) {
      damaged |= !IsEmpty(slot);
    } else if (!newest || std::pair(slot.turn, slot.manifest()) >=
                              std::pair(newest->slot.turn, newest->slot.manifest())) {
      newest = Newest{slot, i};
    }
  }
  if (newest) newest->other_damaged = damaged;
  return newest;
}

std::string ReadIfThere(rocksdb::FileSystem& fs, const std::string& path) {
  std::string bytes;
  if (!rocksdb::ReadFileToString(&fs, path, &bytes).ok()) bytes.clear();
  return bytes;
}

}  // namespace

absl::Status SideMark::Create(rocksdb::FileSystem& fs, const std::string& path,
                              const std::string& boot_id) {
  std::string bytes(kSlots * kSlotStride, '\0');
  const Slot slot = MakeSlot(0, boot_id, {});
  std::memcpy(bytes.data(), &slot, sizeof slot);
  return FromRocks(rocksdb::WriteStringToFile(&fs, bytes, path, /*should_sync=*/true));
}

std::optional<SideMarkFound> SideMark::Load(rocksdb::FileSystem& fs, const std::string& path,
                                            const std::string& boot_id) {
  const std::optional<Newest> newest = FindNewest(ReadIfThere(fs, path));
  if (!newest) return std::nullopt;
  const bool same_boot =
      !boot_id.empty() && newest->slot.boot_id == MakeSlot(0, boot_id, {}).boot_id;
  return SideMarkFound{newest->slot.turn, same_boot, newest->other_damaged,
                       newest->slot.manifest()};
}

absl::StatusOr<std::unique_ptr<SideMark>> SideMark::Open(rocksdb::FileSystem& fs,
                                                         const std::string& path,
                                                         const std::string& boot_id) {
  const std::optional<Newest> newest = FindNewest(ReadIfThere(fs, path));
  std::unique_ptr<rocksdb::FSRandomRWFile> file;
  RETURN_IF_ERROR(FromRocks(fs.NewRandomRWFile(path, rocksdb::FileOptions(), &file, nullptr)));
  const size_t next_slot = newest ? (newest->number + 1) % kSlots : 0;
  const uint64_t turn = newest ? newest->slot.turn : 0;
  return std::unique_ptr<SideMark>(new SideMark(std::move(file), boot_id, next_slot, turn));
}

SideMark::SideMark(std::unique_ptr<rocksdb::FSRandomRWFile> file, std::string boot_id,
                   size_t next_slot, uint64_t turn)
    : file_(std::move(file)), boot_id_(std::move(boot_id)), next_slot_(next_slot), turn_(turn) {}

SideMark::~SideMark() {
  // A bound that stays a little low is still a bound.
  Sync().IgnoreError();
  file_->Close(rocksdb::IOOptions(), nullptr).PermitUncheckedError();
}

absl::Status SideMark::Write(uint64_t turn, ManifestExtent manifest) {
  absl::MutexLock lock(&mutex_);
  turn_ = turn;
  manifest_ = manifest;
  return WriteSlot();
}

absl::Status SideMark::WriteManifest(ManifestExtent manifest) {
  absl::MutexLock lock(&mutex_);
  if (manifest == manifest_) return absl::OkStatus();
  manifest_ = manifest;
  return WriteSlot();
}

absl::Status SideMark::WriteSlot() {
  const Slot slot = MakeSlot(turn_, boot_id_, manifest_);
  const rocksdb::Slice bytes(reinterpret_cast<const char*>(&slot), sizeof slot);
  RETURN_IF_ERROR(
      FromRocks(file_->Write(next_slot_ * kSlotStride, bytes, rocksdb::IOOptions(), nullptr)));
  next_slot_ = (next_slot_ + 1) % kSlots;
  dirty_.store(true, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status SideMark::Sync() {
  if (!dirty_.exchange(false, std::memory_order_acq_rel)) return absl::OkStatus();
  return FromRocks(file_->Sync(rocksdb::IOOptions(), nullptr));
}

std::string DamageOfMark(std::string_view bytes) {
  if (bytes.size() != kSlots * kSlotStride) {
    return fmt::format("{} bytes, expected {}", bytes.size(), kSlots * kSlotStride);
  }
  for (size_t i = 0; i < kSlots; ++i) {
    const std::string_view stride = bytes.substr(i * kSlotStride, kSlotStride);
    Slot slot;
    std::memcpy(&slot, stride.data(), sizeof slot);
    const bool whole = slot.magic == kMagic && slot.checksum == ChecksumOf(slot);
    if (!whole && !IsEmpty(slot)) return fmt::format("slot {} does not match its checksum", i);
    if (!AllZero(stride.substr(sizeof slot))) return fmt::format("bytes behind slot {}", i);
  }
  return "";
}

std::string CurrentBootId() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(in, id);
  return id;
}

}  // namespace cairn::storage
