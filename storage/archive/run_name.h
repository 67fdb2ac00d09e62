// RunName: what an object of the archive is called, and thereby what it holds.
//
//   CLUSTER/LOG/log.json                            the log's name and settings (archived_log.h)
//   CLUSTER/LOG/FIRST-LAST-BEFORE-AFTER-TIME        a run of records (run_bytes.h)
//
// CLUSTER is the cluster's id, LOG the log's id in 20 digits. FIRST and LAST are seqs in 20 digits,
// BEFORE and AFTER the chain before the first record and after the last, TIME the log time of the
// last record in microseconds, in 16 hex digits each. So a listing of a log's folder tells
// everything about it, in the order of seqs; to store a run twice is harmless; and no two histories
// of one log, nor two logs of one name, can be taken for each other.
//
// Pure values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace cairn::archive {

// The log of a cluster: a folder of the archive.
struct LogPlace {
  std::string cluster_id;
  GroupId log_id;

  // "CLUSTER/LOG/".
  [[nodiscard]] std::string Folder() const;
  // Key of the log's small object.
  [[nodiscard]] std::string LogKey() const;
  // "URL#CLUSTER/LOG": what a log registers as the place of its archive.
  [[nodiscard]] std::string Location(std::string_view store_url) const;
  // nullopt for what Location did not make.
  static std::optional<LogPlace> FromLocation(std::string_view location);
  friend auto operator<=>(const LogPlace&, const LogPlace&) = default;
};

struct RunName {
  Seq first_seq;
  Seq last_seq;
  uint64_t chain_before = 0;
  uint64_t chain = 0;
  int64_t timestamp_us = 0;

  // Without the folder.
  [[nodiscard]] std::string File() const;
  // nullopt for what is none: also one that ends before it begins.
  static std::optional<RunName> Parse(std::string_view file);
  friend bool operator==(const RunName&, const RunName&) = default;
};

// Splits a key into its folder's place and the file; nullopt for keys of something else.
struct ArchiveKey {
  LogPlace place;
  std::string file;
};
std::optional<ArchiveKey> ParseKey(std::string_view key);

inline constexpr char kLogFile[] = "log.json";

}  // namespace cairn::archive
