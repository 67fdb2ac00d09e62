#include "tests/fault/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace cairn::fault {

using Object = nlohmann::ordered_json;

Object RowJson(const FaultRow& row) {
  Object json = {{"name", row.name},
                 {"times", row.times},
                 {"evidence", row.evidence},
                 {"acknowledged", row.acknowledged},
                 {"longest_gap_ms", row.longest_gap_ms},
                 {"errors", row.errors}};
  if (!row.impossible.empty()) json["not_possible_here"] = row.impossible;
  return json;
}

std::string RowText(const FaultRow& row) {
  if (!row.impossible.empty()) {
    return fmt::format("{:22} not possible here: {}\n", row.name, row.impossible);
  }
  if (row.times == 0) return fmt::format("{:22} not reached in this time\n", row.name);
  std::string text = fmt::format("{:22} {:5} {:12} {:10}  {}\n", row.name, row.times,
                                 row.acknowledged, row.longest_gap_ms, row.evidence);
  for (const std::string& error : row.errors) text += fmt::format("{:22} ! {}\n", "", error);
  return text;
}

bool Verdict::Passed() const {
  const uint64_t wrong =
      lost + duplicated + diverged + wrong_owner + not_linearizable + tail_errors;
  return wrong == 0 && findings.empty() && acknowledged > 0 &&
         std::all_of(faults.begin(), faults.end(),
                     [](const FaultRow& row) { return row.errors.empty(); });
}

std::string Verdict::Text() const {
  std::string text =
      fmt::format("{} nodes on {}, {:.0f} s, seed {}\n\n{:22} {:>5} {:>12} {:>10}  {}\n", nodes,
                  network, seconds, seed, "fault", "times", "acknowledged", "gap (ms)", "evidence");
  for (const FaultRow& row : faults) text += RowText(row);
  text += fmt::format(
      "\nacknowledged {} ({:.0f} a second outside of faults), longest gap {} ms\n"
      "lost {}, duplicated {}, diverged {}, wrong owner {}\n"
      "{} histories with {} operations, not linearizable: {}\n"
      "{} records tailed, errors: {}\n"
      "{} records behind fences, in {} epochs\n",
      acknowledged, acknowledged_per_s, longest_gap_ms, lost, duplicated, diverged, wrong_owner,
      histories, history_operations, not_linearizable, tailed, tail_errors, owner_records,
      owner_epochs);
  for (const std::string& repair : repairs) text += fmt::format("repaired by hand: {}\n", repair);
  for (const std::string& finding : findings) text += fmt::format("FOUND: {}\n", finding);
  text += Passed() ? "passed\n" : "FAILED\n";
  return text;
}

std::string Verdict::Json() const {
  Object json = {{"passed", Passed()},
                 {"seed", seed},
                 {"nodes", nodes},
                 {"network", network},
                 {"seconds", seconds},
                 {"acknowledged", acknowledged},
                 {"acknowledged_per_s", acknowledged_per_s},
                 {"lost", lost},
                 {"duplicated", duplicated},
                 {"diverged", diverged},
                 {"wrong_owner", wrong_owner},
                 {"longest_gap_ms", longest_gap_ms},
                 {"histories", histories},
                 {"history_operations", history_operations},
                 {"not_linearizable", not_linearizable},
                 {"tailed", tailed},
                 {"tail_errors", tail_errors},
                 {"owner_records", owner_records},
                 {"owner_epochs", owner_epochs},
                 {"repairs", repairs},
                 {"findings", findings}};
  json["faults"] = Object::array();
  for (const FaultRow& row : faults) json["faults"].push_back(RowJson(row));
  return json.dump(-1, ' ', false, Object::error_handler_t::replace) + "\n";
}

}  // namespace cairn::fault
