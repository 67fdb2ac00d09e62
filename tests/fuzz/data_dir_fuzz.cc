// The small files beside the database: both slots of the side mark (storage/side_mark.h), FORMAT
// and VERDICT (storage/data_dir.h).
//
// The first byte picks the file. Beyond "no crash": a mark that was written over a damaged one is
// found, with no turn below the one that was read; a FORMAT that is not one is refused with words;
// and a VERDICT of any content is never taken for a sound one.
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <fstream>

#include "base/check.h"
#include "storage/data_dir.h"
#include "storage/side_mark.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/temp_dir.h"

namespace cairn::fuzz {
namespace {

using namespace storage;  // The whole subject.

enum Form : uint8_t { kMark, kMarkSlots, kFormat, kVerdict };
constexpr uint8_t kForms = kVerdict + 1;
constexpr char kBoot[] = "0f5c2a1e-7b1d-4d55-9d0a-000000000001";
constexpr size_t kSlotStride = 4096;
constexpr char kFormatOne[] = "cairn data directory, format 1\n";

rocksdb::FileSystem& Files() {
  static rocksdb::Env* const env = rocksdb::NewMemEnv(rocksdb::Env::Default());
  return *env->GetFileSystem();
}

void CheckMark(const std::string& bytes) {
  CHECK(rocksdb::WriteStringToFile(&Files(), bytes, "/MARK").ok());
  const auto found = SideMark::Load(Files(), "/MARK", kBoot);
  auto mark = SideMark::Open(Files(), "/MARK", kBoot);
  CHECK(mark.ok());
  const uint64_t turn = found ? found->turn : 0;
  if (turn == UINT64_MAX) return;  // No node ever gets there.
  CHECK((*mark)->Write(turn + 1, {1, 2}).ok());
  const auto written = SideMark::Load(Files(), "/MARK", kBoot);
  CHECK(written.has_value());
  CHECK_EQ(written->turn, turn + 1);
  CHECK(written->same_boot);
}

void Write(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  CHECK(file.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush());
}

void CheckDirectory(Form form, std::string_view bytes) {
  static const testing::TempDir temp;
  Write(temp.File("FORMAT"), form == kFormat ? bytes : kFormatOne);
  Write(temp.File("VERDICT"), bytes);
  const auto dir = DataDir::Open(temp.path(), /*create=*/false);
  if (!dir.ok()) {
    CHECK(dir.status().code() == absl::StatusCode::kDataLoss ||
          dir.status().code() == absl::StatusCode::kFailedPrecondition);
    CHECK(std::string(dir.status().message()).find(temp.path()) != std::string::npos);
    return;
  }
  CHECK(!(*dir)->is_new());
  CHECK((*dir)->StoredVerdict() != RecoveryVerdict::kSound);
}

void Run(std::string_view bytes) {
  Input input(bytes);
  const Form form = static_cast<Form>(input.Byte() % kForms);
  if (form == kFormat || form == kVerdict) return CheckDirectory(form, input.Rest());
  std::string file;
  if (form == kMark) {
    file = input.Rest();
  } else {
    // Each slot at its place, without the thousands of zeros in between.
    file = input.Piece();
    file.resize(kSlotStride);
    file += input.Piece();
  }
  CheckMark(file);
}

std::string Of(Form form, const std::string& value) { return Number(form, 1) + value; }

// What a mark that was written `turns` times holds: both slots, without what is between them.
std::string Slots(uint64_t turns) {
  CHECK(SideMark::Create(Files(), "/MARK", kBoot).ok());
  auto mark = SideMark::Open(Files(), "/MARK", kBoot);
  CHECK(mark.ok());
  for (uint64_t turn = 1; turn <= turns; ++turn) CHECK((*mark)->Write(turn, {3, 100}).ok());
  std::string bytes;
  CHECK(rocksdb::ReadFileToString(&Files(), "/MARK", &bytes).ok());
  return Piece(bytes.substr(0, 80)) + Piece(bytes.substr(kSlotStride, 80));
}

std::vector<Seed> Seeds() {
  return {
      {"slots-new", Of(kMarkSlots, Slots(0))},
      {"slots-both", Of(kMarkSlots, Slots(3))},
      {"mark-short", Of(kMark, "CarnMark")},
      {"format", Of(kFormat, kFormatOne)},
      {"verdict-lost", Of(kVerdict, "lost\nturns 3 through 4 are gone\n")},
      {"verdict-ambiguous", Of(kVerdict, "ambiguous\nturn 3 is torn\n")},
  };
}

const Registered registered({.name = "data_dir", .run = Run, .seeds = Seeds});

}  // namespace
}  // namespace cairn::fuzz
