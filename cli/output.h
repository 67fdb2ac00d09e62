// Output: where a command's results go, in the format that the user chose.
//
// Results go to stdout, remarks and errors to stderr. Views (cli/view.h) come out as
// text or as one line of JSON; streams of records go through RecordPrinter, which
// writes here.
// Threads: not safe; commands write from one thread.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "cli/errors.h"
#include "cli/view.h"

namespace cairn::cli {

enum class Format { kText, kJson, kRaw, kHex, kLengthPrefixed, kResp };

// "text", "json", …
std::string_view FormatName(Format format);
// Requires: a name that FormatName gives.
Format FormatFromName(std::string_view name);

// JSON text of a value; bytes that are not UTF-8 are replaced, never thrown at.
std::string DumpJson(const Json& json);

class Output {
 public:
  Output(Format format, std::FILE* out, std::FILE* err, bool colour)
      : format_(format), out_(out), err_(err), colour_(colour) {}

  [[nodiscard]] Format format() const { return format_; }
  [[nodiscard]] bool json() const { return format_ == Format::kJson; }
  [[nodiscard]] bool colour() const { return colour_; }

  template <class View>
  void Show(const View& view) {
    Write(json() ? DumpJson(ToJson(view)) + "\n" : ToText(view, colour_));
  }
  // A finished action that needs no more than a sentence in text, but its view in JSON.
  template <class View>
  void Show(const View& view, std::string_view sentence) {
    json() ? Show(view) : Write(std::string(sentence) + "\n");
  }

  void Write(std::string_view bytes);
  // A remark for the person at the terminal, on stderr, ended by a newline here.
  void Note(std::string_view text);
  void Fail(const Failure& failure);
  // Errors: kInternal when stdout could not take everything (a full disk).
  absl::Status Flush();

 private:
  const Format format_;
  std::FILE* const out_;
  std::FILE* const err_;
  const bool colour_;
};

}  // namespace cairn::cli
