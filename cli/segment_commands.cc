// `cairn segment …`: list a log's segments, and check every stored byte against the chain.
#include <unistd.h>

#include <algorithm>

#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/chain_check.h"
#include "cli/cluster_view.h"
#include "cli/commands.h"
#include "cli/raw_reader.h"
#include "cli/terminal.h"

namespace cairn::cli {
namespace {

struct SegmentRowView {
  Seq first_seq;
  Seq last_seq;
  ByteCount bytes;
  bool sealed = false;
  LogTime timestamp_us;
  Hash chain_before;
  Index first_index;
  Index last_index;
  template <class F>
  void Fields(F&& field) const {
    field("first_seq", first_seq);
    field("last_seq", last_seq);
    field("bytes", bytes);
    field("sealed", sealed);
    field("timestamp_us", timestamp_us);
    field("chain_before", chain_before);
    field("first_index", first_index);
    field("last_index", last_index);
  }
};

struct SegmentListView {
  std::vector<SegmentRowView> segments;
  template <class F>
  void Fields(F&& field) const {
    field("segments", segments);
  }
};

// A description from one given node, or from any when `endpoint` is empty.
absl::StatusOr<LogDescription> DescribeAt(Session& session, const std::string& endpoint,
                                          const std::string& name) {
  if (endpoint.empty()) {
    ASSIGN_OR_RETURN(Log log, session.OpenLog(name));
    return log.Describe({.with_segments = true});
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Client> node, session.ConnectTo(endpoint));
  ASSIGN_OR_RETURN(Log log, node->OpenLog(name));
  return log.Describe({.with_segments = true});
}

Runner DeclareList(CLI::App& app) {
  struct Options {
    std::string name;
    std::string node;
  };
  auto options = std::make_shared<Options>();
  AddLogName(app, options->name);
  app.add_option("--node", options->node, "Ask just this node")->type_name("HOST:PORT");
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    ASSIGN_OR_RETURN(const LogDescription log, DescribeAt(session, options->node, options->name));
    SegmentListView view;
    for (const SegmentInfo& segment : log.segments) {
      view.segments.push_back({segment.first_seq,
                               segment.last_seq,
                               {segment.bytes},
                               segment.sealed,
                               {segment.timestamp_us},
                               {segment.chain_before},
                               segment.first_index,
                               segment.last_index});
    }
    session.out().Show(view);
    return ExitCode::kOk;
  };
}

struct VerifiedRowView {
  std::string node;
  std::string result;  // "ok", "damaged", "unreachable".
  uint64_t segments = 0;
  uint64_t records = 0;
  ByteCount bytes;
  Seq last_seq;
  Hash chain;
  std::string detail;
  template <class F>
  void Fields(F&& field) const {
    field("node", node);
    field("result", result);
    field("segments", segments);
    field("records", records);
    field("bytes", bytes);
    field("last_seq", last_seq);
    field("chain", chain);
    field("detail", detail);
  }
};

struct VerifiedView {
  std::string log;
  bool ok = true;
  std::vector<VerifiedRowView> replicas;
  template <class F>
  void Fields(F&& field) const {
    field("log", log);
    field("ok", ok);
    field("replicas", replicas);
  }
};

absl::Status ReadAndCheck(Session& session, const std::string& endpoint, const LogDescription& log,
                          ChainCheck& check) {
  if (log.first_seq > log.last_seq) return absl::OkStatus();  // Nothing is kept.
  ASSIGN_OR_RETURN(const ClientOptions client, session.MakeClientOptions());
  ProgressBar progress(IsTerminal(STDERR_FILENO), log.bytes, session.clock());
  const RawReadOptions read{endpoint,
                            log.name,
                            log.log_id,
                            check.next_seq(),
                            log.last_seq,
                            session.BulkTimeout(),
                            &session.interrupt()};
  RETURN_IF_ERROR(ReadRaw(client, read, [&](const RawRecordBatch& batch) -> absl::Status {
    Seq seq{batch.first_seq()};
    for (const std::string& record : batch.records()) {
      RETURN_IF_ERROR(check.Add(seq, record));
      ++seq;
    }
    progress.Update(check.bytes(), check.records());
    if (session.interrupt().Requested()) return absl::CancelledError("interrupted");
    return check.ExpectChain(batch.chain());
  }));
  return check.Finish(log.last_seq, log.chain);
}

// Only what the stored bytes themselves contradict is damage.
std::string ResultOf(const absl::Status& status) {
  if (status.ok()) return "ok";
  if (absl::IsCancelled(status)) return "interrupted";
  return absl::IsDataLoss(status) ? "damaged" : "unreachable";
}

VerifiedRowView VerifyAt(Session& session, const std::string& endpoint, const std::string& name) {
  VerifiedRowView row{.node = endpoint};
  const absl::StatusOr<LogDescription> log = DescribeAt(session, endpoint, name);
  if (!log.ok()) {
    row.result = "unreachable";
    row.detail = ToStd(log.status().message());
    return row;
  }
  ChainCheck check(log->segments, log->first_seq);
  const absl::Status status = ReadAndCheck(session, endpoint, *log, check);
  row.result = ResultOf(status);
  row.segments = check.segments_begun();
  row.records = check.records();
  row.bytes = {check.bytes()};
  row.last_seq = check.next_seq().Previous();
  row.chain = {check.chain()};
  row.detail = ToStd(status.message());
  return row;
}

// Holds the intact replicas against each other: at the same seq all have the same chain, and one
// that has not everything yet is named.
void CompareReplicas(std::vector<VerifiedRowView>& rows) {
  const VerifiedRowView* longest = nullptr;
  for (const VerifiedRowView& row : rows) {
    if (row.result == "ok" && (longest == nullptr || row.last_seq > longest->last_seq)) {
      longest = &row;
    }
  }
  for (VerifiedRowView& row : rows) {
    if (row.result != "ok" || &row == longest) continue;
    if (row.last_seq < longest->last_seq) {
      row.detail = fmt::format("behind by {} records", longest->last_seq - row.last_seq);
    } else if (row.chain.value != longest->chain.value) {
      row.result = "damaged";
      row.detail = "its chain is not that of " + longest->node;
    }
  }
}

// Addresses of the log's replicas.
absl::StatusOr<std::vector<std::string>> ReplicaEndpoints(Session& session,
                                                          const std::string& name) {
  ASSIGN_OR_RETURN(Log log, session.OpenLog(name));
  ASSIGN_OR_RETURN(const LogDescription description, log.Describe());
  ASSIGN_OR_RETURN(Admin admin, session.admin());
  ASSIGN_OR_RETURN(const Members members, admin.GetMembers());
  std::vector<std::string> endpoints;
  for (const ReplicaInfo& replica : description.replicas) {
    for (const MemberInfo& member : members.members) {
      if (member.node_id == replica.node_id) endpoints.push_back(member.address);
    }
  }
  return endpoints;
}

ExitCode Worst(const VerifiedView& view) {
  ExitCode worst = ExitCode::kOk;
  for (const VerifiedRowView& row : view.replicas) {
    if (row.result == "damaged") return ExitCode::kDataLoss;
    if (row.result == "unreachable") worst = ExitCode::kUnavailable;
    if (row.result == "interrupted") worst = ExitCode::kInterrupted;
  }
  return worst;
}

Runner DeclareVerify(CLI::App& app) {
  struct Options {
    std::string name;
    std::string node;
  };
  auto options = std::make_shared<Options>();
  AddLogName(app, options->name);
  app.add_option("--node", options->node, "Verify only this node's replica")
      ->type_name("HOST:PORT");
  return [options](Session& session) -> absl::StatusOr<ExitCode> {
    std::vector<std::string> endpoints = {options->node};
    if (options->node.empty()) {
      ASSIGN_OR_RETURN(endpoints, ReplicaEndpoints(session, options->name));
    }
    VerifiedView view{.log = options->name, .ok = true, .replicas = {}};
    for (const std::string& endpoint : endpoints) {
      view.replicas.push_back(VerifyAt(session, endpoint, options->name));
    }
    CompareReplicas(view.replicas);
    view.ok = std::all_of(view.replicas.begin(), view.replicas.end(),
                          [](const VerifiedRowView& row) { return row.result == "ok"; });
    session.out().Show(view);
    return Worst(view);
  };
}

constexpr CommandSpec kCommands[] = {
    {"ls", "list the segments of a log", "Lists segments as the answering replica keeps them.",
     "cairn segment ls orders\ncairn segment ls orders --node 10.0.0.2:7400", DeclareList},
    {"verify", "read all of a log and recompute its chain",
     "Reads every stored record from every replica (or from --node), recomputes the chain over "
     "the stored bytes and compares it at each segment, each batch and the end, and between the "
     "replicas. Exit code 7: a replica is damaged, and the row says at which seq. 6: a replica "
     "did not answer.",
     "cairn segment verify orders\ncairn segment verify orders --node 10.0.0.2:7400 -o json",
     DeclareVerify},
};

}  // namespace

std::span<const CommandSpec> SegmentCommands() { return kCommands; }

}  // namespace cairn::cli
