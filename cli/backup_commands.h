// `cairn snapshot save` and `restore`, one source file each, and what they share.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "cli/backup_manifest.h"
#include "cli/commands.h"

namespace cairn::cli {

Runner DeclareSave(CLI::App& app);     // backup_save.cc
Runner DeclareRestore(CLI::App& app);  // backup_restore.cc

inline constexpr uint64_t kParallelLogs = 4;

struct BackedUpLogRow {
  std::string log;
  uint64_t records = 0;
  ByteCount bytes;
  Seq first_seq;
  Seq last_seq;
  Hash chain;
  std::string result;
  template <class F>
  void Fields(F&& field) const {
    field("log", log);
    field("records", records);
    field("bytes", bytes);
    field("first_seq", first_seq);
    field("last_seq", last_seq);
    field("chain", chain);
    field("result", result);
  }

  static BackedUpLogRow From(const BackedUpLog& log, std::string result) {
    return {.log = log.name,
            .records = log.records,
            .bytes = {log.bytes()},
            .first_seq = log.base.first_seq,
            .last_seq = log.last_seq,
            .chain = {log.chain},
            .result = std::move(result)};
  }
};

struct BackupView {
  std::string directory;
  std::string cluster_id;
  std::string saved_at;
  std::vector<BackedUpLogRow> logs;
  template <class F>
  void Fields(F&& field) const {
    field("directory", directory);
    field("cluster_id", cluster_id);
    field("saved_at", saved_at);
    field("logs", logs);
  }
};

}  // namespace cairn::cli
