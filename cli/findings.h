// Findings: what `cairn doctor` has looked at, and what to do about it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cli/view.h"

namespace cairn::cli {

struct Finding {
  std::string result;  // "ok", "warning", "failure".
  std::string check;   // What was looked at.
  std::string subject;
  std::string detail;
  std::string mend;  // What to do; empty when nothing is wrong.
  template <class F>
  void Fields(F&& field) const {
    field("result", result);
    field("check", check);
    field("subject", subject);
    field("detail", detail);
    field("mend", mend);
  }
};

struct DoctorView {
  uint64_t failures = 0;
  uint64_t warnings = 0;
  std::vector<Finding> checks;
  template <class F>
  void Fields(F&& field) const {
    field("failures", failures);
    field("warnings", warnings);
    field("checks", checks);
  }
};

class Findings {
 public:
  void Ok(std::string check, std::string subject, std::string detail) {
    view_.checks.push_back({"ok", std::move(check), std::move(subject), std::move(detail), ""});
  }
  void Warn(std::string check, std::string subject, std::string detail, std::string mend) {
    ++view_.warnings;
    view_.checks.push_back(
        {"warning", std::move(check), std::move(subject), std::move(detail), std::move(mend)});
  }
  void Fail(std::string check, std::string subject, std::string detail, std::string mend) {
    ++view_.failures;
    view_.checks.push_back(
        {"failure", std::move(check), std::move(subject), std::move(detail), std::move(mend)});
  }
  DoctorView Take() { return std::move(view_); }

 private:
  DoctorView view_;
};

}  // namespace cairn::cli
