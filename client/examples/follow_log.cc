// Prints a log's records as they are committed, for ever: first what is there, then what comes.
//
//   CAIRN_ENDPOINTS=127.0.0.1:7400 example_follow_log LOG [SEQ]
//
// The tail goes on by itself on another node when its own dies. A consumer that keeps state saves
// next_seq() and the log's id with it, and starts there the next time.

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/client.h"
#include "cairn/log.h"
#include "cairn/tailer.h"
#include "fmt/format.h"

namespace {

void Print(const cairn::TailEvent& event) {
  for (const cairn::RecordBatch& batch : event.batches) {
    for (const cairn::Record& record : batch.records) {
      fmt::print("{} {} {}\n", record.seq, cairn::RecordKindName(record.kind), record.payload);
    }
  }
  if (event.caught_up) fmt::print("-- that was all, up to seq {}\n", event.caught_up->seq);
  std::fflush(stdout);  // Also when it is a pipe.
}

absl::Status Run(const std::string& log_name, cairn::TailStart start) {
  ASSIGN_OR_RETURN(const auto client,
                   cairn::Client::Connect(cairn::Client::OptionsFromEnvironment()));
  ASSIGN_OR_RETURN(const cairn::Log log, client->OpenLog(log_name));
  ASSIGN_OR_RETURN(const auto tailer, cairn::Tailer::Open(log, {.start = start}));
  while (true) {
    const absl::StatusOr<cairn::TailEvent> event = tailer->Next(absl::Seconds(5));
    if (absl::IsDeadlineExceeded(event.status())) {  // Not even a heartbeat: no node answers.
      fmt::print(stderr, "no connection for {} s\n", absl::ToInt64Seconds(tailer->Disconnected()));
      continue;
    }
    RETURN_IF_ERROR(event.status());  // Final: trimmed, deleted, not allowed.
    Print(*event);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    fmt::print(stderr, "usage: {} LOG [SEQ]\n", argv[0]);
    return 2;
  }
  const auto start = argc == 3
                         ? cairn::TailStart::AtSeq(cairn::Seq{std::strtoull(argv[2], nullptr, 10)})
                         : cairn::TailStart::AtFirst();
  const absl::Status status = Run(argv[1], start);
  fmt::print(stderr, "{}\n", cairn::ToStd(status.message()));
  return 1;
}
