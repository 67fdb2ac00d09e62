// Appends each line of stdin to a log, exactly once, and prints where the last one landed.
//
//   CAIRN_ENDPOINTS=127.0.0.1:7400 example_produce_lines LOG < FILE
//
// Kill the log's leader meanwhile: the producer finds the next one, repeats what was unanswered,
// and no line is lost or doubled.

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "base/status_macros.h"
#include "base/strings.h"
#include "cairn/client.h"
#include "cairn/log.h"
#include "cairn/producer.h"
#include "fmt/format.h"

namespace {

absl::Status Run(const std::string& log_name) {
  ASSIGN_OR_RETURN(const auto client,
                   cairn::Client::Connect(cairn::Client::OptionsFromEnvironment()));
  ASSIGN_OR_RETURN(const cairn::Log log, client->OpenLog(log_name, {.create_if_missing = true}));
  ASSIGN_OR_RETURN(const auto producer, cairn::Producer::Open(log, {}));
  for (std::string line; std::getline(std::cin, line);) {
    // Returns at once, or waits while 64 MiB are unanswered.
    RETURN_IF_ERROR(producer->Send(line).status());
  }
  RETURN_IF_ERROR(producer->Flush());
  fmt::print("{} ends at seq {}\n", log_name, producer->last_result().last_seq);
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: {} LOG < FILE\n", argv[0]);
    return 2;
  }
  const absl::Status status = Run(argv[1]);
  if (!status.ok()) fmt::print(stderr, "{}\n", cairn::ToStd(status.message()));
  return status.ok() ? 0 : 1;
}
