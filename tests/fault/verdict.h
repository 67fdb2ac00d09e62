// Verdict: what a drill found, as one page for people and one object for scripts.
//
// A row stands for one fault, over all the times that it was injected. The names of the JSON
// fields are an interface (docs/testing.md).
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace cairn::fault {

struct FaultRow {
  std::string name;
  uint64_t times = 0;
  uint64_t acknowledged = 0;   // From its injection until the cluster had recovered.
  int64_t longest_gap_ms = 0;  // Without an acknowledged append, in the same time.
  std::string evidence;        // That it took effect, of the last time.
  std::vector<std::string> errors;
  std::string impossible;  // Why it cannot be injected here; empty: it can.
};

// A line, and one for each error.
std::string RowText(const FaultRow& row);
nlohmann::ordered_json RowJson(const FaultRow& row);

struct Verdict {
  uint64_t seed = 0;
  size_t nodes = 0;
  double seconds = 0;
  std::string network;  // "namespaces" or "loopback".
  uint64_t acknowledged = 0;
  double acknowledged_per_s = 0;  // Without the times in which a fault was at work.
  uint64_t lost = 0;              // Acknowledged, and missing on some replica at the end.
  uint64_t duplicated = 0;
  uint64_t diverged = 0;       // Replicas that hold something else than the others, over all logs.
  uint64_t wrong_owner = 0;    // Appends of who did not hold the lease, and holders at a time.
  uint64_t owner_records = 0;  // Appended behind a lease's fence, in so many epochs.
  uint64_t owner_epochs = 0;
  uint64_t not_linearizable = 0;  // Histories.
  uint64_t histories = 0;
  uint64_t history_operations = 0;
  uint64_t tail_errors = 0;  // Gaps, repetitions and records out of order that a tail showed.
  uint64_t tailed = 0;
  int64_t longest_gap_ms = 0;
  std::vector<FaultRow> faults;
  std::vector<std::string> repairs;   // What an operator had to do, as the manual says.
  std::vector<std::string> findings;  // One line for each thing that is wrong.

  // Nothing is wrong, and every fault that was injected took effect.
  [[nodiscard]] bool Passed() const;
  [[nodiscard]] std::string Text() const;
  [[nodiscard]] std::string Json() const;  // On one line.
};

}  // namespace cairn::fault
